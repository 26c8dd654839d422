package index

import (
	"iter"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// A span is some neighbouring rows of a segment.
type span struct {
	seg      *openSegment
	from, to int
}

// spanRows and jobRows bound the rows of a span and of a job, which is more where spans
// are short. The first jobs are small, because somebody waits for the first line.
const (
	spanRows = 128
	jobRows  = 512
)

// jobs yields the rows in some blocks of each segment, see candidates, in the order of
// their ids, newest first.
func (g *generation) jobs(blocks []*roaring.Bitmap) iter.Seq[[]span] {
	return func(yield func([]span) bool) {
		var job []span
		rows, most := 0, blockTasks
		for s := range g.spans(blocks) {
			job = append(job, s)
			if rows += s.to - s.from; rows < most {
				continue
			}
			if !yield(job) {
				return
			}
			job, rows, most = nil, 0, min(2*most, jobRows)
		}
		if len(job) > 0 {
			yield(job)
		}
	}
}

// spans yields the rows in some blocks in the order of their ids.
func (g *generation) spans(blocks []*roaring.Bitmap) iter.Seq[span] {
	return func(yield func(span) bool) {
		var cursors []*cursor
		for i, s := range g.segments {
			if c := (&cursor{seg: s, blocks: blocks[i]}); c.settle() {
				cursors = append(cursors, c)
			}
		}
		for len(cursors) > 0 {
			first, limit := leading(cursors)
			c := cursors[first]
			if !yield(c.take(limit)) {
				return
			}
			if !c.settle() {
				cursors = slices.Delete(cursors, first, first+1)
			}
		}
	}
}

// leading returns which cursor has the newest task, and the newest one of the others, nil
// when there is no other.
func leading(cursors []*cursor) (first int, second []byte) {
	for i, c := range cursors[1:] {
		if u := c.uuid(); string(u) > string(cursors[first].uuid()) {
			first, second = i+1, cursors[first].uuid()
		} else if string(u) > string(second) {
			second = u
		}
	}
	return first, second
}

// A cursor is how far a segment has been walked.
type cursor struct {
	seg    *openSegment
	blocks *roaring.Bitmap // nil: all
	block  int
	row    int
}

func (c *cursor) uuid() []byte { return c.seg.texts.uuid(c.row) }

// settle moves on to the next row that is wanted, and reports whether there is one.
func (c *cursor) settle() bool {
	t := c.seg.texts
	for c.row < t.len() {
		for c.row >= int(t.blocks[c.block+1].first) {
			c.block++
		}
		if c.blocks == nil || c.blocks.Contains(uint32(c.block)) {
			return true
		}
		c.row = int(t.blocks[c.block+1].first)
	}
	return false
}

// take returns rows from where the cursor stands, and moves behind them: those of wanted
// blocks, down to a UUID that is another cursor's.
func (c *cursor) take(limit []byte) span {
	t := c.seg.texts
	s := span{c.seg, c.row, c.row + 1}
	for c.row++; c.row-s.from < spanRows && c.settle() && c.row == s.to && string(t.uuid(c.row)) > string(limit); c.row++ {
		s.to++
	}
	return s
}
