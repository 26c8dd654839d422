package index

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"qme/index/query"
	"qme/record"
)

const (
	// overlay is how many tasks may differ from the index before it is brought up to
	// date; so many are looked at themselves.
	overlay = 256
	// buildMemory is from how many bytes of memory on writing has garbage collected
	// more often.
	buildMemory = 272 << 20
	buildGC     = 300 // percent: each batch leaves much behind
	// waitPatience is after how long a search says that it waits for another process,
	// waitPoll how often it looks.
	waitPatience = 500 * time.Millisecond
	waitPoll     = 20 * time.Millisecond
)

// Run finds what Scan finds, with the index in the folder dir, which it makes and
// brings up to date where that is due. When another process is at that, it uses what there
// is, waits for a while for the first index, and then does without.
func (s *Search) Run(ctx context.Context, dir string) iter.Seq[Found] {
	return func(yield func(Found) bool) {
		a, err := s.lookUp(ctx, dir)
		if err != nil {
			s.tooLong, s.fresh = 0, nil // what counts is then what is looked at
		}
		switch {
		case ctx.Err() != nil:
			yield(Found{Result: record.Result{Err: ctx.Err()}})
		case errors.Is(err, errOther):
			s.Scan(ctx)(yield)
		case err != nil:
			s.Warn(fmt.Errorf("the search index cannot be used, so each record is looked at: %w", withAdvice(err)))
			s.Scan(ctx)(yield)
		default:
			s.match(ctx, a.found(ctx))(yield)
			if err := a.close(dir); err != nil {
				s.Warn(fmt.Errorf("the search index: %w", withAdvice(err)))
			}
			return
		}
		if a != nil {
			_ = a.g.close() // that it cannot be used has been said
		}
	}
}

// lookUp finds out where the tasks are that may answer to the query. With an error the
// answer is nil.
func (s *Search) lookUp(ctx context.Context, dir string) (*answer, error) {
	g, err := s.first(ctx, dir)
	if err != nil {
		return nil, err
	}
	a := &answer{s: s, g: g}
	err = a.ask(ctx, dir)
	if errors.Is(err, errUnusable) { // damage that its checksums do not show, or a commit that is gone
		if g, err = s.rebuild(ctx, dir, a.g.number); err == nil {
			err = a.g.close()
			a.g = g
		}
		if err == nil {
			err = a.ask(ctx, dir)
		}
	}
	if err != nil {
		return nil, errors.Join(err, a.g.close())
	}
	return a, nil
}

// first opens the newest generation. Where there is none that can be used it makes one, or
// waits while another process does. The error is errOther when that takes too long.
func (s *Search) first(ctx context.Context, dir string) (*generation, error) {
	said := false
	begin := time.Now()
	for tries := 0; ; tries++ {
		number, err := newest(dir)
		if err != nil && !errors.Is(err, errUnusable) {
			return nil, err
		}
		g, err := openNewest(dir, s.Limit)
		if errors.Is(err, errUnusable) {
			g, err = s.rebuild(ctx, dir, number)
		}
		if !errors.Is(err, errOther) && !errors.Is(err, errUnusable) {
			return g, err
		}
		if now, nerr := newest(dir); nerr == nil && now != number && tries < 10 {
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

// rebuild makes the index anew, in the place of a generation that cannot be used; its
// number is 0 where there is none.
func (s *Search) rebuild(ctx context.Context, dir string, number int) (*generation, error) {
	made, err := s.write(ctx, dir, number, func(w *writer) error {
		return s.fill(ctx, w, s.Source.Records(record.Range{}))
	})
	if err != nil {
		return nil, err
	}
	return openGeneration(dir, made)
}

// update makes a generation in which some tasks are as they are now.
func (s *Search) update(ctx context.Context, dir string, g *generation, changed []record.ID) (number int, err error) {
	return s.write(ctx, dir, g.number, func(w *writer) error {
		if err := g.without(changed); err != nil {
			return err
		}
		if err := s.fill(ctx, w, s.Source.Select(changed, false)); err != nil {
			return err
		}
		return w.takeOver(ctx, g)
	})
}

// write makes the generation that comes behind another, and returns its number. The error is
// errOther when somebody else is at that or has done it.
func (s *Search) write(ctx context.Context, dir string, after int, fill func(*writer) error) (number int, err error) {
	defer debug.FreeOSMemory() // before the index is mapped
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(buildMemory))
	defer debug.SetGCPercent(debug.SetGCPercent(buildGC))
	w, err := newWriter(dir, s.Limit)
	if err != nil {
		return 0, err
	}
	if w.next != after+1 {
		return 0, errors.Join(errOther, w.abandon())
	}
	if err = fill(w); err == nil {
		err = w.publish(s.Source.Commit())
	} else if now, nerr := newest(dir); nerr == nil && now != after {
		err = errOther // where there are no locks; what was to be taken over is gone
	}
	if s.Indexed != nil {
		s.Indexed()
	}
	number = w.next
	if err = errors.Join(err, w.abandon()); err != nil {
		return 0, err
	}
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	return number, nil
}

// fill writes the text of records.
func (s *Search) fill(ctx context.Context, w *writer, results iter.Seq[record.Result]) error {
	return w.fill(ctx, func(yield func(entry) bool) error {
		n := 0
		for res := range results {
			if res.ID == "" {
				return res.Err
			}
			if !yield(s.entry(res)) {
				return nil
			}
			if n++; s.Progress != nil {
				s.Progress(n)
			}
		}
		return nil
	})
}

// entry returns what is indexed of a task. One that cannot be read may hold any text:
// each search has to come by it, and say so.
func (s *Search) entry(res record.Result) entry {
	if res.Err != nil {
		return entry{id: res.ID}
	}
	rec := res.Record
	e := entry{id: res.ID, doc: s.stored(res).Doc, over: query.CountOver(rec, s.Limit), size: len(rec.Command) + len(rec.Data.Message)}
	for _, name := range record.StreamNames {
		lines, stored := name.Of(rec)
		for _, l := range lines {
			e.size += len(l)
		}
		if stored != nil {
			e.size += int(min(stored.Stored(), s.Limit))
		}
	}
	return e
}

// An answer is where in an open generation, and where else, the tasks are that may answer
// to a query.
type answer struct {
	s      *Search
	g      *generation
	jobs   iter.Seq[[]span]
	reader *reader
	others []record.ID // to be looked at themselves
}

// ask looks into the generation, in whose place a newer one may come.
func (a *answer) ask(ctx context.Context, dir string) error {
	s := a.s
	changed, present, err := s.changes(ctx, a.g.Commit)
	if err != nil {
		return err
	}
	if len(changed) > overlay {
		number, err := s.update(ctx, dir, a.g, changed)
		if err == nil {
			changed, present = nil, nil
			err = a.reopen(dir, number)
		}
		// What another process is about to write is looked at itself here.
		if err != nil && !errors.Is(err, errOther) {
			return err
		}
	}
	grams, alternatives := s.Query.Grams(), s.Query.Alternatives()
	if s.Earlier != nil {
		grams, alternatives = nil, nil // they say nothing of earlier runs
	}
	blocks, err := a.g.candidates(grams, alternatives)
	if err != nil {
		return err
	}
	var added []record.ID
	for _, run := range s.Added {
		added = append(added, run.Record.UID)
	}
	if err := a.g.without(append(changed, added...)); err != nil {
		return err
	}
	over, unreadable := a.g.summary()
	s.tooLong = over
	present = slices.DeleteFunc(present, func(id record.ID) bool { return slices.Contains(added, id) })
	a.others = append(present, unreadable...)
	s.fresh = map[record.ID]bool{}
	for _, id := range append(added, a.others...) {
		s.fresh[id] = true
	}
	elsewhere, err := a.g.placed(s.Order, blocks)
	if err != nil {
		return err
	}
	a.jobs = a.g.jobs(blocks, elsewhere)
	a.reader = newReader(s, a.g, append(added, present...))
	a.reader.elsewhere = elsewhere
	return nil
}

// reopen closes the generation and opens another; both at once would take twice the memory.
func (a *answer) reopen(dir string, number int) error {
	err := a.g.close()
	a.g = new(generation)
	if err != nil {
		return err
	}
	g, err := openGeneration(dir, number)
	if err == nil {
		a.g = g
	}
	return err
}

// found yields the tasks that answer, and those to be looked at, in the order of the
// search.
func (a *answer) found(ctx context.Context) iter.Seq[Found] {
	indexed := a.reader.found(ctx, a.jobs)
	if a.s.Whole || a.s.Earlier != nil {
		indexed = a.fromHistory(indexed)
	}
	// Those that have moved come one by one, and the rest as the history has them.
	var still, moved []record.ID
	for _, id := range a.others {
		if a.s.Order.Has(id) || a.s.Order.Future(id.UUID()) {
			moved = append(moved, id)
		} else {
			still = append(still, id)
		}
	}
	if len(still) > 0 {
		indexed = a.s.overlaid(indexed, a.s.all(a.s.Source.Select(still, a.s.brief())))
	}
	if len(moved) > 0 {
		slices.SortFunc(moved, a.s.Order.Compare)
		indexed = a.s.overlaid(indexed, a.oneByOne(moved))
	}
	return a.s.overlaid(indexed, a.s.added())
}

// oneByOne reads the records of tasks in the order that is given.
func (a *answer) oneByOne(ids []record.ID) iter.Seq[Found] {
	return func(yield func(Found) bool) {
		for _, id := range ids {
			for f := range a.s.all(a.s.Source.Select([]record.ID{id}, a.s.brief())) {
				if !yield(f) || f.ID == "" {
					return
				}
			}
		}
	}
}

// fromHistory reads the records of what is found, to be looked at.
func (a *answer) fromHistory(found iter.Seq[Found]) iter.Seq[Found] {
	return func(yield func(Found) bool) {
		var ids []record.ID
		most := 16
		flush := func() bool {
			for f := range a.s.all(a.s.Source.Select(ids, a.s.brief())) {
				if !yield(f) {
					return false
				}
			}
			ids, most = nil, min(2*most, 1024)
			return true
		}
		for f := range found {
			if f.ID == "" {
				if flush() {
					yield(f)
				}
				return
			}
			// Records come newest first; one that has moved breaks this.
			full := len(ids) >= most || len(ids) > 0 && ids[len(ids)-1].UUID() < f.ID.UUID()
			if full && !flush() {
				return
			}
			ids = append(ids, f.ID)
		}
		flush()
	}
}

// close closes the generation. One that is damaged is removed, so that the next search
// makes the index anew.
func (a *answer) close(dir string) error {
	err := a.g.close()
	if a.s.damaged.Load() {
		err = errors.Join(err, os.RemoveAll(generationPath(dir, a.g.number)))
	}
	return err
}
