package odb

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
	"github.com/spf13/afero"

	"qme/tests/require"
)

// indexOf makes the index file of a pack that holds objects of these names. The
// offset of each is a function of its name.
func indexOf(t testing.TB, names []plumbing.Hash, offset func(plumbing.Hash) uint64) []byte {
	t.Helper()
	w := new(idxfile.Writer)
	if err := w.OnHeader(uint32(len(names))); err != nil {
		t.Fatal(err)
	}
	for _, h := range names {
		if err := w.OnInflatedObjectContent(h, int64(offset(h)), 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.OnFooter(plumbing.Hash{1}); err != nil {
		t.Fatal(err)
	}
	index, err := w.Index()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := idxfile.NewEncoder(&b).Encode(index); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// counting counts the reads of an index.
type counting struct {
	afero.File
	reads int
}

func (c *counting) ReadAt(b []byte, off int64) (int, error) {
	c.reads++
	return c.File.ReadAt(b, off)
}

// TestBigIndexes looks up every name of large indexes, and names that are not in
// them, also where the names are spread as SHA-1 never does.
func TestBigIndexes(t *testing.T) {
	t.Parallel()
	require.Alone(t)
	const n = 100_000
	rnd := rand.New(rand.NewPCG(1, 2))
	random := func(int) (h plumbing.Hash) {
		for i := range h {
			h[i] = byte(rnd.Uint32())
		}
		return h
	}
	for _, c := range []struct {
		name  string
		make  func(i int) plumbing.Hash
		reads int // at most, for one look-up
	}{
		{"even", random, 6},
		{"one after the other", func(i int) (h plumbing.Hash) {
			binary.BigEndian.PutUint32(h[16:], uint32(2*i))
			return h
		}, 40},
		{"clusters", func(i int) (h plumbing.Hash) {
			h = random(i)
			h[0], h[1] = byte(i%3*127), byte(i%5)
			return h
		}, 40},
		{"at the ends of a bucket", func(i int) (h plumbing.Hash) {
			h = random(i)
			h[0], h[1], h[2] = 7, byte(i%2*255), byte(i%2*255)
			return h
		}, 40},
		{"growing", func(i int) (h plumbing.Hash) {
			binary.BigEndian.PutUint64(h[1:], 1<<(i%60)+uint64(i))
			return h
		}, 40},
	} {
		t.Run(c.name, func(t *testing.T) {
			names := make([]plumbing.Hash, n)
			for i := range names {
				names[i] = c.make(i)
			}
			checkIndex(t, names, c.reads)
		})
	}
}

func checkIndex(t *testing.T, names []plumbing.Hash, most int) {
	t.Helper()
	slices.SortFunc(names, func(a, b plumbing.Hash) int { return bytes.Compare(a[:], b[:]) })
	names = slices.Compact(names)
	// Every third offset is past 2 GiB, and so in the table for these.
	offset := func(h plumbing.Hash) uint64 {
		return uint64(binary.BigEndian.Uint32(h[16:])>>1) | uint64(h[19]%3/2)<<33
	}
	fsys := afero.NewMemMapFs()
	if err := afero.WriteFile(fsys, "/x.idx", indexOf(t, names, offset), 0o444); err != nil {
		t.Fatal(err)
	}
	x, err := openIndex(fsys, "/x.idx")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = x.close() }()
	file := &counting{File: x.file}
	x.file = file
	for i, h := range names {
		file.reads = 0
		if off, ok, err := x.lookup(h); off != int64(offset(h)) || !ok || err != nil {
			t.Fatalf("name %d of %d, %s: %d, %v, %v; want %d", i, len(names), h, off, ok, err, offset(h))
		}
		if file.reads > most {
			t.Fatalf("name %d of %d took %d reads", i, len(names), file.reads)
		}
		beside := h
		beside[19] ^= 1 // before or behind
		if _, there := slices.BinarySearchFunc(names, beside, func(a, b plumbing.Hash) int { return bytes.Compare(a[:], b[:]) }); there {
			continue
		}
		if off, ok, err := x.lookup(beside); ok || err != nil {
			t.Fatalf("%s, which is not there: %d, %v, %v", beside, off, ok, err)
		}
	}
	items, err := x.all()
	if err != nil || len(items) != len(names) {
		t.Fatalf("%d items of %d, %v", len(items), len(names), err)
	}
	for i, it := range items {
		if it.hash != names[i] || it.offset != int64(offset(names[i])) {
			t.Fatalf("item %d is %s at %d", i, it.hash, it.offset)
		}
	}
}
