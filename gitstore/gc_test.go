package gitstore_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/gitstore"
	"qme/gitstore/storetest"
	"qme/record"
	"qme/tests/require"
)

// TestGCJoinsGeometrically runs many commits with the GC that they call for. The
// number of packs must stay small, and most of what is written must not be
// written again each time.
func TestGCJoinsGeometrically(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tasks.git")
	s := openStore(t, afero.NewOsFs(), dir, nil)
	var want []*record.Record
	collections, most := 0, 0
	largest := map[string]bool{}
	for i := range 300 {
		rec := task(idAt("shell", epoch.Add(time.Duration(i)*20*time.Second), i), fmt.Sprint(i))
		commit(t, s, run(rec, nil))
		want = append([]*record.Record{rec}, want...)
		most = max(most, len(packs(t, dir)))
		if !s.NeedsGC() {
			continue
		}
		rep, err := s.GC(context.Background(), false)
		if err != nil || rep == nil || rep.PacksAfter >= rep.PacksBefore {
			t.Fatalf("GC: %+v, %v", rep, err)
		}
		collections++
		largest[largestPack(t, dir)] = true
		if s.NeedsGC() {
			t.Fatalf("GC has left work for itself: %+v", rep)
		}
	}
	if most > 40 || collections < 5 || collections > 15 {
		t.Errorf("%d packs at most, %d collections", most, collections)
	}
	if len(largest) >= collections {
		t.Errorf("each of %d collections wrote the largest pack again", collections)
	}
	wantTasks(t, s, record.Range{}, want)
	selfCheck(t, s)
	fsck(t, dir)
}

func largestPack(t *testing.T, dir string) (name string) {
	t.Helper()
	var size int64
	for _, p := range packs(t, dir) {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > size {
			name, size = p, info.Size()
		}
	}
	return name
}

// TestGCBesideReadersAndWriters keeps two stores and git at work while a third
// store collects, again and again.
func TestGCBesideReadersAndWriters(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tasks.git")
	have := history(t, dir, 10)
	ctx, stop := context.WithCancel(context.Background())
	var workers, gc sync.WaitGroup
	gc.Go(func() {
		s := openStore(t, afero.NewOsFs(), dir, nil)
		for i := 0; ctx.Err() == nil; i++ {
			if _, err := s.GC(context.Background(), i%2 == 0); err != nil {
				t.Errorf("GC: %v", err)
			}
		}
	})
	var mu sync.Mutex
	want := place{have: have}
	var recs []*record.Record
	for w := range 2 {
		s := openStore(t, afero.NewOsFs(), dir, nil)
		workers.Go(func() {
			for i := range 40 {
				rec := task(idAt("shell", epoch.Add(time.Duration(w+1)*time.Hour), i), strings.Repeat("x", i))
				if _, err := s.Commit(context.Background(), run(rec, nil)); err != nil {
					t.Errorf("Commit: %v", err)
				}
				mu.Lock()
				recs = append(recs, rec)
				mu.Unlock()
			}
		})
	}
	reader := openStore(t, afero.NewOsFs(), dir, nil)
	workers.Go(func() {
		for range 40 {
			for res := range recordsOf(reader, record.Range{}) {
				if res.Err != nil {
					t.Errorf("Records: %s: %v", res.ID, res.Err)
				}
			}
			if got := readStream(t, reader, "", have[9], record.Stdout); !bytes.Equal(got, noise(1, 5000)) {
				t.Error("the stream is not what it was")
			}
		}
	})
	workers.Go(func() {
		for range 15 {
			// A git that has opened a pack which goes looks again by itself.
			if out, err := tryGit(dir, "", "log", "--stat", "main"); err != nil {
				t.Errorf("git log: %v\n%s", err, out)
			}
		}
	})
	workers.Wait()
	stop()
	gc.Wait()
	wantTasks(t, openStore(t, afero.NewOsFs(), dir, nil), record.Range{}, want.all(recs...))
	fsck(t, dir)
}

// TestOneGCAtATime has a second GC come while the first is at work.
func TestOneGCAtATime(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tasks.git")
	history(t, dir, 3)
	second := patient(t, dir)
	f, err := os.OpenFile(filepath.Join(dir, "qme-gc.lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !lockFile(f) {
		t.Fatal("the lock is taken")
	}
	before := packs(t, dir)
	if rep, err := second.GC(context.Background(), true); rep != nil || err != nil {
		t.Errorf("GC returns %v, %v; want nothing", rep, err)
	}
	if after := packs(t, dir); len(after) != len(before) {
		t.Errorf("%d packs became %d", len(before), len(after))
	}
}

// TestGCInterrupted ends GC's context at each of its operations.
func TestGCInterrupted(t *testing.T) {
	t.Parallel()
	made := filepath.Join(t.TempDir(), "tasks.git")
	have := history(t, made, 3)
	writeLoose(t, made)
	for at := 0; ; at++ {
		dir := filepath.Join(t.TempDir(), "tasks.git")
		copyTree(t, made, dir)
		fsys := storetest.New(afero.NewOsFs())
		s := openStore(t, fsys, dir, nil)
		ctx, cancel := context.WithCancel(context.Background())
		n := 0
		fsys.Before(func(string, string) {
			if n++; n > at {
				cancel()
			}
		})
		_, err := s.GC(ctx, true)
		cancel()
		if err != nil {
			for _, p := range packs(t, made) {
				if _, err := os.Stat(filepath.Join(dir, "objects", "pack", filepath.Base(p))); err != nil {
					t.Errorf("interrupted at %d, GC has removed %v", at, err)
				}
			}
		}
		afterwards(t, dir, have)
		if n <= at {
			break
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := patient(t, made).GC(ctx, true); !errors.Is(err, context.Canceled) {
		t.Errorf("GC with a context that has ended: %v", err)
	}
}

// TestGCOfDamagedPacks flips a byte somewhere in a pack or index. GC then either
// does nothing, or the damage was where it does not count and all is well after it.
func TestGCOfDamagedPacks(t *testing.T) {
	t.Parallel()
	made := filepath.Join(t.TempDir(), "tasks.git")
	have := history(t, made, 2)
	stopped := 0
	files, err := filepath.Glob(filepath.Join(made, "objects", "pack", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 120 {
		name := filepath.Base(files[i%len(files)])
		dir := filepath.Join(t.TempDir(), "tasks.git")
		copyTree(t, made, dir)
		at := flip(t, filepath.Join(dir, "objects", "pack", name), i/len(files))
		s := openStore(t, afero.NewOsFs(), dir, nil)
		if found := problems(t, s); len(found) == 0 {
			t.Errorf("%s, byte %d: Check finds nothing", name, at)
		}
		_, err := s.GC(context.Background(), true)
		if err == nil {
			wantTasks(t, s, record.Range{}, have)
			selfCheck(t, s)
			continue
		}
		stopped++
		for _, f := range files {
			if _, err := os.Stat(filepath.Join(dir, "objects", "pack", filepath.Base(f))); err != nil {
				t.Errorf("%s, byte %d: GC has removed %s", name, at, filepath.Base(f))
			}
		}
	}
	if stopped < 20 {
		t.Errorf("GC was stopped by %d damages only", stopped)
	}
}

// flip changes a byte of a file, each time another, and returns which.
func flip(t *testing.T, path string, n int) int {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := n * 7919 % len(b) // a prime: spread over the file
	b[at] ^= 1 << (n % 8)
	if err := os.Remove(path); err != nil { // packs are not writable
		t.Fatal(err)
	}
	writeFile(t, path, b)
	return at
}

func problems(t *testing.T, s *gitstore.Store) (found []error) {
	t.Helper()
	if _, err := s.Check(context.Background(), func(err error) { found = append(found, err) }, nil); err != nil {
		t.Fatal(err)
	}
	return found
}

// TestGCLeavesWhatIsKept marks a pack with .keep.
func TestGCLeavesWhatIsKept(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tasks.git")
	have := history(t, dir, 4)
	kept := packs(t, dir)[0]
	writeFile(t, strings.TrimSuffix(kept, ".pack")+".keep", nil)
	collect(t, patient(t, dir), true)
	left := packs(t, dir)
	if _, err := os.Stat(kept); err != nil || len(left) != 2 {
		t.Errorf("%v; %d packs, want the kept one and another", err, len(left))
	}
	afterwards(t, dir, have)
}

// TestGCRemovesLeftovers looks at the files that processes which died left behind.
func TestGCRemovesLeftovers(t *testing.T) {
	t.Parallel()
	require.Component(t, "git")
	home := t.TempDir()
	dir := filepath.Join(home, "tasks.git")
	have := history(t, dir, 1)
	age := map[string]time.Duration{
		filepath.Join(dir, "objects", "pack", "tmp_pack_old"):        25 * time.Hour,
		filepath.Join(dir, "objects", "pack", "qme_pack_old"):        25 * time.Hour,
		filepath.Join(dir, "objects", "pack", "qme_idx_old"):         25 * time.Hour,
		filepath.Join(home, ".new-history-old", "HEAD"):              25 * time.Hour,
		filepath.Join(dir, "qme-broken-lock-old", "lock"):            25 * time.Hour,
		filepath.Join(dir, "qme-broken-lock-new", "lock"):            time.Hour,
		filepath.Join(dir, "objects", "pack", "qme_pack_new"):        time.Hour,
		filepath.Join(home, ".new-history-new", "HEAD"):              time.Hour,
		filepath.Join(home, "running", "shell-x", "of someone else"): 25 * time.Hour,
	}
	for path, a := range age {
		writeFile(t, path, []byte("x"))
		past := time.Now().Add(-a)
		for _, p := range []string{path, filepath.Dir(path)} {
			if p == filepath.Join(dir, "objects", "pack") {
				continue
			}
			if err := os.Chtimes(p, past, past); err != nil {
				t.Fatal(err)
			}
		}
	}
	collect(t, patient(t, dir), false)
	for path, a := range age {
		_, err := os.Stat(path)
		removed := a > 24*time.Hour && !strings.Contains(path, "running")
		if gone := os.IsNotExist(err); gone != removed {
			t.Errorf("%s: gone %v, want %v", path, gone, removed)
		}
	}
	afterwards(t, dir, have)
}

// TestGCRemovesGitsIndexOfPacks has git make an index of all packs with a bitmap:
// nothing of it may be left when its packs go.
func TestGCRemovesGitsIndexOfPacks(t *testing.T) {
	t.Parallel()
	require.Component(t, "git")
	dir := filepath.Join(t.TempDir(), "tasks.git")
	have := history(t, dir, 4)
	git(t, dir, "multi-pack-index", "write", "--bitmap")
	find := func() []string {
		names, err := filepath.Glob(filepath.Join(dir, "objects", "pack", "multi-pack-index*"))
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	if n := len(find()); n < 2 {
		t.Fatalf("git made %d files", n)
	}
	// What other versions of git make, and the lock of one at work.
	lock := filepath.Join(dir, "objects", "pack", "multi-pack-index.lock")
	writeFile(t, lock, nil)
	writeFile(t, filepath.Join(dir, "objects", "pack", "multi-pack-index.d", "multi-pack-index-chain"), []byte("x"))
	collect(t, patient(t, dir), true)
	if left := find(); len(left) != 1 || left[0] != lock {
		t.Errorf("left of it: %v", left)
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	afterwards(t, dir, have)
}

// TestGCHasWorkWhenItIsNeeded adds loose objects one by one: GC packs them when NeedsGC
// calls for it and not before, and is not called for again.
func TestGCHasWorkWhenItIsNeeded(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tasks.git")
	have := history(t, dir, 2)
	s := patient(t, dir)
	needed := false
	for i := 0; !needed && i < 100_000; i++ {
		object := fmt.Appendf(nil, "blob 6\x00%06d", i)
		name := fmt.Sprintf("%x", sha1.Sum(object))
		if !strings.HasPrefix(name, "17") { // the folder that is looked at
			continue
		}
		writeFile(t, filepath.Join(dir, "objects", "17", name[2:]), deflated(t, object))
		needed = s.NeedsGC()
		if rep, err := s.GC(context.Background(), false); err != nil || (rep.Loose > 0) != needed {
			t.Fatalf("GC needed: %v, and does %+v, %v", needed, rep, err)
		}
	}
	if !needed || s.NeedsGC() {
		t.Errorf("GC was needed: %v, and is again: %v", needed, s.NeedsGC())
	}
	afterwards(t, dir, have)
}

func deflated(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
