package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/afero"

	"qme/record"
	"qme/tasks/given"
)

// staleGoal is how long it may take to say whether a file is stale.
const staleGoal = 100 * time.Millisecond

// staleGroup measures whether a file is stale that comes from as many runs as a lineage goes back, in a home
// in which all tasks were given. It is not, which takes as long to find out.
func staleGroup(l *lab) ([]row, error) {
	from, err := l.filesHistory(l.opts.tasks)
	if err != nil {
		return nil, err
	}
	home := l.newHome()
	if _, err := l.text("", "cp", "-Rp", from, home); err != nil {
		return nil, err
	}
	if err := giveTasks(home, l.opts.tasks); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(l.root, "chain-")
	if err != nil {
		return nil, err
	}
	at := func(n int) string { return filepath.Join(dir, fmt.Sprintf("step-%d", n)) }
	if err := os.WriteFile(at(0), []byte("a\n"), 0o644); err != nil {
		return nil, err
	}
	for n := range lineageSteps {
		if _, err := l.text(dir, l.qme, "--home", home, "-q", "run", fmt.Sprintf("cat step-%d > step-%d", n, n+1)); err != nil {
			return nil, err
		}
	}
	if _, err := l.qmeStep(home, "search", "-n", "1", "zzzz")(0); err != nil { // brings the index up to date
		return nil, err
	}
	ask := func(n int) step { return l.qmeStep(home, "stale", at(n)) }
	as, bs, err := l.pairs(l.opts.n, ask(lineageSteps), ask(1))
	if err != nil {
		return nil, err
	}
	r := compare(fmt.Sprintf("qme stale FILE, %d runs one after the other, at %d tasks with %d files, against one run", lineageSteps, l.opts.tasks, 3*l.opts.tasks), as, bs, 3)
	r.figure += "; processor " + short(as.processor())
	r.goal, r.verdict = "at most "+short(staleGoal), judge(as.median() <= staleGoal)
	return []row{r}, nil
}

// giveTasks notes in a home that so many tasks were given there.
func giveTasks(home string, n int) error {
	f := given.New(afero.NewOsFs(), filepath.Join(home, given.Name))
	begin := time.Now().Add(-time.Duration(n) * time.Second)
	for i := range n {
		id, err := record.NewID("shell")
		if err != nil {
			return err
		}
		rec := &record.Record{Executor: "shell", UID: id, Data: record.Data{Timestamp: record.Time{Time: begin.Add(time.Duration(i) * time.Second)}}}
		if err := f.Add(given.Of(rec, "")); err != nil {
			return err
		}
	}
	return nil
}
