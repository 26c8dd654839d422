package index

import (
	"context"
	"errors"
	"fmt"

	"github.com/RoaringBitmap/roaring/v2"

	"qme/index/query"
	"qme/record"
)

// takeOver has the segments of an earlier generation in the new one, the small ones
// and those of which little is left as one.
func (w *writer) takeOver(ctx context.Context, g *generation) error {
	var small, large []*openSegment
	for _, s := range g.segments {
		if s.live() < mergeBelow || s.live() < s.texts.len()/2 {
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
	return w.fill(ctx, func(yield func(entry) bool) error {
		only := &generation{segments: small}
		for job := range only.jobs(make([]*roaring.Bitmap, len(small)), nil) {
			for _, s := range job {
				if more, err := copyRows(s, yield); err != nil || !more {
					return err
				}
			}
		}
		return nil
	})
}

// copyRows hands on the tasks of a span that still count. The error wraps errUnusable when
// they cannot be read.
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
				return false, fmt.Errorf("%w: %w", errUnusable, err)
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
