package wholefile_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/internal/wholefile"
)

// watched notes what is done to the files of the machine, and can fail at it.
type watched struct {
	*afero.OsFs
	done []string
	fail string // the call that fails
}

func (w *watched) note(call string) error {
	w.done = append(w.done, call)
	if call == w.fail {
		return errFault
	}
	return nil
}

var errFault = errors.New("fault")

func (w *watched) Rename(from, to string) error {
	if err := w.note("rename"); err != nil {
		return err
	}
	return w.OsFs.Rename(from, to)
}

func (w *watched) Link(from, to string) error {
	if err := w.note("link"); err != nil {
		return err
	}
	return os.Link(from, to)
}

func (w *watched) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	f, err := w.OsFs.OpenFile(name, flag, perm)
	return watchedFile{f, w}, err
}

type watchedFile struct {
	afero.File
	w *watched
}

func (f watchedFile) Write(b []byte) (int, error) {
	if err := f.w.note("write"); err != nil {
		return 0, err
	}
	return f.File.Write(b)
}

func (f watchedFile) Sync() error {
	if err := f.w.note("flush"); err != nil {
		return err
	}
	return f.File.Sync()
}

type writer = func(afero.Fs, string, []byte) error

// Each way of writing does what it says, in this order; when a step fails the old file is
// there, and nothing else.
func TestSteps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		write writer
		old   bool
		steps []string
	}{
		{"Replace", wholefile.Replace, true, []string{"write", "rename"}},
		{"ReplaceFlushed", wholefile.ReplaceFlushed, true, []string{"write", "flush", "rename"}},
		{"Create", wholefile.Create, false, []string{"write", "flush", "link"}},
	} {
		for _, fail := range append(c.steps, "") {
			dir := t.TempDir()
			path := filepath.Join(dir, "file")
			if c.old {
				if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			w := &watched{OsFs: &afero.OsFs{}, fail: fail}
			err := c.write(w, path, []byte("new"))
			want, wantErr := "new", fail != "" && fail != "link"
			if wantErr {
				want = map[bool]string{true: "old"}[c.old]
			}
			if (err != nil) != wantErr || wantErr && !errors.Is(err, errFault) {
				t.Errorf("%s, %q fails: %v", c.name, fail, err)
			}
			if b, _ := os.ReadFile(path); string(b) != want {
				t.Errorf("%s, %q fails: the file is %q, want %q", c.name, fail, b, want)
			}
			if names, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(names) > 0 {
				t.Errorf("%s, %q fails: %v is left (%v)", c.name, fail, names, err)
			}
			if fail != "" {
				continue
			}
			if !slices.Equal(w.done, c.steps) {
				t.Errorf("%s did %v, want %v", c.name, w.done, c.steps)
			}
			if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
				t.Errorf("%s: the file has mode %v (%v)", c.name, info.Mode(), err)
			}
		}
	}
}

// Of many that create a file one does, and the others learn it; with links and without.
func TestCreate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	var mu sync.Mutex
	var made []string
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			text := fmt.Sprint(i)
			err := wholefile.Create(afero.NewOsFs(), path, []byte(text))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				made = append(made, text)
			} else if !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if b, err := os.ReadFile(path); err != nil || !slices.Equal(made, []string{string(b)}) {
		t.Errorf("%v were made, and the file is %q (%v)", made, b, err)
	}
	for name, fsys := range map[string]afero.Fs{"memory": afero.NewMemMapFs(), "no links": &watched{OsFs: &afero.OsFs{}, fail: "link"}} {
		path := filepath.Join(t.TempDir(), "file")
		if err := fsys.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := wholefile.Create(fsys, path, []byte("first")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := wholefile.Create(fsys, path, []byte("second")); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s, again: %v", name, err)
		}
		if b, err := afero.ReadFile(fsys, path); err != nil || string(b) != "first" {
			t.Errorf("%s: the file is %q (%v)", name, b, err)
		}
		if infos, err := afero.ReadDir(fsys, filepath.Dir(path)); err != nil || len(infos) != 1 {
			t.Errorf("%s: %v is there (%v)", name, infos, err)
		}
	}
}

// Writers at once leave the content of one of them.
func TestWritersAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 20 {
				if err := wholefile.Replace(afero.NewOsFs(), path, []byte(strings.Repeat(fmt.Sprint(i), 10_000))); err != nil {
					t.Error(err)
				}
				b, err := os.ReadFile(path)
				if err != nil || len(b) != 10_000 || strings.Trim(string(b), string(b[:1])) != "" {
					t.Errorf("a mixed file of %d bytes (%v)", len(b), err)
				}
			}
		})
	}
	all.Wait()
}

func TestRemoveLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := wholefile.Replace(afero.NewOsFs(), at("file"), nil); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for name, age := range map[string]time.Duration{
		".file-123": 2 * time.Minute, ".file-456": time.Second, ".file-": time.Hour, ".file-mine": time.Hour, ".other-123": time.Hour, "file-123": time.Hour,
	} {
		if err := errors.Join(os.WriteFile(at(name), nil, 0o600), os.Chtimes(at(name), now, now.Add(-age))); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir(at(".file-789"), 0o700), os.Chtimes(at(".file-789"), now, now.Add(-time.Hour))); err != nil {
		t.Fatal(err)
	}
	if err := wholefile.RemoveLeft(afero.NewOsFs(), at("file")); err != nil {
		t.Fatal(err)
	}
	var left []string
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if want := []string{".file-", ".file-456", ".file-789", ".file-mine", ".other-123", "file", "file-123"}; err != nil || !slices.Equal(left, want) {
		t.Errorf("left are %q, want %q (%v)", left, want, err)
	}
	if err := wholefile.RemoveLeft(afero.NewOsFs(), at("missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a file that is not there: %v", err)
	}
}

func TestFlushFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := wholefile.FlushFolder(afero.NewOsFs(), dir); err != nil {
		t.Error(err)
	}
	if err := wholefile.FlushFolder(afero.NewOsFs(), filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a folder that is not there: %v", err)
	}
	memory := afero.NewMemMapFs()
	if err := errors.Join(memory.MkdirAll("/a", 0o700), wholefile.FlushFolder(memory, "/a")); err != nil {
		t.Error(err)
	}
}
