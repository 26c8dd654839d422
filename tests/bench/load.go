package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

const (
	writers   = 16
	perSecond = 60 // the goal for all writers together
)

// runsPerWriter is how often each writer runs, 50 times by default.
func (l *lab) runsPerWriter() int { return max(2, l.opts.n*5/2) }

// runsInARow is how many runs are watched for pauses, 300 by default.
func (l *lab) runsInARow() int { return l.opts.n * 15 }

// togetherGroup measures many writers at once.
func togetherGroup(l *lab) ([]row, error) {
	var rows []row
	for _, tasks := range []int{0, l.opts.tasks} {
		home, err := l.empty()
		if tasks > 0 {
			home, err = l.copyOf(tasks)
		}
		if err != nil {
			return nil, err
		}
		if _, err := l.qmeStep(home, "run", "true")(0); err != nil {
			return nil, err
		}
		r, err := l.together(home, tasks)
		if err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func (l *lab) together(home string, tasks int) (row, error) {
	before, err := l.commits(home)
	if err != nil {
		return row{}, err
	}
	begin := time.Now()
	if err := l.allWriters(home); err != nil {
		return row{}, err
	}
	took := time.Since(begin)
	if err := l.settle(home); err != nil {
		return row{}, err
	}
	after, err := l.commits(home)
	if err != nil {
		return row{}, err
	}
	all := writers * l.runsPerWriter()
	rate, lost := float64(all)/took.Seconds(), all-(after-before)
	return row{
		what: fmt.Sprintf("%d writers at once, %d runs each, at %d tasks", writers, l.runsPerWriter(), tasks),
		goal: fmt.Sprintf("at least %d records/s, none lost", perSecond), figure: fmt.Sprintf("%.0f records/s, %d lost", rate, lost),
		verdict: judge(rate >= perSecond && lost == 0),
	}, nil
}

func (l *lab) allWriters(home string) error {
	errs := make([]error, writers)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			one := l.qmeStep(home, "run", "true")
			for i := 0; i < l.runsPerWriter() && errs[w] == nil; i++ {
				_, errs[w] = one(i)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// commits counts those of a history.
func (l *lab) commits(home string) (int, error) {
	out, err := l.text(filepath.Join(home, "tasks.git"), "git", "rev-list", "--count", "main")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(out)
}

// pauseGroup looks for runs that packing or anything else holds up.
func pauseGroup(l *lab) ([]row, error) {
	var rows []row
	for _, tasks := range []int{0, l.opts.tasks} {
		home, err := l.empty()
		if tasks > 0 {
			home, err = l.copyOf(tasks)
		}
		if err != nil {
			return nil, err
		}
		one := l.qmeStep(home, "run", "true")
		var all samples
		for i := range l.runsInARow() + 1 {
			s, err := one(i)
			if err != nil {
				return nil, err
			}
			if i > 0 {
				all = append(all, s)
			}
		}
		if err := l.settle(home); err != nil {
			return nil, err
		}
		slowest := all.quantile(1)
		rows = append(rows, row{
			what:   fmt.Sprintf("the slowest of %d runs in a row at %d tasks, against the median", l.runsInARow(), tasks),
			figure: fmt.Sprintf("%s against %s; 99 of 100 within %s", short(slowest), all, short(all.quantile(0.99))),
			ratio:  fmt.Sprintf("%.1fx", float64(slowest)/float64(max(all.median(), 1))), verdict: noGoal,
		})
	}
	return rows, nil
}

// diskGroup measures the size of a large history.
func diskGroup(l *lab) ([]row, error) {
	home, err := l.history(l.opts.tasks)
	if err != nil {
		return nil, err
	}
	size, err := packs(home)
	if err != nil {
		return nil, err
	}
	each := size / int64(l.opts.tasks)
	return []row{{
		what: fmt.Sprintf("size on disk of each of %d tasks, packed by normal use, indexes included", l.opts.tasks),
		goal: "at most 1500 bytes", figure: fmt.Sprintf("%d bytes", each), verdict: judge(each <= 1500),
	}}, nil
}

// packs returns the size of the packs of a history, with their indexes.
func packs(home string) (size int64, err error) {
	files, err := os.ReadDir(filepath.Join(home, "tasks.git", "objects", "pack"))
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			return 0, err
		}
		size += info.Size()
	}
	return size, nil
}
