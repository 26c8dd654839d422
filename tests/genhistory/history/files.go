package history

import (
	"cmp"
	"fmt"
	"path"
	"slices"

	"qme/record"
)

// ChainSteps is how many tasks one after the other make a file from that of the one before, in histories with
// files.
const ChainSteps = 25

// A place is that of a task among those that one user has given in a project.
type place struct{ chain, step int }

// places finds that of each task.
func (p *plan) places() []place {
	order := make([]int, len(p.tasks))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(p.tasks[a].made.Compare(p.tasks[b].made), cmp.Compare(a, b)) })
	type own struct {
		dir  string
		user string
	}
	counts := map[own]int{}
	places := make([]place, len(p.tasks))
	for _, i := range order {
		key := own{p.tasks[i].project.dir, p.tasks[i].user}
		places[i] = place{counts[key] / ChainSteps, counts[key] % ChainSteps}
		counts[key]++
	}
	return places
}

// ContentOf is what is in each file of a generated history, by its absolute path.
func ContentOf(path string) string { return "the content of " + path + "\n" }

// files are those of a run: the script, what the task before in the chain has made, or a file that no run
// has made, and what it makes of that. Each run of a task makes the same.
func (t *task) files(pwd string, at place) *record.Files {
	file := func(name, by string) record.File {
		content := ContentOf(path.Join(pwd, name))
		return record.File{Path: name, Size: int64(len(content)), SHA256: sha256Hex([]byte(content)), By: by}
	}
	step := func(n int) string { return fmt.Sprintf("chain/%05d-%s/step-%02d.csv", at.chain, t.user, n) }
	source := file(step(at.step-1), record.ByWord)
	if at.step == 0 {
		source = file(fmt.Sprintf("raw/%05d-%s.csv", at.chain, t.user), record.ByWord)
	}
	return &record.Files{
		In:  []record.File{source, file(fmt.Sprintf("train-%d.py", at.chain/10), record.ByWord)},
		Out: []record.File{file(step(at.step), record.ByRedirect)},
	}
}
