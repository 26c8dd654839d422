package tasks

import (
	"errors"
	"slices"

	"qme/index"
	"qme/record"
)

const (
	// mostWriters is at how many other tasks is looked for one that has written an output as well.
	mostWriters = 256
	// mostOutputs is for how many outputs of a run that is done.
	mostOutputs = 10
	// windowDigits are those of a UUID of version 7 that are the same for about a minute.
	windowDigits = 8
)

// A WrittenAgain is an output of a run that another task of its group has written as well: what is there is the work of the last of them.
type WrittenAgain struct {
	Path string // as the record has it
	By   record.ID
}

// WrittenAgain returns the outputs of a run that other tasks of its group have written as well, each with one of these. It looks only at what
// costs little to find: with the search index, or else at tasks of about the same time; and at the first outputs.
func (v Version) WrittenAgain() (list []WrittenAgain, err error) {
	g, files := v.Record.Data.Group, v.Record.Data.Files
	if g == nil || files == nil {
		return nil, nil
	}
	for _, f := range files.Out[:min(len(files.Out), mostOutputs)] {
		path := writtenPath(v.Record, f)
		if path == "" {
			continue
		}
		by, err := v.otherWriter(g.Name, path)
		if err != nil {
			return nil, err
		}
		if by != "" {
			list = append(list, WrittenAgain{f.Path, by})
		}
	}
	return list, nil
}

// writtenPath returns the absolute path of an output of a run; "" for one that is no file of a name which the run has chosen.
func writtenPath(r *record.Record, f record.File) string {
	if f.By == record.ByStdio {
		return ""
	}
	return r.Data.PathOf(f)
}

var errEnough = errors.New("enough")

// otherWriter returns another task of a group that has written to a path; "" if none is known.
func (v Version) otherWriter(group, path string) (by record.ID, err error) {
	looked := 0
	look := func(rec *record.Record) error {
		if looked++; rec.UID != v.Record.UID && hasWritten(rec, group, path) {
			by = rec.UID
		}
		if by != "" || looked == mostWriters {
			return errEnough
		}
		return nil
	}
	indexed, err := v.service.eachReady("group:"+group+" "+outputNamed(path), func(f index.Found) error {
		if f.Err != nil || f.ID == v.Record.UID {
			return nil
		}
		one, err := v.service.Find(string(f.ID)) // with its files
		if err != nil {
			return nil // what lists it says why
		}
		return look(one.Record)
	})
	if errors.Is(err, errEnough) || err == nil && indexed {
		return by, nil
	}
	history, lerr := v.service.latest()
	if err = errors.Join(err, lerr); err != nil {
		return "", err
	}
	for res := range history.Records(record.Range{Prefix: v.Record.UID.UUID()[:windowDigits]}) {
		if res.Err == nil && look(res.Record) != nil {
			break
		}
	}
	return by, nil
}

// hasWritten reports whether a task of a group has written to an absolute path.
func hasWritten(r *record.Record, group, path string) bool {
	g, files := r.Data.Group, r.Data.Files
	return g != nil && g.Name == group && files != nil &&
		slices.ContainsFunc(files.Out, func(f record.File) bool { return writtenPath(r, f) == path })
}
