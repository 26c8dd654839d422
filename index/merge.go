package index

import (
	"context"
	"errors"

	"github.com/RoaringBitmap/roaring/v2"

	"qme/index/query"
	"qme/record"
)

const (
	// Segments of about as many tasks, within the factor mergeFrom, become one from that
	// many on. smallest is up to how many tasks they all count as of one size, largest from
	// how many on they stay as they are, so that no search has to wait for long.
	mergeFrom = 8
	smallest  = 512
	largest   = 32 << 10
)

// takeOver has the segments of an earlier generation in the new one, those of one size as
// one when there are many, and those of which little is left.
func (w *writer) takeOver(ctx context.Context, g *generation) error {
	merged, kept := mergeable(g.segments)
	for _, s := range kept {
		if err := w.keep(s, g.dir); err != nil {
			return err
		}
	}
	return w.fill(ctx, func(yield func(entry) bool) error {
		only, all := &generation{segments: merged}, make([]*roaring.Bitmap, len(merged))
		if err := only.need(all); err != nil {
			return err
		}
		for job := range only.jobs(all) {
			for _, s := range job {
				if more, err := copyRows(s, yield); err != nil || !more {
					return err
				}
			}
		}
		return nil
	})
}

// mergeable chooses the segments that become one. What that makes of them may well be of a
// size of which there are enough then: the smallest come first, and with them the next.
func mergeable(segments []*openSegment) (merged, kept []*openSegment) {
	var sizes [][]*openSegment
	for _, s := range segments {
		live := s.live()
		if live < s.texts.len()/2 {
			merged = append(merged, s)
			continue
		}
		if live >= largest {
			kept = append(kept, s)
			continue
		}
		size := 0
		for most := smallest; live >= most; most *= mergeFrom {
			size++
		}
		for len(sizes) <= size {
			sizes = append(sizes, nil)
		}
		sizes[size] = append(sizes[size], s)
	}
	extra := 0
	for _, some := range sizes {
		if len(some)+extra < mergeFrom {
			kept, extra = append(kept, some...), 0
			continue
		}
		merged, extra = append(merged, some...), 1
	}
	return merged, kept
}

// copyRows hands on the tasks of a span that still count. The error wraps errUnusable when
// they are damaged.
func copyRows(s span, yield func(entry) bool) (more bool, err error) {
	t := s.seg.texts
	number := -1
	var parts [2]column
	for i := s.from; i < s.to; i++ {
		if s.seg.deleted.Contains(uint32(i)) {
			continue
		}
		if n := t.blockOf(i); n != number {
			number = n
			if err := errors.Join(t.load(&parts[heads], n, heads), t.load(&parts[streams], n, streams)); err != nil {
				return false, err
			}
		}
		if !yield(t.entry(&parts, i, i-int(t.blocks[number].first))) {
			return false, nil
		}
	}
	return true, nil
}

// entry returns a task as it was indexed.
func (t *textFile) entry(parts *[2]column, i, task int) entry {
	row := t.row(i)
	if row.unreadable() {
		return entry{id: t.id(&row)}
	}
	rec := t.record(&row, &parts[heads], task)
	output := map[record.StreamName]string{record.Stdout: parts[streams].of(task, 0), record.Stderr: parts[streams].of(task, 1)}
	doc := &query.Doc{Record: rec, Stream: func(name record.StreamName) (string, error) { return output[name], nil }}
	size := len(rec.Command) + len(rec.Data.Message) + len(output[record.Stdout]) + len(output[record.Stderr])
	return entry{id: rec.UID, doc: doc, over: row.over(), size: size}
}
