package config

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/spf13/afero"

	"qme/record"
)

func wantMode(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != want {
		t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
	}
}

func TestModesOnDisk(t *testing.T) {
	home := filepath.Join(t.TempDir(), "new", "home")
	fsys := afero.NewOsFs()
	if err := Set(fsys, home, "color", "never"); err != nil {
		t.Fatal(err)
	}
	wantMode(t, home, 0o700|os.ModeDir)
	wantMode(t, File(home), 0o600)
	if err := os.Chmod(File(home), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := Set(fsys, home, "color", "always"); err != nil {
		t.Fatal(err)
	}
	wantMode(t, File(home), 0o600)
}

// A reader that has the file open keeps the old content: the file is replaced,
// never written into.
func TestReplacedNotRewritten(t *testing.T) {
	home := t.TempDir()
	fsys := afero.NewOsFs()
	if err := Set(fsys, home, "color", "never"); err != nil {
		t.Fatal(err)
	}
	old, err := os.Open(File(home))
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if err := Set(fsys, home, "color", "always"); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(old)
	if err != nil || string(b) != "color = \"never\"\n" {
		t.Errorf("the open file reads %q, %v", b, err)
	}
}

func TestSymbolicLinkStays(t *testing.T) {
	dir := t.TempDir()
	home, dotfiles := filepath.Join(dir, "home"), filepath.Join(dir, "dotfiles")
	for _, d := range []string{home, dotfiles} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	target := filepath.Join(dotfiles, "qme.toml")
	if err := os.Symlink("../dotfiles/second", File(home)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, filepath.Join(dotfiles, "second")); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"never", "always"} { // at first it leads nowhere
		if err := Set(afero.NewOsFs(), home, "color", value); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(target)
		if err != nil || string(b) != "color = \""+value+"\"\n" {
			t.Errorf("%s holds %q, %v", target, b, err)
		}
		wantMode(t, File(home), 0o777|os.ModeSymlink)
	}
}

func TestLinkInACircle(t *testing.T) {
	home := t.TempDir()
	if err := os.Symlink("config.toml", File(home)); err != nil {
		t.Fatal(err)
	}
	if err := Set(afero.NewOsFs(), home, "color", "never"); err == nil {
		t.Error("no error")
	}
	wantMode(t, File(home), 0o777|os.ModeSymlink)
}

// Processes that edit at once (here goroutines, which the lock keeps apart just
// as well) lose nothing of each other's, and a reader never sees half a file.
func TestEditsAtOnce(t *testing.T) {
	home := t.TempDir()
	fsys := afero.NewOsFs()
	values := map[string]string{
		"run.keep": "5", "run.git": "1s", "color": "never", "pager": "less", "executor.shell.shell": "zsh",
	}
	var writers, reader sync.WaitGroup
	for key, value := range values {
		writers.Go(func() {
			err := Set(fsys, home, key, value)
			for errors.Is(err, record.ErrConflict) {
				err = Set(fsys, home, key, value)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	done := make(chan struct{})
	reader.Go(func() {
		for {
			if _, err := Load(fsys, home, nil); err != nil {
				t.Error(err)
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	writers.Wait()
	close(done)
	reader.Wait()
	c, err := Load(fsys, home, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range c.All() {
		if want, set := values[s.Name]; set && s.Value != want {
			t.Errorf("%s is %q, want %q", s.Name, s.Value, want)
		}
	}
}
