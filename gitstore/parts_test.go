package gitstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/gitstore"
	"qme/record"
	"qme/tests/require"
)

// withParts gives a change of a record a part beside the record, and one that stays in the home.
func withParts(c gitstore.Change, rec *record.Record, content string) gitstore.Change {
	c.Parts = map[record.PartName][]byte{record.PartFiles: []byte("files " + content), record.PartPatch: []byte("patch " + content)}
	patch := record.NewPart(c.Parts[record.PartPatch])
	patch.Home = true
	rec.Data.Parts = record.Parts{record.PartFiles: record.NewPart(c.Parts[record.PartFiles]), record.PartPatch: patch}
	return c
}

func wantParts(t testing.TB, s *gitstore.Store, rec *record.Record, content string) {
	t.Helper()
	for _, name := range []record.PartName{record.PartFiles, record.PartPatch} {
		if got, err := s.Part("", rec, name); err != nil || string(got) != string(name)+" "+content {
			t.Errorf("task %s has the part %s %q, %v", rec.UID, name, got, err)
		}
	}
}

// TestPartsTogether has several processes store parts at once, some of them equal. All of them
// stay, also when git collects what nothing refers to.
func TestPartsTogether(t *testing.T) {
	t.Parallel()
	require.Component(t, "git")
	dir := filepath.Join(t.TempDir(), "tasks.git")
	openStore(t, afero.NewOsFs(), dir, nil)
	var wg sync.WaitGroup
	var recs [3][15]*record.Record
	for w := range recs {
		s := openStore(t, afero.NewOsFs(), dir, nil)
		wg.Go(func() {
			for i := range recs[w] {
				rec := task(idAt("shell", epoch.Add(time.Duration(w)*time.Hour), i))
				recs[w][i] = rec
				if _, err := s.Commit(context.Background(), withParts(run(rec, nil), rec, fmt.Sprint(i%7))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	git(t, dir, "gc", "-q", "--prune=now")
	s := openStore(t, afero.NewOsFs(), dir, nil)
	for w := range recs {
		for i, rec := range recs[w] {
			wantParts(t, s, rec, fmt.Sprint(i%7))
		}
	}
	selfCheck(t, s)
	fsck(t, dir)
	if got := git(t, dir, "ls-tree", "-r", "--name-only", "refs/qme/home"); len(got) == 0 || git(t, dir, "rev-list", "--count", "refs/qme/home") != "7" {
		t.Errorf("what is at home: %s", got)
	}
}

// TestEqualPartsAtHome writes a part that stays in the home once, whatever the number of its runs.
func TestEqualPartsAtHome(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tasks.git")
	s := openStore(t, afero.NewOsFs(), dir, nil)
	content := make([]byte, 200_000)
	for i := range content {
		content[i] = byte(i * i * i >> 7)
	}
	size := func() (n int64) {
		packs, err := filepath.Glob(filepath.Join(dir, "objects/pack/*.pack"))
		if err != nil {
			t.Fatal(err)
		}
		for _, pack := range packs {
			info, err := os.Stat(pack)
			if err != nil {
				t.Fatal(err)
			}
			n += info.Size()
		}
		return n
	}
	var sizes []int64
	for i := range 3 {
		rec := task(idAt("shell", epoch, i))
		c := run(rec, nil)
		c.Parts = map[record.PartName][]byte{record.PartEnv: content}
		part := record.NewPart(content)
		part.Home = true
		rec.Data.Parts = record.Parts{record.PartEnv: part}
		commit(t, s, c)
		sizes = append(sizes, size())
		if got, err := s.Part("", rec, record.PartEnv); err != nil || string(got) != string(content) {
			t.Errorf("the part has %d bytes: %v", len(got), err)
		}
	}
	if sizes[0] < 10_000 || sizes[2]-sizes[0] > sizes[0]/2 {
		t.Errorf("the packs have %d bytes", sizes)
	}
}

// TestPartsStay has changes of a record that leave its parts as they are, or give others.
func TestPartsStay(t *testing.T) {
	t.Parallel()
	s := emptyStore(t)
	rec := task(idAt("shell", epoch, 1))
	commit(t, s, withParts(run(rec, nil), rec, "first"))
	first, err := s.Head()
	if err != nil {
		t.Fatal(err)
	}
	old := *rec
	commit(t, s, run(rec, nil)) // such as one with another state of its job
	wantParts(t, s, rec, "first")
	commit(t, s, withParts(run(rec, nil), rec, "second"))
	wantParts(t, s, rec, "second")
	if got, err := s.Part(first, &old, record.PartFiles); err != nil || string(got) != "files first" {
		t.Errorf("the part of the first run is %q, %v", got, err)
	}
	rec.Data.Parts = record.Parts{record.PartFiles: record.NewPart([]byte("not given"))}
	if _, err := s.Commit(context.Background(), run(rec, nil)); !errors.Is(err, record.ErrInvalid) {
		t.Errorf("a part that is described and not given: %v", err)
	}
	rec.Data.Parts = nil
	commit(t, s, run(rec, nil))
	if _, err := s.Part("", rec, record.PartFiles); !errors.Is(err, record.ErrNoPart) {
		t.Errorf("a part that there is not: %v", err)
	}
	selfCheck(t, s)
}
