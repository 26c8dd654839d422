package tasks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"qme/index"
	"qme/index/query"
	"qme/internal/ordered"
	"qme/internal/regular"
	"qme/record"
	"qme/record/metric"
	"qme/tasks/options"
)

// TableOptions say what a Table has.
type TableOptions struct {
	// Query selects tasks; nil for all.
	Query *query.Query
	// Group has only the tasks of a group; "" for those of any or none. See LastGroup.
	Group string
	// Metrics are looked for in what the runs have printed, besides those that are recorded or found by themselves.
	Metrics []metric.Spec
	// Files are read for metrics where they still are as the runs have left them: see CheckMetricFiles.
	Files []string
}

// A Table compares tasks: each row is one task, by its latest run. It is made from what is recorded; nothing of it is.
type Table struct {
	Rows []TableRow // in the order in which the tasks were made
	// Shared are the files that several of the tasks have written, as far as their records say, most tasks first.
	Shared []SharedFile
	// FilesUnknown is of how many runs it is not known what they had written to the files of TableOptions.Files.
	FilesUnknown int
	// OutputUnknown is of how many runs the output is too long to look at all of it in time.
	OutputUnknown int
	// Unreadable are the errors of tasks that cannot be read.
	Unreadable []error
}

// A TableRow is one task of a Table.
type TableRow struct {
	// Short is the task's short name.
	Short string
	// Record is that of the latest run, without its streams, and maybe without other fields that no table shows.
	Record *record.Record
	// Params are the recorded parameters or, if there are none, those that the options of the command say.
	Params record.Params
	// Metrics are those that were asked for, then those that are recorded, then those that are found by themselves; each name
	// is there once.
	Metrics record.Metrics
}

// A SharedFile is a file that several tasks have written. What is in it is the work of the last of them.
type SharedFile struct {
	Path  string // absolute, for display
	Tasks int
}

// outputTime is how long output is read, of all runs, that the search index does not have whole.
const outputTime = 20 * time.Second

// Table makes a table. An error of one task is in Table.Unreadable.
func (q *Service) Table(ctx context.Context, o TableOptions) (*Table, error) {
	what := o.Query
	if what == nil {
		what = new(query.Query)
	}
	m := &tableMaker{q: q, o: o, deadline: time.Now().Add(outputTime), table: new(Table)}
	s, err := q.Search(ctx, what, SearchOptions{Sort: SortCreated, Texts: len(o.Metrics) > 0, Printed: true, Later: true})
	if err != nil {
		return nil, err
	}
	for f := range ordered.Map(s.Found, scanAhead, func() func(index.Found) scanned { return m.scan }) {
		switch {
		case f.Err != nil && f.ID == "":
			return nil, f.Err
		case f.Err != nil:
			m.table.Unreadable = append(m.table.Unreadable, f.Err)
		case m.has(f.Found):
			short, err := s.Short(f.Found)
			if err != nil {
				return nil, err
			}
			m.add(f, short)
		}
	}
	if s.Due() && !q.ReadOnly {
		if err := q.start("gc", "--index"); err != nil {
			q.Warn("the search index is not made: %v", err)
		}
	}
	slices.Reverse(m.table.Rows) // the search has begun with the newest
	m.table.Shared = sharedFiles(m.table.Rows)
	return m.table, ctx.Err()
}

// LastGroup returns the name of the group of the newest task that has one. The error wraps record.ErrNotFound if there is none.
func (q *Service) LastGroup(ctx context.Context) (string, error) {
	for name, err := range q.groups(ctx) {
		return name, err
	}
	return "", fmt.Errorf("a group of tasks: %w", record.ErrNotFound)
}

// Groups returns the names of all groups, that of the newest task first.
func (q *Service) Groups(ctx context.Context) (names []string, err error) {
	seen := map[string]bool{}
	for name, err := range q.groups(ctx) {
		if err != nil {
			return nil, err
		}
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names, ctx.Err()
}

// groups yields the name of the group of each task that has one, newest first. An error ends it; a task that cannot be read has none.
func (q *Service) groups(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		s, err := q.Search(ctx, new(query.Query), SearchOptions{Sort: SortCreated, Printed: true, Later: true})
		if err != nil {
			yield("", err)
			return
		}
		for f := range s.Found {
			switch {
			case f.Err != nil && f.ID == "":
				yield("", f.Err)
				return
			case f.Err == nil && f.Record.Data.Group != nil && !yield(f.Record.Data.Group.Name, nil):
				return
			}
		}
	}
}

// A tableMaker adds rows to a table.
type tableMaker struct {
	q        *Service
	o        TableOptions
	table    *Table
	deadline time.Time
}

// has reports whether a task that was found belongs to the table.
func (m *tableMaker) has(f index.Found) bool {
	g := f.Record.Data.Group
	return m.o.Group == "" || g != nil && g.Name == m.o.Group
}

// scanAhead is for how many tasks at most output is looked through before they are added.
const scanAhead = 8

// A scanned is a task with the metrics of its output.
type scanned struct {
	index.Found
	recorded record.Metrics // those that were asked for
	specs    []metric.Spec  // those that are looked for
	printed  record.Metrics
	raw      bool // the output has to be read
}

// scan looks through the output of a task. It is for any number of goroutines.
func (m *tableMaker) scan(f index.Found) scanned {
	s := scanned{Found: f}
	if f.Err != nil || !m.has(f) {
		return s
	}
	s.recorded, s.specs = m.recorded(f.Record)
	// What was written over counts neither as the greatest value nor as the first, and the index does not have it.
	s.raw = f.Partial || f.Overwritten && slices.ContainsFunc(s.specs, func(s metric.Spec) bool { return s.Take != record.TakeLast })
	if s.raw {
		return s
	}
	others := slices.DeleteFunc(f.Printed(), func(one record.Metric) bool { return isOf(s.specs, one.Name) })
	if s.printed = others; len(s.specs) > 0 {
		texts := f.Doc.Texts()
		s.printed = metric.Join(metric.Printed(s.specs, false, texts[query.Streams:query.Streams+2]...), others)
	}
	s.Err = f.Doc.Err
	return s
}

// add adds a row.
func (m *tableMaker) add(f scanned, short string) {
	r := f.Record
	row := TableRow{Short: short, Record: r, Params: r.Data.Params}
	if len(row.Params) == 0 {
		row.Params = options.Of(r.Command)
	}
	if f.raw {
		f.printed = m.read(f)
	}
	// A metric that was asked for, and is not there, is missing, whatever else has its name.
	isAsked := func(one record.Metric) bool { return isOf(m.o.Metrics, one.Name) }
	var found record.Metrics
	asked := f.recorded
	for _, one := range f.printed {
		if isOf(f.specs, one.Name) {
			asked = append(asked, one)
		} else if !isAsked(one) {
			found = append(found, one)
		}
	}
	rest := slices.DeleteFunc(slices.Clone(r.Data.Metrics), isAsked)
	row.Metrics = metric.Join(asked, m.files(r), rest, found)
	m.table.Rows = append(m.table.Rows, row)
}

// isOf reports whether a name is that of one of some metrics.
func isOf(specs []metric.Spec, name string) bool {
	return slices.ContainsFunc(specs, func(s metric.Spec) bool { return s.Name == name })
}

// recorded returns the metrics that were asked for and that the run has recorded, and those that have to be looked for.
func (m *tableMaker) recorded(r *record.Record) (has record.Metrics, specs []metric.Spec) {
	for _, s := range m.o.Metrics {
		one, ok := r.Data.Metrics.Get(s.Name)
		if ok && one.File == "" && one.Pattern == s.Pattern && one.Take == s.Take {
			has = append(has, one)
		} else {
			specs = append(specs, s)
		}
	}
	return has, specs
}

// read returns the metrics in all that is stored of the output of a task.
func (m *tableMaker) read(f scanned) record.Metrics {
	list, err := m.readOutput(f)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		m.table.OutputUnknown++
	case err != nil:
		m.table.Unreadable = append(m.table.Unreadable, fmt.Errorf("task %s: %w", f.ID, err))
	}
	return list
}

func (m *tableMaker) readOutput(f scanned) (record.Metrics, error) {
	v, err := m.q.Find(string(f.ID))
	if err != nil {
		return nil, err
	}
	var sources []record.Metrics
	for _, names := range [][]record.StreamName{{record.Stdout, record.JobStdout}, {record.Stderr, record.JobStderr}} {
		s := metric.NewScanner(f.specs, true)
		for _, name := range names {
			if err := m.readStream(s, v, name); err != nil {
				return nil, err
			}
		}
		sources = append(sources, s.Metrics())
	}
	return metric.Join(sources...), nil
}

func (m *tableMaker) readStream(s *metric.Scanner, v Version, name record.StreamName) error {
	lines, stored := name.Of(v.Record)
	if stored == nil {
		return s.Read(&lineReader{lines: lines})
	}
	from, err := v.Stream(name)
	if err != nil {
		return err
	}
	return errors.Join(scanStored(s, stored, &hastyReader{from, m.deadline}), from.Close())
}

// files returns the metrics of files, as the run has recorded them or, where the files are still as it has left them, as they are there.
func (m *tableMaker) files(r *record.Record) record.Metrics {
	var sources []record.Metrics
	unknown := false
	for _, name := range m.o.Files {
		was := slices.DeleteFunc(slices.Clone(r.Data.Metrics), func(one record.Metric) bool { return one.File != name })
		if len(was) == 0 {
			var known bool
			was, known = fileNow(r, name)
			unknown = unknown || !known
		}
		sources = append(sources, was)
	}
	if unknown {
		m.table.FilesUnknown++
	}
	return metric.Join(sources...)
}

// fileNow returns the metrics of a file of a run if it has the content that the run has written.
func fileNow(r *record.Record, name string) (list record.Metrics, known bool) {
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.Data.PWD, path)
	}
	if r.Data.Files == nil || !filepath.IsAbs(path) {
		return nil, false
	}
	i := slices.IndexFunc(r.Data.Files.Out, func(f record.File) bool { return r.Data.PathOf(f) == filepath.Clean(path) })
	if i < 0 || r.Data.Files.Out[i].SHA256 == "" || r.Data.Files.Out[i].Partial {
		return nil, false
	}
	content, _, err := regular.ReadBounded(path, metric.LargestFile, 0)
	if err != nil {
		return nil, false
	}
	if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != r.Data.Files.Out[i].SHA256 {
		return nil, false
	}
	list, err = metric.ParseFile(filepath.Base(path), content)
	for i := range list {
		list[i].File = name
	}
	return list, err == nil
}

// sharedFiles returns the outputs that several tasks have.
func sharedFiles(rows []TableRow) (list []SharedFile) {
	tasks := map[string]int{}
	for _, row := range rows {
		if row.Record.Data.Files == nil {
			continue
		}
		seen := map[string]bool{}
		for _, f := range row.Record.Data.Files.Out {
			if path := writtenPath(row.Record, f); path != "" && !seen[path] {
				seen[path] = true
				tasks[path]++
			}
		}
	}
	for path, n := range tasks {
		if n > 1 {
			list = append(list, SharedFile{path, n})
		}
	}
	slices.SortFunc(list, func(a, b SharedFile) int {
		if a.Tasks != b.Tasks {
			return b.Tasks - a.Tasks
		}
		return strings.Compare(a.Path, b.Path)
	})
	return list
}
