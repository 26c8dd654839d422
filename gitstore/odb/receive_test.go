package odb

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/spf13/afero"

	"qme/gitstore/storetest"
	"qme/record"
	"qme/tests/require"
)

// A builder puts packs together that no decent program would write.
type builder struct {
	t     testing.TB
	b     []byte
	count uint32
	level int // of zlib
}

func newBuilder(t testing.TB) *builder {
	return &builder{t: t, b: []byte("PACK\x00\x00\x00\x02\x00\x00\x00\x00"), level: zlib.DefaultCompression}
}

// entry adds an entry of any kind and returns its offset. base is used for
// OFSDeltaObject, and ref for REFDeltaObject.
func (p *builder) entry(kind plumbing.ObjectType, content []byte, base int64, ref plumbing.Hash) int64 {
	off := int64(len(p.b))
	p.b = appendEntryHeader(p.b, kind, int64(len(content)), off, base)
	if kind == plumbing.REFDeltaObject {
		p.b = append(p.b, ref[:]...)
	}
	var z bytes.Buffer
	w, err := zlib.NewWriterLevel(&z, p.level)
	if err == nil {
		_, err = w.Write(content)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		p.t.Fatal(err)
	}
	p.b = append(p.b, z.Bytes()...)
	p.count++
	return off
}

func (p *builder) whole(kind plumbing.ObjectType, content []byte) int64 {
	return p.entry(kind, content, 0, plumbing.ZeroHash)
}

func (p *builder) ofs(delta []byte, base int64) int64 {
	return p.entry(plumbing.OFSDeltaObject, delta, base, plumbing.ZeroHash)
}

func (p *builder) ref(delta []byte, base plumbing.Hash) int64 {
	return p.entry(plumbing.REFDeltaObject, delta, 0, base)
}

// bytes returns the pack with the right header and trailer.
func (p *builder) bytes() []byte {
	b := bytes.Clone(p.b)
	binary.BigEndian.PutUint32(b[8:], p.count)
	return sealed(b)
}

// sealed appends the trailer.
func sealed(b []byte) []byte {
	sum := sha1.Sum(b)
	return append(b, sum[:]...)
}

func leb(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

// appending is a delta that appends up to 127 bytes to its base of at most 64 KiB - 1
// bytes, or to the first 0xffff of it.
func appending(base int, more []byte) []byte {
	n := min(base, 0xffff)
	d := append(leb(base), leb(n+len(more))...)
	d = append(d, 0x80|0x10|0x20, byte(n), byte(n>>8))
	return append(append(d, byte(len(more))), more...)
}

// copying is a delta that takes over the first 16 MiB of a base, less a byte, and adds
// something.
func copying(base int, more []byte) []byte {
	d := append(leb(base), leb(1<<24-1+len(more))...)
	d = append(d, 0xf0, 0xff, 0xff, 0xff)
	return append(append(d, byte(len(more))), more...)
}

func blobHash(b []byte) plumbing.Hash { return plumbing.ComputeHash(plumbing.BlobObject, b) }

// files lists a file system: what must be there as before when something fails.
func files(t testing.TB, fsys afero.Fs, dir string) string {
	t.Helper()
	var names []string
	err := afero.Walk(fsys, dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			names = append(names, path)
		}
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, "\n")
}

func receive(db *DB, pack []byte, opts ReceiveOptions) (string, error) {
	return db.Receive(context.Background(), bytes.NewReader(pack), opts)
}

// refused has a pack received that must not be, and returns the error.
func refused(t *testing.T, pack []byte, opts ReceiveOptions) error {
	t.Helper()
	db, fsys := memory()
	name, err := receive(db, pack, opts)
	if err == nil || name != "" {
		t.Fatalf("it is taken as %q, %v", name, err)
	}
	if left := files(t, fsys, "/"); left != "" {
		t.Errorf("left behind:\n%s", left)
	}
	if !errors.Is(err, record.ErrInvalid) && !errors.Is(err, record.ErrCorrupt) {
		t.Errorf("%v wraps neither record.ErrInvalid nor record.ErrCorrupt", err)
	}
	return err
}

// gitPacks is what git makes of a repository, by various options.
var gitPacks = map[string][]string{
	"offsets":        {"--delta-base-offset"},
	"names":          {"--no-reuse-delta", "--window=50"},
	"longest chains": {"--delta-base-offset", "--no-reuse-delta", "--depth=4095", "--window=200"},
	"whole":          {"--depth=0", "--no-reuse-delta"},
	"stored":         {"--compression=0", "--no-reuse-object", "--delta-base-offset"},
}

func gitPack(t testing.TB, dir string, revs string, args ...string) []byte {
	t.Helper()
	return []byte(git(t, dir, revs+"\n", append([]string{"pack-objects", "-q", "--stdout", "--revs"}, args...)...))
}

// TestReceiveFromGit receives what git packs, whichever way it does, and gets every
// object, and the index that git would write.
func TestReceiveFromGit(t *testing.T) {
	t.Parallel()
	made := grown(t)
	want := all(t, made)
	for name, args := range gitPacks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pack := gitPack(t, made, "main\nv1", args...)
			dir := t.TempDir()
			db := Open(afero.NewOsFs(), dir, Options{NoSync: true})
			defer db.Close()
			checked := map[plumbing.Hash]int{}
			var progress [3]int64
			got, err := db.Receive(context.Background(), iotest.HalfReader(bytes.NewReader(pack)), ReceiveOptions{
				MaxPack: int64(len(pack)), MaxObject: 3 << 20,
				Check: func(h plumbing.Hash, k plumbing.ObjectType, b []byte) error {
					if checked[h]++; plumbing.ComputeHash(k, b) != h {
						t.Errorf("Check gets something else for %s", h)
					}
					return nil
				},
				Progress: func(done, total int, bytes int64) { progress = [3]int64{int64(done), int64(total), bytes} },
			})
			if err != nil {
				t.Fatal(err)
			}
			if n := int64(len(want)); progress != [3]int64{n, n, int64(len(pack))} {
				t.Errorf("Progress ends with %v of %d objects, %d bytes", progress, n, len(pack))
			}
			for _, o := range want {
				wantObject(t, db, o.hash, o.kind, o.content)
				if n := checked[o.hash]; n != 1 && o.kind != plumbing.BlobObject || n != 0 && o.kind == plumbing.BlobObject {
					t.Errorf("Check was called %d times for the %s %s", n, o.kind, o.hash)
				}
			}
			verify(t, db)
			sameAsGit(t, dir, got, pack)
			if !db.KeptByUs(got) {
				t.Error("nothing keeps the pack")
			}
			if err := db.Unkeep(got); err != nil || db.KeptByUs(got) {
				t.Errorf("Unkeep: %v", err)
			}
		})
	}
}

// sameAsGit compares pack and index with what git makes of the same bytes.
func sameAsGit(t *testing.T, dir, name string, pack []byte) {
	t.Helper()
	there := filepath.Join(t.TempDir(), "git.pack")
	write(t, there, pack)
	git(t, filepath.Dir(there), "", "index-pack", "git.pack")
	for theirs, ours := range map[string]string{there: name + ".pack", strings.TrimSuffix(there, "pack") + "idx": name + ".idx"} {
		a, err := os.ReadFile(theirs)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(dir, "pack", ours))
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s is not what git writes, %v", ours, err)
		}
	}
}

// tiny is a pack with everything: a commit, a tree, blobs whole and as deltas of both
// kinds, some before their base. hashes[0] is the commit.
func tiny(t testing.TB) (pack []byte, hashes []plumbing.Hash) {
	p := newBuilder(t)
	one := noise(7, 500)
	two, three, four := append(bytes.Clone(one), "two"...), append(bytes.Clone(one), "twothree"...), append(bytes.Clone(one), "four"...)
	var tree []byte
	for i, b := range [][]byte{one, two, three, four} {
		h := blobHash(b)
		hashes = append(hashes, h)
		tree = append(fmt.Appendf(tree, "100644 %d\x00", i), h[:]...)
	}
	h := plumbing.ComputeHash(plumbing.TreeObject, tree)
	commit := fmt.Appendf(nil, "tree %s\nauthor a <a@b> 1 +0000\ncommitter a <a@b> 1 +0000\n\nx\n", h)
	hashes = append([]plumbing.Hash{plumbing.ComputeHash(plumbing.CommitObject, commit), h}, hashes...)
	p.whole(plumbing.CommitObject, commit)
	p.ref(appending(len(two), []byte("three")), blobHash(two))
	p.whole(plumbing.TreeObject, tree)
	p.ref(appending(len(one), []byte("two")), blobHash(one))
	base := p.whole(plumbing.BlobObject, one)
	p.ofs(appending(len(one), []byte("four")), base)
	return p.bytes(), hashes
}

func TestReceiveDeltasBeforeTheirBase(t *testing.T) {
	t.Parallel()
	pack, hashes := tiny(t)
	db, _ := memory()
	if _, err := db.Receive(context.Background(), iotest.OneByteReader(bytes.NewReader(pack)), ReceiveOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, h := range hashes {
		if _, _, err := db.Get(h); err != nil {
			t.Error(err)
		}
	}
	verify(t, db)
}

func TestReceiveNothing(t *testing.T) {
	t.Parallel()
	db, fsys := memory()
	if name, err := receive(db, newBuilder(t).bytes(), ReceiveOptions{}); name != "" || err != nil {
		t.Errorf("%q, %v", name, err)
	}
	if left := files(t, fsys, "/"); left != "" {
		t.Errorf("left behind:\n%s", left)
	}
}

// TestReceiveTwice receives a pack twice: discarding the second must leave the
// first, which something may refer to by now.
func TestReceiveTwice(t *testing.T) {
	t.Parallel()
	pack, hashes := tiny(t)
	db, _ := memory()
	first, err1 := receive(db, pack, ReceiveOptions{})
	second, err2 := receive(db, pack, ReceiveOptions{})
	if err := errors.Join(err1, err2, db.Unkeep(first), db.Discard(second)); err != nil {
		t.Fatal(err)
	}
	again := Open(db.fs, db.dir, Options{})
	for _, h := range hashes {
		if _, _, err := again.Get(h); err != nil {
			t.Error(err)
		}
	}
}

// TestReceiveMends receives an object that is damaged here.
func TestReceiveMends(t *testing.T) {
	t.Parallel()
	pack, hashes := tiny(t)
	db, _ := memory()
	p, err := db.newPackFile(1)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.add(hashes[1], plumbing.TreeObject, 4, strings.NewReader("oops")); err != nil {
		t.Fatal(err)
	}
	bad := publish(t, p)
	if _, err := receive(db, pack, ReceiveOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.fs.Remove("/objects/pack/"+bad+".idx"), db.fs.Remove("/objects/pack/"+bad+".pack")); err != nil {
		t.Fatal(err)
	}
	verify(t, Open(db.fs, db.dir, Options{}))
}

// TestReceiveLinksToWhatIsHere receives a commit whose tree came before.
func TestReceiveLinksToWhatIsHere(t *testing.T) {
	t.Parallel()
	pack, hashes := tiny(t)
	p := newBuilder(t)
	p.whole(plumbing.CommitObject, fmt.Appendf(nil, "tree %s\nparent %s\n", hashes[1], hashes[0]))
	err := refused(t, p.bytes(), ReceiveOptions{})
	if !errors.Is(err, record.ErrInvalid) || !strings.Contains(err.Error(), hashes[0].String()) && !strings.Contains(err.Error(), hashes[1].String()) {
		t.Errorf("%v does not name what is missing", err)
	}
	db, _ := memory()
	if _, err := receive(db, pack, ReceiveOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := receive(db, p.bytes(), ReceiveOptions{}); err != nil {
		t.Error(err)
	}
}

// named is a tree with one entry.
func named(mode string, h plumbing.Hash) []byte {
	return append([]byte(mode+" x\x00"), h[:]...)
}

// TestReceiveKindsOfWhatIsHere receives trees that take what came before, packed, as a
// delta or loose, for something else.
func TestReceiveKindsOfWhatIsHere(t *testing.T) {
	t.Parallel()
	dir := grown(t)
	git(t, dir, "", "repack", "-adq")
	loose := plumbing.NewHash(git(t, dir, "loose", "hash-object", "-w", "--stdin"))
	db := Open(afero.NewOsFs(), filepath.Join(dir, ".git", "objects"), Options{NoSync: true})
	known := map[plumbing.Hash]plumbing.ObjectType{loose: plumbing.BlobObject}
	if err := db.Each(context.Background(), func(h plumbing.Hash) {
		kind, _, err := db.Get(h)
		if err != nil {
			t.Error(err)
		}
		known[h] = kind
	}); err != nil {
		t.Fatal(err)
	}
	if len(known) < 100 {
		t.Fatalf("only %d objects", len(known))
	}
	for h, kind := range known {
		for mode, want := range map[string]plumbing.ObjectType{"100644": plumbing.BlobObject, "40000": plumbing.TreeObject} {
			p := newBuilder(t)
			p.whole(plumbing.TreeObject, named(mode, h))
			_, err := receive(db, p.bytes(), ReceiveOptions{})
			if kind == want && err != nil || kind != want && !errors.Is(err, record.ErrInvalid) {
				t.Errorf("a %s with mode %s: %v", kind, mode, err)
			}
		}
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// TestReceiveStops ends the context, and the sender's stream, at every byte.
func TestReceiveStops(t *testing.T) {
	t.Parallel()
	pack, _ := tiny(t)
	lost := errors.New("connection lost")
	for n := range len(pack) + 1 {
		if n < len(pack) {
			if err := refused(t, pack[:n], ReceiveOptions{}); !errors.Is(err, record.ErrCorrupt) {
				t.Errorf("cut off at %d: %v", n, err)
			}
		}
		db, fsys := memory()
		_, err := db.Receive(context.Background(), io.MultiReader(bytes.NewReader(pack[:n]), iotest.ErrReader(lost)), ReceiveOptions{})
		if !errors.Is(err, lost) || errors.Is(err, record.ErrCorrupt) {
			t.Errorf("lost at %d: %v", n, err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		_, err = db.Receive(ctx, io.MultiReader(bytes.NewReader(pack[:n]), &cancelling{cancel: cancel}), ReceiveOptions{})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled at %d: %v", n, err)
		}
		if left := files(t, fsys, "/"); left != "" {
			t.Errorf("stopped at %d: left behind:\n%s", n, left)
		}
	}
}

// A cancelling reader ends a context and must not be read again.
type cancelling struct {
	cancel func()
	read   bool
}

func (c *cancelling) Read([]byte) (int, error) {
	if c.read {
		return 0, errors.New("read on")
	}
	c.read = true
	c.cancel()
	return 0, nil
}

// TestReceiveCancelledLater ends the context while deltas are resolved.
func TestReceiveCancelledLater(t *testing.T) {
	t.Parallel()
	pack, _ := tiny(t)
	db, fsys := memory()
	ctx, cancel := context.WithCancel(context.Background())
	_, err := db.Receive(ctx, bytes.NewReader(pack), ReceiveOptions{Progress: func(int, int, int64) { cancel() }})
	if left := files(t, fsys, "/"); !errors.Is(err, context.Canceled) || left != "" {
		t.Errorf("%v, left behind:\n%s", err, left)
	}
}

func TestReceiveChecks(t *testing.T) {
	t.Parallel()
	pack, hashes := tiny(t)
	no := errors.New("no such thing here")
	db, fsys := memory()
	_, err := receive(db, pack, ReceiveOptions{Check: func(_ plumbing.Hash, k plumbing.ObjectType, _ []byte) error {
		if k == plumbing.TreeObject {
			return no
		}
		return nil
	}})
	if !errors.Is(err, no) || !strings.Contains(err.Error(), hashes[1].String()) || files(t, fsys, "/") != "" {
		t.Errorf("%v does not say what Check said of %s, or something is left", err, hashes[1])
	}
}

func TestReceiveRefuses(t *testing.T) {
	t.Parallel()
	one := noise(7, 500)
	blob := func(p *builder) int64 { return p.whole(plumbing.BlobObject, one) }
	for name, c := range map[string]struct {
		make func(p *builder)
		edit func(b []byte) []byte // of the whole pack
		opts ReceiveOptions
		is   error
		says string
	}{
		"same object twice": {make: func(p *builder) { blob(p); blob(p) }, is: record.ErrInvalid, says: blobHash(one).String()},
		"same base twice":   {make: func(p *builder) { blob(p); blob(p); p.ref(appending(500, []byte("x")), blobHash(one)) }, is: record.ErrInvalid, says: blobHash(one).String()},
		"delta to another": {make: func(p *builder) { blob(p); p.ref(appending(3, []byte("x")), blobHash([]byte("abc"))) },
			is: record.ErrInvalid, says: blobHash([]byte("abc")).String()},
		"delta to itself":            {make: func(p *builder) { blob(p); p.ref(appending(3, []byte("x")), plumbing.Hash{1}) }, is: record.ErrInvalid, says: "thin"},
		"delta to no object":         {make: func(p *builder) { blob(p); p.ofs(appending(500, []byte("x")), 13) }, is: record.ErrCorrupt, says: "13"},
		"delta of another size":      {make: func(p *builder) { p.ofs(appending(499, []byte("x")), blob(p)) }, is: record.ErrCorrupt, says: "499"},
		"delta of nothing":           {make: func(p *builder) { p.ofs(nil, blob(p)) }, is: record.ErrCorrupt},
		"delta that goes outside":    {make: func(p *builder) { p.ofs([]byte{0xf4, 3, 2, 0x93, 0xf3, 1, 2}, blob(p)) }, is: record.ErrCorrupt},
		"delta with more":            {make: func(p *builder) { p.ofs([]byte{0xf4, 3, 1, 2, 'a', 'b'}, blob(p)) }, is: record.ErrCorrupt},
		"delta with less":            {make: func(p *builder) { p.ofs([]byte{0xf4, 3, 9, 2, 'a', 'b'}, blob(p)) }, is: record.ErrCorrupt},
		"delta with size of 70 bits": {make: func(p *builder) { p.ofs(append(bytes.Repeat([]byte{0xff}, 9), 1, 1, 'a'), blob(p)) }, is: record.ErrCorrupt},
		"delta to an empty object":   {make: func(p *builder) { p.ofs([]byte{0, 2, 2, 'a', 'b'}, p.whole(plumbing.BlobObject, nil)) }, is: record.ErrCorrupt},
		"pack too large":             {make: func(p *builder) { blob(p) }, opts: ReceiveOptions{MaxPack: 400}, is: ErrTooLarge, says: "400"},
		"object too large":           {make: func(p *builder) { blob(p) }, opts: ReceiveOptions{MaxObject: 499}, is: ErrTooLarge, says: "499"},
		"delta makes too much": {make: func(p *builder) { p.ofs(appending(500, []byte("x")), blob(p)) }, opts: ReceiveOptions{MaxObject: 500},
			is: ErrTooLarge, says: "500"},
		"too much in all": {make: func(p *builder) { blob(p); p.whole(plumbing.BlobObject, noise(8, 500)) }, opts: ReceiveOptions{MaxUnpacked: 999},
			is: ErrTooLarge, says: "999"},
		"too much by deltas": {make: func(p *builder) {
			at := blob(p)
			for i := range 5 {
				p.ofs(appending(500, []byte{byte(i)}), at)
			}
		}, opts: ReceiveOptions{MaxUnpacked: 2500}, is: ErrTooLarge, says: "2500"},
		"deltas that make a thousand times of what comes": {make: func(p *builder) {
			const size = 32 << 20
			at := p.whole(plumbing.BlobObject, make([]byte, size))
			for i := range 40 {
				p.ofs(copying(size, []byte{byte(i)}), at)
			}
		}, opts: ReceiveOptions{MaxUnpacked: 64 << 30}, is: ErrTooLarge, says: "deltas of the pack"},
		"a tree of 3 GiB": {make: func(p *builder) {
			p.b = append(appendEntryHeader(p.b, plumbing.TreeObject, 3<<30, 12, 0), deflate(p.t, one)...)
			p.count++
		}, is: ErrTooLarge},
		"a blob of 3 GiB": {make: func(p *builder) {
			p.b = append(appendEntryHeader(p.b, plumbing.BlobObject, 3<<30, 12, 0), deflate(p.t, one)...)
			p.count++
		}, is: record.ErrCorrupt},
		"a size too small": {make: func(p *builder) {
			p.b = append(appendEntryHeader(p.b, plumbing.BlobObject, 499, 12, 0), deflate(p.t, one)...)
			p.count++
		}, is: record.ErrCorrupt},
		"a size too large": {make: func(p *builder) {
			p.b = append(appendEntryHeader(p.b, plumbing.BlobObject, 501, 12, 0), deflate(p.t, one)...)
			p.count++
		}, is: record.ErrCorrupt},
		"an unknown kind": {make: func(p *builder) { p.whole(5, one) }, is: record.ErrCorrupt},
		"a dictionary": {make: func(p *builder) {
			p.b = append(appendEntryHeader(p.b, plumbing.BlobObject, 0, 12, 0), 0x78, 0x20, 0, 0, 0, 1, 3, 0, 0, 0, 0, 1)
			p.count++
		}, is: record.ErrCorrupt},
		"a damaged checksum of an object": {make: func(p *builder) { blob(p); p.b[len(p.b)-1] ^= 1 }, is: record.ErrCorrupt, says: "12"},
		"a damaged checksum of the pack":  {make: func(p *builder) { blob(p) }, edit: func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, is: record.ErrCorrupt, says: "checksum"},
		"more behind the end":             {make: func(p *builder) { blob(p) }, edit: func(b []byte) []byte { return append(b, 'x') }, is: record.ErrCorrupt, says: "behind"},
		"version 3":                       {make: func(p *builder) { blob(p); p.b[7] = 3 }, is: record.ErrCorrupt, says: "version"},
		"something else":                  {make: func(p *builder) { p.b = []byte("<!DOCTYPE html>") }, is: record.ErrCorrupt, says: "not a pack"},
		"fewer objects than said":         {make: func(p *builder) { blob(p); p.count = 1 << 30 }, is: record.ErrCorrupt},
		"more objects than any pack":      {make: func(p *builder) { blob(p); p.count = 1 << 31 }, is: ErrTooLarge},
		"more objects than said":          {make: func(p *builder) { blob(p); blob(p); p.count = 1 }, is: record.ErrCorrupt},
		"a commit of nothing":             {make: func(p *builder) { p.whole(plumbing.CommitObject, []byte("tree \n")) }, is: record.ErrInvalid, says: "commit"},
		"a commit with half a parent": {make: func(p *builder) {
			p.whole(plumbing.CommitObject, []byte("tree "+strings.Repeat("0", 40)+"\nparent 12\n"))
		}, is: record.ErrInvalid, says: "parent"},
		"a commit of the object 0":        {make: func(p *builder) { p.whole(plumbing.CommitObject, []byte("tree "+strings.Repeat("0", 40)+"\n")) }, is: record.ErrInvalid, says: "0000"},
		"a tree of half an entry":         {make: func(p *builder) { p.whole(plumbing.TreeObject, []byte("100644 x\x001234")) }, is: record.ErrInvalid, says: "tree"},
		"a tree of an entry without name": {make: func(p *builder) { p.whole(plumbing.TreeObject, []byte("100644 \x0012345678901234567890")) }, is: record.ErrInvalid, says: "tree"},
		"a tree that names what is not there": {make: func(p *builder) { p.whole(plumbing.TreeObject, []byte("100644 x\x00abcdefghijklmnopqrst")) },
			is: record.ErrInvalid, says: fmt.Sprintf("%x", "abcdefghijklmnopqrst")},
		"a tree as a file": {make: func(p *builder) {
			p.whole(plumbing.TreeObject, nil)
			p.whole(plumbing.TreeObject, named("100644", plumbing.ComputeHash(plumbing.TreeObject, nil)))
		}, is: record.ErrInvalid, says: "as a blob"},
		"a file as a folder": {make: func(p *builder) { blob(p); p.whole(plumbing.TreeObject, named("40000", blobHash(one))) },
			is: record.ErrInvalid, says: "as a tree"},
		"a file as the tree of a commit": {make: func(p *builder) {
			blob(p)
			p.whole(plumbing.CommitObject, fmt.Appendf(nil, "tree %s\n", blobHash(one)))
		}, is: record.ErrInvalid, says: "as a tree"},
		"a file as a parent": {make: func(p *builder) {
			blob(p)
			p.whole(plumbing.TreeObject, nil)
			p.whole(plumbing.CommitObject, fmt.Appendf(nil, "tree %s\nparent %s\n", plumbing.ComputeHash(plumbing.TreeObject, nil), blobHash(one)))
		}, is: record.ErrInvalid, says: "as a commit"},
		"a tag of nothing": {make: func(p *builder) { p.whole(plumbing.TagObject, []byte("tag x\n")) }, is: record.ErrInvalid, says: "tag"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newBuilder(t)
			c.make(p)
			b := p.bytes()
			if c.edit != nil {
				b = c.edit(b)
			}
			if err := refused(t, b, c.opts); !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; want %v and %q", err, c.is, c.says)
			} else if theirs := new(PackError); errors.As(err, &theirs) != errors.Is(err, record.ErrCorrupt) {
				t.Errorf("%v is taken for damage of our own, or the other way round", err)
			}
		})
	}
}

// TestReceiveTakes receives what is unusual and allowed.
func TestReceiveTakes(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(p *builder){
		"a submodule":     func(p *builder) { p.whole(plumbing.TreeObject, []byte("160000 x\x00abcdefghijklmnopqrst")) },
		"empty objects":   func(p *builder) { p.whole(plumbing.BlobObject, nil); p.whole(plumbing.TreeObject, nil) },
		"a large blob":    func(p *builder) { p.whole(plumbing.BlobObject, noise(1, 3<<20)) },
		"a large tree":    largeTree,
		"a tiny object":   func(p *builder) { p.whole(plumbing.BlobObject, []byte("x")) },
		"the edge, below": func(p *builder) { p.whole(plumbing.BlobObject, noise(1, smallEntry)) },
		"the edge, above": func(p *builder) { p.whole(plumbing.BlobObject, noise(1, smallEntry+1)) },
		"a large delta": func(p *builder) {
			d := append(leb(200_000), leb(127*2000)...)
			for i := range 2000 {
				d = append(append(d, 127), noise(byte(i), 127)...)
			}
			p.ofs(d, p.whole(plumbing.BlobObject, noise(2, 200_000)))
		},
		"empty deflated blocks": func(p *builder) {
			z := deflate(p.t, []byte("x"))
			p.b = append(appendEntryHeader(p.b, plumbing.BlobObject, 1, 12, 0), z[:2]...)
			p.b = append(append(p.b, bytes.Repeat([]byte{0, 0, 0, 0xff, 0xff}, 300_000)...), z[2:]...)
			p.count++
		},
		"a chain as long as can be read": func(p *builder) { longChain(p, maxDepth) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newBuilder(t)
			make(p)
			db, _ := memory()
			got, err := receive(db, p.bytes(), ReceiveOptions{MaxObject: 4 << 20})
			if err != nil {
				t.Fatal(err)
			}
			if n, err := db.ObjectCount(got); err != nil || n != int64(p.count) {
				t.Errorf("%d objects of %d, %v", n, p.count, err)
			}
			verify(t, db)
		})
	}
}

func largeTree(p *builder) {
	p.whole(plumbing.BlobObject, []byte("x"))
	h := blobHash([]byte("x"))
	var b []byte
	for i := range 5000 {
		b = append(fmt.Appendf(b, "100644 %06d\x00", i), h[:]...)
	}
	p.whole(plumbing.TreeObject, b)
}

// longChain makes a chain of deltas in which each replaces the end of the object
// before.
func longChain(p *builder, depth int) {
	off := p.whole(plumbing.BlobObject, noise(1, 10))
	for i := range depth {
		d := append([]byte{10, 10, 0x90, 6, 4}, binary.BigEndian.AppendUint32(nil, uint32(i))...)
		off = p.ofs(d, off)
	}
}

func TestReceiveTooLongAChain(t *testing.T) {
	t.Parallel()
	require.Alone(t)
	p := newBuilder(t)
	longChain(p, maxDepth+1)
	if err := refused(t, p.bytes(), ReceiveOptions{}); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

// TestReceiveMoreThanIsHeld has many large bases that are all needed again behind the
// deltas to them: more than is held in memory.
func TestReceiveMoreThanIsHeld(t *testing.T) {
	t.Parallel()
	for name, byName := range map[string]bool{"offsets": false, "names": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newBuilder(t)
			want := largeBases(p, byName)
			db, _ := memory()
			name, err := receive(db, p.bytes(), ReceiveOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if n, err := db.ObjectCount(name); err != nil || int(n) != len(want) {
				t.Errorf("%d objects of %d, %v", n, len(want), err)
			}
			for h := range want {
				if ok, err := db.Has(h); !ok || err != nil {
					t.Errorf("%s is not there, %v", h, err)
				}
			}
		})
	}
}

// largeBases adds a chain of large objects, each of which has a second delta that is
// resolved behind all of the chain. It returns their names.
func largeBases(p *builder, byName bool) map[plumbing.Hash]bool {
	const size = 4 << 20
	step := func(i, j int) []byte { // a delta that sets the i-th byte, from 1, to j
		d := append(append(leb(size), leb(size)...), 0x80|0x10, byte(i), 1, byte(j))
		rest := size - i - 1
		return append(d, 0x80|0x01|0x70, byte(i+1), byte(rest), byte(rest>>8), byte(rest>>16))
	}
	p.level = zlib.BestSpeed
	content := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	want := map[plumbing.Hash]bool{blobHash(content): true}
	off := p.whole(plumbing.BlobObject, content)
	for i := 1; i <= 2*heldBases/size; i++ {
		other, next := bytes.Clone(content), bytes.Clone(content)
		other[i], next[i] = 1, 2
		want[blobHash(other)], want[blobHash(next)] = true, true
		if base := blobHash(content); byName { // the first comes first
			off = p.ref(step(i, 2), base)
			p.ref(step(i, 1), base)
		} else { // the last does
			p.ofs(step(i, 1), off)
			off = p.ofs(step(i, 2), off)
		}
		content = next
	}
	return want
}

// TestReceiveTooManyLinks has deltas of a few bytes name more objects than anybody
// has.
func TestReceiveTooManyLinks(t *testing.T) {
	t.Parallel()
	require.Alone(t)
	p := newBuilder(t)
	p.level = zlib.BestSpeed
	entry := len("100644 x\x00") + hashLen
	base := noise(3, 20_000*entry)
	for i := 0; i < len(base); i += entry {
		copy(base[i:], "100644 x\x00")
	}
	off := p.whole(plumbing.TreeObject, base)
	for i := range 110 {
		// Each name gets other last bytes by another order of what it is made of.
		d := append(leb(len(base)), leb(len(base))...)
		for at := 0; at < len(base); at += entry {
			other := (at + (i+1)*entry) % len(base)
			d = append(d, 0x80|0x1f, byte(at), byte(at>>8), byte(at>>16), 0, byte(entry-10))
			from := other + entry - 10
			d = append(d, 0x80|0x1f, byte(from), byte(from>>8), byte(from>>16), 0, 10)
		}
		p.ofs(d, off)
	}
	if err := refused(t, p.bytes(), ReceiveOptions{}); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

// TestFaultsOfReceive has each operation on disk fail: nothing is left but what was.
func TestFaultsOfReceive(t *testing.T) {
	t.Parallel()
	pack, hashes := tiny(t)
	other := newBuilder(t)
	other.whole(plumbing.BlobObject, []byte("here before"))
	for _, fault := range storetest.Kinds() {
		t.Run(strings.TrimPrefix(fault.String(), "0 "), func(t *testing.T) {
			t.Parallel()
			for fault.At = 1; ; fault.At++ {
				dir := t.TempDir()
				fsys := storetest.New(afero.NewOsFs())
				db := Open(fsys, dir, Options{})
				if _, err := receive(db, other.bytes(), ReceiveOptions{}); err != nil {
					t.Fatal(err)
				}
				before := files(t, afero.NewOsFs(), dir)
				fsys.Arm(fault)
				name, err := receive(db, pack, ReceiveOptions{})
				_ = db.Close() // the process may be dead
				failed := fsys.Failed()
				if failed == "" {
					if err != nil || fault.At < 8 {
						t.Errorf("%d operations, %v", fault.At, err)
					}
					return
				}
				// Whatever the process can still do, what can be seen is whole.
				again := Open(afero.NewOsFs(), dir, Options{})
				verify(t, again)
				if _, _, gerr := again.Get(hashes[0]); err == nil && gerr != nil {
					t.Errorf("%q failed, Receive says nothing, and %v", failed, gerr)
				}
				after := files(t, afero.NewOsFs(), dir)
				if !fault.Crash && (err == nil || name != "" || after != before) {
					t.Errorf("%q failed: %q, %v; there is\n%s\nand was\n%s", failed, name, err, after, before)
				}
				if err := again.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
