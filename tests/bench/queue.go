package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/afero"

	"qme/record"
	"qme/tasks/waiting"
	"qme/tests/unfinished"
)

const (
	addGoal     = 1.1
	latencyGoal = 50 * time.Millisecond
	latencyP99  = 150 * time.Millisecond
	workerGoal  = 60e6 // bytes
	slotsGoal   = 0.8  // of the rate of xargs -P2 qme run
)

// queueGroup measures the queue.
func queueGroup(l *lab) (rows []row, err error) {
	for _, part := range []func(*lab) ([]row, error){addRows, waitingRows, latencyRows, slotsRows} {
		more, err := part(l)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// queueOf runs a qme command that is not measured in a home.
func (l *lab) queueOf(home string, args ...string) (string, error) {
	return l.text("", append([]string{l.qme, "--home", home}, args...)...)
}

// busy returns a new home whose only slot is taken, so that a worker is at work and starts nothing.
func (l *lab) busy() (home string, end func() error, err error) {
	if home, err = l.empty(); err != nil {
		return "", nil, err
	}
	_, err = l.queueOf(home, "add", "sleep", "100000")
	end = func() error {
		if _, err := l.queueOf(home, "queue", "stop"); err != nil {
			return err
		}
		return idle(home)
	}
	return home, end, err
}

// idle waits until no worker of a home is at work, which would write into the folder while it is removed.
func idle(home string) error {
	for range 500 {
		if pid, err := workerOf(home); err != nil || pid == 0 {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	return errors.New("the worker of the queue does not end")
}

// workerOf returns the process that is the worker of a home, 0 if there is none.
func workerOf(home string) (int, error) {
	workers, _, err := unfinished.Processes(home)
	if err != nil || len(workers) == 0 {
		return 0, err
	}
	return workers[0], nil
}

// addRows measures an add beside a run.
func addRows(l *lab) ([]row, error) {
	home, end, err := l.busy()
	if err != nil {
		return nil, err
	}
	other, err := l.empty()
	if err != nil {
		return nil, err
	}
	a, b, err := l.pairs(l.opts.n, l.qmeStep(home, "add", "true"), l.qmeStep(other, "run", "true"))
	return []row{compare("qme add true, against qme run true", a, b, addGoal)}, errors.Join(err, end())
}

// waitingRows measures what many waiting tasks cost.
func waitingRows(l *lab) (rows []row, err error) {
	few, endFew, err := l.busy()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, endFew()) }()
	many, endMany, err := l.busy()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, endMany()) }()
	n := l.opts.tasks / 10
	if err := l.fillQueue(many, n); err != nil {
		return nil, err
	}
	for _, args := range [][]string{{"add", "true"}, {"ls", "-n", "20"}, {"status"}, {"show"}, {"queue"}} {
		a, b, err := l.pairs(l.opts.n, l.qmeStep(many, args...), l.qmeStep(few, args...))
		if err != nil {
			return nil, err
		}
		r := compare(fmt.Sprintf("qme %s with %d waiting, against %d", strings.Join(args, " "), n, 1), a, b, 1.5)
		if args[0] == "queue" { // it shows the order, and so reads them all
			r.goal, r.verdict = "", noGoal
		}
		rows = append(rows, r)
	}
	pid, err := workerOf(many)
	if err != nil || pid == 0 {
		return nil, errors.Join(errors.New("there is no worker"), err)
	}
	window := time.Duration(min(65, 3*l.opts.n)) * time.Second // with 20 it has a full look
	time.Sleep(2 * time.Second)
	before, err := processorOf(pid)
	if err != nil {
		return nil, err
	}
	time.Sleep(window)
	after, err := processorOf(pid)
	if err != nil {
		return nil, err
	}
	share, held := float64(after-before)/float64(window), memory(pid)
	return append(rows,
		row{what: fmt.Sprintf("processor time of the worker with %d waiting, while nothing changes", n), goal: "at most 1 %", figure: fmt.Sprintf("%.2f %%", 100*share), verdict: judge(share < 0.01)},
		row{what: fmt.Sprintf("memory of the worker with %d waiting", n), goal: "at most 60 MB", figure: mb(held), verdict: judge(held <= workerGoal)}), nil
}

// fillQueue puts n tasks into a queue, as copies of one.
func (l *lab) fillQueue(home string, n int) error {
	out, err := l.queueOf(home, "add", "--print-id", "true")
	if err != nil {
		return err
	}
	f := waiting.New(afero.NewOsFs(), filepath.Join(home, "queue"))
	id := record.ID(out)
	e, err := f.Entry(id)
	if err != nil {
		return err
	}
	rec, err := f.Record(id)
	if err != nil {
		return err
	}
	env, err := f.Environment(id)
	if err != nil {
		return err
	}
	for range n {
		if rec.UID, err = record.NewID("shell"); err != nil {
			return err
		}
		e.Run = record.NewRunID()
		rec.Data.RunID = e.Run
		if err := f.Add(rec, e, env); err != nil {
			return err
		}
	}
	// A look at all of them is no part of what is measured.
	_, err = l.queueOf(home, "queue", "slots", "1")
	return err
}

// latencyRows measures how long it takes from an add, whose task has a free slot, to the start of the command.
// The add itself is a part of it.
func latencyRows(l *lab) ([]row, error) {
	home, err := l.empty()
	if err != nil {
		return nil, err
	}
	if _, err := l.queueOf(home, "queue", "slots", "2"); err != nil {
		return nil, err
	}
	if _, err := l.queueOf(home, "add", "sleep", "100000"); err != nil { // so that a worker is there
		return nil, err
	}
	var all samples
	for i := range 10 * l.opts.n {
		file := filepath.Join(l.root, fmt.Sprintf("started%d", i))
		if _, err := l.queueOf(home, "add", "--print-id", "touch", file); err != nil {
			return nil, err
		}
		added := time.Now()
		info, err := os.Stat(file)
		for err != nil {
			if time.Since(added) > time.Minute {
				return nil, err
			}
			time.Sleep(time.Millisecond)
			info, err = os.Stat(file)
		}
		all = append(all, sample{took: max(0, info.ModTime().Sub(added))})
		time.Sleep(50 * time.Millisecond) // until its slot is free again
	}
	median, p99 := all.median(), all.quantile(0.99)
	_, err = l.queueOf(home, "queue", "stop")
	return []row{{
		what: "from the end of qme add, with a free slot, to the start of the command", goal: "at most 50 ms, p99 150 ms",
		figure: fmt.Sprintf("%s, p99 %s", short(median), short(p99)), verdict: judge(median <= latencyGoal && p99 <= latencyP99),
	}}, err
}

// slotsRows measures many short tasks through two slots, beside runs of xargs, and tsp.
func slotsRows(l *lab) ([]row, error) {
	n := 50 * l.opts.n
	home, err := l.empty()
	if err != nil {
		return nil, err
	}
	for _, args := range [][]string{{"queue", "slots", "2"}, {"queue", "pause"}, {"add", "--print-id", "true"}} {
		if _, err := l.queueOf(home, args...); err != nil {
			return nil, err
		}
	}
	if err := l.fillQueue(home, n-2); err != nil {
		return nil, err
	}
	begin := time.Now()
	for _, args := range [][]string{{"queue", "slots", "2"}, {"queue", "resume"}, {"wait", "--all"}} {
		if _, err := l.queueOf(home, args...); err != nil {
			return nil, err
		}
	}
	queue := time.Since(begin)
	other, err := l.empty()
	if err != nil {
		return nil, err
	}
	begin = time.Now()
	if _, err := l.text("", "sh", "-c", fmt.Sprintf("seq %d | xargs -P2 -I{} '%s' --home '%s' run true", n, l.qme, other)); err != nil {
		return nil, err
	}
	xargs := time.Since(begin)
	rate := float64(xargs) / float64(queue)
	rows := []row{{
		what: fmt.Sprintf("%d tasks \"true\" through two slots, against xargs -P2 qme run", n), goal: "at least 0.8x the rate",
		figure: fmt.Sprintf("%s against %s", short(queue), short(xargs)), ratio: fmt.Sprintf("%.2fx", rate), verdict: judge(rate >= slotsGoal),
	}}
	const what = "the same by tsp, which records nothing"
	if _, err := exec.LookPath("tsp"); err != nil {
		return append(rows, row{what: what, figure: "tsp is not installed", verdict: skipped}), nil
	}
	script := fmt.Sprintf("export TS_SOCKET='%s'; tsp -S 2; for i in $(seq %d); do tsp -n true >/dev/null; done; while tsp | grep -q -E ' (queued|running) '; do sleep 0.01; done; tsp -K", filepath.Join(l.root, "tsp"), n)
	begin = time.Now()
	if _, err := l.text("", "sh", "-c", script); err != nil {
		return nil, err
	}
	return append(rows, row{what: what, figure: short(time.Since(begin)), verdict: noGoal}), nil
}
