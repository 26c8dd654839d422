package provenance_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"qme/provenance"
	"qme/record"
)

// makeFiles makes files with their names as content, and folders of those that end with a slash.
func makeFiles(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(path, 0o700); err != nil {
				t.Fatal(err)
			}
		} else if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func pathsBy(list []record.File, by string) (paths []string) {
	for _, f := range list {
		if f.By == by {
			paths = append(paths, f.Path)
		}
	}
	return paths
}

func TestDeclaredPatterns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	makeFiles(t, dir, "data/a.csv", "data/.hidden.csv", "data/sub/b.csv", "data/sub/deep/c.csv", "data/sub/deep/c.txt", "data/.h/d.csv", "data/.git/e.csv",
		"x[1].csv", "x1.csv", "with blank/f g.csv", "new\nline/h.csv", "ünï/é.csv", "empty/", "real/i.csv")
	if err := syscall.Mkfifo(filepath.Join(dir, "data/fifo.csv"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"data/link.csv": "../x1.csv", "data/dangling.csv": "nowhere", "data/loop": "..", "linked": "real", "data/sub/away": "/"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for pattern, want := range map[string]string{
		"data/a.csv":                "data/a.csv",
		"./data/../data/a.csv":      "data/a.csv",
		"data/*.csv":                "data/a.csv data/link.csv",
		"data/.*.csv":               "data/.hidden.csv",
		"data/**/*.csv":             "data/a.csv data/link.csv data/sub/b.csv data/sub/deep/c.csv",
		"data/sub/**":               "data/sub/b.csv data/sub/deep/c.csv data/sub/deep/c.txt",
		"data":                      "data/.h/d.csv data/.hidden.csv data/a.csv data/link.csv data/sub/b.csv data/sub/deep/c.csv data/sub/deep/c.txt",
		"data/":                     "data/.h/d.csv data/.hidden.csv data/a.csv data/link.csv data/sub/b.csv data/sub/deep/c.csv data/sub/deep/c.txt",
		"**/deep":                   "data/sub/deep/c.csv data/sub/deep/c.txt",
		"data/sub/{b,deep/c}.csv":   "data/sub/b.csv data/sub/deep/c.csv",
		"x[1].csv":                  "x[1].csv",
		"x[0-9].csv":                "x1.csv",
		`x\[1\].*`:                  "x[1].csv",
		"x?.csv":                    "x1.csv",
		"with blank":                "with blank/f g.csv",
		"new\nline/*":               "new\nline/h.csv",
		"ü*/*":                      "ünï/é.csv",
		"linked":                    "linked/i.csv",
		"linked/*":                  "linked/i.csv",
		"link*":                     "",
		"l*/*.csv":                  "",
		filepath.Join(dir, "real"):  "real/i.csv",
		"../*/real/*.csv":           "real/i.csv",
		"empty":                     "",
		"data/fifo.csv":             "",
		"data/dangling.csv":         "",
		"data/.git":                 "",
		"data/.git/**":              "",
		"data/.git/e.csv":           "data/.git/e.csv",
		"nothing/*":                 "",
		"[":                         "",
		"a\x00b":                    "",
		"/proc/self/*":              "",
		strings.Repeat("{a,b}", 60): "",
	} {
		w := provenance.Begin(provenance.Command{Dir: dir, Argv: []string{"true"}, Declared: provenance.Declared{In: []string{pattern}}}, limits)
		w.Hash()
		var got []string
		if files := w.End(); files != nil {
			got = pathsBy(files.In, record.ByDeclared)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", pattern, got, want)
		}
		if m := w.Matching(); !m.Cut && (len(m.In) > 0) != (want == "") || m.Cut != strings.HasPrefix(pattern, "{") {
			t.Errorf("%q: %q matches: %+v", pattern, want, m)
		}
	}
}

// TestDeclaredOutputs has those outputs listed that come or change.
func TestDeclaredOutputs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	makeFiles(t, dir, "out/left", "out/changed", "out/gone", "out/moved", "out/both", "in.txt")
	c := provenance.Command{Dir: dir, Argv: []string{"sh", "-c", "sort in.txt > out/sorted; ./tool --save=out/saved in.txt"},
		Declared: provenance.Declared{In: []string{"in.txt", "out/both"}, Out: []string{"out", "*.log"}}}
	w := provenance.Begin(c, limits)
	w.Hash()
	makeFiles(t, dir, "out/new", "out/sorted", "out/saved", "out/deep/new")
	for _, name := range []string{"out/changed", "out/both"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("something else"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "out/gone")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "out/moved"), filepath.Join(dir, "out/to")); err != nil {
		t.Fatal(err)
	}
	files := w.End()
	if got := pathsBy(files.Out, record.ByDeclared); !slices.Equal(got, []string{"out/saved", "out/both", "out/changed", "out/deep/new", "out/new", "out/to"}) {
		t.Errorf("declared outputs: %q", got)
	}
	if got := pathsBy(files.Out, record.ByRedirect); !slices.Equal(got, []string{"out/sorted"}) {
		t.Errorf("by a redirection: %q", got)
	}
	if got := pathsBy(files.In, record.ByDeclared); !slices.Equal(got, []string{"in.txt", "out/both"}) {
		t.Errorf("declared inputs: %q", got)
	}
	for _, f := range files.Out {
		if f.SHA256 == "" {
			t.Errorf("%s has no hash", f.Path)
		}
	}
	if m := w.Matching(); m.Cut || !slices.Equal(m.Out, []string{"*.log"}) {
		t.Errorf("%+v", m)
	}
}

// TestManyDeclared has bounds for what is looked at and listed.
func TestManyDeclared(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var names []string
	for i := range 10_000 {
		names = append(names, fmt.Sprintf("many/%d/%05d", i%100, i))
	}
	makeFiles(t, dir, names...)
	w := provenance.Begin(provenance.Command{Dir: dir, Declared: provenance.Declared{In: []string{"many"}, Out: []string{"many/**"}}}, provenance.Limits{Wait: time.Second})
	in := w.Named()
	if !w.Matching().Cut && len(in.In)+in.LeftOut != len(names) || len(in.In) > 4096 {
		t.Errorf("%d are listed, and %d left out, %+v", len(in.In), in.LeftOut, w.Matching())
	}
	makeFiles(t, dir, "many/0/new")
	w.Hash()
	out := w.End()
	if got := pathsBy(out.Out, record.ByDeclared); !w.Matching().Cut && !slices.Equal(got, []string{"many/0/new"}) {
		t.Errorf("new: %q", got)
	}
	w = provenance.Begin(provenance.Command{Dir: dir, Declared: provenance.Declared{In: []string{"many", "many", "many"}}}, provenance.Limits{})
	if !w.Matching().Cut {
		t.Errorf("%d files are not too many", len(names))
	}
}

// TestDeclaredNames has a file that is declared by its name beside a folder that comes to too much.
func TestDeclaredNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range 20_100 {
		if err := os.Symlink("none", filepath.Join(dir, fmt.Sprint("f", i))); err != nil {
			t.Fatal(err)
		}
	}
	makeFiles(t, dir, "z.txt", "out.txt")
	c := provenance.Command{Dir: dir, Declared: provenance.Declared{In: []string{"f*", "z.txt", "none"}, Out: []string{".", "out.txt", "new.txt"}}}
	w := provenance.Begin(c, limits)
	w.Hash()
	makeFiles(t, dir, "new.txt")
	if err := os.WriteFile(filepath.Join(dir, "out.txt"), []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	files, m := w.End(), w.Matching()
	if !m.Cut || !slices.Contains(m.CutIn, "f*") || !slices.Contains(m.CutOut, ".") {
		t.Errorf("%+v", m)
	}
	if files == nil {
		t.Fatalf("%+v", files)
	}
	if got := pathsBy(files.In, record.ByDeclared); !slices.Contains(got, "z.txt") {
		t.Errorf("inputs: %.5q", got)
	}
	if got := pathsBy(files.Out, record.ByDeclared); !slices.Contains(got, "out.txt") || !slices.Contains(got, "new.txt") {
		t.Errorf("outputs: %.5q", got)
	}
}

// TestDeclaredUpToBound lists what was found of a pattern that comes to too much.
func TestDeclaredUpToBound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	makeFiles(t, dir, "first")
	for i := range 20_100 {
		if err := os.Link(filepath.Join(dir, "first"), filepath.Join(dir, fmt.Sprint("f", i))); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 { // on a slow machine there is no time for it now and then
		w := provenance.Begin(provenance.Command{Dir: dir, Declared: provenance.Declared{In: []string{"f*"}}}, limits)
		w.Hash()
		got := w.End()
		if !w.Matching().Cut {
			t.Fatalf("%+v", w.Matching())
		}
		if got != nil && len(got.In) == 1 {
			return
		}
	}
	t.Error("nothing is listed")
}
