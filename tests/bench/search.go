package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"qme/record"
)

const (
	searchGoal   = 60 * time.Millisecond
	indexRate    = 5000 // tasks a second
	indexMemory  = 400e6
	indexPerText = 3
)

// searched are the words that are searched for: in no task, in few, and in many of which
// the newest are wanted.
var searched = [][]string{{"zzzz"}, {"sub-0675"}, {"-n", "20", "checkpoint"}}

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
	for _, words := range searched {
		words = append([]string{"search"}, words...)
		one := l.qmeStep(other, words...)
		afterRun := func(i int) (sample, error) {
			if _, err := l.qmeStep(other, "run", "true")(i); err != nil {
				return sample{}, err
			}
			return one(i)
		}
		after, before, err := l.pairs(l.opts.n, afterRun, l.qmeStep(home, words...))
		if err != nil {
			return nil, err
		}
		name := "qme " + strings.Join(words, " ")
		rows = append(rows,
			row{what: fmt.Sprintf("%s at %d tasks", name, l.opts.tasks), goal: "at most " + short(searchGoal), figure: before.String(), verdict: judge(before.median() <= searchGoal)},
			compare("the same after a new run, against without", after, before, 1.5))
	}
	return rows, nil
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
