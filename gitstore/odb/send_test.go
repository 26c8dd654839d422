package odb

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/spf13/afero"

	"qme/record"
)

// sent is the pack that WritePack makes of the objects.
func sent(t testing.TB, db *DB, objects []plumbing.Hash) []byte {
	t.Helper()
	var b bytes.Buffer
	done, total := -1, -1
	if err := db.WritePack(context.Background(), &b, objects, func(d, n int) { done, total = d, n }); err != nil {
		t.Fatalf("WritePack: %v", err)
	}
	if done != len(objects) || total != len(objects) {
		t.Errorf("progress ends with %d of %d, %d were sent", done, total, len(objects))
	}
	return b.Bytes()
}

// revisions lists what a revision needs, as git counts it.
func revisions(t testing.TB, dir string, revs ...string) []plumbing.Hash {
	t.Helper()
	var hashes []plumbing.Hash
	for line := range strings.Lines(git(t, dir, "", append([]string{"rev-list", "--objects"}, revs...)...)) {
		hashes = append(hashes, plumbing.NewHash(line[:40]))
	}
	return hashes
}

// TestSendWhatGitStores sends objects from wherever git has stored them, all and some,
// to git and to Receive.
func TestSendWhatGitStores(t *testing.T) {
	t.Parallel()
	made := grown(t)
	for name, store := range map[string]func(t *testing.T, dir string){
		"loose":  func(*testing.T, string) {},
		"packed": func(t *testing.T, dir string) { git(t, dir, "", "gc", "-q") },
		"long chains": func(t *testing.T, dir string) {
			git(t, dir, "", "repack", "-q", "-a", "-d", "-f", "--depth=4095", "--window=200")
		},
		"names":         refDeltas,
		"several packs": severalPacks,
		"stored only": func(t *testing.T, dir string) {
			git(t, dir, "", "-c", "core.compression=0", "repack", "-q", "-a", "-d", "-F")
		},
		"ours": func(t *testing.T, dir string) {
			db := Open(afero.NewOsFs(), filepath.Join(dir, ".git", "objects"), Options{NoSync: true})
			joinAll(t, db)
			db.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "repo")
			if err := os.CopyFS(dir, os.DirFS(made)); err != nil {
				t.Fatal(err)
			}
			store(t, dir)
			db := Open(afero.NewOsFs(), filepath.Join(dir, ".git", "objects"), Options{NoSync: true})
			defer db.Close()
			for _, revs := range [][]string{{"main", "v1"}, {"main~25"}, {"main~59"}} {
				arrives(t, db, revisions(t, made, revs...))
			}
			// What one more commit brings needs objects that are there.
			b := sent(t, db, revisions(t, made, "main", "^main~1"))
			git(t, dir, string(b), "index-pack", "--strict", "--stdin")
		})
	}
}

// arrives sends objects to a database and to git, and compares them.
func arrives(t *testing.T, db *DB, objects []plumbing.Hash) {
	t.Helper()
	b := sent(t, db, objects)
	there, _ := memory()
	name, err := receive(there, b, ReceiveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := there.ObjectCount(name); err != nil || n != int64(len(objects)) {
		t.Errorf("%d of %d objects came, %v", n, len(objects), err)
	}
	for _, h := range objects {
		kind, content, err := db.Get(h)
		if err != nil {
			t.Fatal(err)
		}
		wantObject(t, there, h, kind, content)
	}
	dir := t.TempDir()
	git(t, dir, "", "init", "-q", "--bare")
	git(t, dir, string(b), "index-pack", "--strict", "--stdin")
	if got := strings.Count(git(t, dir, "", "cat-file", "--batch-all-objects", "--batch-check"), "\n"); got != len(objects) {
		t.Errorf("git has %d of %d objects", got, len(objects))
	}
}

// TestSendKeepsDeltas compares the size of what is sent with that of the pack that it
// comes from: deltas stay deltas.
func TestSendKeepsDeltas(t *testing.T) {
	t.Parallel()
	for name, args := range gitPacks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			made := grown(t)
			db, _ := memory()
			pack := gitPack(t, made, "main~30", args...) // without the large blob
			if _, err := receive(db, pack, ReceiveOptions{}); err != nil {
				t.Fatal(err)
			}
			// The deltas by name that come before their base are sent whole.
			if b := sent(t, db, revisions(t, made, "main~30")); len(b) > len(pack)+len(pack)/20 {
				t.Errorf("%d bytes are sent of a pack of %d", len(b), len(pack))
			}
		})
	}
}

// TestSendBaseInAnotherPack has two packs whose deltas rest on each other's objects:
// taken together they would go round in a circle.
func TestSendBaseInAnotherPack(t *testing.T) {
	t.Parallel()
	one := noise(1, 300)
	two := append(bytes.Clone(one), "two"...)
	three := append(bytes.Clone(two), "three"...)
	db, _ := memory()
	for _, make := range []func(p *builder){
		func(p *builder) {
			p.ref(appending(300, []byte("two")), blobHash(one))
			p.whole(plumbing.BlobObject, one)
		},
		func(p *builder) {
			// one is the beginning of three: its delta takes 300 bytes.
			p.ref(append(append(leb(len(three)), leb(300)...), 0xb0, 44, 1), blobHash(three))
			p.whole(plumbing.BlobObject, three)
		},
	} {
		p := newBuilder(t)
		make(p)
		if _, err := receive(db, p.bytes(), ReceiveOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	there, _ := memory()
	if _, err := receive(there, sent(t, db, []plumbing.Hash{blobHash(one), blobHash(two), blobHash(three)}), ReceiveOptions{}); err != nil {
		t.Error(err)
	}
}

// TestSendOddEntries sends what other programs may have deflated oddly.
func TestSendOddEntries(t *testing.T) {
	t.Parallel()
	p := newBuilder(t)
	z := deflate(t, []byte("x"))
	p.b = append(appendEntryHeader(p.b, plumbing.BlobObject, 1, 12, 0), z[:2]...)
	p.b = append(append(p.b, bytes.Repeat([]byte{0, 0, 0, 0xff, 0xff}, 60_000)...), z[2:]...)
	p.count++
	objects := []plumbing.Hash{blobHash([]byte("x"))}
	for _, n := range []int{0, smallEntry - 1, smallEntry, smallEntry + 1, 3 << 20} {
		p.whole(plumbing.BlobObject, noise(4, n))
		p.whole(plumbing.BlobObject, make([]byte, n+1))
		objects = append(objects, blobHash(noise(4, n)), blobHash(make([]byte, n+1)))
	}
	db, _ := memory()
	if _, err := receive(db, p.bytes(), ReceiveOptions{}); err != nil {
		t.Fatal(err)
	}
	there, _ := memory()
	if _, err := receive(there, sent(t, db, objects), ReceiveOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, h := range objects {
		if ok, err := there.Has(h); !ok || err != nil {
			t.Errorf("%s did not come, %v", h, err)
		}
	}
}

func TestSendNothing(t *testing.T) {
	t.Parallel()
	db, _ := memory()
	if b := sent(t, db, nil); !bytes.Equal(b, newBuilder(t).bytes()) {
		t.Errorf("%x is no empty pack", b)
	}
}

func TestSendFails(t *testing.T) {
	t.Parallel()
	pack, hashes := tiny(t)
	db, fsys := memory()
	name, err := receive(db, pack, ReceiveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	send := func(ctx context.Context, objects ...plumbing.Hash) error {
		var b bytes.Buffer
		return db.WritePack(ctx, &b, objects, nil)
	}
	missing := plumbing.Hash{1}
	if err := send(context.Background(), hashes[0], missing); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), missing.String()) {
		t.Errorf("one is missing: %v", err)
	}
	if err := send(context.Background(), hashes[0], hashes[1], hashes[0]); !errors.Is(err, record.ErrInvalid) {
		t.Errorf("one is named twice: %v", err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := send(ended, hashes...); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	full := errors.New("connection lost")
	if err := db.WritePack(context.Background(), failing{full}, hashes, nil); !errors.Is(err, full) {
		t.Errorf("a writer that fails: %v", err)
	}
	// A damaged byte is noticed here or there, unless it is one of those that nobody
	// reads, such as the rest of a last byte of deflated bits.
	path := filepath.Join("/objects/pack", name+".pack")
	for i := packHeaderLen; i < len(pack)-hashLen; i++ {
		bad := bytes.Clone(pack)
		bad[i] ^= 0x10
		if err := afero.WriteFile(fsys, path, bad, 0o444); err != nil {
			t.Fatal(err)
		}
		db = Open(fsys, "/objects", Options{NoSync: true})
		var b bytes.Buffer
		err := db.WritePack(context.Background(), &b, hashes, nil)
		corrupt(t, "WritePack", err)
		there, _ := memory()
		if err != nil {
			continue
		}
		if _, err := receive(there, b.Bytes(), ReceiveOptions{}); err != nil {
			continue
		}
		for _, h := range hashes {
			if ok, err := there.Has(h); !ok {
				t.Errorf("byte %d is damaged, and what is sent is taken without %s, %v", i, h, err)
			}
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestSendToReceive receives from a reader that ends with its last bytes.
func TestSendToReceive(t *testing.T) {
	t.Parallel()
	pack, hashes := tiny(t)
	db, _ := memory()
	if _, err := receive(db, pack, ReceiveOptions{}); err != nil {
		t.Fatal(err)
	}
	there, _ := memory()
	if _, err := there.Receive(context.Background(), iotest.DataErrReader(bytes.NewReader(sent(t, db, hashes))), ReceiveOptions{}); err != nil {
		t.Error(err)
	}
}
