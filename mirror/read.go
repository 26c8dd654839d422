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

// A change is what a task has become: its runs that the mirror may not have yet, the
// latest one first, or nothing, when it is gone.
type change struct {
	id   record.ID
	runs []*record.Record
	// unreadable says why some of it, or all, is left out.
	unreadable []error
	err        error // the history cannot be read on
}

// readAhead bounds how many changes are read before they are written.
const readAhead = 256

// changes yields what differs between two commits, reading ahead on all processors.
func changes(ctx context.Context, h History, from, to string) iter.Seq[change] {
	return func(yield func(change) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var workers sync.WaitGroup
		defer workers.Wait()
		defer cancel()
		type job struct {
			d   Difference
			out chan change
		}
		jobs, order := make(chan job), make(chan chan change, readAhead)
		for range runtime.GOMAXPROCS(0) {
			workers.Go(func() {
				for j := range jobs {
					j.out <- read(h, j.d)
				}
			})
		}
		workers.Go(func() {
			defer close(order)
			defer close(jobs)
			for d, err := range h.Differences(ctx, from, to) {
				j := job{d, make(chan change, 1)}
				if err != nil {
					j.out <- change{err: err}
				}
				select {
				case order <- j.out:
				case <-ctx.Done():
					return
				}
				if err != nil {
					return
				}
				jobs <- j // there is always a worker that comes for it
			}
		})
		for out := range order {
			if !yield(<-out) {
				return
			}
		}
	}
}

// read reads what a task has become.
func read(h History, d Difference) change {
	c := change{id: d.ID}
	if d.Removed {
		return c
	}
	rec, err := d.New()
	if err != nil {
		c.unreadable = []error{err}
		return c
	}
	old, err := d.Old()
	if err != nil {
		old = nil // it was left out then: all of its runs are wanted
	}
	others, err := d.Others()
	if err != nil {
		c.unreadable = append(c.unreadable, err)
	}
	c.lines(h, rec, old, others)
	return c
}

// A runKey tells a task's runs from each other.
type runKey struct {
	at   int64
	host string
}

func keyOf(r *record.Record) runKey { return runKey{r.Data.Timestamp.UnixNano(), r.Data.Host} }

// lines collects a task's runs: those to which data.previous leads from its record,
// and from its records in other commits. At the record that the mirror has already
// it stops: what is before that is there.
func (c *change) lines(h History, rec, old *record.Record, others []string) {
	seen := map[runKey]bool{}
	var have runKey
	if old != nil {
		have = keyOf(old)
	}
	c.line(h, rec, have, seen)
	for _, commit := range others {
		rec, err := h.Get(commit, c.id)
		if err != nil {
			c.unreadable = append(c.unreadable, fmt.Errorf("a run of another machine: %w", err))
			continue
		}
		c.line(h, rec, have, seen)
	}
}

func (c *change) line(h History, rec *record.Record, have runKey, seen map[runKey]bool) {
	for {
		key := keyOf(rec)
		if seen[key] {
			return // the lines have come together
		}
		seen[key] = true
		c.runs = append(c.runs, rec)
		if key == have || rec.Data.Previous == "" {
			return
		}
		before, err := h.Get(rec.Data.Previous, c.id)
		if err == nil && before.Data.Run >= rec.Data.Run {
			err = errors.New("it is not an earlier one")
		}
		if err != nil {
			c.unreadable = append(c.unreadable, fmt.Errorf("task %s: the run before run %d: %w", c.id, rec.Data.Run, err))
			return
		}
		rec = before
	}
}
