package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"qme/internal/procfs"
)

const (
	sampled = 200 // processes
	// samplingGoal is how much of a processor sampling them may take.
	samplingGoal = 0.01
)

// sampling measures the processor time of qme itself while the processes of a run are sampled.
func (f *facts) sampling() ([]row, error) {
	watched := min(time.Minute, time.Duration(3*f.opts.n)*time.Second)
	r := row{what: fmt.Sprintf("sampling %d processes for %s: processor time", sampled, watched), goal: "under 1 % of a core"}
	if _, err := os.Stat(filepath.Join(procfs.Root, "self", "stat")); err != nil {
		r.figure, r.verdict = "there is no sampling on this system", skipped
		return []row{r}, nil
	}
	with, err := f.busy(f.on, watched)
	if err != nil {
		return nil, err
	}
	without, err := f.busy(f.off, watched)
	r.figure, r.verdict = fmt.Sprintf("%.2f %%; without %.2f %%", 100*with, 100*without), judge(with < samplingGoal)
	return []row{r}, err
}

// busy returns which share of a processor qme uses beside a command of many processes.
func (f *facts) busy(home string, watched time.Duration) (share float64, err error) {
	const starting, tree = 5 * time.Second, `for i in $(seq "$1"); do sleep "$2" & done; wait`
	lasts := watched + 2*starting
	cmd := f.command(process{argv: []string{f.qme, "--home", home, "run", "sh", "-c", tree, "sh", strconv.Itoa(sampled), fmt.Sprint(lasts.Seconds())}})
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, cmd.Wait()) }()
	time.Sleep(starting)
	begin := time.Now()
	before, err := ticks(cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	time.Sleep(watched)
	after, err := ticks(cmd.Process.Pid)
	return (after - before) / time.Since(begin).Seconds(), err
}

// ticks returns the processor time of a process, in seconds.
func ticks(pid int) (float64, error) {
	b, err := os.ReadFile(filepath.Join(procfs.Root, strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, err
	}
	s, ok := procfs.ParseStat(b)
	if !ok {
		return 0, fmt.Errorf("what the system says of process %d cannot be read", pid)
	}
	return float64(s.Used.User+s.Used.System) / 100, nil
}
