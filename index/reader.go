package index

import (
	"bytes"
	"context"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/google/uuid"

	"qme/index/query"
	"qme/internal/ordered"
	"qme/record"
)

// readAhead bounds the results of jobs that wait for those of earlier ones.
const readAhead = 8

// A reader decides what of an open generation answers to a query.
type reader struct {
	s       *Search
	g       *generation
	needles []string
	streams bool // whether the query looks at them
	// Whether it looks at more than text.
	conditions bool
	others     map[string][]record.ID // tasks that are not in the generation, by their millisecond
	inID       map[*textFile][]bool   // which needles an id may have
	elsewhere  *placed
}

func newReader(s *Search, g *generation, others []record.ID) *reader {
	r := &reader{
		s: s, g: g, needles: s.Query.Needles(), streams: s.Query.Streams(), conditions: s.Query.HasConditions(),
		others: map[string][]record.ID{}, inID: map[*textFile][]bool{},
	}
	for _, id := range others {
		r.others[id.Millisecond()] = append(r.others[id.Millisecond()], id)
	}
	for _, seg := range g.segments {
		for _, n := range r.needles {
			r.inID[seg.texts] = append(r.inID[seg.texts], mayBeInID(n, seg.texts.executors))
		}
	}
	return r
}

// found yields the tasks in some blocks of the generation that answer to the query, and
// those of which that is still to be found out, which are no hits.
func (r *reader) found(ctx context.Context, jobs iter.Seq[[]span]) iter.Seq[Found] {
	return func(yield func(Found) bool) {
		newWorker := func() func([]span) []Found {
			w := &worker{reader: r, ctx: ctx}
			return w.do
		}
		for some := range ordered.Map(jobs, readAhead, newWorker) {
			for _, f := range some {
				if !yield(f) {
					return
				}
			}
		}
	}
}

// A worker reads blocks, for one goroutine.
type worker struct {
	*reader
	ctx  context.Context
	open [4]openBlock // where files overlap several take turns
	last int          // the one that was opened last
	rec  record.Record
}

// An openBlock is a block that has been read, as far as it was needed.
type openBlock struct {
	file   *textFile // nil: none
	number int
	parts  [2]column
	loaded [2]bool
	// Whether a needle is in a part, or in the id of one of the tasks; and whether each
	// needle is in one of these.
	has  [][2]bool
	some bool
}

func (w *worker) do(spans []span) (found []Found) {
	for _, s := range spans {
		number := s.seg.texts.blockOf(s.from)
		for i := s.from; i < s.to && w.ctx.Err() == nil; i++ {
			if i >= int(s.seg.texts.blocks[number+1].first) {
				number++
			}
			if s.seg.deleted.Contains(uint32(i)) || !s.placed && w.elsewhere.has(s.seg, i) {
				continue
			}
			f, err := w.look(s.seg.texts, number, i)
			if err != nil {
				w.s.damaged.Store(true)
				found = append(found, w.fromHistory(s.seg.texts, i)...)
			} else if f != nil {
				found = append(found, *f)
			}
		}
	}
	return found
}

// fromHistory returns a task as its record says, to be looked at.
func (r *reader) fromHistory(t *textFile, i int) (found []Found) {
	row := t.row(i)
	for res := range r.s.Source.Select([]record.ID{t.id(&row)}, r.s.brief()) {
		found = append(found, r.s.stored(res))
	}
	return found
}

// look returns a task that answers to the query, or whose earlier runs may, with no more
// than its id; nil for any other.
func (w *worker) look(t *textFile, number, i int) (*Found, error) {
	row := t.row(i)
	if w.s.Earlier != nil && row.run > 1 {
		return &Found{Result: record.Result{ID: t.id(&row)}}, nil
	}
	if w.conditions {
		if row.fill(&w.rec); !w.s.Query.Admits(&w.rec) {
			return nil, nil
		}
	}
	b, err := w.block(t, number)
	if err != nil {
		return nil, err
	}
	if !b.some || !w.possible(t, b, &row, i) {
		return nil, nil
	}
	return w.match(t, b, &row, i)
}

// block reads a block and finds out which needles are in it.
func (w *worker) block(t *textFile, number int) (*openBlock, error) {
	for i := range w.open {
		if b := &w.open[i]; b.file == t && b.number == number {
			return b, nil
		}
	}
	w.last = (w.last + 1) % len(w.open)
	b := &w.open[w.last]
	b.file, b.number, b.loaded, b.some = nil, number, [2]bool{}, true
	if err := t.load(&b.parts[heads], number, heads); err != nil {
		return nil, err
	}
	b.loaded[heads] = true
	if w.streams && len(w.needles) > 0 {
		if err := t.load(&b.parts[streams], number, streams); err != nil {
			return nil, err
		}
		b.loaded[streams] = true
	}
	b.has = make([][2]bool, len(w.needles))
	for i, n := range w.needles {
		for p := range b.parts {
			if b.loaded[p] {
				b.parts[p].fold()
				b.has[i][p] = bytes.Contains(b.parts[p].folded, []byte(n))
			}
		}
		b.some = b.some && (b.has[i][heads] || b.has[i][streams] || w.inID[t][i])
	}
	b.file = t
	return b, nil
}

// possible reports whether a task has all needles, though perhaps not in the right field.
func (w *worker) possible(t *textFile, b *openBlock, row *row, i int) bool {
	task := i - int(t.blocks[b.number].first)
	for k, n := range w.needles {
		there := w.inID[t][k] && strings.Contains(string(t.id(row)), n)
		for p := range b.parts {
			there = there || b.has[k][p] && bytes.Contains(b.parts[p].foldedOf(task), []byte(n))
		}
		if !there {
			return false
		}
	}
	return true
}

// match compares a task with the query.
func (w *worker) match(t *textFile, b *openBlock, row *row, i int) (*Found, error) {
	task := i - int(t.blocks[b.number].first)
	rec := t.record(row, &b.parts[heads], task)
	f := &Found{Result: record.Result{ID: rec.UID, Record: rec}, hit: true}
	number := b.number
	own := b // while the block is open here
	f.Doc = &query.Doc{Record: rec, Stream: func(name record.StreamName) (string, error) {
		return w.stream(own, t, number, task, name, rec.UID)
	}}
	if !w.s.Query.Match(f.Doc) {
		return nil, f.Doc.Err
	}
	if w.s.Hold && w.streams {
		f.Doc.Texts()
	}
	own = nil
	f.Unique = w.unique(rec.UID, uuid.UUID(t.uuid(i)))
	return f, f.Doc.Err
}

// stream returns a stream, from an open block or from the file. There those of a job are
// with those of the command.
func (r *reader) stream(b *openBlock, t *textFile, number, task int, name record.StreamName, id record.ID) (string, error) {
	field := 0
	if name == record.Stderr {
		field = 1
	}
	of := func(c *column) string {
		if name == record.JobStdout || name == record.JobStderr {
			return ""
		}
		return c.of(task, field)
	}
	if b != nil && b.loaded[streams] {
		return of(&b.parts[streams]), nil
	}
	c := new(column)
	if b != nil {
		c = &b.parts[streams]
	}
	if err := t.load(c, number, streams); err != nil {
		r.s.damaged.Store(true)
		return r.streamFromHistory(name, id)
	}
	if b != nil {
		b.loaded[streams] = true
	}
	return of(c), nil
}

func (r *reader) streamFromHistory(name record.StreamName, id record.ID) (string, error) {
	for res := range r.s.Source.Select([]record.ID{id}, false) {
		if res.Err != nil {
			return "", res.Err
		}
		return r.s.doc(Run{Record: res.Record, Stream: func(name record.StreamName) (io.ReadCloser, error) {
			return r.s.Source.Stream(res.Record, name)
		}}).Stream(name)
	}
	return "", record.ErrNotFound
}

// unique returns how much of a task's UUID names it: see record.ID.Unique.
func (r *reader) unique(id record.ID, u uuid.UUID) int {
	others := slices.Clip(r.others[id.Millisecond()])
	for _, s := range r.g.segments {
		if s.texts.spans(u[:6]) {
			others = append(others, s.madeWith(id, u)...)
		}
	}
	return id.Unique(others...)
}

// madeWith returns the other tasks of the segment that were made in the same millisecond.
func (s *openSegment) madeWith(id record.ID, u uuid.UUID) (others []record.ID) {
	first := u // and what may come after the millisecond
	for i := 6; i < len(first); i++ {
		first[i] = 0xff
	}
	for i := s.texts.find(first[:]); i < s.texts.len() && string(s.texts.uuid(i)[:6]) == string(u[:6]); i++ {
		row := s.texts.row(i)
		if itself := row.uuid == u && s.texts.executors[row.executor] == id.Executor(); !itself && !s.deleted.Contains(uint32(i)) {
			others = append(others, s.texts.id(&row))
		}
	}
	return others
}

// mayBeInID reports whether a text may be a part of an id of one of some executors.
func mayBeInID(needle string, executors []string) bool {
	const digits = "0123456789abcdef-"
	if strings.Trim(needle, digits) == "" {
		return true
	}
	for _, e := range executors {
		e += "-"
		for i := range e { // the needle begins here, and its end is in the UUID
			n := min(len(needle), len(e)-i)
			if e[i:i+n] == needle[:n] && strings.Trim(needle[n:], digits) == "" {
				return true
			}
		}
	}
	return false
}
