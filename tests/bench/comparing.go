package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Goals for a table of a sweep, whose tasks have printed 10 KB each.
const (
	trainings      = 1000
	tableGoal      = 150 * time.Millisecond
	firstTableGoal = time.Second
)

// tableGroup measures the table of a sweep.
func tableGroup(l *lab) ([]row, error) {
	home, err := l.copied(l.generated(fmt.Sprintf("history-trainings-%d", trainings), trainings, "-trainings"))
	if err != nil {
		return nil, err
	}
	version := l.qmeStep(home, "--version")
	first, versions, err := l.pairs(min(l.opts.n, 5), func(i int) (sample, error) {
		if err := os.RemoveAll(filepath.Join(home, "index")); err != nil {
			return sample{}, err
		}
		s, err := l.qmeStep(home, "table", "-n", "1")(i)
		return s, errors.Join(err, untilIndexed(home))
	}, version)
	if err != nil {
		return nil, err
	}
	rows := []row{{
		what:   fmt.Sprintf("qme table of %d tasks with 10 KB each, without a search index", trainings),
		figure: againstVersion(first, versions), goal: "at most " + short(firstTableGoal), verdict: judge(first.median() <= firstTableGoal),
	}}
	for _, args := range [][]string{{"--sort=-acc"}, {"--over", "seed", "--sort=-acc"}, {"--metric", "acc=acc: ([0-9.]+) max"}} {
		args = append([]string{"table"}, args...)
		of, versions, err := l.pairs(l.opts.n, l.qmeStep(home, args...), version)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{
			what:   fmt.Sprintf("qme %s of %d tasks with 10 KB each", strings.Join(args, " "), trainings),
			figure: againstVersion(of, versions),
			goal:   "at most " + short(tableGoal), verdict: judge(of.median() <= tableGoal),
		})
	}
	return rows, nil
}

// untilIndexed waits for the search index that a table has had made in the background.
func untilIndexed(home string) error {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		_, err := os.Stat(filepath.Join(home, "index"))
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if time.Now().After(deadline) {
			return errors.New("no search index was made in a minute")
		}
	}
}

// againstVersion says how long a command took, and how many times that of the shortest command it is: machines differ.
func againstVersion(of, versions samples) string {
	return fmt.Sprintf("%s; processor %s; %.1f × qme --version", of, short(of.processor()), float64(of.median())/float64(versions.median()))
}
