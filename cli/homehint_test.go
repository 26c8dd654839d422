package cli

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSpaceHint names the folder whose disk is full, and gives no hint for errors of standard output.
func TestSpaceHint(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	s := &settings{term: &terminal{homeFlag: home}}
	at := func(path string, errno syscall.Errno) error {
		return fmt.Errorf("write: %w", &fs.PathError{Op: "write", Path: path, Err: errno})
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{at(filepath.Join(home, "queue"), syscall.ENOSPC), "The disk of " + home + " is full: "},
		{at("/elsewhere/file", syscall.ENOSPC), "The disk of /elsewhere is full: "},
		{at(home, syscall.EDQUOT), "Your quota on the disk of " + home},
		{at(home, syscall.EFBIG), "A limit on the size of files"},
		{&codeError{exitConflict, at(home, syscall.ENOSPC)}, "The disk of " + home},
		{&codeError{exitConflict, nil}, ""},
		{at("/dev/stdout", syscall.ENOSPC), ""},
		{at(home, syscall.EIO), ""},
	} {
		if _, _, hint := s.explain(c.err); !strings.HasPrefix(hint, c.want) || c.want == "" && hint != "" {
			t.Errorf("%v: %q, want %q", c.err, hint, c.want)
		}
	}
}

// TestHomeHintElsewhere says nothing of the home when a file elsewhere cannot be written.
func TestHomeHintElsewhere(t *testing.T) {
	t.Parallel()
	home := filepath.Join(t.TempDir(), "home")
	if err := os.Symlink("nowhere", home); err != nil {
		t.Fatal(err)
	}
	s := &settings{term: &terminal{homeFlag: home}}
	if hint := s.homeHint(&fs.PathError{Op: "open", Path: "/elsewhere/file", Err: syscall.EACCES}); hint != "" {
		t.Errorf("of a file elsewhere: %q", hint)
	}
	if hint := s.homeHint(&fs.PathError{Op: "open", Path: filepath.Join(home, "queue"), Err: syscall.EACCES}); !strings.Contains(hint, "nowhere") {
		t.Errorf("of a file in the home: %q", hint)
	}
}
