package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"qme/record"
)

const (
	searchGoal   = 35 * time.Millisecond // with -n 25, however many there are
	allGoal      = 120 * time.Millisecond
	indexRate    = 5000 // tasks a second
	indexMemory  = 400e6
	indexPerText = 3
)

// searched are the questions: words that are in no task, in few, in many and in a third of all;
// conditions alone; all of many; and others, which may take longer.
var searched = []struct {
	args []string
	goal time.Duration // 0: none
}{
	{[]string{"-n", "25", "zzzz"}, searchGoal},
	{[]string{"-n", "25", "sub-0675"}, searchGoal},
	{[]string{"-n", "25", "checkpoint"}, searchGoal},
	{[]string{"-n", "25", "seed"}, searchGoal},
	{[]string{"-n", "25", "failed"}, searchGoal},
	{[]string{"-n", "25", "rc:>0 after:2w"}, searchGoal},
	{[]string{"checkpoint"}, allGoal},
	{[]string{"-n", "25", "zq"}, 0},
	{[]string{"-n", "25", "moto~"}, 0},
	{[]string{"-n", "25", "--regex", `seed=4\d\b`}, 0},
	{[]string{"-n", "25", "--all-runs", "zzzz"}, 0},
}

// searchGroup measures searching, and the making of the index.
func searchGroup(l *lab) ([]row, error) {
	home, err := l.copyOf(l.opts.tasks)
	if err != nil {
		return nil, err
	}
	rows, err := l.indexRows(home)
	if err != nil {
		return nil, err
	}
	other, err := l.copyOf(l.opts.tasks)
	if err != nil {
		return nil, err
	}
	if _, err := l.qmeStep(other, "search", "zzzz")(0); err != nil {
		return nil, err
	}
	for _, q := range searched {
		more, err := l.searchRows(home, other, q.args, q.goal)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	beside, err := l.besideIndexing(other)
	return append(rows, beside), err
}

// searchRows measures a search in a home, and in another one after each of some runs.
func (l *lab) searchRows(home, other string, args []string, goal time.Duration) ([]row, error) {
	args = append([]string{"search"}, args...)
	one := l.qmeStep(other, args...)
	afterRun := func(i int) (sample, error) {
		if _, err := l.qmeStep(other, "run", "true")(i); err != nil {
			return sample{}, err
		}
		return one(i)
	}
	after, before, err := l.pairs(l.opts.n, afterRun, l.qmeStep(home, args...))
	if err != nil {
		return nil, err
	}
	r := row{
		what:   fmt.Sprintf("qme %s at %d tasks", strings.Join(args, " "), l.opts.tasks),
		figure: fmt.Sprintf("%s; processor %s", before, short(before.processor())), verdict: noGoal,
	}
	if goal > 0 {
		r.goal, r.verdict = "at most "+short(goal), judge(before.median() <= goal)
	}
	return []row{r, compare("the same after a new run, against without", after, before, 1.5)}, nil
}

// besideIndexing measures runs beside a search that makes the index, against runs beside
// programs that keep as many processors busy and do nothing else.
func (l *lab) besideIndexing(home string) (row, error) {
	index := filepath.Join(home, "index")
	run := l.qmeStep(home, "run", "true")
	indexing := func(i int) (sample, error) {
		if err := os.RemoveAll(index); err != nil {
			return sample{}, err
		}
		stop, err := l.background(1, l.qme, "--home", home, "search", "zzzz")
		if err != nil {
			return sample{}, err
		}
		defer stop()
		for made := []string(nil); len(made) == 0 && l.ctx.Err() == nil; time.Sleep(time.Millisecond) {
			if made, err = filepath.Glob(filepath.Join(index+".new-*", "store", "*.zap")); err != nil {
				return sample{}, err
			}
		}
		return run(i)
	}
	busy := func(i int) (sample, error) {
		stop, err := l.background(runtime.GOMAXPROCS(0), "sh", "-c", "while :; do :; done")
		if err != nil {
			return sample{}, err
		}
		defer stop()
		time.Sleep(50 * time.Millisecond) // until they run
		return run(i)
	}
	a, b, err := l.pairs(l.opts.n, indexing, busy)
	return compare("qme run true beside the making of the index, against beside busy processors", a, b, 1.2), err
}

// background starts a program some times; stop kills all of them.
func (l *lab) background(times int, argv ...string) (stop func(), err error) {
	var started []*exec.Cmd
	stop = func() {
		for _, cmd := range started {
			_ = cmd.Process.Kill() // it may have ended
			_ = cmd.Wait()
		}
	}
	for range times {
		cmd := l.command(process{argv: argv})
		if err := cmd.Start(); err != nil {
			stop()
			return nil, err
		}
		started = append(started, cmd)
	}
	return stop, nil
}

// indexRows measures a search that has to make the index, once.
func (l *lab) indexRows(home string) ([]row, error) {
	made, err := l.qmeStep(home, "search", "zzzz")(0)
	if err != nil {
		return nil, err
	}
	rate := float64(l.opts.tasks) / made.took.Seconds()
	size, err := folderSize(filepath.Join(home, "index"))
	if err != nil {
		return nil, err
	}
	text, err := l.textSize(home)
	if err != nil {
		return nil, err
	}
	ratio := float64(size) / float64(max(text, 1))
	return []row{
		{what: fmt.Sprintf("the first search of %d tasks, which makes the index", l.opts.tasks), goal: fmt.Sprintf("at least %d tasks/s", indexRate),
			figure: fmt.Sprintf("%.0f tasks/s, %s", rate, short(made.took)), verdict: judge(rate >= indexRate)},
		{what: "its peak memory", goal: "under " + mb(indexMemory), figure: mb(made.rss), verdict: judge(made.rss < indexMemory)},
		{what: "the index on disk, against the text", goal: fmt.Sprintf("at most %dx", indexPerText), figure: mb(size) + " against " + mb(text),
			ratio: fmt.Sprintf("%.2fx", ratio), verdict: judge(ratio <= indexPerText)},
	}, nil
}

func folderSize(dir string) (size int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	return size, err
}

// textSize counts the bytes of what is searched in the records themselves.
func (l *lab) textSize(home string) (int64, error) {
	file, err := os.CreateTemp(l.root, "records-")
	if err != nil {
		return 0, err
	}
	defer file.Close() // and it goes with the folder
	cmd := l.command(process{argv: []string{l.qme, "--home", home, "ls", "--json"}, out: file})
	if err := cmd.Run(); err != nil {
		return 0, err
	}
	if _, err := file.Seek(0, 0); err != nil {
		return 0, err
	}
	size := 0
	for dec := json.NewDecoder(file); dec.More(); {
		var r record.Record
		if err := dec.Decode(&r); err != nil {
			return 0, err
		}
		d := r.Data
		for _, s := range append(append([]string{r.Command, d.Message, d.PWD, d.User, d.Host, string(r.UID)}, d.Output...), d.Error...) {
			size += len(s)
		}
	}
	return int64(size), nil
}
