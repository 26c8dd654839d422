package mirror

import (
	"context"
	"fmt"
	"iter"

	"qme/internal/ordered"
	"qme/record"
)

// A change is the new state of a task: the rows of runs that may be missing in the
// mirror, the latest first, or nothing if the task was removed. A change with many runs
// is sent in pieces.
type change struct {
	id         record.ID
	first      bool  // the first piece of a task
	task       []any // set in the first piece, nil if the task was removed
	said       *said // set there, too, if it differs
	runs       []runRows
	unreadable []error // errors of records that are left out
	err        error   // the history cannot be read any further
}

// runRows are the row of a run and those of its files.
type runRows struct {
	run   []any
	files [][]any
}

// readAhead is the maximal number of changes read ahead of writing.
const readAhead = 256

// A differ reads changed tasks and converts them to rows.
type differ struct {
	h      History
	d      *dialect
	tables *tables
	home   int64
	to     string // the commit whose state is read
}

// changes yields the differences from a commit to that of f. It reads ahead on all processors.
func (f differ) changes(ctx context.Context, from string) iter.Seq[change] {
	return func(yield func(change) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		jobs := func(yield func(job) bool) {
			for d, err := range f.h.Differences(ctx, from, f.to) {
				if !yield(job{d, err}) || err != nil {
					return
				}
			}
		}
		for c := range ordered.FlatMap(jobs, readAhead, func() func(job, func(change) bool) { return f.read }) {
			if !yield(c) {
				cancel() // ends the comparison of the commits, for which the loop waits
				return
			}
		}
	}
}

// A job is a task that differs, or the error that ends the comparison.
type job struct {
	record.Difference
	err error
}

// read reads the new state of a task.
func (f differ) read(j job, yield func(change) bool) {
	if j.err != nil {
		yield(change{err: j.err})
		return
	}
	r := reading{differ: f, Difference: j.Difference, send: yield, c: change{id: j.ID, first: true}, rows: map[rowKey]bool{}}
	r.lines.Get = func(commit string) (*record.Record, error) { return f.h.Get(commit, j.ID) }
	if !j.Removed {
		r.runs()
	}
	r.send(r.c)
}

// A reading collects the runs of a task.
type reading struct {
	differ
	record.Difference
	send  func(change) bool // false: no more are wanted
	c     change            // the piece being collected
	lines record.Lineage
	have  *record.Record  // nil: none, or unreadable
	rows  map[rowKey]bool // the rows made so far
}

// runs collects the runs that data.previous leads to, from the record and from the
// records of the task in other commits. It stops at the record that the mirror already
// has, since earlier runs are mirrored, too.
func (r *reading) runs() {
	rec, err := r.New()
	if err != nil {
		r.unreadable(err)
		return
	}
	// If the old record is unreadable, it was left out before, so all runs are wanted.
	if old, err := r.Old(); err == nil && old != nil {
		r.have = old
	}
	others, err := r.OtherRuns()
	if err != nil {
		r.unreadable(err)
	}
	r.c.task, r.c.said = r.tables.tasks.row(r.d, r.home, rec), r.saidOf(r.have, rec)
	r.line(record.Stored{Record: rec})
	for _, commit := range others {
		rec, err := r.lines.Get(commit)
		if err != nil {
			r.unreadable(fmt.Errorf("a run of another machine: %w", err))
			continue
		}
		r.line(record.Stored{Record: rec, Commit: commit})
	}
}

func (r *reading) unreadable(err error) { r.c.unreadable = append(r.c.unreadable, err) }

func (r *reading) line(head record.Stored) {
	for run, err := range r.lines.Line(head) {
		if err != nil {
			r.unreadable(err)
			return
		}
		if !r.add(run) || r.have != nil && record.SameRun(run.Record, r.have) {
			return
		}
	}
}

// add makes the rows of a run, and reports whether more are wanted.
func (r *reading) add(run record.Stored) bool {
	key := rowKey{storable(run.Data.Timestamp.Time).UnixMicro(), text(run.Data.Host, maxName)}
	if r.rows[key] {
		return true
	}
	r.rows[key] = true
	rec, err := r.withFiles(run)
	if err != nil {
		r.unreadable(err)
	}
	row := r.tables.runs.row(r.d, r.home, rec)
	if r.c.runs = append(r.c.runs, runRows{row, fileRows(row, rec)}); len(r.c.runs) < batch {
		return true
	}
	full := r.c
	r.c = change{id: r.ID}
	return r.send(full)
}

// A rowKey is the key of a run's row within its task. It is coarser than a record.RunKey.
// A statement must not write the same row twice.
type rowKey struct {
	at   int64 // microseconds
	host string
}
