package odb

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"

	"qme/tests/require"
)

// edited returns b with some stretches of it changed, moved, doubled or left out.
func edited(r *rand.Rand, b []byte) []byte {
	var out []byte
	for len(b) > 0 {
		n := min(1+r.IntN(1+r.IntN(4000)), len(b))
		switch r.IntN(5) {
		case 0:
		case 1:
			out = append(append(out, b[:n]...), b[:n]...)
		case 2:
			out = append(out, noise(byte(r.IntN(256)), n)...)
		default:
			out = append(out, b[:n]...)
		}
		b = b[n:]
	}
	return out
}

func TestDeltas(t *testing.T) {
	t.Parallel()
	require.Alone(t)
	r := rand.New(rand.NewPCG(1, 2))
	var d differ
	for i, n := range []int{0, 1, 3, 4, 5, 255, 256, 257, 4096, 65535, 65536, 65537, 1 << 17, 1 << 20} {
		for name, base := range map[string][]byte{"noise": noise(byte(i), n), "zeros": make([]byte, n), "text": bytes.Repeat([]byte("a line of text\n"), n/15+1)[:n]} {
			for _, target := range [][]byte{nil, {0}, base, base[n/2:], edited(r, base), edited(r, base), noise(99, 300)} {
				delta := bytes.Clone(d.diff(base, target, 4+r.IntN(12)))
				if got, err := packfile.PatchDelta(base, delta); err != nil && len(base) > 0 || err == nil && !bytes.Equal(got, target) {
					t.Errorf("%s of %d bytes, target of %d: %v, %d bytes come out", name, n, len(target), err, len(got))
				}
			}
			if delta := d.diff(base, base, 4); len(delta) > 12+7*(n/maxCopy+1) {
				t.Errorf("%s of %d bytes: the delta against itself has %d", name, n, len(delta))
			}
		}
	}
}

func FuzzDiff(f *testing.F) {
	f.Add([]byte("one line\nanother line\n"), []byte("another line\none line\n"), 4)
	f.Fuzz(func(t *testing.T, base, target []byte, least int) {
		if len(base) == 0 {
			return // go-git's PatchDelta wants one
		}
		var d differ
		got, err := packfile.PatchDelta(base, d.diff(base, target, max(4, least)))
		if err != nil || !bytes.Equal(got, target) {
			t.Errorf("%v: %q", err, got)
		}
	})
}

// TestChainsAreShort writes many versions of one thing: no object may be more
// steps from a whole one than its chain allows, and most are deltas.
func TestChainsAreShort(t *testing.T) {
	t.Parallel()
	for _, kind := range []plumbing.ObjectType{plumbing.TreeObject, plumbing.BlobObject, plumbing.CommitObject} {
		db, _ := memory()
		w := db.NewWriter()
		for i := range 500 {
			w.Add(kind, fmt.Appendf(nil, "a first line that is the same in all of them\nversion %d\n%x\n", i, noise(byte(i), 30)), "chain")
		}
		flush(t, w)
		packs, err := db.list(false)
		if err != nil {
			t.Fatal(err)
		}
		items, _, err := packs[0].sorted()
		if err != nil {
			t.Fatal(err)
		}
		steps, deltas, most := map[int64]int{}, 0, 0
		for _, it := range items {
			e, err := packs[0].entryAt(it.offset)
			if err != nil {
				t.Fatal(err)
			}
			if e.kind == plumbing.OFSDeltaObject {
				steps[it.offset] = steps[e.base] + 1
				deltas++
			}
			most = max(most, steps[it.offset])
		}
		if want := newChain(kind).depth; most > want || deltas < 450 {
			t.Errorf("%s: %d of %d are deltas, %d steps at most; want %d steps", kind, deltas, len(items), most, want)
		}
		verify(t, db)
	}
}
