package index

import (
	"iter"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/google/uuid"

	"qme/record"
)

// A span is some neighbouring rows of a segment.
type span struct {
	seg      *openSegment
	from, to int
	placed   bool // it is one row, whose place is not that of its id
}

// placed are the rows that do not come in the place of their ids, nil for none.
type placed struct {
	list []placedSpan // in the order of a search
	rows map[*openSegment]*roaring.Bitmap
}

// A placedSpan comes before the rows with lower UUIDs than its place; nil is behind all.
type placedSpan struct {
	span
	id    record.ID
	place []byte
}

// has reports whether a row is one of them.
func (p *placed) has(s *openSegment, row int) bool {
	if p == nil {
		return false
	}
	rows := p.rows[s]
	return rows != nil && rows.Contains(uint32(row))
}

// placed returns the rows in some blocks that an order has elsewhere than their ids: of
// tasks that have moved, and of those that were made in the future.
func (g *generation) placed(o *record.Order, blocks []*roaring.Bitmap) (*placed, error) {
	if o == nil {
		return nil, nil
	}
	p := &placed{rows: map[*openSegment]*roaring.Bitmap{}}
	add := func(s *openSegment, i, row int, id record.ID) error {
		if p.rows[s] == nil {
			p.rows[s] = roaring.New()
		}
		p.rows[s].Add(uint32(row))
		if blocks[i] != nil && !blocks[i].Contains(uint32(s.texts.blockOf(row))) {
			return nil
		}
		one := placedSpan{span: span{seg: s, from: row, to: row + 1, placed: true}, id: id}
		if place := o.Place(id); !o.Future(place) {
			u, err := uuid.Parse(place)
			if err != nil {
				return err
			}
			one.place = u[:]
		}
		p.list = append(p.list, one)
		return nil
	}
	for i, s := range g.segments {
		for _, m := range o.Moved() {
			if row, ok := s.texts.rowOf(m.ID); ok {
				if err := add(s, i, row, m.ID); err != nil {
					return nil, err
				}
			}
		}
		for row := 0; row < s.texts.len() && o.Future(uuid.UUID(s.texts.uuid(row)).String()); row++ {
			r := s.texts.row(row)
			if id := s.texts.id(&r); !o.Has(id) {
				if err := add(s, i, row, id); err != nil {
					return nil, err
				}
			}
		}
	}
	slices.SortFunc(p.list, func(a, b placedSpan) int { return o.Compare(a.id, b.id) })
	return p, nil
}

// spanRows and jobRows bound the rows of a span and of a job, which is more where spans
// are short. The first jobs are small, because somebody waits for the first line.
const (
	spanRows = 128
	jobRows  = 512
)

// jobs yields the rows in some blocks of each segment, see candidates, in the order of
// their ids, newest first, but for those that are placed elsewhere.
func (g *generation) jobs(blocks []*roaring.Bitmap, p *placed) iter.Seq[[]span] {
	return func(yield func([]span) bool) {
		var job []span
		rows, most := 0, blockTasks
		for s := range g.spans(blocks, p) {
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

// spans yields the rows in some blocks in that order. Those that are placed elsewhere are
// also in the spans of their neighbours, where they do not count.
func (g *generation) spans(blocks []*roaring.Bitmap, p *placed) iter.Seq[span] {
	return func(yield func(span) bool) {
		var cursors []*cursor
		for i, s := range g.segments {
			if c := (&cursor{seg: s, blocks: blocks[i]}); c.settle() {
				cursors = append(cursors, c)
			}
		}
		var elsewhere []placedSpan
		if p != nil {
			elsewhere = p.list
		}
		for len(cursors) > 0 {
			first, limit := leading(cursors)
			c := cursors[first]
			if len(elsewhere) > 0 && string(elsewhere[0].place) > string(c.uuid()) {
				if !yield(elsewhere[0].span) {
					return
				}
				elsewhere = elsewhere[1:]
				continue
			}
			if len(elsewhere) > 0 && string(elsewhere[0].place) > string(limit) {
				limit = elsewhere[0].place
			}
			if !yield(c.take(limit)) {
				return
			}
			if !c.settle() {
				cursors = slices.Delete(cursors, first, first+1)
			}
		}
		for _, one := range elsewhere {
			if !yield(one.span) {
				return
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
	s := span{seg: c.seg, from: c.row, to: c.row + 1}
	for c.row++; c.row-s.from < spanRows && c.settle() && c.row == s.to && string(t.uuid(c.row)) > string(limit); c.row++ {
		s.to++
	}
	return s
}
