package gitstore_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/gitstore"
	"qme/record"
)

// A place is a history of which a behaviour is asked.
type place struct {
	fs   afero.Fs
	dir  string
	real bool             // of the real file system, where git can look at it
	have []*record.Record // what it holds already, newest first
}

// behaviours are what every history must do, whoever wrote it and wherever it is.
var behaviours = map[string]func(*testing.T, place){
	"put and get":                 putAndGet,
	"reruns are a chain":          rerunsAreAChain,
	"order and ranges":            orderAndRanges,
	"streams are exact":           streamsAreExact,
	"a rerun drops a stream":      rerunDropsStream,
	"delete":                      deletes,
	"cleared tasks":               cleared,
	"no change is no commit":      noChange,
	"several changes":             severalChanges,
	"a failed build does nothing": failedBuild,
	"wrong records are refused":   wrongRecords,
	"concurrent commits":          concurrentCommits,
	"gc":                          collects,
}

// RunSuite asks all behaviours of histories that open makes, a new one each time.
func RunSuite(t *testing.T, open func(t *testing.T) place) {
	for name, behaves := range behaviours {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := open(t)
			behaves(t, p)
			s := openStore(t, p.fs, p.dir, nil)
			selfCheck(t, s)
			if p.real {
				fsck(t, p.dir)
			}
		})
	}
}

func TestSuiteInMemory(t *testing.T) {
	RunSuite(t, func(*testing.T) place { return place{fs: afero.NewMemMapFs(), dir: "/home/tasks.git"} })
}

func TestSuiteOnDisk(t *testing.T) {
	RunSuite(t, func(t *testing.T) place {
		return place{fs: afero.NewOsFs(), dir: filepath.Join(t.TempDir(), "tasks.git"), real: true}
	})
}

// TestSuiteWrittenByGit begins with histories that the git program wrote.
func TestSuiteWrittenByGit(t *testing.T) {
	for name, write := range map[string]func(testing.TB, string) []*record.Record{"plumbing": plumbed, "pushed": pushed, "collected": collected} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			made := filepath.Join(t.TempDir(), "tasks.git")
			have := write(t, made)
			RunSuite(t, func(t *testing.T) place {
				dir := filepath.Join(t.TempDir(), "tasks.git")
				copyTree(t, made, dir)
				return place{fs: afero.NewOsFs(), dir: dir, real: true, have: have}
			})
		})
	}
}

// all is what a walk finds: the new records, newest first, then those of before.
func (p place) all(recs ...*record.Record) []*record.Record {
	recs = slices.Clone(recs)
	slices.SortFunc(recs, func(a, b *record.Record) int { return -bytes.Compare([]byte(a.UID.UUID()), []byte(b.UID.UUID())) })
	return append(recs, p.have...)
}

func putAndGet(t *testing.T, p place) {
	s := openStore(t, p.fs, p.dir, nil)
	wantTasks(t, s, record.Range{}, p.have)
	rec := task(idAt("shell", epoch, 1), "hello\n", "wörld \x01 <&> \U0001F600")
	rec.Data.Error = []string{"oops\n", "no newline"}
	wantGone(t, s, rec.UID)
	version := commit(t, s, run(rec, nil))
	for _, at := range []string{"", version} {
		wantRecord(t, s, at, rec)
	}
	// Another process sees the same.
	wantTasks(t, openStore(t, p.fs, p.dir, nil), record.Range{}, p.all(rec))
	if got := readStream(t, s, "", rec, record.Stderr); string(got) != "oops\nno newline" {
		t.Errorf("Stream of an inline stream returns %q", got)
	}
	if _, err := s.Get("main", rec.UID); !errors.Is(err, record.ErrInvalid) {
		t.Errorf("Get of a version that is no commit's name: %v, want record.ErrInvalid", err)
	}
	if _, err := s.Get("00000000000000000000000000000000000000aa", rec.UID); !errors.Is(err, record.ErrCorrupt) {
		t.Errorf("Get of a commit that is not there: %v, want record.ErrCorrupt", err)
	}
}

func rerunsAreAChain(t *testing.T, p place) {
	s := openStore(t, p.fs, p.dir, nil)
	id := idAt("shell", epoch, 1)
	other := task(idAt("shell", epoch.Add(time.Hour), 2), "between")
	const runs = 5
	want := make([]*record.Record, runs)
	for i := range runs {
		want[i] = task(id, fmt.Sprintf("run %d\n", i+1))
		commit(t, s, run(want[i], nil))
		commit(t, s, run(other, nil)) // what lies between does not matter
	}
	version := ""
	for i := runs - 1; i >= 0; i-- {
		rec, err := s.Get(version, id)
		if err != nil {
			t.Fatal(err)
		}
		if encoded(t, rec) != encoded(t, want[i]) || rec.Data.Run != i+1 {
			t.Errorf("run %d is\n%s", i+1, encoded(t, rec))
		}
		version = rec.Data.Previous
	}
	if version != "" {
		t.Errorf("the first run has a previous one: %s", version)
	}
	// The same goes for reruns of what was there before.
	for _, old := range p.have {
		again := task(old.UID, "again")
		commit(t, s, run(again, nil))
		wantRecord(t, s, again.Data.Previous, old)
		if again.Data.Run != old.Data.Run+1 {
			t.Errorf("the rerun of run %d is run %d", old.Data.Run, again.Data.Run)
		}
	}
}

func orderAndRanges(t *testing.T, p place) {
	s := openStore(t, p.fs, p.dir, nil)
	// Moments on both sides of the borders between folders, in no order.
	moments := []time.Duration{0, time.Millisecond, 59 * time.Second, 59*time.Second + 999*time.Millisecond, time.Minute, 29 * time.Minute,
		24 * time.Hour, 40 * 24 * time.Hour, 365 * 24 * time.Hour, -time.Minute, -time.Millisecond, -12 * time.Hour}
	var recs []*record.Record
	var changes []gitstore.Change
	for i, d := range moments {
		executor := []string{"shell", "slurm", "a"}[i%3]
		rec := task(idAt(executor, epoch.Add(d), i), fmt.Sprint(i))
		recs, changes = append(recs, rec), append(changes, run(rec, nil))
	}
	commit(t, s, changes...)
	all := p.all(recs...)
	wantTasks(t, s, record.Range{}, all)
	ranges := []record.Range{{Executor: "shell"}, {Executor: "a"}, {Executor: "none"}, {Prefix: "f"}, {Prefix: "0"}}
	for _, rec := range all {
		u := rec.UID.UUID()
		for _, n := range []int{1, 5, 8, 9, 10, 12, 13, 14, 20, 36} {
			ranges = append(ranges, record.Range{Prefix: u[:n]}, record.Range{Prefix: u[:n], Executor: "slurm"})
		}
	}
	for _, rg := range ranges {
		wantTasks(t, s, rg, inRange(all, rg))
	}
	// A walk can be left at any point.
	for n := range all {
		seen := 0
		for range recordsOf(s, record.Range{}) {
			if seen++; seen > n {
				break
			}
		}
	}
}

func inRange(all []*record.Record, rg record.Range) (in []*record.Record) {
	for _, rec := range all {
		u := rec.UID.UUID()
		if len(u) >= len(rg.Prefix) && u[:len(rg.Prefix)] == rg.Prefix && (rg.Executor == "" || rg.Executor == rec.UID.Executor()) {
			in = append(in, rec)
		}
	}
	return in
}

// stored makes b a stream that is stored beside the record.
func stored(rec *record.Record, name record.StreamName, b []byte) map[record.StreamName]gitstore.Blob {
	sum := sha256.Sum256(b)
	name.Set(rec, record.Preview(b, b, len(b) < 100), &record.Stream{Size: int64(len(b)), SHA256: hex.EncodeToString(sum[:])})
	return map[record.StreamName]gitstore.Blob{name: blob(b)}
}

func streamsAreExact(t *testing.T, p place) {
	s := openStore(t, p.fs, p.dir, nil)
	big := noise(7, 3<<20)
	versions := map[string][]byte{}
	rec := task(idAt("shell", epoch, 1))
	for _, b := range [][]byte{big, {0xff}, bytes.Repeat([]byte("line\n"), 100_000), big[1:]} {
		version := commit(t, s, run(rec, stored(rec, record.Stdout, b)))
		versions[version] = b
	}
	both := task(idAt("shell", epoch, 2))
	streams := stored(both, record.Stdout, big)
	streams[record.Stderr] = stored(both, record.Stderr, big[:100])[record.Stderr]
	commit(t, s, run(both, streams))
	for _, p := range p.have {
		if _, d := record.Stdout.Of(p); d != nil {
			sum := sha256.Sum256(readStream(t, s, "", p, record.Stdout))
			if hex.EncodeToString(sum[:]) != d.SHA256 {
				t.Errorf("the stream of %s that git wrote reads as another", p.UID)
			}
		}
	}
	for version, b := range versions {
		at, err := s.Get(version, rec.UID)
		if err != nil {
			t.Fatal(err)
		}
		if got := readStream(t, s, version, at, record.Stdout); !bytes.Equal(got, b) {
			t.Errorf("version %s: the stream has %d bytes, want %d, or others", version, len(got), len(b))
		}
	}
	if !bytes.Equal(readStream(t, s, "", both, record.Stdout), big) || !bytes.Equal(readStream(t, s, "", both, record.Stderr), big[:100]) {
		t.Error("two streams of one run are not what was written")
	}
}

func rerunDropsStream(t *testing.T, p place) {
	s := openStore(t, p.fs, p.dir, nil)
	rec := task(idAt("shell", epoch, 1))
	commit(t, s, run(rec, stored(rec, record.Stdout, noise(3, 70_000))))
	rec = task(rec.UID, "now inline")
	commit(t, s, run(rec, nil))
	wantRecord(t, s, "", rec)
	if got := readStream(t, s, "", rec, record.Stdout); string(got) != "now inline" {
		t.Errorf("Stream returns %q", got)
	}
	old, err := s.Get(rec.Data.Previous, rec.UID)
	if err != nil {
		t.Fatal(err)
	}
	if got := readStream(t, s, rec.Data.Previous, old, record.Stdout); !bytes.Equal(got, noise(3, 70_000)) {
		t.Error("the stream of the run before is not what it was")
	}
	// Now the file is not there: Stream must not return anything for it.
	if r, err := s.Stream("", old, record.Stdout); !errors.Is(err, record.ErrCorrupt) {
		t.Errorf("Stream of a file that is gone: %v, %v; want record.ErrCorrupt", r, err)
	}
	if p.real {
		if out := git(t, p.dir, "ls-tree", "-r", "--name-only", "main", rec.UID.Dir()); out != rec.UID.Path() {
			t.Errorf("git ls-tree shows %q, want the record alone", out)
		}
	}
}

func deletes(t *testing.T, p place) {
	s := openStore(t, p.fs, p.dir, nil)
	var recs []*record.Record
	for i := range 4 {
		rec := task(idAt("shell", epoch.Add(time.Duration(i)*time.Minute), i))
		recs = append(recs, rec)
		commit(t, s, run(rec, stored(rec, record.Stderr, noise(uint64(i), 1000))))
	}
	before := commit(t, s)
	commit(t, s, clearing(recs[1].UID, recs[3].UID))
	wantTasks(t, s, record.Range{}, p.all(recs[0], recs[2]))
	wantGone(t, s, recs[1].UID)
	wantRecord(t, s, before, recs[1]) // its runs stay in the history
	if again := commit(t, s, clearing(recs[1].UID)); again != commit(t, s) {
		t.Error("deleting what is not there made a commit")
	}
	var rest []record.ID
	for _, rec := range p.all(recs...) {
		rest = append(rest, rec.UID)
	}
	commit(t, s, clearing(rest...))
	wantTasks(t, s, record.Range{}, nil)
	commit(t, s, run(recs[1], stored(recs[1], record.Stderr, noise(9, 10))))
	if recs[1].Data.Run != 1 {
		t.Errorf("a task that was cleared comes back as run %d", recs[1].Data.Run)
	}
	wantTasks(t, s, record.Range{}, []*record.Record{recs[1]})
}

func noChange(t *testing.T, p place) {
	s := openStore(t, p.fs, p.dir, nil)
	rec := task(idAt("shell", epoch, 1), "x")
	version := commit(t, s, run(rec, nil))
	same := gitstore.Change{Verb: "run", ID: rec.UID, Build: func(current *record.Record, _ string) (*record.Record, error) { return current, nil }}
	none := gitstore.Change{Verb: "run", ID: rec.UID, Build: func(*record.Record, string) (*record.Record, error) { return nil, nil }}
	for name, changes := range map[string][]gitstore.Change{"no changes": nil, "the same record": {same}, "nothing to do": {none}, "all": {same, none, clearing()}} {
		if got := commit(t, s, changes...); got != version {
			t.Errorf("%s made the commit %s", name, got)
		}
	}
}

func severalChanges(t *testing.T, p place) {
	s := openStore(t, p.fs, p.dir, nil)
	a, b := task(idAt("shell", epoch, 1), "a"), task(idAt("shell", epoch, 2), "b")
	again := task(a.UID, "a again")
	version := commit(t, s, run(a, nil), run(b, nil), run(again, nil), clearing(b.UID))
	wantTasks(t, s, record.Range{}, p.all(again))
	if again.Data.Run != 2 || again.Data.Previous == version {
		t.Errorf("the third change has run %d, previous %s", again.Data.Run, again.Data.Previous)
	}
	wantRecord(t, s, again.Data.Previous, a)
	wantRecord(t, s, again.Data.Previous, b)
	if p.real {
		if n := git(t, p.dir, "rev-list", "--count", version, "--", a.UID.Path(), b.UID.Path()); n != "4" {
			t.Errorf("git counts %s commits for 4 changes", n)
		}
	}
}

func failedBuild(t *testing.T, p place) {
	s := openStore(t, p.fs, p.dir, nil)
	before := commit(t, s)
	no := errors.New("no")
	fails := gitstore.Change{Verb: "run", ID: idAt("shell", epoch, 2), Build: func(*record.Record, string) (*record.Record, error) { return nil, no }}
	if _, err := s.Commit(context.Background(), run(task(idAt("shell", epoch, 1)), nil), fails); !errors.Is(err, no) {
		t.Errorf("Commit returns %v, want the error of Build", err)
	}
	if after := commit(t, s); after != before {
		t.Errorf("a part of a Commit that failed is there: %s", after)
	}
	wantTasks(t, s, record.Range{}, p.have)
}

func wrongRecords(t *testing.T, p place) {
	s := openStore(t, p.fs, p.dir, nil)
	before := commit(t, s)
	a, b := idAt("shell", epoch, 1), idAt("shell", epoch, 2)
	other := run(task(b), nil)
	other.ID = a
	status := task(a)
	status.Data.Status = "done"
	missing := task(a)
	stored(missing, record.Stdout, noise(1, 10))
	short := task(a)
	stored(short, record.Stdout, noise(1, 10))
	for name, c := range map[string]gitstore.Change{
		"another task's": other, "unknown status": run(status, nil), "without its stream": run(missing, nil),
		"stream of another size": run(short, map[record.StreamName]gitstore.Blob{record.Stdout: blob(noise(1, 9))}),
	} {
		if _, err := s.Commit(context.Background(), c); !errors.Is(err, record.ErrInvalid) {
			t.Errorf("%s: %v, want record.ErrInvalid", name, err)
		}
	}
	lying := run(short, map[record.StreamName]gitstore.Blob{record.Stdout: {Size: 10, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(noise(1, 11))), nil
	}}})
	if _, err := s.Commit(context.Background(), lying); err == nil {
		t.Error("a stream that is longer than it says was stored")
	}
	if after := commit(t, s); after != before {
		t.Error("the history has changed")
	}
}

func concurrentCommits(t *testing.T, p place) {
	const writers, each = 4, 6
	one := openStore(t, p.fs, p.dir, nil)
	var wg sync.WaitGroup
	var mu sync.Mutex
	recs := p.have[:0:0]
	for w := range writers {
		s := one
		if p.real && w%2 == 1 {
			s = openStore(t, p.fs, p.dir, nil) // as another process has its own
		}
		wg.Go(func() {
			for i := range each {
				rec := task(idAt("shell", epoch.Add(time.Duration(i)*time.Second), w), fmt.Sprint(w, i))
				if _, err := s.Commit(context.Background(), run(rec, nil)); err != nil {
					t.Errorf("writer %d: %v", w, err)
					return
				}
				mu.Lock()
				recs = append(recs, rec)
				mu.Unlock()
				if _, err := s.Get("", rec.UID); err != nil {
					t.Errorf("writer %d does not see what it wrote: %v", w, err)
				}
			}
		})
	}
	// All of them rerun the same task as well: no run may be lost.
	shared := idAt("shell", epoch.Add(time.Hour), 0)
	for range writers {
		wg.Go(func() {
			for range each {
				if _, err := one.Commit(context.Background(), run(task(shared), nil)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	last, err := one.Get("", shared)
	if err != nil {
		t.Fatal(err)
	}
	if last.Data.Run != writers*each {
		t.Errorf("after %d runs the task is at run %d", writers*each, last.Data.Run)
	}
	wantTasks(t, one, record.Range{}, p.all(append(recs, last)...))
}

func collects(t *testing.T, p place) {
	s := openStore(t, p.fs, p.dir, nil)
	big := noise(5, 3<<20)
	var recs []*record.Record
	for i := range 12 {
		rec := task(idAt("shell", epoch.Add(time.Duration(i)*time.Second), i), "text ", fmt.Sprint(i))
		var streams map[record.StreamName]gitstore.Blob
		if i%5 == 0 {
			streams = stored(rec, record.Stdout, big[i:])
		}
		commit(t, s, run(rec, streams))
		recs = append(recs, rec)
	}
	for _, all := range []bool{false, true, true} {
		rep, err := s.GC(context.Background(), all)
		if err != nil || rep == nil {
			t.Fatalf("GC: %v, %v", rep, err)
		}
		if all && (rep.PacksAfter != 1 || rep.PacksBefore < rep.PacksAfter) {
			t.Errorf("GC of all packs: %+v", rep)
		}
		wantTasks(t, s, record.Range{}, p.all(recs...))
		fresh := openStore(t, p.fs, p.dir, nil)
		wantTasks(t, fresh, record.Range{}, p.all(recs...))
		if got := readStream(t, fresh, "", recs[5], record.Stdout); !bytes.Equal(got, big[5:]) {
			t.Error("a stream is not what it was")
		}
		more := task(idAt("shell", epoch.Add(time.Hour), len(recs)))
		commit(t, s, run(more, nil))
		recs = append(recs, more)
	}
	if s.NeedsGC() {
		t.Error("GC has left work for itself")
	}
}
