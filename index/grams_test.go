package index

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/klauspost/compress/s2"

	"qme/index/query"
	"qme/record"
)

// someEntries returns n tasks, newest first.
func someEntries(t testing.TB, rnd *rand.Rand, n int) []entry {
	t.Helper()
	var entries []entry
	for range n {
		id, err := record.NewID("shell")
		if err != nil {
			t.Fatal(err)
		}
		rec := &record.Record{Executor: "shell", UID: id, Command: fmt.Sprintf("echo %x and the same", rnd.IntN(1<<20))}
		doc := &query.Doc{Record: rec, Stream: func(record.StreamName) (string, error) { return "日本 " + rec.Command, nil }}
		entries = append(entries, entry{id: id, doc: doc, size: 30})
	}
	slices.Reverse(entries)
	return entries
}

// TestManyBatches has a segment of so many batches that their tables are merged twice say of
// each gram in which blocks it is.
func TestManyBatches(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	w := &writer{tmp: t.TempDir()}
	seg, err := w.newSegment()
	if err != nil {
		t.Fatal(err)
	}
	const count, each = mergeRunsFrom*mergeRunsFrom + 3*mergeRunsFrom + 5, 3
	entries := someEntries(t, rnd, count*each)
	want := map[gram][]uint32{}
	for i := range count {
		some := entries[i*each:][:each]
		for _, e := range some {
			e.doc.EachGram(func(g string) {
				if n := newGram(g); len(want[n]) == 0 || want[n][len(want[n])-1] != uint32(i) {
					want[n] = append(want[n], uint32(i))
				}
			})
		}
		if err := seg.add(newBatch(some)); err != nil {
			t.Fatal(err)
		}
	}
	if err := seg.finish(); err != nil {
		t.Fatal(err)
	}
	s, err := openSegmentFiles(seg.path, w.segments[0])
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if pages := len(s.grams.pages); pages < 2 {
		t.Errorf("the table has %d pages: the test does not test", pages)
	}
	for g, blocks := range want {
		for _, near := range []gram{g - 1, g, g + 1} {
			if got, err := s.grams.blocks(near); err != nil || !slices.Equal(got, want[near]) {
				t.Errorf("gram %x: %v, want %v (%v)", near, got, blocks, err)
			}
		}
	}
	if left, err := os.ReadDir(w.tmp); err != nil || len(left) != 2 {
		t.Errorf("beside the segment there are %v (%v)", left, err)
	}
}

// TestOldestFirst has tasks that do not come newest first be in segments in which they do.
func TestOldestFirst(t *testing.T) {
	t.Parallel()
	entries := someEntries(t, rand.New(rand.NewPCG(3, 4)), 2*maxBatch+1)
	slices.Reverse(entries)
	w := &writer{tmp: t.TempDir()}
	err := w.fill(t.Context(), func(yield func(entry) bool) error {
		for _, e := range entries {
			if !yield(e) {
				break
			}
		}
		return nil
	})
	if err != nil || len(w.segments) != 3 {
		t.Fatalf("%d segments (%v)", len(w.segments), err)
	}
	for _, info := range w.segments {
		s, err := openSegmentFiles(filepath.Join(w.tmp, info.Name), info)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.texts.need(0, s.texts.len()); err != nil {
			t.Fatal(err)
		}
		for i := range s.texts.len() - 1 {
			if string(s.texts.uuid(i)) < string(s.texts.uuid(i+1)) {
				t.Fatalf("row %d of %s is older than the next", i, info.Name)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestFillFails has a segment that cannot be written be an error, with nothing left open or
// listed.
func TestFillFails(t *testing.T) {
	t.Parallel()
	entries := someEntries(t, rand.New(rand.NewPCG(5, 6)), 10)
	next := func(yield func(entry) bool) error {
		yield(entries[0])
		return record.ErrCorrupt
	}
	w := &writer{tmp: t.TempDir()}
	if err := w.fill(t.Context(), next); !errors.Is(err, record.ErrCorrupt) || len(w.segments) > 0 {
		t.Errorf("%v, %v", err, w.segments)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	one := func(yield func(entry) bool) error {
		yield(entries[0])
		return nil
	}
	if err := w.fill(ctx, one); !errors.Is(err, context.Canceled) || len(w.segments) > 0 {
		t.Errorf("%v, %v", err, w.segments)
	}
	w.tmp = filepath.Join(w.tmp, "none")
	if err := w.fill(t.Context(), next); !errors.Is(err, os.ErrNotExist) || len(w.segments) > 0 {
		t.Errorf("%v, %v", err, w.segments)
	}
}

// FuzzGramPage has a page of any bytes, with the right checksum, be read or be damaged.
func FuzzGramPage(f *testing.F) {
	f.Add([]byte{0, 2, 1, 1, 5, 1, 9}, uint64(3))
	f.Add([]byte{0, 0xff}, uint64(0))
	f.Add([]byte{0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1}, uint64(0))
	f.Add(append([]byte{0}, bytes.Repeat([]byte{0xff}, 11)...), uint64(3))
	f.Fuzz(func(t *testing.T, page []byte, g uint64) {
		packed := s2.Encode(nil, page)
		d := binary.LittleEndian.AppendUint64(make([]byte, 0, gramPageSize), 3)
		d = binary.LittleEndian.AppendUint64(d, 0)
		d = binary.LittleEndian.AppendUint32(d, uint32(len(packed)))
		d = binary.LittleEndian.AppendUint32(d, crc32.ChecksumIEEE(packed))
		info := gramInfo{Pages: 1, Size: int64(len(packed) + len(d)), CRC: crc32.ChecksumIEEE(d)}
		table, err := openGrams(bytes.NewReader(append(packed, d...)), info)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := table.blocks(gram(g)); err != nil && !errors.Is(err, errUnusable) {
			t.Error(err)
		}
	})
}
