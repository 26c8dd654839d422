package worktree

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"qme/record"
)

func TestTimePutBack(t *testing.T) {
	// git sees this only when the clock's second has changed in between; the
	// time of the inode's change gives it away here.
	w := newWorld(t)
	w.populate()
	info, err := os.Stat(w.path("README"))
	w.must(err)
	w.write("README", "ABOUT\n")
	w.must(os.Chtimes(w.path("README"), info.ModTime(), info.ModTime()))
	if s := State(w.dir, plenty); s == nil || s.Dirty == nil || !*s.Dirty {
		t.Errorf("State = %+v, want dirty", s)
	}
}

func TestUnborn(t *testing.T) {
	w := newWorld(t)
	w.git("init", "-q", "-b", "trunk")
	w.checkIs("clean", exact)
	w.write("a", "a")
	w.checkIs("clean", exact)
	w.git("add", "a")
	w.checkIs("dirty", exact)
	w.git("rm", "-q", "--cached", "a")
	w.checkIs("clean", exact)
}

func TestEmptyCommit(t *testing.T) {
	w := newWorld(t)
	w.git("init", "-q")
	w.git("commit", "-q", "--allow-empty", "-m", "first")
	w.remove(".git/objects/4b/825dc642cb6eb9a060e54bf8d69288fbee4904") // the empty tree, which need not be there
	w.checkIs("clean", exact)
	w.remove(".git/index") // in which its name may be noted
	w.checkIs("clean", exact)
}

func TestSubdirectory(t *testing.T) {
	w := newWorld(t)
	w.populate()
	w.mkdir("src/deep/er")
	for _, dir := range []string{"src", "src/deep/er"} {
		w.at(dir).checkIs("clean", exact)
	}
	// A link to the inside is the repository, whatever lies around the link.
	link := filepath.Join(t.TempDir(), "link")
	w.must(os.Symlink(w.path("src"), link))
	if s := State(link, plenty); s == nil || s.Branch != "main" {
		t.Errorf("State(link) = %+v, want the repository that it leads to", s)
	}
	w.write("README", "changed")
	w.at("src/deep/er").checkIs("dirty", exact)
}

func TestNoRepository(t *testing.T) {
	w := newWorld(t)
	w.populate()
	w.git("worktree", "add", "-q", "../linked")
	w.git("clone", "-q", "--bare", ".", "../bare.git")
	w.mkdir("../none/below")
	w.write("../torn/.git", "gitdir: nowhere\n")
	w.write("../unlabelled/.git", w.path(".git"))
	w.mkdir("none")
	w.must(os.Symlink("../../none", w.path("none/away")))
	for _, dir := range []string{
		"../none", "../none/below", "none/away", "../missing",
		"../bare.git", "../bare.git/refs/heads", ".git", ".git/refs/heads", ".git/worktrees/linked",
		"../torn", "../unlabelled",
	} {
		if s := State(w.path(dir), plenty); s != nil {
			t.Errorf("State(%s) = %+v, want nil", dir, s)
		}
		if dir != "../missing" {
			if out, err := w.at(dir).try("status"); err == nil {
				t.Errorf("git status in %s succeeds: %s", dir, out)
			}
		}
	}
	w.git("config", "core.bare", "true")
	if s := State(w.dir, plenty); s != nil {
		t.Errorf("State with core.bare = %+v, want nil", s)
	}
	w.at("../linked").checkIs("clean", exact)
	// An empty .git does not hide the repository above it.
	w.git("config", "core.bare", "false")
	w.mkdir("src/.git")
	w.at("src").checkIs("clean", exact)
}

func TestCeiling(t *testing.T) {
	w := newWorld(t)
	w.populate()
	link := filepath.Join(t.TempDir(), "link")
	w.must(os.Symlink(w.dir, link))
	for _, c := range []struct {
		ceiling string
		found   bool
	}{
		{w.dir, false}, {filepath.Dir(w.dir), true}, {"/nowhere:" + w.dir + "/", false}, {w.path("src"), true}, {link, false}, {":" + link, true},
	} {
		t.Setenv("GIT_CEILING_DIRECTORIES", c.ceiling)
		_, err := w.at("src").try("status")
		if (err == nil) != c.found {
			t.Errorf("below the ceiling %s git finds: %v, want %v", c.ceiling, err == nil, c.found)
		}
		if s := State(w.path("src"), plenty); (s != nil) != c.found {
			t.Errorf("below the ceiling %s State = %+v, want found: %v", c.ceiling, s, c.found)
		}
	}
	t.Setenv("GIT_CEILING_DIRECTORIES", w.dir)
	w.checkIs("clean", exact) // the directory itself is always looked at
}

func TestOtherWorkTree(t *testing.T) {
	w := newWorld(t)
	w.populate()
	w.git("config", "core.worktree", "../")
	w.checkIs("clean", exact)
	w.mkdir("../elsewhere")
	w.git("config", "core.worktree", "../../elsewhere")
	if s := State(w.dir, plenty); s == nil || s.Dirty != nil {
		t.Errorf("State = %+v, want Dirty nil: the files are elsewhere", s)
	}
}

func TestSubmodule(t *testing.T) {
	w := newWorld(t)
	lib := w.at("../lib")
	lib.mkdir(".")
	lib.populate()
	w.populate()
	w.git("submodule", "--quiet", "add", "../lib", "sub")
	w.checkIs("dirty", exact)
	w.git("commit", "-qm", "with submodule")
	w.checkIs("clean", exact)
	sub := w.at("sub")
	sub.checkIs("clean", exact)

	sub.write("untracked", "x")
	w.checkIs("clean", exact)
	sub.write("README", "ABOUT\n")
	w.checkIs("dirty", exact)
	sub.checkIs("dirty", exact)
	w.git("config", "submodule.sub.ignore", "dirty")
	w.checkIs("clean", isNil)
	w.git("config", "--unset", "submodule.sub.ignore")
	sub.git("commit", "-qam", "moved on")
	w.checkIs("dirty", exact)
	w.git("add", "sub")
	w.checkIs("dirty", exact)
	w.git("commit", "-qm", "follow")
	w.checkIs("clean", exact)
	w.git("submodule", "--quiet", "deinit", "-f", "sub")
	w.checkIs("clean", exact)
	w.remove("sub")
	w.checkIs("dirty", exact)
}

func TestBorrowedObjects(t *testing.T) {
	w := newWorld(t)
	w.populate()
	w.git("clone", "-q", "--shared", ".", "../second")
	w.git("clone", "-q", "--shared", "../second", "../third")
	third := w.at("../third")
	third.checkIs("clean", exact)
	third.write("zzz", "x")
	third.git("add", ".")
	third.checkIs("dirty", exact)
}

func TestManyRefs(t *testing.T) {
	w := newWorld(t)
	w.populate()
	head := w.git("rev-parse", "HEAD")
	const n = 40000 // about 2.6 MB
	names := make([]string, n)
	var b strings.Builder
	b.WriteString("# pack-refs with: peeled fully-peeled sorted \n")
	for i := range n {
		names[i] = fmt.Sprintf("refs/heads/b%05d%s", i, strings.Repeat("x", i%7))
		b.WriteString(head + " " + names[i] + "\n")
		if i%3 == 0 {
			b.WriteString("^" + head + "\n")
		}
	}
	w.write(".git/packed-refs", b.String())
	// Among them is the line that lies across the middle of the file.
	middle := strings.Count(b.String()[:b.Len()/2], " refs/")
	for _, i := range []int{0, 1, 2, n / 3, middle - 2, middle - 1, middle, middle + 1, n - 2, n - 1} {
		w.write(".git/HEAD", "ref: "+names[i]+"\n")
		w.checkIs("clean", exact)
	}
	for _, name := range []string{"refs/heads/a", "refs/heads/b20000z", "refs/heads/c"} { // unborn
		w.write(".git/HEAD", "ref: "+name+"\n")
		w.checkIs("dirty", exact)
	}
	w.write(".git/HEAD", "ref: "+names[7]+"\n")
	w.write(".git/packed-refs", strings.Replace(b.String(), " sorted ", " ", 1))
	s := State(w.dir, plenty)
	if s == nil || s.Commit != "" || s.Dirty != nil || s.Branch == "" {
		t.Errorf("State with a large unsorted packed-refs = %+v, want a branch alone", s)
	}
}

func TestOldSymlinkHead(t *testing.T) {
	w := newWorld(t)
	w.populate()
	w.remove(".git/HEAD")
	w.must(os.Symlink("refs/heads/main", w.path(".git/HEAD")))
	w.checkIs("clean", exact)
}

func TestIndexWithoutChecksum(t *testing.T) {
	w := newWorld(t)
	w.populate()
	b := []byte(w.read(".git/index"))
	clear(b[len(b)-hashLen:]) // as git writes it with index.skipHash
	w.must(os.WriteFile(w.path(".git/index"), b, 0o644))
	w.checkIs("clean", exact)
	w.write("README", "changed")
	w.checkIs("dirty", exact)
}

func TestDamage(t *testing.T) {
	index := func(change func(b []byte) []byte) func(w *world) {
		return func(w *world) {
			w.must(os.WriteFile(w.path(".git/index"), change([]byte(w.read(".git/index"))), 0o644))
		}
	}
	for _, c := range []struct {
		name           string
		do             func(w *world)
		commit, branch bool // whether they are known all the same
	}{
		{"index cut off", index(func(b []byte) []byte { return b[:len(b)/2] }), true, true},
		{"index of one byte", index(func(b []byte) []byte { return b[:1] }), true, true},
		{"index with a bit flipped", index(func(b []byte) []byte { b[80] ^= 1; return b }), true, true},
		{"index of another kind", index(func(b []byte) []byte { return []byte("hello, this is not an index at all, is it") }), true, true},
		{"index is a folder", func(w *world) { w.remove(".git/index"); w.mkdir(".git/index") }, true, true},
		{"index is a fifo", func(w *world) { w.remove(".git/index"); w.must(unix.Mkfifo(w.path(".git/index"), 0o600)) }, true, true},
		{"index too large", func(w *world) {
			var b strings.Builder
			for i := range indexLimit / 100 {
				fmt.Fprintf(&b, "100644 %s\tmany/%060d\n", emptyBlob, i)
			}
			w.stdin(b.String(), "update-index", "--index-info")
		}, true, true},
		{"ref is garbage", func(w *world) { w.write(".git/refs/heads/main", "garbage\n") }, false, true},
		{"ref is empty", func(w *world) { w.write(".git/refs/heads/main", "") }, false, true},
		{"ref leads to itself", func(w *world) { w.write(".git/refs/heads/main", "ref: refs/heads/main\n") }, false, true},
		{"ref leads out", func(w *world) { w.write(".git/refs/heads/main", "ref: refs/../../../secret\n") }, false, true},
		{"ref is a fifo", func(w *world) {
			w.remove(".git/refs/heads/main")
			w.must(unix.Mkfifo(w.path(".git/refs/heads/main"), 0o600))
		}, false, true},
		{"commit is missing", func(w *world) { w.remove(".git/objects"); w.mkdir(".git/objects") }, true, true},
		{"reftable", func(w *world) {
			w.write(".git/HEAD", "ref: refs/heads/.invalid\n")
			w.mkdir(".git/reftable")
			w.git("config", "-f", ".git/config", "extensions.refStorage", "reftable")
		}, false, false},
		{"replaced objects", func(w *world) { w.write(".git/refs/replace/x", "x") }, true, true},
		{"tree is missing", func(w *world) {
			tree := w.git("rev-parse", "HEAD:src")
			w.git("rm", "-q", "--cached", "README", "src/lib/a.c")
			w.git("add", "README", "src/lib/a.c") // the noted trees are void
			w.remove(".git/objects/" + tree[:2] + "/" + tree[2:])
		}, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.populate()
			head := w.git("rev-parse", "HEAD")
			c.do(w)
			s := State(w.dir, plenty)
			if s == nil {
				t.Fatal("State found no repository")
			}
			want := record.Git{}
			if c.commit {
				want.Commit = head
			}
			if c.branch {
				want.Branch = "main"
			}
			if *s != want {
				t.Errorf("State = %+v, want %+v", *s, want)
			}
		})
	}
}

// TestNotedTreesAreNotRead takes objects away that a comparison with HEAD does
// not need, because the index has noted their names.
func TestNotedTreesAreNotRead(t *testing.T) {
	w := newWorld(t)
	w.populate()
	lose := func(object string) {
		h := w.git("rev-parse", object)
		w.remove(".git/objects/" + h[:2] + "/" + h[2:])
	}
	known := func(want bool) {
		t.Helper()
		if s := State(w.dir, plenty); s == nil || s.Dirty == nil || *s.Dirty != want {
			t.Errorf("State = %+v, want dirty: %v", s, want)
		}
	}
	w.write("README", "other\n")
	w.git("add", "README")
	w.write("README", files["README"])
	w.git("add", "README") // the root is no longer noted, the folders are
	lose("HEAD:src")
	known(false)
	w.write("zzz", "x")
	w.git("add", "zzz")
	known(true)
}

func TestNotedRootIsNotRead(t *testing.T) {
	w := newWorld(t)
	w.populate()
	h := w.git("rev-parse", "HEAD^{tree}")
	w.remove(".git/objects/" + h[:2] + "/" + h[2:])
	if s := State(w.dir, plenty); s == nil || s.Dirty == nil || *s.Dirty {
		t.Errorf("State = %+v, want clean", s)
	}
}

func TestSHA256(t *testing.T) {
	w := newWorld(t)
	w.git("init", "-q", "-b", "main", "--object-format=sha256")
	w.check(isNil)
	w.write("a", "a")
	w.git("add", "a")
	w.git("commit", "-qm", "first")
	w.check(isNil)
}

func TestBudget(t *testing.T) {
	w := newWorld(t)
	w.populate()
	for _, budget := range []time.Duration{0, -time.Hour} {
		s := State(w.dir, budget)
		if s == nil || s.Commit == "" || s.Branch != "main" || s.Dirty != nil {
			t.Errorf("State with a budget of %v = %+v, want commit and branch alone", budget, s)
		}
	}
}

// TestDiskThatDoesNotAnswer stands a fifo, on which a reader waits for ever, in
// place of a disk that has gone.
func TestDiskThatDoesNotAnswer(t *testing.T) {
	w := newWorld(t)
	w.populate()
	h := w.git("rev-parse", "HEAD")
	object := w.path(".git/objects/" + h[:2] + "/" + h[2:])
	w.must(os.Remove(object))
	w.must(unix.Mkfifo(object, 0o600))
	s := State(w.dir, 50*time.Millisecond)
	if want := (record.Git{Commit: h, Branch: "main"}); s == nil || *s != want {
		t.Errorf("State = %+v, want %+v", s, want)
	}
	f, err := os.OpenFile(object, os.O_RDWR, 0) // lets the reader go
	w.must(err)
	w.must(f.Close())
}

func TestManyBytesTouched(t *testing.T) {
	w := newWorld(t)
	w.populate()
	n := totalLimit/fileLimit + 1
	for i := range n {
		name := "large" + string(rune('a'+i))
		w.write(name, strings.Repeat(name, fileLimit/len(name)))
		w.age(name)
	}
	w.git("add", ".")
	w.git("commit", "-qm", "large")
	w.checkIs("clean", exact)
	now := time.Now()
	for i := range n {
		w.must(os.Chtimes(w.path("large"+string(rune('a'+i))), now, now))
	}
	w.checkIs("clean", isNil)
}

// TestWritesNothing compares everything below the repository before and after.
func TestWritesNothing(t *testing.T) {
	w := newWorld(t)
	w.populate()
	w.write("README", files["README"]) // git would refresh its index
	before := w.listing()
	w.check(exact)
	if after := w.listing(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

func (w *world) listing() string {
	var b strings.Builder
	w.must(filepath.Walk(w.dir, func(path string, info os.FileInfo, err error) error {
		b.WriteString(path + " " + info.Mode().String() + " " + info.ModTime().String() + "\n")
		return err
	}))
	return b.String()
}
