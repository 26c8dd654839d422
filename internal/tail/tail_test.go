package tail

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReader reads a file while it grows, is truncated, or another takes its place: what there
// was to read before is read, and all of what came then.
func TestReader(t *testing.T) {
	long := strings.Repeat("0123456789\n", 100)
	for _, c := range []struct {
		name     string
		change   func(path string) error
		want     string
		restarts int
	}{
		{"grows", func(path string) error { return add(path, "second\n") }, "first\nsecond\n", 0},
		{"truncated", func(path string) error { return os.WriteFile(path, []byte("new\n"), 0o600) }, "first\nnew\n", 1},
		{"truncated to as much", func(path string) error { return os.WriteFile(path, []byte("later\n"), 0o600) }, "first\nlater\n", 1},
		{"truncated and longer", func(path string) error { return os.WriteFile(path, []byte(long), 0o600) }, "first\n" + long, 1},
		{"replaced", func(path string) error { return replace(path, "new\n") }, "first\nnew\n", 1},
		{"replaced by a longer", func(path string) error { return replace(path, "first\n"+long) }, "first\nfirst\n" + long, 1},
		{"more, then replaced", func(path string) error { return fmtErr(add(path, "more\n"), replace(path, "new\n")) }, "first\nmore\nnew\n", 1},
		{"removed", os.Remove, "first\n", 0},
		{"emptied", func(path string) error { return os.Truncate(path, 0) }, "first\n", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "out")
			restarts := 0
			tail := &Reader{Open: func() (*os.File, error) { return os.Open(path) }, Restarted: func() { restarts++ }}
			var got strings.Builder
			read := func() {
				t.Helper()
				if _, err := io.Copy(&got, tail); err != nil {
					t.Fatal(err)
				}
			}
			read() // it is not there
			if err := os.WriteFile(path, []byte("first\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			read()
			if err := c.change(path); err != nil {
				t.Fatal(err)
			}
			read()
			read()
			if got.String() != c.want || restarts != c.restarts {
				t.Errorf("it read %q, restarted %d times, want %q and %d", got.String(), restarts, c.want, c.restarts)
			}
			if err := tail.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func add(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return fmtErr(err, f.Close())
}

func replace(path, text string) error {
	return fmtErr(os.WriteFile(path+".new", []byte(text), 0o600), os.Rename(path+".new", path))
}

func fmtErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("setting up: %w", err)
		}
	}
	return nil
}
