package openfile_test

import (
	"os"
	"path/filepath"
	"testing"

	"qme/internal/openfile"
)

func TestPath(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "a b")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := openfile.Path(int(f.Fd())); got != path {
		t.Errorf("Path is %q, want %q", got, path)
	}
	if err := os.Rename(path, path+"2"); err != nil {
		t.Fatal(err)
	}
	if got := openfile.Path(int(f.Fd())); got != path+"2" {
		t.Errorf("after a rename Path is %q", got)
	}
	if err := os.Remove(path + "2"); err != nil {
		t.Fatal(err)
	}
	if got := openfile.Path(int(f.Fd())) + openfile.Path(-1); got != "" {
		t.Errorf("of a removed file Path is %q", got)
	}
}
