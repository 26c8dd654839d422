package odb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/spf13/afero"

	"qme/record"
	"qme/tests/require"
)

func TestWriterRoundTrip(t *testing.T) {
	t.Parallel()
	db, _ := memory()
	w := db.NewWriter()
	if name, err := w.Flush(); name != "" || err != nil {
		t.Errorf("Flush of nothing returns %q, %v", name, err)
	}
	contents := map[plumbing.Hash][]byte{}
	for i := range 200 {
		b := []byte(fmt.Sprintf("%s %d\n%s", "version", i, noise(byte(i%3), i*37)))
		contents[w.Add(plumbing.BlobObject, b, "chain")] = b
	}
	empty := w.Add(plumbing.BlobObject, nil, "")
	if empty.String() != "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391" { // git's own name for it
		t.Errorf("the empty blob is %s", empty)
	}
	contents[empty] = nil
	for h, b := range contents {
		if k, got, err := w.Get(h); k != plumbing.BlobObject || !bytes.Equal(got, b) || err != nil {
			t.Errorf("before Flush, Get %s: %v", h, err)
		}
	}
	flush(t, w)
	for h, b := range contents {
		wantObject(t, db, h, plumbing.BlobObject, b)
	}
	verify(t, db)
}

func TestAddStreamThatLies(t *testing.T) {
	t.Parallel()
	db, _ := memory()
	w := db.NewWriter()
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader([]byte("four"))), nil }
	for _, size := range []int64{3, 5} {
		if h, err := w.AddStream(size, open); err == nil {
			t.Errorf("a stream of 4 bytes is taken as %d: %s", size, h)
		}
	}
	// Some that change between the two readings.
	for _, second := range []string{"fourmore", "for", "more"} {
		texts := []string{"four", second}
		_, err := w.AddStream(4, func() (io.ReadCloser, error) {
			text := texts[0]
			texts = texts[1:]
			return io.NopCloser(strings.NewReader(text)), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if name, err := w.Flush(); err == nil {
			t.Errorf("Flush wrote %s of a stream that has changed to %q", name, second)
		}
		w = db.NewWriter()
	}
	if packs, err := db.Packs(); len(packs) > 0 || err != nil {
		t.Errorf("%d packs, %v", len(packs), err)
	}
}

// bigStream writes a blob of 3 MiB and returns its name.
func bigStream(t *testing.T, db *DB, b []byte) plumbing.Hash {
	t.Helper()
	w := db.NewWriter()
	h, err := w.AddStream(int64(len(b)), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil })
	if err != nil {
		t.Fatal(err)
	}
	flush(t, w)
	return h
}

// TestReadersShareNothing reads a large blob by several readers at once, after
// another was closed twice, as "defer Close" beside a checked one does.
func TestReadersShareNothing(t *testing.T) {
	t.Parallel()
	db, _ := memory()
	b := noise(1, 3<<20)
	h := bigStream(t, db, b)
	open := func() io.ReadCloser {
		r, size, err := db.Open(h)
		if err != nil || size != int64(len(b)) {
			t.Fatalf("Open: %d bytes, %v", size, err)
		}
		return r
	}
	first := open()
	if err := errors.Join(first.Close(), first.Close()); err != nil {
		t.Logf("a second Close says %v", err)
	}
	if n, err := first.Read(make([]byte, 10)); err == nil {
		t.Errorf("behind Close, %d bytes are read", n)
	}
	one, two := open(), open()
	defer one.Close()
	defer two.Close()
	got := [2][]byte{make([]byte, len(b)), make([]byte, len(b))}
	for at := 0; at < len(b); at += 100_000 {
		end := min(at+100_000, len(b))
		for i, r := range []io.Reader{one, two} {
			if _, err := io.ReadFull(r, got[i][at:end]); err != nil {
				t.Fatalf("reader %d at %d: %v", i, at, err)
			}
		}
	}
	if !bytes.Equal(got[0], b) || !bytes.Equal(got[1], b) {
		t.Error("two readers at once read other bytes")
	}
}

// TestBigBlobsDamaged flips bytes of a blob that is read as a stream.
func TestBigBlobsDamaged(t *testing.T) {
	t.Parallel()
	db, fsys := memory()
	b := bytes.Repeat([]byte("text that can be deflated\n"), 120_000)
	h := bigStream(t, db, b)
	packs, err := db.Packs()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(db.packDir(), packs[0].Name+".pack")
	whole, err := afero.ReadFile(fsys, path)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for at := packHeaderLen; at < len(whole)-hashLen; at += 1 + len(whole)/97 {
		bad := bytes.Clone(whole)
		bad[at] ^= 0x10
		if err := afero.WriteFile(fsys, path, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		fresh := Open(fsys, "/objects", Options{})
		if err := fresh.VerifyPack(context.Background(), packs[0].Name, nil); !errors.Is(err, record.ErrCorrupt) {
			t.Errorf("byte %d: VerifyPack: %v, want record.ErrCorrupt", at, err)
		}
		r, _, err := fresh.Open(h)
		if err == nil {
			_, err = io.Copy(io.Discard, r)
			_ = r.Close() // nothing to report
		}
		corrupt(t, fmt.Sprint("byte ", at), err)
		if err != nil {
			found++
		}
	}
	if found < 50 {
		t.Errorf("reading found %d damages", found)
	}
}

func TestEntryHeaders(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{0, 1, 15, 16, 2047, 2048, 1 << 20, 1<<32 + 5, 1 << 40} {
		for _, kind := range []plumbing.ObjectType{plumbing.CommitObject, plumbing.TreeObject, plumbing.BlobObject, plumbing.TagObject} {
			b := appendEntryHeader(nil, kind, size, 12, 0)
			if e, n, err := parseEntry(b, 12); err != nil || n != len(b) || e.kind != kind || e.size != size {
				t.Errorf("%s of %d bytes: %+v, %d of %d, %v", kind, size, e, n, len(b), err)
			}
		}
		for _, dist := range []int64{1, 127, 128, 129, 16511, 16512, 1 << 31, 1 << 40} {
			off := dist + packHeaderLen
			b := appendEntryHeader(nil, plumbing.OFSDeltaObject, size, off, packHeaderLen)
			if e, n, err := parseEntry(b, off); err != nil || n != len(b) || e.base != packHeaderLen || e.size != size {
				t.Errorf("delta of %d bytes, %d away: %+v, %d of %d, %v", size, dist, e, n, len(b), err)
			}
			if e, _, err := parseEntry(b, off-1); err == nil {
				t.Errorf("a base before the first object: %+v", e)
			}
		}
	}
}

// TestEndlessDeltas makes packs whose deltas are based on themselves, or on each
// other.
func TestEndlessDeltas(t *testing.T) {
	t.Parallel()
	require.Alone(t)
	a, b := plumbing.Hash{1}, plumbing.Hash{2}
	for name, bases := range map[string][2]plumbing.Hash{"on itself": {a, b}, "on each other": {b, a}, "on what is not there": {{3}, {4}}} {
		db, _ := memory()
		p, err := db.newPackFile(2)
		if err != nil {
			t.Fatal(err)
		}
		for i, h := range []plumbing.Hash{a, b} {
			off, err := p.begin(plumbing.REFDeltaObject, 4, 0)
			if err != nil {
				t.Fatal(err)
			}
			z := smallDeflater{to: p}
			_, zerr := z.Write([]byte{0, 1, 1, 'x'})
			if err := errors.Join(p.write(bases[i][:]), zerr, z.Close()); err != nil {
				t.Fatal(err)
			}
			p.end(h, off)
		}
		name2 := publish(t, p)
		if _, _, err := db.Get(a); !errors.Is(err, record.ErrCorrupt) {
			t.Errorf("%s: Get: %v, want record.ErrCorrupt", name, err)
		}
		if err := db.VerifyPack(context.Background(), name2, nil); !errors.Is(err, record.ErrCorrupt) {
			t.Errorf("%s: VerifyPack: %v, want record.ErrCorrupt", name, err)
		}
		if err := db.Repack(context.Background(), []string{name2}, nil); !errors.Is(err, record.ErrCorrupt) {
			t.Errorf("%s: Repack: %v, want record.ErrCorrupt", name, err)
		}
	}
}
