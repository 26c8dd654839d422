package tests

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"qme/record"
	"qme/tests/await"
	"qme/tests/unfinished"
)

// A chaos is a home whose queue is disturbed, and the folder in which its tasks say what they do.
type chaos struct {
	*home
	t    *testing.T
	logs string
	ids  map[string]record.ID // of the tasks, by their names
	// tries is how often a task may be tried, by its name.
	tries map[string]int
}

func newChaos(t *testing.T) *chaos {
	t.Helper()
	c := &chaos{newHome(t), t, sharedDir(t), map[string]record.ID{}, map[string]int{}}
	// A try takes the lock of its task, for as long as it lives, and writes its begin and its end.
	const script = `#!/bin/sh
mkdir "$1.lock" || echo "$QME_RUN" >>"$1.overlap"
echo "begin $QME_RUN" >>"$1.log"
sleep "$2"
echo "end $QME_RUN" >>"$1.log"
rmdir "$1.lock"
`
	if err := os.WriteFile(filepath.Join(c.logs, "task"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	c.cwd = c.logs
	t.Cleanup(c.endAll)
	return c
}

// add adds a task of that name which takes so long.
func (c *chaos) add(name string, took time.Duration, tries int, args ...string) {
	c.t.Helper()
	args = append([]string{"add", "--print-id"}, args...)
	if tries > 1 {
		args = append(args, "--retry", strconv.Itoa(tries-1), "--delay", "0")
	}
	out := c.must(append(args, "./task", name, fmt.Sprintf("%.3f", took.Seconds()))...)
	c.ids[name], c.tries[name] = record.ID(strings.TrimSpace(out)), tries
}

// processes returns the workers and supervisors of the home.
func (c *chaos) processes() (workers, supervisors []int) {
	c.t.Helper()
	workers, supervisors, err := unfinished.Processes(c.dir)
	if err != nil {
		c.t.Fatal(err)
	}
	return workers, supervisors
}

// endAll ends what a failed test leaves.
func (c *chaos) endAll() {
	for range 3 {
		workers, supervisors := c.processes()
		for _, pid := range append(workers, supervisors...) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// kill kills one of the processes at random, and reports whether there was one.
func (c *chaos) kill(rnd *rand.Rand) bool {
	c.t.Helper()
	workers, supervisors := c.processes()
	pids := append(workers, supervisors...)
	if len(pids) == 0 {
		return false
	}
	// It may have ended, and nobody else can have its number so soon.
	return syscall.Kill(pids[rnd.IntN(len(pids))], syscall.SIGKILL) == nil
}

// waiting returns the number of tasks that wait or run.
func (c *chaos) waiting() int {
	c.t.Helper()
	names, err := unfinished.Tasks(c.dir)
	if err != nil {
		c.t.Fatal(err)
	}
	return len(names)
}

// finish waits until all tasks have ended.
func (c *chaos) finish() {
	c.t.Helper()
	end := time.Now().Add(3 * time.Minute)
	for c.waiting() > 0 {
		c.must("queue") // which brings a worker back, and records what was cut off
		if time.Now().After(end) {
			c.t.Fatalf("tasks still wait or run:\n%s", c.must("queue"))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// said returns the runs that have written a word.
func (c *chaos) said(name, word string) (runs []string) {
	c.t.Helper()
	b, err := os.ReadFile(filepath.Join(c.logs, name+".log"))
	if err != nil && !os.IsNotExist(err) {
		c.t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if said, run, _ := strings.Cut(strings.TrimSpace(line), " "); said == word {
			runs = append(runs, run)
		}
	}
	return runs
}

// check holds what the tasks have written against what was recorded.
func (c *chaos) check() {
	c.t.Helper()
	if found, err := filepath.Glob(filepath.Join(c.logs, "*.overlap")); err != nil || len(found) > 0 {
		c.t.Errorf("tries of a task overlap: %v, %v", found, err)
	}
	if n := len(c.records()); n != len(c.ids) {
		c.t.Errorf("%d tasks are recorded, of %d", n, len(c.ids))
	}
	none, tries := 0, 0
	for name, id := range c.ids {
		runs := c.runsOf(id)
		recorded := map[string]bool{}
		for _, r := range runs {
			if recorded[string(r.Data.RunID)] {
				c.t.Errorf("%s: the run %s is recorded twice", name, r.Data.RunID)
			}
			recorded[string(r.Data.RunID)] = true
			if r.Active() || r.Data.Queue == nil {
				c.t.Errorf("%s: the run %s is %s, in the queue %+v", name, r.Data.RunID, r.Outcome(), r.Data.Queue)
			}
		}
		begun, over := c.said(name, "begin"), c.said(name, "end")
		seen := map[string]bool{}
		for _, run := range begun {
			if !recorded[run] {
				c.t.Errorf("%s: the run %s has begun, and is not recorded", name, run)
			}
			if seen[run] {
				c.t.Errorf("%s: the run %s has begun twice", name, run)
			}
			seen[run] = true
		}
		tries += len(runs)
		switch {
		case len(runs) > c.tries[name] || len(runs) == 0:
			c.t.Errorf("%s has %d runs, of at most %d tries", name, len(runs), c.tries[name])
		case len(over) > len(begun):
			c.t.Errorf("%s has ended %d times, and begun %d times", name, len(over), len(begun))
		case len(begun) == 0:
			none++
		}
		ok := false
		for _, r := range runs {
			ok = ok || r.Outcome() == record.OK
		}
		if !ok && len(runs) < c.tries[name] {
			c.t.Errorf("%s has not succeeded, and was tried %d times of %d", name, len(runs), c.tries[name])
		}
	}
	c.t.Logf("%d tasks, %d tries; %d tasks were cut off before their first word", len(c.ids), tries, none)
	if none > len(c.ids)/10 {
		c.t.Errorf("%d tasks of %d have not begun", none, len(c.ids))
	}
	c.verify()
}

// queueKills is how often TestQueueKill kills; QME_TEST_KILLS sets another number.
func queueKills(t *testing.T) int {
	if os.Getenv("QME_TEST_KILLS") == "" {
		return 40
	}
	return kills(t)
}

// TestQueueKill kills workers and supervisors of a queue, by SIGKILL, at random moments. No task is lost,
// no two tries of one overlap, and each that has begun is recorded.
func TestQueueKill(t *testing.T) {
	t.Parallel()
	c := newChaos(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	c.must("queue", "slots", "3")
	n, killed := queueKills(t), 0
	const tasks = 200
	for i := 0; i < tasks || killed < n; i++ {
		tries := 1
		if i%2 == 0 {
			tries = 20
		}
		c.add(fmt.Sprintf("task%d", i), time.Duration(rnd.IntN(300))*time.Millisecond, tries)
		for i >= tasks && c.waiting() > tasks/4 && killed < n {
			killed += c.disturb(rnd)
		}
		if killed < n && rnd.IntN(tasks) < n {
			killed += c.disturb(rnd)
		}
	}
	c.finish()
	t.Logf("%d killed", killed)
	c.check()
}

// disturb kills one process after a while, and returns 1 if there was one.
func (c *chaos) disturb(rnd *rand.Rand) int {
	time.Sleep(time.Duration(rnd.IntN(50)) * time.Millisecond)
	if c.kill(rnd) {
		return 1
	}
	c.must("queue")
	return 0
}

// TestQueueTwoWorkers has two workers start tasks where there are no file locks, so that neither knows of
// the other: no task is started twice.
func TestQueueTwoWorkers(t *testing.T) {
	t.Parallel()
	c := newChaos(t)
	c.must("queue", "slots", "4")
	gate := filepath.Join(c.logs, "gate")
	first := strings.TrimSpace(c.must("add", "--print-id", "until [ -e "+gate+" ]; do sleep 0.02; done"))
	const tasks = 60
	for i := range tasks {
		c.add(fmt.Sprintf("task%d", i), 0, 1, "--after", first)
	}
	for range 2 {
		worker := withoutLocks(c.command("--home", c.dir, "queue", "work"))
		if err := worker.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			c.endAll() // one may not know yet that all has ended
			_ = worker.Wait()
		}()
	}
	await.That(t, "three workers", func() bool { workers, _ := c.processes(); return len(workers) == 3 })
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c.finish()
	c.ids["the gate"], c.tries["the gate"] = record.ID(first), 1
	c.check()
	delete(c.ids, "the gate")
	for name, id := range c.ids {
		if runs := c.runsOf(id); len(runs) != 1 || len(c.said(name, "begin")) != 1 || runs[0].Outcome() != record.OK {
			t.Errorf("%s has %d runs, the first one is %s", name, len(runs), runs[0].Outcome())
		}
	}
}
