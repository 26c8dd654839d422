package jobs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/afero"

	"qme/record"
)

// TestWritersHoweverSpelled finds who prints to a file, whichever path each of them has given.
func TestWritersHoweverSpelled(t *testing.T) {
	dir := t.TempDir()
	for _, err := range []error{
		os.MkdirAll(filepath.Join(dir, "d"), 0o700), os.MkdirAll(filepath.Join(dir, "far", "below"), 0o700),
		os.Symlink(dir, filepath.Join(dir, "folder")), os.Symlink("a.txt", filepath.Join(dir, "file")),
		os.Symlink("folder/file", filepath.Join(dir, "chain")), os.Symlink("far/below", filepath.Join(dir, "away")),
		os.Symlink("loop", filepath.Join(dir, "loop")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	plain := dir + "/a.txt"
	others := []string{dir + "/./a.txt", dir + "/d/../a.txt", dir + "//a.txt", dir + "/folder/a.txt", dir + "/file", dir + "/chain", dir + "/away/../../a.txt"}
	for _, exists := range []bool{false, true} {
		if exists {
			if err := os.WriteFile(plain, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, other := range others {
			for _, pair := range [][2]string{{plain, other}, {other, plain}} {
				f := New(afero.NewOsFs(), filepath.Join(t.TempDir(), "jobs"))
				id := prints(t, f, pair[0])
				if ids, err := f.Writers(pair[1]); err != nil || len(ids) != 1 || ids[0] != id {
					t.Errorf("%s is written by %v, %v, and not by who prints to %s (there: %v)", pair[1], ids, err, pair[0], exists)
				}
			}
		}
	}
	f := New(afero.NewOsFs(), filepath.Join(t.TempDir(), "jobs"))
	prints(t, f, plain)
	prints(t, f, dir+"/loop")
	for _, path := range []string{dir + "/b.txt", dir + "/far/a.txt", dir + "/away/../a.txt", dir + "/nowhere/a.txt"} {
		if ids, err := f.Writers(path); err != nil || len(ids) > 0 {
			t.Errorf("%s is written by %v, %v", path, ids, err)
		}
	}
}

// TestWritersOfMovedLink finds who has printed through a link that leads elsewhere by now.
func TestWritersOfMovedLink(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	f := New(afero.NewOsFs(), filepath.Join(t.TempDir(), "jobs"))
	if err := os.Symlink("a.txt", link); err != nil {
		t.Fatal(err)
	}
	id := prints(t, f, link)
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("b.txt", link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, filepath.Join(dir, "a.txt")} {
		if ids, err := f.Writers(path); err != nil || len(ids) != 1 || ids[0] != id {
			t.Errorf("%s is written by %v, %v", path, ids, err)
		}
	}
}

func prints(t *testing.T, f *Folder, path string) record.ID {
	t.Helper()
	id, err := record.NewID("batch")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Prints(&record.Record{UID: id, Data: record.Data{Job: &record.Job{ID: "no such number", StdoutFile: path}}}); err != nil {
		t.Fatal(err)
	}
	return id
}
