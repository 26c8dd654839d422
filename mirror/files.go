package mirror

import (
	"cmp"
	"errors"

	"qme/record"
)

// The values of the column direction.
const (
	directionIn  = "in"
	directionOut = "out"
)

// filesTable returns the table of the files of runs. Its key begins with that of the run. A file
// is told from others of its list by its number, since a list of elsewhere can have a path twice.
func filesTable(key []column) table {
	t := table{name: "files", keys: runKeys + 2, since: filesVersion}
	for _, c := range key {
		t.columns = append(t.columns, column{name: c.name, since: filesVersion})
	}
	for _, name := range []string{"direction", "number", "run", "path", "size", "sha256", "partial", "listed_by"} {
		t.columns = append(t.columns, column{name: name, since: filesVersion})
	}
	t.columns = append(t.columns, column{name: "shared", kind: record.Flag, since: namesVersion})
	return t
}

// fileRows returns the rows of a run's files. row is that of the run, and begins with its key.
func fileRows(row []any, r *record.Record) (rows [][]any) {
	if r.Data.Files == nil {
		return nil
	}
	add := func(direction string, list []record.File) {
		for i, f := range list {
			var sha256 any
			if f.SHA256 != "" {
				sha256 = f.SHA256
			}
			rows = append(rows, append(row[:runKeys:runKeys], direction, i+1, r.Data.Run, text(f.Path, bounds["path"]), f.Size, sha256, f.Partial, text(f.By, maxWord), f.Shared))
		}
	}
	add(directionIn, r.Data.Files.In)
	add(directionOut, r.Data.Files.Out)
	return rows
}

// withFiles returns a run with all its files, where they are stored beside its record. The error says
// why there are only those that the record lists.
func (f differ) withFiles(run record.Stored) (*record.Record, error) {
	if _, ok := run.Data.Parts[record.PartFiles]; !ok {
		return run.Record, nil
	}
	part, err := f.h.Part(cmp.Or(run.Commit, f.to), run.Record, record.PartFiles)
	if errors.Is(err, record.ErrPartElsewhere) {
		return run.Record, nil
	}
	var all *record.Files
	if err == nil {
		all, err = run.Data.Files.Whole(part)
	}
	if err != nil {
		return run.Record, err
	}
	whole := *run.Record
	whole.Data.Files = all
	return &whole, nil
}
