package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"qme/index/query"
	"qme/internal/ordered"
	"qme/record"
)

const (
	// overlay is how many tasks may differ from the index before it is brought up to
	// date; so many are looked at themselves.
	overlay = 256
	// MostLater is how many tasks a search with Later looks at in place of the index.
	MostLater = 4096
	// buildMemory is from how many bytes of memory on writing has garbage collected
	// more often.
	buildMemory = 192 << 20
	buildGC     = 300 // percent: each batch leaves much behind
	// linkSize is about what the keys of a file take while they are written.
	linkSize = 128
	// waitPatience is after how long a search says that it waits for another process,
	// waitPoll how often it looks.
	waitPatience = 500 * time.Millisecond
	waitPoll     = 20 * time.Millisecond
)

// Run finds what Scan finds, with the index in the folder dir, which it makes and
// brings up to date where that is due. When another process is at that, it uses what there
// is, waits for a while for the first index, and then does without.
func (s *Search) Run(ctx context.Context, dir string) iter.Seq[Found] {
	return s.run(ctx, dir, (*answer).found)
}

// run is Run with a function that finds what may answer, with an index.
func (s *Search) run(ctx context.Context, dir string, find func(*answer, context.Context) iter.Seq[Found]) iter.Seq[Found] {
	return func(yield func(Found) bool) {
		a, err := s.lookUp(ctx, dir)
		if err != nil {
			s.tooLong, s.fresh = 0, nil // what counts is then what is looked at
			s.noIndex = true
		}
		switch {
		case ctx.Err() != nil:
			yield(Found{Result: record.Result{Err: ctx.Err()}})
		case err != nil && s.Ready:
		case errors.Is(err, errOther), errors.Is(err, errGap), errors.Is(err, errLater):
			s.Scan(ctx)(yield)
		case err != nil:
			s.Warn(fmt.Errorf("the search index cannot be used, so each record is looked at: %w", withAdvice(err)))
			s.Scan(ctx)(yield)
		default:
			s.match(ctx, find(a, ctx))(yield)
			if err := a.close(); err != nil {
				s.Warn(fmt.Errorf("the search index: %w", withAdvice(err)))
			}
			return
		}
		if a != nil {
			_ = a.o.close() // that it cannot be used has been said
		}
	}
}

// errLater says that the index is made later.
var errLater = errors.New("the index is made later")

// CatchUp makes the index in the folder dir, or brings it up to date where that is due. It does nothing where another process is at that.
func (s *Search) CatchUp(ctx context.Context, dir string) error {
	a, err := s.lookUp(ctx, dir)
	if errors.Is(err, errOther) {
		return nil
	}
	if err != nil {
		return err
	}
	return a.close()
}

// lookUp finds out where the runs are that may answer to the query. With an error the
// answer is nil.
func (s *Search) lookUp(ctx context.Context, dir string) (*answer, error) {
	o, err := s.first(ctx, dir)
	if err != nil {
		return nil, err
	}
	a := &answer{s: s, o: o}
	err = a.ask(ctx, dir)
	if errors.Is(err, errUnusable) && !s.Ready { // damage that shows only here, or a commit that is gone
		if o, err = s.rebuild(ctx, dir, a.o.Serial); err == nil {
			err = a.o.close()
			a.o = o
		}
		if err == nil {
			err = a.ask(ctx, dir)
		}
	}
	if err != nil {
		return nil, errors.Join(err, a.o.close())
	}
	return a, nil
}

// first opens the index. Where there is none that can be used it makes one, or waits while
// another process does. The error is errOther when that takes too long.
func (s *Search) first(ctx context.Context, dir string) (*opened, error) {
	said := false
	begin := time.Now()
	for tries := 0; ; tries++ {
		before := serialOf(dir)
		o, err := open(dir, s.Limit)
		if s.Ready {
			return o, err
		}
		if s.due = errors.Is(err, errUnusable) && s.Later && s.Few(); s.due {
			return nil, errLater
		}
		if errors.Is(err, errUnusable) {
			o, err = s.rebuild(ctx, dir, before)
		}
		if !errors.Is(err, errOther) && !errors.Is(err, errUnusable) {
			return o, err
		}
		if serialOf(dir) != before && tries < 10 {
			continue // another one has just been made
		}
		if errors.Is(err, errUnusable) || time.Since(begin) > s.MaxWait {
			return nil, err
		}
		if !said && s.Waiting != nil && time.Since(begin) > waitPatience {
			s.Waiting()
			said = true
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(waitPoll):
		}
	}
}

// changes returns the tasks that are not as they were in a commit, and which of them are
// still there.
func (s *Search) changes(ctx context.Context, from string) (changed, present []record.ID, err error) {
	if from == s.Source.Commit() {
		return nil, nil, nil
	}
	for c, err := range s.Source.Changes(ctx, from) {
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%w: what has changed since %s: %w", errUnusable, from, err)
		}
		changed = append(changed, c.ID)
		if !c.Removed {
			present = append(present, c.ID)
		}
	}
	return changed, present, nil
}

// rebuild makes the index again, in the place of one that cannot be used; its serial is ""
// where there is none.
func (s *Search) rebuild(ctx context.Context, dir, before string) (*opened, error) {
	err := s.write(ctx, dir, before, nil, func(w *writer) error {
		gone := func(yield func(Found) bool) {
			c, err := s.Source.Cleared(ctx, "")
			if err != nil {
				yield(Found{Result: record.Result{Err: err}})
				return
			}
			w.setGap(c.Gap)
			s.cleared(c.Tasks, false)(yield)
		}
		return s.fill(w, both(s.all(s.Source, s.Source.Records(record.Range{})), gone))
	})
	if err != nil {
		return nil, err
	}
	return open(dir, s.Limit)
}

// update makes a state of the index in which some tasks are as they are now.
func (s *Search) update(ctx context.Context, dir string, o *opened, changed []record.ID) error {
	c, err := s.clearedSince(ctx, o)
	if err != nil {
		return err
	}
	return s.write(ctx, dir, o.Serial, o, func(w *writer) error {
		r, err := newReader(&Search{Query: new(query.Query)}, o, nil, nil)
		if err != nil {
			return err
		}
		cleared, err := s.later(ctx, r, c.Tasks)
		if err != nil {
			return err
		}
		var gone []string
		err = guard(func() error {
			if changed, err = r.withNeighbours(changed); err != nil {
				return err
			}
			gone, err = r.namesOf(append(idsOf(cleared), changed...))
			return err
		})
		if err != nil {
			return err
		}
		if err := w.remove(gone); err != nil {
			return err
		}
		w.gap = o.Gap
		w.setGap(c.Gap)
		return s.fill(w, both(s.all(s.Source, s.Source.Select(changed, false)), s.cleared(cleared, false)))
	})
}

// write makes the state of the index after that with the serial before. The error is errOther
// when another process is at that or has done it.
func (s *Search) write(ctx context.Context, dir, before string, from *opened, fill func(*writer) error) (err error) {
	defer debug.FreeOSMemory() // before the index is mapped
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(buildMemory))
	defer debug.SetGCPercent(debug.SetGCPercent(buildGC))
	w, err := newWriter(ctx, dir, s.Limit, from)
	if err != nil {
		return err
	}
	if serialOf(dir) != before {
		return errors.Join(errOther, w.abandon())
	}
	if err = fill(w); err == nil {
		err = w.flush(s.Source.Commit())
	}
	if err == nil {
		err = s.join(ctx, w, from == nil)
	}
	if err == nil {
		err = w.publish(s.Source.Commit(), before)
	}
	if err != nil && serialOf(dir) != before {
		err = errOther // where there are no locks; what was to be taken over is gone
	}
	if s.Indexed != nil {
		s.Indexed()
	}
	return cmp.Or(errors.Join(err, w.abandon()), ctx.Err())
}

// join has the segments of a state that is on disk joined. Where that fails, as on a full disk, the
// state is published as it is.
func (s *Search) join(ctx context.Context, w *writer, all bool) error {
	err := w.join(all)
	if err == nil {
		err = w.flush(s.Source.Commit())
	}
	if err != nil && ctx.Err() == nil {
		s.Warn(fmt.Errorf("the pieces of the search index could not be joined, so it is larger and slower than it could be: %w", withAdvice(err)))
	}
	return ctx.Err()
}

// both yields what one sequence yields and then what another does.
func both(a, b iter.Seq[Found]) iter.Seq[Found] {
	return func(yield func(Found) bool) {
		for f := range a {
			if !yield(f) {
				return
			}
		}
		b(yield)
	}
}

// fill writes the runs of tasks.
func (s *Search) fill(w *writer, tasks iter.Seq[Found]) error {
	return w.fill(func(yield func(entry) bool) error {
		n := 0
		for f := range tasks {
			if f.ID == "" {
				return f.Err
			}
			for e := range s.entries(f) {
				if !yield(e) {
					return nil
				}
			}
			if n++; s.Progress != nil {
				s.Progress(n)
			}
		}
		return nil
	})
}

// entries yields what is indexed of a task. One that cannot be read may hold any text: each
// search has to come by it, and say so.
func (s *Search) entries(task Found) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		unreadable := entry{id: task.ID, cleared: task.Cleared}
		if task.Err != nil {
			yield(unreadable)
			return
		}
		rec := task.Record
		latest := Run{
			Record: rec, Stream: func(name record.StreamName) (io.ReadCloser, error) { return task.source.Stream(rec, name) },
			Files: func() (*record.Files, error) { return task.source.Files(rec) },
		}
		if !yield(s.entry(latest, task)) {
			return
		}
		for r, err := range task.source.Earlier(rec) {
			if err != nil {
				yield(unreadable)
				return
			}
			if !yield(s.entry(r, task)) {
				return
			}
		}
	}
}

func (s *Search) entry(r Run, of Found) entry {
	e := entry{id: r.Record.UID, doc: s.doc(r), number: r.Number, unique: of.Unique, cleared: of.Cleared, files: r.Files, over: query.CountOver(r.Record, s.Limit), partial: isPartial(r.Record, s.Limit), size: len(r.Record.Command) + len(r.Record.Data.Message)}
	if f := r.Record.Data.Files; f != nil {
		e.size += linkSize * (len(f.In) + len(f.Out) + f.LeftOut)
	}
	for _, name := range record.StreamNames {
		lines, stored := name.Of(r.Record)
		for _, l := range lines {
			e.size += len(l)
		}
		if stored != nil {
			e.size += int(min(stored.Stored(), s.Limit))
		}
	}
	return e
}

// An answer is where in an open index, and where else, the runs are that may answer to a
// query.
type answer struct {
	s      *Search
	o      *opened
	reader *reader
	others []record.ID // to be looked at themselves
	// cleared are, in a search for these, the cleared tasks to be looked at.
	cleared []record.Clearing
}

// ask looks into the index, which it brings up to date where too much has changed.
func (a *answer) ask(ctx context.Context, dir string) error {
	s := a.s
	changed, present, err := s.changes(ctx, a.o.Commit)
	if err != nil {
		return err
	}
	behind := len(changed)
	if s.Cleared && (behind <= overlay || !s.Ready) {
		c, err := s.clearedSince(ctx, a.o)
		if err != nil {
			return err
		}
		behind = max(behind, len(c.Tasks))
	}
	most := overlay
	switch {
	case s.eager:
		most = 0
	case s.Later:
		most = MostLater
		s.due = behind > overlay && behind <= most
	}
	if behind > most && s.Ready {
		return errOther
	}
	if behind > most {
		switch err := s.update(ctx, dir, a.o, changed); {
		case err == nil:
			changed, present = nil, nil
			if err := a.reopen(dir); err != nil {
				return err
			}
		case ctx.Err() != nil || errors.Is(err, errUnusable):
			return err
		case !errors.Is(err, errOther): // what another process is about to write is looked at here
			s.Warn(fmt.Errorf("the search index cannot be brought up to date: %w", withAdvice(err)))
		}
	}
	if s.Cleared {
		return a.askCleared(ctx, changed)
	}
	if a.reader, err = newReader(s, a.o, changed, present); err != nil {
		return err
	}
	over, unreadable, err := a.reader.summary()
	if err != nil {
		return err
	}
	a.others = present
	for _, d := range unreadable {
		a.others = append(a.others, d.id)
	}
	a.count(over, a.others)
	return nil
}

// count begins the count of streams over the limit with that of the index, which has not counted
// some tasks.
func (a *answer) count(over int, others []record.ID) {
	a.s.tooLong, a.s.fresh = over, map[record.ID]bool{}
	for _, run := range a.s.Added {
		a.s.fresh[run.Record.UID] = true
	}
	for _, id := range others {
		a.s.fresh[id] = true
	}
}

// reopen closes the index and opens the one that has come in its place; both at once would
// take twice the memory.
func (a *answer) reopen(dir string) error {
	err := a.o.close()
	a.o = new(opened)
	if err != nil {
		return err
	}
	o, err := open(dir, a.s.Limit)
	if err == nil {
		a.o = o
	}
	return err
}

// found yields the runs that answer, and those to be looked at, in the order of the search.
func (a *answer) found(ctx context.Context) iter.Seq[Found] {
	others := a.s.sorted(a.s.withEarlier(a.looked()))
	return ordered.Overlay(a.reader.found(ctx), slices.Values(others), a.s.compareFound)
}

// looked yields the tasks that the index does not have as they are now.
func (a *answer) looked() iter.Seq[Found] {
	if a.s.Cleared {
		return a.lookedCleared()
	}
	return func(yield func(Found) bool) {
		added := map[record.ID]bool{}
		for f := range a.s.added() {
			added[f.ID] = true
			if !yield(f) {
				return
			}
		}
		ids := slices.DeleteFunc(slices.Clone(a.others), func(id record.ID) bool { return added[id] })
		for f := range a.s.all(a.s.Source, a.s.Source.Select(ids, a.s.brief())) {
			if !yield(f) || f.ID == "" {
				return
			}
		}
	}
}

// fromHistory returns a run as its record says. Of a task that was cleared it is given the
// removal, if that is known.
func (s *Search) fromHistory(ctx context.Context, d docID, c *record.Clearing) (found []Found) {
	tasks := s.all(s.Source, s.Source.Select([]record.ID{d.id}, false))
	if s.Cleared {
		tasks = s.clearedTask(ctx, d.id, c)
	}
	for f := range s.withEarlier(tasks) {
		if f.Err != nil || f.place == d {
			found = append(found, f)
		}
	}
	return found
}

// close closes the index. One that is damaged is removed, so that the next search makes it
// again.
func (a *answer) close() error {
	err := a.o.close()
	if a.s.damaged.Load() && serialOf(a.o.dir) == a.o.Serial {
		err = errors.Join(err, os.RemoveAll(a.o.dir))
	}
	return err
}
