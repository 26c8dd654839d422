package gitstore

import (
	"iter"
	"slices"

	"qme/record"
)

// movedBatch bounds how many tasks that have moved are looked up at once; the first
// batch is small, so that the first line comes soon.
const movedBatch = 512

// ordered merges the walk by id with the tasks that have moved.
func (sn *Snapshot) ordered(rg record.Range) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		moved := movedWalk{sn: sn, rg: rg, rest: rg.Order.Moved(), most: 16}
		if rg.Reversed {
			moved.rest = slices.Clone(moved.rest)
			slices.Reverse(moved.rest)
		}
		next, err := moved.next()
		for e, werr := range sn.unmoved(rg) {
			for err == nil && werr == nil && next.ID != "" && rg.Before(next.ID, e.ID) {
				if !yield(next, nil) {
					return
				}
				next, err = moved.next()
			}
			if err != nil {
				yield(Entry{}, err)
				return
			}
			if !yield(e, werr) || werr != nil {
				return
			}
		}
		for ; err == nil && next.ID != ""; next, err = moved.next() {
			if !yield(next, nil) {
				return
			}
		}
		if err != nil {
			yield(Entry{}, err)
		}
	}
}

// unmoved yields the tasks whose place is that of their id: the newest first, and last
// those of the future; the reverse if the range is reversed.
func (sn *Snapshot) unmoved(rg record.Range) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		o := rg.Order
		now := record.DirAt(o.Limit())
		for _, future := range []bool{rg.Reversed, !rg.Reversed} {
			w := &walker{sn: sn, rg: rg}
			w.lo, w.hi = bounds(rg.Prefix)
			if future {
				w.lo = max(w.lo, now)
			} else {
				w.hi = min(w.hi, now)
			}
			more := true
			w.yield = func(e Entry, err error) bool {
				if err == nil && (o.Future(e.ID.UUID()) != future || o.Has(e.ID)) {
					return true
				}
				more = yield(e, err) && err == nil
				return more
			}
			if w.start(); !more {
				return
			}
		}
	}
}

// A movedWalk finds the tasks of a range that have moved, in their order.
type movedWalk struct {
	sn    *Snapshot
	rg    record.Range
	rest  []record.Moved
	found []Entry
	most  int
}

// next returns the next one, without an ID when there is none.
func (w *movedWalk) next() (Entry, error) {
	for len(w.found) == 0 {
		var ids []record.ID
		for len(w.rest) > 0 && len(ids) < w.most {
			if w.rg.Has(w.rest[0].ID) {
				ids = append(ids, w.rest[0].ID)
			}
			w.rest = w.rest[1:]
		}
		if len(ids) == 0 {
			return Entry{}, nil
		}
		w.most = min(2*w.most, movedBatch)
		there := make(map[record.ID]Entry, len(ids))
		for e, err := range w.sn.find(ids) {
			if err != nil {
				return Entry{}, err
			}
			there[e.ID] = e
		}
		for _, id := range ids {
			if e, ok := there[id]; ok {
				w.found = append(w.found, e)
			}
		}
	}
	e := w.found[0]
	w.found = w.found[1:]
	return e, nil
}
