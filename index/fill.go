package index

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"slices"
)

// fill writes what comes from next as segments, of which there is one as long as the tasks
// come newest first. next is called in another goroutine.
func (w *writer) fill(ctx context.Context, next func(yield func(entry) bool) error) (err error) {
	var nextErr error
	var seg *segmentWriter
	defer func() {
		if seg != nil {
			err = errors.Join(err, seg.abandon())
		}
	}()
	batches := batched(ctx, func(yield func(entry) bool) { nextErr = next(yield) })
	for b := range inOrder(batches, func() func([]entry) *batch { return newBatch }) {
		if seg != nil && b.first > seg.last {
			if err := seg.finish(); err != nil {
				return err
			}
			seg = nil
		}
		if seg == nil {
			if seg, err = w.newSegment(); err != nil {
				return err
			}
		}
		if err := seg.add(b); err != nil {
			return err
		}
	}
	if err := cmp.Or(nextErr, ctx.Err()); err != nil || seg == nil {
		return err
	}
	err = seg.finish()
	seg = nil
	return err
}

// batched yields entries as many at a time as are worth a processor's while.
func batched(ctx context.Context, entries iter.Seq[entry]) iter.Seq[[]entry] {
	return func(yield func([]entry) bool) {
		var some []entry
		size := 0
		for e := range entries {
			some = append(some, e)
			if size += e.size; size >= batchText || len(some) >= maxBatch {
				if !yield(some) {
					return
				}
				some, size = nil, 0
			}
			if ctx.Err() != nil {
				return
			}
		}
		if len(some) > 0 {
			yield(some)
		}
	}
}

// A batch is some tasks as a segment has them.
type batch struct {
	first, last string // UUIDs
	texts       textBlocks
	grams       run
	err         error
}

// newBatch makes a batch of entries, which it clears: their memory is wanted for the next.
func newBatch(entries []entry) *batch {
	slices.SortStableFunc(entries, func(a, b entry) int { return cmp.Compare(b.id.UUID(), a.id.UUID()) })
	b := &batch{first: entries[0].id.UUID(), last: entries[len(entries)-1].id.UUID()}
	grams := newGramLists()
	for len(entries) > 0 {
		n := blockOf(entries)
		grams.add(entries[:n])
		if b.err = b.texts.add(entries[:n]); b.err != nil {
			return b
		}
		clear(entries[:n])
		entries = entries[n:]
	}
	var table bytes.Buffer
	info, err := grams.write(&table)
	if err == nil {
		b.grams.gramTable, err = openGrams(bytes.NewReader(table.Bytes()), info)
	}
	b.err = err
	return b
}

// blockOf returns how many of the entries, one at least, make a block.
func blockOf(entries []entry) int {
	size := 0
	for i, e := range entries {
		if i == blockTasks || size >= blockText {
			return i
		}
		size += e.size
	}
	return len(entries)
}

// A segmentWriter writes a segment. Its grams are sorted as in an external merge sort: as
// tables of some batches, in memory first, that become one as there are more of them.
type segmentWriter struct {
	w     *writer
	path  string
	texts *textWriter
	runs  [][]run // by how often they have been merged
	last  string  // the UUID of the task that was added last
}

func (w *writer) newSegment() (*segmentWriter, error) {
	s := &segmentWriter{w: w, path: w.newPath()}
	var err error
	s.texts, err = createTexts(s.path + textsExt)
	return s, err
}

// add adds a batch, none of whose tasks is newer than those before.
func (s *segmentWriter) add(b *batch) error {
	if b.err != nil {
		return b.err
	}
	b.grams.base = uint32(s.texts.info.Blocks)
	s.last = b.last
	if err := s.texts.add(&b.texts); err != nil {
		return err
	}
	return s.addRun(b.grams, 0)
}

// addRun adds a table that has been merged so often.
func (s *segmentWriter) addRun(r run, level int) error {
	if level == len(s.runs) {
		s.runs = append(s.runs, nil)
	}
	s.runs[level] = append(s.runs[level], r)
	if len(s.runs[level]) < mergeRunsFrom {
		return nil
	}
	some := s.runs[level]
	merged, err := s.merge(some)
	if err != nil {
		return err
	}
	s.runs[level] = nil
	if err := closeRuns(some); err != nil {
		return errors.Join(err, merged.close())
	}
	return s.addRun(merged, level+1)
}

// merge makes one table of some, in a file that has no name any more.
func (s *segmentWriter) merge(some []run) (merged run, err error) {
	f, err := os.CreateTemp(s.w.tmp, "run-")
	if err != nil {
		return run{}, err
	}
	err = os.Remove(f.Name())
	if err == nil {
		merged = run{base: some[0].base, close: f.Close}
		var info gramInfo
		if info, err = mergeRuns(f, some, merged.base); err == nil {
			merged.gramTable, err = openGrams(f, info)
		}
	}
	if err != nil {
		return run{}, errors.Join(err, f.Close())
	}
	return merged, nil
}

// finish writes the rest and adds the segment to the generation. The writer is of no use any
// more.
func (s *segmentWriter) finish() error {
	texts, err := s.texts.finish()
	s.texts = nil
	if err != nil {
		return errors.Join(err, s.abandon())
	}
	f, err := os.OpenFile(s.path+gramsExt, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return errors.Join(err, s.abandon())
	}
	grams, err := mergeRuns(f, slices.Concat(s.runs...), 0)
	err = errors.Join(err, f.Close(), s.abandon())
	s.w.segments = append(s.w.segments, segmentInfo{Name: filepath.Base(s.path), Grams: grams, Texts: texts})
	return err
}

// abandon closes what is still open.
func (s *segmentWriter) abandon() error {
	var err error
	if s.texts != nil {
		err = s.texts.f.Close()
	}
	s.texts = nil
	for _, some := range s.runs {
		err = errors.Join(err, closeRuns(some))
	}
	s.runs = nil
	return err
}
