package gitstore

import (
	"iter"

	"qme/record"
)

// movedBatch bounds how many tasks that have moved are looked up at once; the first
// batch is small, so that the first line comes soon.
const movedBatch = 512

// ordered merges the walk by id with the tasks that have moved. The tasks of the future are the
// last, or the first if the range is reversed.
func (sn *Snapshot) ordered(rg record.Range) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for _, future := range []bool{rg.Reversed, !rg.Reversed} {
			if !sn.orderedPart(rg, future, yield) {
				return
			}
		}
	}
}

// orderedPart yields the tasks of the future, or all others. It reports whether the walk goes on.
func (sn *Snapshot) orderedPart(rg record.Range, future bool, yield func(Entry, error) bool) (more bool) {
	next, stop := iter.Pull(rg.Order.Moved(future, rg.Reversed))
	defer stop()
	moved := movedWalk{sn: sn, rg: rg, next: next, most: 16}
	more = true
	give := func(e Entry, err error) bool {
		more = yield(e, err) && err == nil
		return more
	}
	w := &walker{sn: sn, rg: rg}
	w.lo, w.hi = bounds(rg.Prefix)
	if now := record.DirAt(rg.Order.Limit()); future {
		w.lo = max(w.lo, now)
	} else {
		w.hi = min(w.hi, now)
	}
	// The tasks that have moved are walked by as well, so that those which come before them need no
	// walk to the next task that has not.
	w.yield = func(e Entry, err error) bool {
		switch {
		case err != nil:
			return give(e, err)
		case rg.Order.Future(e.ID.UUID()) != future:
			return true
		}
		return moved.giveBefore(e.ID, give) && (rg.Order.Has(e.ID) || give(e, nil))
	}
	if w.start(); more {
		moved.giveBefore("", give)
	}
	return more
}

// A movedWalk finds the tasks of a range that have moved, in their order.
type movedWalk struct {
	sn    *Snapshot
	rg    record.Range
	next  func() (record.Moved, bool)
	found []movedEntry
	ended bool
	most  int
}

type movedEntry struct {
	record.Moved
	Entry
}

// giveBefore gives those that come before the place that an id names, all for "", and reports
// whether the walk goes on.
func (w *movedWalk) giveBefore(id record.ID, give func(Entry, error) bool) bool {
	for {
		if err := w.look(); err != nil {
			return give(Entry{}, err)
		}
		if len(w.found) == 0 {
			return true
		}
		first := w.found[0]
		if id != "" && w.rg.Reversed != (record.CompareMoved(first.Moved, record.Unmoved(id)) > 0) {
			return true
		}
		if w.found = w.found[1:]; !give(first.Entry, nil) {
			return false
		}
	}
}

// look looks up the next ones, unless there are some already.
func (w *movedWalk) look() error {
	for len(w.found) == 0 && !w.ended {
		var list []record.Moved
		for len(list) < w.most {
			m, ok := w.next()
			if w.ended = !ok; !ok {
				break
			}
			if w.rg.Has(m.ID) {
				list = append(list, m)
			}
		}
		w.most = min(2*w.most, movedBatch)
		if err := w.find(list); err != nil {
			return err
		}
	}
	return nil
}

// find looks up some, and leaves out those that are not there.
func (w *movedWalk) find(list []record.Moved) error {
	if len(list) == 0 {
		return nil
	}
	ids := make([]record.ID, len(list))
	for i, m := range list {
		ids[i] = m.ID
	}
	there := make(map[record.ID]Entry, len(ids))
	for e, err := range w.sn.find(ids) {
		if err != nil {
			return err
		}
		there[e.ID] = e
	}
	for _, m := range list {
		if e, ok := there[m.ID]; ok {
			w.found = append(w.found, movedEntry{m, e})
		}
	}
	return nil
}
