package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"qme/cli/config"
)

// few is how many tasks the history has that a large one is compared with.
const few = 100

// getGroup measures the questions about single tasks.
func getGroup(l *lab) ([]row, error) {
	large, err := l.copyOf(l.opts.tasks)
	if err != nil {
		return nil, err
	}
	small, err := l.copyOf(few)
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, q := range questions {
		a, err := q.step(l, large, l.opts.tasks)
		if err != nil {
			return nil, err
		}
		b, err := q.step(l, small, few)
		if err != nil {
			return nil, err
		}
		as, bs, err := l.pairs(l.opts.n, a, b)
		if err != nil {
			return nil, err
		}
		r := compare(fmt.Sprintf("qme %s at %d tasks, against %d", q.name, l.opts.tasks, few), as, bs, 1.5)
		r.goal += ", under 40 ms"
		r.verdict = judge(ratio(as, bs) <= 1.5 && as.median() < 40*time.Millisecond)
		rows = append(rows, r)
	}
	moved, err := movedRows(l, large)
	return append(rows, moved...), err
}

// movedRows measures listings where all tasks have waited in the queue, so that their order is not that of their ids.
func movedRows(l *lab, plain string) (rows []row, err error) {
	n := l.opts.tasks
	moved, err := l.copied(l.generated(fmt.Sprintf("history-queued-%d", n), n, "-queued"))
	if err != nil {
		return nil, err
	}
	if _, err := l.text("", l.qme, "--home", moved, "ls", "-n", "1"); err != nil { // the list of their order is made once
		return nil, err
	}
	for _, args := range [][]string{{"ls", "-n", "25"}, {"get", "@1"}, {"run", "true"}} {
		a, b, err := l.pairs(l.opts.n, l.qmeStep(moved, args...), l.qmeStep(plain, args...))
		if err != nil {
			return nil, err
		}
		rows = append(rows, compare(fmt.Sprintf("qme %s at %d tasks that all have waited in the queue, against none", strings.Join(args, " "), n), a, b, 1.5))
	}
	return rows, nil
}

// A question is a command that is asked about tasks from all over a history.
type question struct {
	name string
	// ids lists the tasks to ask about; nil: it is not about one.
	ids  func(l *lab, home string, want, of int) ([]string, error)
	args func(id string) []string
}

var questions = []question{
	{"get @1", nil, func(string) []string { return []string{"get", "@1"} }},
	{"get ID", (*lab).someIDs, func(id string) []string { return []string{"get", id} }},
	{"get PREFIX", (*lab).someIDs, func(id string) []string { return []string{"get", id[len("shell-"):][:len("019aaf3c-1b2c")]} }},
	{"ls -n 25", nil, func(string) []string { return []string{"ls", "-n", "25"} }},
	{"log ID", (*lab).rerunIDs, func(id string) []string { return []string{"log", id} }},
}

// step asks about another task each time.
func (q question) step(l *lab, home string, tasks int) (step, error) {
	ids := []string{""}
	if q.ids != nil {
		var err error
		if ids, err = q.ids(l, home, l.opts.n+1, tasks); err != nil {
			return nil, err
		}
		if len(ids) == 0 {
			return nil, fmt.Errorf("the history %s has no task to ask \"qme %s\" about", home, q.name)
		}
	}
	return func(i int) (sample, error) { return l.qmeStep(home, q.args(ids[i%len(ids)])...)(i) }, nil
}

// someIDs returns ids at even distances.
func (l *lab) someIDs(home string, want, of int) ([]string, error) {
	return l.every(max(of/want, 1), home, func(line string) string {
		id, ok := strings.CutSuffix(filepath.Base(line), ".json")
		if !ok {
			return ""
		}
		return id
	}, "ls-tree", "-r", "--name-only", "main", "tasks/")
}

// rerunIDs returns ids of tasks that have more than one run.
func (l *lab) rerunIDs(home string, want, of int) ([]string, error) {
	return l.every(max(of/20/want, 1), home, strings.TrimSpace,
		"log", "--grep=^rerun: ", "--format=%(trailers:key=Task,valueonly,separator=)", "main")
}

// every returns each n-th id that git lists. It does not hold all of them: the
// peak memory of a process begins with that of the one that starts it.
func (l *lab) every(n int, home string, id func(line string) string, args ...string) ([]string, error) {
	cmd := l.command(process{dir: filepath.Join(home, "tasks.git"), argv: append([]string{"git"}, args...)})
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var ids []string
	i := 0
	s := bufio.NewScanner(out)
	for s.Scan() {
		found := id(s.Text())
		if found == "" {
			continue
		}
		if i%n == n/2 {
			ids = append(ids, found)
		}
		i++
	}
	return ids, errors.Join(s.Err(), cmd.Wait())
}

// lsGroup measures the listing of everything.
func lsGroup(l *lab) ([]row, error) {
	large, err := l.history(l.opts.tasks)
	if err != nil {
		return nil, err
	}
	tenth, err := l.history(l.opts.tasks / 10)
	if err != nil {
		return nil, err
	}
	n := max(3, l.opts.n/4)
	a, b, err := l.pairs(n, l.qmeStep(large, "ls"), l.qmeStep(tenth, "ls"))
	if err != nil {
		return nil, err
	}
	var first samples
	for range n {
		d, err := l.firstByte(large)
		if err != nil {
			return nil, err
		}
		first = append(first, sample{took: d})
	}
	all, usual, err := l.pairs(l.opts.n, l.qmeStep(large, "ls", "-n", "25", "--columns", strings.Join(config.Columns, ",")), l.qmeStep(large, "ls", "-n", "25"))
	if err != nil {
		return nil, err
	}
	// 25 microseconds for each task, and what a process takes at least.
	most := max(100*time.Millisecond, time.Duration(l.opts.tasks)*2500*time.Millisecond/100_000)
	growth := float64(a.rss()) / float64(max(b.rss(), 1))
	return []row{
		{what: fmt.Sprintf("qme ls of %d tasks", l.opts.tasks), goal: "at most " + short(most), figure: a.String(), verdict: judge(a.median() <= most)},
		{what: fmt.Sprintf("its peak memory, against that at %d tasks", l.opts.tasks/10), goal: "constant: at most 1.25x",
			figure: mb(a.rss()) + " against " + mb(b.rss()), ratio: fmt.Sprintf("%.2fx", growth), verdict: judge(growth <= 1.25)},
		{what: "its first line", goal: "within 50 ms", figure: first.String(), verdict: judge(first.median() <= 50*time.Millisecond)},
		compare(fmt.Sprintf("qme ls -n 25 of %d tasks with all columns, against the usual ones", l.opts.tasks), all, usual, 1.3),
	}, nil
}

// firstByte returns how long qme ls takes until its first byte has come. It reads
// the rest as well, so that nothing is cut off.
func (l *lab) firstByte(home string) (time.Duration, error) {
	cmd := l.command(process{argv: []string{l.qme, "--home", home, "ls"}})
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	var one [1]byte
	_, err = io.ReadFull(out, one[:])
	took := time.Since(begin)
	_, cerr := io.Copy(io.Discard, out)
	return took, errors.Join(err, cerr, wait(cmd))
}

func wait(cmd *exec.Cmd) error {
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	return nil
}
