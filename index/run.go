package index

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime/debug"
	"slices"
	"unicode/utf8"

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
)

func isShort(piece string) bool { return utf8.RuneCountInString(piece) < query.GramSize }

// Run finds what Scan finds, with the index in the folder dir, which it makes and
// brings up to date where that is due. When another process is at that, or the query
// leaves the index nothing to say, it does without, and does not wait.
func (s *Search) Run(ctx context.Context, dir string) iter.Seq[Found] {
	return func(yield func(Found) bool) {
		pieces := s.Query.Grams()
		if len(pieces) == 0 || s.Earlier != nil {
			s.Scan()(yield)
			return
		}
		ids, err := s.lookUp(ctx, dir, selective(pieces))
		if err != nil {
			s.over, s.fresh = 0, nil // what counts is then what is looked at
		}
		switch {
		case ctx.Err() != nil:
			yield(Found{Result: record.Result{Err: ctx.Err()}})
		case errors.Is(err, errOther):
			s.Scan()(yield)
		case err != nil:
			s.Warn(fmt.Errorf("the search index cannot be used, so each record is looked at: %w", err))
			s.Scan()(yield)
		default:
			s.match(s.Source.Select(ids, s.brief()))(yield)
		}
	}
}

// selective returns the pieces to look for: short ones, for which all of a dictionary has to be
// read, only where there are no others.
func selective(pieces []string) []string {
	long := slices.DeleteFunc(slices.Clone(pieces), isShort)
	if len(long) == 0 {
		return pieces
	}
	return long
}

// lookUp returns the tasks that may answer to the query.
func (s *Search) lookUp(ctx context.Context, dir string, pieces []string) ([]record.ID, error) {
	g, err := openNewest(dir, s.Limit)
	if errors.Is(err, errUnusable) {
		if g, err = s.rebuild(ctx, dir); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	ids, err := s.ask(ctx, dir, &g, pieces)
	if errors.Is(err, errUnusable) { // damage that its checksums do not show, or a commit that is gone
		if g, err = s.rebuild(ctx, dir); err == nil {
			ids, err = s.ask(ctx, dir, &g, pieces)
		}
	}
	if g != nil {
		err = errors.Join(err, g.close())
	}
	return ids, err
}

// ask looks into a generation, in whose place a newer one may come.
func (s *Search) ask(ctx context.Context, dir string, g **generation, pieces []string) ([]record.ID, error) {
	changed, err := s.changes(ctx, (*g).Commit)
	if err != nil {
		return nil, err
	}
	if len(changed) > overlay {
		newer, err := s.update(ctx, dir, *g, changed)
		if err == nil {
			changed = nil
			err = (*g).close()
			*g = newer
		}
		// What another process is about to write is looked at itself here.
		if err != nil && !errors.Is(err, errOther) {
			return nil, err
		}
	}
	ids, err := (*g).candidates(pieces)
	if err != nil {
		return nil, err
	}
	return s.overlaid(*g, ids, changed)
}

// changes returns the tasks that are not as they were in a commit.
func (s *Search) changes(ctx context.Context, from string) ([]record.ID, error) {
	if from == s.Source.Commit() {
		return nil, nil
	}
	var ids []record.ID
	for id, err := range s.Source.Changes(ctx, from) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			return nil, fmt.Errorf("%w: what has changed since %s: %w", errUnusable, from, err)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// overlaid puts the tasks that have changed in the place of what the index says of
// them, and counts the streams over the limit.
func (s *Search) overlaid(g *generation, ids, changed []record.ID) ([]record.ID, error) {
	s.fresh = map[record.ID]bool{}
	for _, id := range changed {
		s.fresh[id] = true
	}
	all := changed
	for _, id := range ids {
		if !s.fresh[id] {
			all = append(all, id)
		}
	}
	n, err := g.countOver(changed)
	s.over += n
	return all, err
}

// rebuild makes the index anew.
func (s *Search) rebuild(ctx context.Context, dir string) (*generation, error) {
	return s.write(ctx, dir, func(w *writer) error {
		return s.fill(ctx, w, s.Source.Records(record.Range{}))
	})
}

// update makes a generation in which some tasks are as they are now.
func (s *Search) update(ctx context.Context, dir string, g *generation, changed []record.ID) (*generation, error) {
	return s.write(ctx, dir, func(w *writer) error {
		if n, err := newest(dir); err != nil || n != g.number {
			return errOther // somebody has just done it, and what g holds is gone
		}
		if err := guard(func() error { return g.without(changed) }); err != nil {
			return err
		}
		if err := s.fill(ctx, w, s.Source.Select(changed, false)); err != nil {
			return err
		}
		return guard(func() error { return w.takeOver(g) })
	})
}

// takeOver has the segments of an earlier generation in the new one, the small ones
// and those of which little is left as one.
func (w *writer) takeOver(g *generation) error {
	var small, large []openSegment
	for _, s := range g.segments {
		if s.live() < mergeBelow || s.live() < s.info.Docs/2 {
			small = append(small, s)
		} else {
			large = append(large, s)
		}
	}
	if len(small) < mergeFrom {
		large, small = append(large, small...), nil
	}
	for _, s := range large {
		if err := w.keep(s, g.dir); err != nil {
			return err
		}
	}
	return w.merge(small)
}

// write makes a generation and opens it.
func (s *Search) write(ctx context.Context, dir string, fill func(*writer) error) (*generation, error) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(buildMemory))
	defer debug.SetGCPercent(debug.SetGCPercent(buildGC))
	w, err := newWriter(dir, s.Limit)
	if err != nil {
		return nil, err
	}
	if err = fill(w); err == nil {
		err = w.publish(s.Source.Commit())
	}
	if s.Indexed != nil {
		s.Indexed()
	}
	number := w.next
	if err = errors.Join(err, w.abandon()); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	debug.FreeOSMemory() // before the index is mapped
	return openGeneration(dir, number)
}

// fill writes the text of records.
func (s *Search) fill(ctx context.Context, w *writer, results iter.Seq[record.Result]) error {
	return w.fill(ctx, func(yield func(*document) bool) error {
		n := 0
		for res := range results {
			if res.ID == "" {
				return res.Err
			}
			if !yield(s.document(res)) {
				return nil
			}
			if n++; s.Progress != nil {
				s.Progress(n)
			}
		}
		return nil
	})
}

// document returns what is indexed of a task. One that cannot be read may hold any text:
// each search has to come by it, and say so.
func (s *Search) document(res record.Result) *document {
	if res.Err != nil {
		return unreadable(res.ID)
	}
	d := s.doc(Run{Record: res.Record, Stream: func(name record.StreamName) (io.ReadCloser, error) {
		return s.Source.Stream(res.Record, name)
	}})
	doc := newDocument(res.ID, d, s.Limit)
	if d.Err != nil {
		return unreadable(res.ID)
	}
	return doc
}
