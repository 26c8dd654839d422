package odb

import (
	"bytes"
	"compress/zlib"
	"context"
	"errors"
	"io"
	"path/filepath"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/spf13/afero"

	"qme/record"
)

func FuzzParseEntry(f *testing.F) {
	for _, kind := range []plumbing.ObjectType{plumbing.CommitObject, plumbing.BlobObject, plumbing.OFSDeltaObject, plumbing.REFDeltaObject} {
		f.Add(append(appendEntryHeader(nil, kind, 100_000, 5000, 20), make([]byte, 20)...), int64(5000))
	}
	f.Fuzz(func(t *testing.T, b []byte, off int64) {
		e, n, err := parseEntry(b, off)
		if err != nil {
			return
		}
		if n < 1 || n > len(b) || e.size < 0 || e.offset != off {
			t.Fatalf("%x is read as %+v of %d bytes", b, e, n)
		}
		again := appendEntryHeader(nil, e.kind, e.size, e.offset, e.base)
		if e.kind == plumbing.REFDeltaObject {
			again = append(again, e.baseRef[:]...)
		}
		if got, m, err := parseEntry(again, off); err != nil || m != len(again) || got != e {
			t.Errorf("%+v is written as %x and read as %+v, %v", e, again, got, err)
		}
	})
}

func deflate(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	_, err := z.Write(b)
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func FuzzReadLoose(f *testing.F) {
	good := deflate(f, []byte("blob 5\x00hello"))
	f.Add(good, false)
	f.Add(good[:len(good)-2], false)
	for _, s := range []string{"blob 5\x00hello", "blob 4\x00hello", "blob +5\x00hello", "tree 0\x00", "bl 1\x00x", "blob 5 hello", "", "blob 05\x00hello", "ofs-delta 0\x00"} {
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, inflated bool) {
		if inflated {
			b = deflate(t, b)
		}
		db, fsys := memory()
		h := plumbing.Hash{0xab}
		if err := afero.WriteFile(fsys, db.loosePath(h), b, 0o444); err != nil {
			t.Fatal(err)
		}
		_, _, err := db.Get(h)
		corrupt(t, "Get", err)
		if r, _, err := db.Open(h); err != nil {
			corrupt(t, "Open", err)
		} else if err := r.Close(); err != nil {
			t.Error(err)
		}
		// Nothing hashes to a name of zeros.
		if err := db.VerifyLoose(h); !errors.Is(err, record.ErrCorrupt) {
			t.Errorf("VerifyLoose: %v, want record.ErrCorrupt", err)
		}
	})
}

// A sample is a pack with objects of every kind.
type sample struct {
	name      string
	pack, idx []byte
	hashes    []plumbing.Hash
}

func newSample(t testing.TB) sample {
	t.Helper()
	db, fsys := memory()
	w := db.NewWriter()
	var s sample
	for i := range 6 {
		b := append(noise(3, 300), byte(i))
		s.hashes = append(s.hashes, w.Add(plumbing.BlobObject, b, "shell"))
	}
	s.hashes = append(s.hashes, w.Add(plumbing.TreeObject, []byte("100644 x\x0012345678901234567890"), ""), w.Add(plumbing.CommitObject, []byte("tree x\n"), ""))
	s.name = flush(t, w)
	var err1, err2 error
	s.pack, err1 = afero.ReadFile(fsys, filepath.Join(db.packDir(), s.name+".pack"))
	s.idx, err2 = afero.ReadFile(fsys, filepath.Join(db.packDir(), s.name+".idx"))
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return s
}

// read reads all of a pack that may be damaged.
func (s sample) read(t *testing.T, pack, idx []byte) {
	t.Helper()
	db, fsys := memory()
	base := filepath.Join(db.packDir(), s.name)
	if err := errors.Join(afero.WriteFile(fsys, base+".pack", pack, 0o444), afero.WriteFile(fsys, base+".idx", idx, 0o444)); err != nil {
		t.Fatal(err)
	}
	for _, h := range s.hashes {
		_, _, err := db.Get(h)
		corrupt(t, "Get", err)
		r, _, err := db.Open(h)
		if err == nil {
			_, err = io.Copy(io.Discard, r)
			_ = r.Close() // nothing to report
		}
		corrupt(t, "Open", err)
	}
	err := db.Each(context.Background(), func(plumbing.Hash) {})
	corrupt(t, "Each", err)
	err = db.VerifyPack(context.Background(), s.name, nil)
	corrupt(t, "VerifyPack", err)
	if same := bytes.Equal(pack, s.pack) && bytes.Equal(idx, s.idx); same != (err == nil) && same {
		t.Errorf("VerifyPack of a good pack: %v", err)
	} else if err == nil && !bytes.Equal(pack[:len(pack)-hashLen], s.pack[:len(s.pack)-hashLen]) {
		t.Error("VerifyPack finds nothing in a pack that is another")
	}
	corrupt(t, "Repack", db.Repack(context.Background(), []string{s.name}, nil))
}

func FuzzPack(f *testing.F) {
	s := newSample(f)
	f.Add(s.pack)
	for i := range 40 {
		bad := bytes.Clone(s.pack)
		bad[i*len(bad)/40] ^= 1 << (i % 8)
		f.Add(bad)
	}
	f.Add(s.pack[:len(s.pack)/2])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) { s.read(t, b, s.idx) })
}

func FuzzIndex(f *testing.F) {
	s := newSample(f)
	f.Add(s.idx)
	for i := range 40 {
		bad := bytes.Clone(s.idx)
		bad[i*len(bad)/40] ^= 1 << (i % 8)
		f.Add(bad)
	}
	f.Add(s.idx[:len(s.idx)/2])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) { s.read(t, s.pack, b) })
}

// FuzzDelta reads an object that is stored as a delta which nobody has checked.
func FuzzDelta(f *testing.F) {
	base := noise(1, 200)
	f.Add([]byte{0xc8, 0x01, 0x05, 5, 'h', 'e', 'l', 'l', 'o'})
	f.Add([]byte{0xc8, 0x01, 0x0a, 0x90, 0x0a})
	f.Add([]byte{0xc8, 0x01, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x80})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, delta []byte) {
		db, _ := memory()
		p, err := db.newPackFile(2)
		if err != nil {
			t.Fatal(err)
		}
		h := plumbing.ComputeHash(plumbing.BlobObject, base)
		target := plumbing.Hash{0xab}
		off := p.off
		if err := errors.Join(p.add(h, plumbing.BlobObject, int64(len(base)), bytes.NewReader(base)), p.addDelta(target, delta, off)); err != nil {
			t.Fatal(err)
		}
		publish(t, p)
		kind, b, err := db.Get(target)
		corrupt(t, "Get", err)
		if err == nil && (kind != plumbing.BlobObject || len(b) > len(delta)*len(base)*300) {
			t.Errorf("a %s of %d bytes", kind, len(b))
		}
		wantObject(t, db, h, plumbing.BlobObject, base)
	})
}
