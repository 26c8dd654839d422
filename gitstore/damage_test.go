package gitstore_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"qme/record"
	"qme/tests/require"
)

func lockFile(f *os.File) bool { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil }

// TestDamage damages a history and asks for the error that says so: by every way
// to read it, and when it is written to.
func TestDamage(t *testing.T) {
	t.Parallel()
	made := filepath.Join(t.TempDir(), "tasks.git")
	have := history(t, made, 2)
	ref := filepath.Join("refs", "heads", "main")
	for name, c := range map[string]struct {
		damage func(dir string) error
		want   error
	}{
		"no branch":         {func(dir string) error { return os.Remove(filepath.Join(dir, ref)) }, record.ErrCorrupt},
		"empty branch":      {func(dir string) error { return os.Truncate(filepath.Join(dir, ref), 0) }, record.ErrCorrupt},
		"branch cut off":    {func(dir string) error { return os.Truncate(filepath.Join(dir, ref), 20) }, record.ErrCorrupt},
		"branch to nowhere": {func(dir string) error { return os.WriteFile(filepath.Join(dir, ref), noHash(), 0o644) }, record.ErrCorrupt},
		"no objects":        {func(dir string) error { return os.RemoveAll(filepath.Join(dir, "objects")) }, record.ErrCorrupt},
		"indexes are empty": {func(dir string) error { return truncate(dir, "*.idx", 0) }, record.ErrCorrupt},
		"indexes are cut":   {func(dir string) error { return truncate(dir, "*.idx", 1100) }, record.ErrCorrupt},
		"packs are empty":   {func(dir string) error { return truncate(dir, "*.pack", 0) }, record.ErrCorrupt},
		"packs are cut":     {func(dir string) error { return truncate(dir, "*.pack", 40) }, record.ErrCorrupt},
		"packs are gone":    {func(dir string) error { return removeAll(dir, "*.pack") }, record.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "tasks.git")
			copyTree(t, made, dir)
			if err := c.damage(dir); err != nil {
				t.Fatal(err)
			}
			s := openStore(t, afero.NewOsFs(), dir, nil)
			_, get := s.Get("", have[0].UID)
			_, commit := s.Commit(context.Background(), run(task(idAt("shell", epoch, 77)), nil))
			var ids, records error
			for _, err := range idsOf(s, record.Range{}) {
				ids = err
			}
			for res := range recordsOf(s, record.Range{}) {
				records = res.Err
			}
			for way, err := range map[string]error{"Get": get, "Commit": commit, "IDs": ids, "Records": records} {
				if !errors.Is(err, c.want) {
					t.Errorf("%s: %v, want %v", way, err, c.want)
				}
			}
			if found := problems(t, s); len(found) == 0 {
				t.Error("Check finds nothing")
			}
		})
	}
}

func noHash() []byte { return []byte("00000000000000000000000000000000000000aa\n") }

func eachPackFile(dir, pattern string, do func(string) error) error {
	files, err := filepath.Glob(filepath.Join(dir, "objects", "pack", pattern))
	for _, f := range files {
		err = errors.Join(err, do(f))
	}
	return err
}

func truncate(dir, pattern string, size int64) error {
	return eachPackFile(dir, pattern, func(f string) error { return errors.Join(os.Chmod(f, 0o644), os.Truncate(f, size)) })
}

func removeAll(dir, pattern string) error { return eachPackFile(dir, pattern, os.Remove) }

// TestForeignTrees reads histories in which git has put what does not belong there.
func TestForeignTrees(t *testing.T) {
	t.Parallel()
	require.Component(t, "git")
	rec := task(idAt("shell", epoch, 1), "x")
	other := idAt("shell", epoch, 2)
	for _, c := range []struct {
		name  string
		files []gitFile
		get   error // of rec; nil when it can be read
		check bool  // whether Check has something to say
	}{
		{name: "as it should be", files: []gitFile{{rec.UID.Path(), nil}}},
		{name: "not JSON", files: []gitFile{{rec.UID.Path(), []byte("{")}}, get: record.ErrInvalid, check: true},
		{name: "another's record", files: []gitFile{{other.Path(), nil}}, get: record.ErrNotFound, check: true},
		{name: "in the wrong folder", files: []gitFile{{"tasks/2026/11/23/09/32/" + string(rec.UID) + ".json", nil}}, get: record.ErrNotFound, check: true},
		{name: "a stream without a record", files: []gitFile{{rec.UID.Path(), nil}, {other.Dir() + "/" + string(other) + ".stdout", []byte("x")}}, check: true},
		{name: "a file of no task's", files: []gitFile{{rec.UID.Path(), nil}, {"tasks/notes.txt", []byte("x")}}, check: true},
		{name: "a file in a folder of minutes", files: []gitFile{{rec.UID.Path(), nil}, {rec.UID.Dir() + "/x.json", []byte("x")}}, check: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "tasks.git")
			s := openStore(t, afero.NewOsFs(), dir, nil)
			for i := range c.files {
				if c.files[i].data == nil {
					c.files[i].data = []byte(encoded(t, rec))
				}
			}
			plumb(t, dir, gitRun{message: "by hand", files: c.files})
			if _, err := s.Get("", rec.UID); !errors.Is(err, c.get) {
				t.Errorf("Get: %v, want %v", err, c.get)
			}
			if found := problems(t, s); (len(found) > 0) != c.check {
				t.Errorf("Check finds %v", found)
			}
			// It can be written to all the same.
			next := task(idAt("shell", epoch, 3))
			commit(t, s, run(next, nil))
			wantRecord(t, s, "", next)
		})
	}
}

func TestOtherFormats(t *testing.T) {
	t.Parallel()
	require.Component(t, "git")
	for text, want := range map[string]error{"2\n": record.ErrNewerFormat, "10\n": record.ErrNewerFormat, "one\n": record.ErrInvalid, "": record.ErrInvalid} {
		dir := filepath.Join(t.TempDir(), "tasks.git")
		s := openStore(t, afero.NewOsFs(), dir, nil)
		rec := task(idAt("shell", epoch, 1))
		version := commit(t, s, run(rec, nil))
		head := plumb(t, dir, gitRun{message: "a later version", files: []gitFile{{"format", []byte(text)}}})
		_, get := s.Get("", rec.UID)
		_, commit := s.Commit(context.Background(), run(task(rec.UID, "again"), nil))
		for way, err := range map[string]error{"Get": get, "Commit": commit} {
			if !errors.Is(err, want) {
				t.Errorf("format %q: %s: %v, want %v", text, way, err, want)
			}
		}
		if now := git(t, dir, "rev-parse", "main"); now != head {
			t.Errorf("format %q: the branch was moved to %s", text, now)
		}
		wantRecord(t, s, version, rec) // what was before can be read
	}
	// A repository of something else.
	dir := filepath.Join(t.TempDir(), "x.git")
	git(t, ".", "init", "-q", "--bare", "-b", "main", dir)
	plumb(t, dir, gitRun{message: "code", files: []gitFile{{"main.c", []byte("int main;\n")}}})
	s := openStore(t, afero.NewOsFs(), dir, nil)
	if _, err := s.Commit(context.Background(), run(task(idAt("shell", epoch, 1)), nil)); !errors.Is(err, record.ErrInvalid) {
		t.Errorf("a repository that is no history: Commit: %v, want record.ErrInvalid", err)
	}
}
