package main

import (
	"fmt"
	"path/filepath"
	"time"

	"qme/mirror/target"
)

// fillGoal is how many tasks a second a sqlite mirror is filled with.
const fillGoal = 10_000

// mirrorGroup measures a run with a sqlite mirror, and how fast one is filled.
func mirrorGroup(l *lab) ([]row, error) {
	with, err := l.empty()
	if err != nil {
		return nil, err
	}
	without, err := l.empty()
	if err != nil {
		return nil, err
	}
	if _, err := l.text("", l.qme, "--home", with, "config", "--database", string(target.SQLite)); err != nil {
		return nil, err
	}
	a, b, err := l.pairs(3*l.opts.n, l.qmeStep(with, "run", "true"), l.qmeStep(without, "run", "true"))
	if err != nil {
		return nil, err
	}
	large, err := l.copyOf(l.opts.tasks)
	if err != nil {
		return nil, err
	}
	if _, err := l.text("", l.qme, "--home", large, "config", "--database", target.None); err != nil {
		return nil, err
	}
	fill, err := l.fill(large)
	return []row{compare("qme run true with a sqlite mirror, against without", a, b, 1.3), fill}, err
}

// fill makes the mirror of a large history from nothing.
func (l *lab) fill(home string) (row, error) {
	var made samples
	for range 3 {
		if _, err := l.text("", "rm", "-f", filepath.Join(home, target.FileName)); err != nil {
			return row{}, err
		}
		s, err := l.qmeStep(home, "sql", "select 1")(0)
		if err != nil {
			return row{}, err
		}
		made = append(made, s)
	}
	rate := float64(l.opts.tasks) / max(made.median(), time.Millisecond).Seconds()
	return row{
		what: fmt.Sprintf("filling a sqlite mirror with %d tasks", l.opts.tasks), goal: fmt.Sprintf("at least %d tasks/s", fillGoal),
		figure: fmt.Sprintf("%.0f tasks/s, %s", rate, mb(made.rss())), verdict: judge(rate >= fillGoal),
	}, nil
}
