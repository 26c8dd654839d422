package mirror

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync"

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
	h    History
	d    *dialect
	home int64
}

// changes yields what differs between two commits, reading ahead on all processors.
func (f differ) changes(ctx context.Context, from, to string) iter.Seq[change] {
	return func(yield func(change) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var workers sync.WaitGroup
		defer workers.Wait()
		defer cancel()
		jobs, order := make(chan job), make(chan job, readAhead)
		for range runtime.GOMAXPROCS(0) {
			workers.Go(func() {
				for j := range jobs {
					f.read(ctx, j)
				}
			})
		}
		workers.Go(func() {
			defer close(order)
			defer close(jobs)
			f.each(ctx, from, to, jobs, order)
		})
		for j := range order {
			for c := range j.pieces {
				if !yield(c) {
					return
				}
			}
		}
	}
}

// A job is a task that differs, and where the pieces of its change go. Whoever does
// the job closes that.
type job struct {
	Difference
	pieces chan change
}

// send hands out a piece, and says whether somebody still wants it.
func (j job) send(ctx context.Context, c change) bool {
	select {
	case j.pieces <- c:
		return true
	case <-ctx.Done():
		return false
	}
}

// each hands out a job for each task that differs, and says in which order.
func (f differ) each(ctx context.Context, from, to string, jobs, order chan<- job) {
	for d, err := range f.h.Differences(ctx, from, to) {
		j := job{d, make(chan change, 1)}
		if err != nil {
			j.pieces <- change{err: err}
			close(j.pieces)
		}
		select {
		case order <- j:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
		jobs <- j // there is always a worker that comes for it
	}
}

// read reads what a task has become.
func (f differ) read(ctx context.Context, j job) {
	defer close(j.pieces)
	r := reading{differ: f, job: j, c: change{id: j.ID, first: true}, seen: map[runKey]bool{}}
	if !j.Removed {
		r.runs(ctx)
	}
	j.send(ctx, r.c)
}

// A reading collects a task's runs.
type reading struct {
	differ
	job
	c    change // the piece that is being made
	seen map[runKey]bool
	have runKey
}

// runs collects those to which data.previous leads from the record, and from the
// task's records in other commits. At the record that the mirror has already it
// stops: what is before that is there.
func (r *reading) runs(ctx context.Context) {
	rec, err := r.New()
	if err != nil {
		r.unreadable(err)
		return
	}
	// An earlier record that cannot be read was left out: all runs are wanted.
	if old, err := r.Old(); err == nil && old != nil {
		r.have = keyOf(old)
	}
	others, err := r.Others()
	if err != nil {
		r.unreadable(err)
	}
	r.c.task = r.d.taskRow(r.home, rec)
	r.line(ctx, rec)
	for _, commit := range others {
		rec, err := r.h.Get(commit, r.ID)
		if err != nil {
			r.unreadable(fmt.Errorf("a run of another machine: %w", err))
			continue
		}
		r.line(ctx, rec)
	}
}

func (r *reading) unreadable(err error) { r.c.unreadable = append(r.c.unreadable, err) }

func (r *reading) line(ctx context.Context, rec *record.Record) {
	for {
		key := keyOf(rec)
		if r.seen[key] {
			return // the lines have come together
		}
		r.seen[key] = true
		if r.c.runs = append(r.c.runs, r.d.runRow(r.home, rec)); len(r.c.runs) == batch {
			if !r.send(ctx, r.c) {
				return
			}
			r.c = change{id: r.ID}
		}
		if key == r.have || rec.Data.Previous == "" {
			return
		}
		before, err := r.h.Get(rec.Data.Previous, r.ID)
		if err == nil && !record.Follows(rec.Data.Run, before.Data.Run) {
			err = errors.New("it is not an earlier one")
		}
		if err != nil {
			r.unreadable(fmt.Errorf("task %s: the run before run %d: %w", r.ID, rec.Data.Run, err))
			return
		}
		rec = before
	}
}

// A runKey tells a task's runs from each other, as the key of their rows does: a
// statement must not write the same row twice.
type runKey struct {
	at   int64 // microseconds
	host string
}

func keyOf(r *record.Record) runKey {
	return runKey{storable(r.Data.Timestamp.Time).UnixMicro(), text(r.Data.Host, maxName)}
}
