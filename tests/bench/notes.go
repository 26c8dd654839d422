package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The tasks that are tagged at once are those with a text that some in five have. The goal is for so many.
const (
	taggedText  = "seed"
	taggedTasks = 10_000
	tagGoal     = 10 * time.Second
)

// notesGroup measures what people do with tasks afterwards: look at them, bring them back, tag them.
func notesGroup(l *lab) ([]row, error) {
	home, err := l.copyOf(l.opts.tasks)
	if err != nil {
		return nil, err
	}
	ids, err := l.someIDs(home, l.opts.n+1, l.opts.tasks)
	if err != nil {
		return nil, err
	}
	about := func(args ...string) step {
		return func(i int) (sample, error) { return l.qmeStep(home, append(args, ids[i%len(ids)])...)(i) }
	}
	shows, gets, err := l.pairs(l.opts.n, about("show"), about("get"))
	if err != nil {
		return nil, err
	}
	rows := []row{compare(fmt.Sprintf("qme show ID at %d tasks, against qme get ID", l.opts.tasks), shows, gets, 1.2)}
	last, err := l.restores(home, ids, "where the last commits have it and there is no index")
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	hits, err := l.text("", l.qme, "--home", home, "search", "--count", taggedText) // makes the index
	if err != nil {
		return nil, err
	}
	l.logf("the index: %s", short(time.Since(begin)))
	indexed, err := l.restores(home, ids, "with an index")
	if err != nil {
		return nil, err
	}
	tags, err := l.tags(home, strings.TrimSpace(hits))
	return append(rows, last, indexed, tags), err
}

// restores measures how long it takes to bring one task back that was cleared.
func (l *lab) restores(home string, ids []string, how string) (row, error) {
	var took samples
	for i := range l.opts.n {
		id := ids[i%len(ids)]
		if _, err := l.text("", l.qme, "--home", home, "-q", "clear", "--force", id); err != nil {
			return row{}, err
		}
		one, err := l.qmeStep(home, "-q", "restore", id)(i)
		if err != nil {
			return row{}, err
		}
		took = append(took, one)
	}
	const most = 300 * time.Millisecond
	return row{what: fmt.Sprintf("qme restore ID at %d tasks, %s", l.opts.tasks, how), goal: "at most " + short(most), figure: took.String(), verdict: judge(took.median() <= most)}, nil
}

// tags measures how long it takes to tag many tasks by a query, in one commit.
func (l *lab) tags(home, hits string) (row, error) {
	n, err := strconv.Atoi(hits)
	if err != nil {
		return row{}, err
	}
	one, err := l.qmeStep(home, "-q", "tag", "--query", taggedText, "+bench")(0)
	most := tagGoal * time.Duration(n) / taggedTasks
	return row{what: fmt.Sprintf("qme tag of %d of %d tasks by --query, in one commit", n, l.opts.tasks),
		goal: fmt.Sprintf("%s for %d: at most %s", short(tagGoal), taggedTasks, short(most)), figure: short(one.took) + ", " + mb(one.rss), verdict: judge(one.took <= most)}, err
}
