package mirror

import (
	"context"
	"fmt"
	"iter"

	"qme/internal/ordered"
	"qme/record"
)

// A change is what a task has become: the rows of runs that the mirror may not have
// yet, the latest one first, or nothing, when the task is gone. That of many runs
// comes in pieces.
type change struct {
	id         record.ID
	first      bool    // the first piece of a task
	task       []any   // with the first piece, nil when the task is gone
	runs       [][]any // a row for each
	unreadable []error // why some of it, or all, is left out
	err        error   // the history cannot be read on
}

// readAhead bounds how many changes are read before they are written.
const readAhead = 256

// A differ reads what has become of tasks, and makes rows of it.
type differ struct {
	h      History
	d      *dialect
	tables *tables
	home   int64
}

// changes yields what differs between two commits, reading ahead on all processors.
func (f differ) changes(ctx context.Context, from, to string) iter.Seq[change] {
	return func(yield func(change) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		jobs := func(yield func(job) bool) {
			for d, err := range f.h.Differences(ctx, from, to) {
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

// read reads what a task has become.
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

// A reading collects a task's runs.
type reading struct {
	differ
	record.Difference
	send  func(change) bool // false: it is not wanted any more
	c     change            // the piece that is being made
	lines record.Lineage
	have  *record.Record  // nil: none, or not known
	rows  map[rowKey]bool // that have been made
}

// runs collects those to which data.previous leads from the record, and from the
// task's records in other commits. At the record that the mirror has already it
// stops: what is before that is there.
func (r *reading) runs() {
	rec, err := r.New()
	if err != nil {
		r.unreadable(err)
		return
	}
	// An earlier record that cannot be read was left out: all runs are wanted.
	if old, err := r.Old(); err == nil && old != nil {
		r.have = old
	}
	others, err := r.OtherRuns()
	if err != nil {
		r.unreadable(err)
	}
	r.c.task = r.tables.tasks.row(r.d, r.home, rec)
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
		if !r.add(run.Record) || r.have != nil && record.SameRun(run.Record, r.have) {
			return
		}
	}
}

// add makes the row of a run, and reports whether more are wanted.
func (r *reading) add(rec *record.Record) bool {
	key := rowKey{storable(rec.Data.Timestamp.Time).UnixMicro(), text(rec.Data.Host, maxName)}
	if r.rows[key] {
		return true
	}
	r.rows[key] = true
	if r.c.runs = append(r.c.runs, r.tables.runs.row(r.d, r.home, rec)); len(r.c.runs) < batch {
		return true
	}
	full := r.c
	r.c = change{id: r.ID}
	return r.send(full)
}

// A rowKey is the key of a run's row among those of its task, which is coarser than a
// record.RunKey. A statement must not write the same row twice.
type rowKey struct {
	at   int64 // microseconds
	host string
}
