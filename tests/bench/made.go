package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"qme/record"
	"qme/tests/genhistory/history"
)

// Goals for questions about files, with the hashing of a small one.
const (
	madeGoal    = 60 * time.Millisecond
	lineageGoal = 150 * time.Millisecond
)

// lineageSteps is how many runs one after the other a lineage goes back.
const lineageSteps = 20

// madeGroup measures the questions about files.
func madeGroup(l *lab) ([]row, error) {
	home, err := l.filesHistory(l.opts.tasks)
	if err != nil {
		return nil, err
	}
	few := max(l.opts.tasks/100, 1000) // with fewer there are no chains
	small, err := l.filesHistory(few)
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, q := range []struct {
		args []string
		goal time.Duration
	}{{[]string{"made"}, madeGoal}, {[]string{"lineage"}, lineageGoal}, {[]string{"lineage", "--down"}, 0}} {
		a, err := l.aboutFiles(home, q.args...)
		if err != nil {
			return nil, err
		}
		b, err := l.aboutFiles(small, q.args...)
		if err != nil {
			return nil, err
		}
		as, bs, err := l.pairs(l.opts.n, a, b)
		if err != nil {
			return nil, err
		}
		what := fmt.Sprintf("qme %s FILE", q.args[0])
		switch {
		case len(q.args) > 1:
			what += " --down"
		case q.args[0] == "lineage":
			what += fmt.Sprintf(", %d runs one after the other,", lineageSteps)
		}
		r := compare(fmt.Sprintf("%s at %d tasks with %d files, against %d", what, l.opts.tasks, 3*l.opts.tasks, few), as, bs, 3)
		r.figure += "; processor " + short(as.processor())
		if r.verdict = noGoal; q.goal > 0 {
			r.goal, r.verdict = "at most "+short(q.goal), judge(as.median() <= q.goal)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// filesHistory returns a generated home of n tasks with files, and its index.
func (l *lab) filesHistory(n int) (string, error) {
	home, err := l.generated(fmt.Sprintf("history-files-%d", n), n, "-files")
	if err == nil {
		_, err = l.qmeStep(home, "search", "-n", "1", "zzzz")(0) // makes the index
	}
	return home, err
}

// aboutFiles asks about files of which generated tasks from all over the history have made the content, one
// after the other. They lie in another folder now.
func (l *lab) aboutFiles(home string, args ...string) (step, error) {
	out, err := l.text("", l.qme, "--home", home, "search", "--json", fmt.Sprintf("out:step-%02d.csv", lineageSteps)) // which have used what was made before
	if err != nil {
		return nil, err
	}
	var paths []string
	lines := bufio.NewScanner(bytes.NewReader([]byte(out)))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var r record.Record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, err
		}
		paths = append(paths, r.Data.PathOf(r.Data.Files.In[0]))
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("the history %s has no chains", home)
	}
	dir, err := os.MkdirTemp(l.root, "files-")
	if err != nil {
		return nil, err
	}
	return func(i int) (sample, error) {
		file := filepath.Join(dir, fmt.Sprintf("moved-%d", i))
		if err := os.WriteFile(file, []byte(history.ContentOf(paths[i*7919%len(paths)])), 0o644); err != nil {
			return sample{}, err
		}
		return l.qmeStep(home, append(args[:len(args):len(args)], file)...)(i)
	}, lines.Err()
}
