package worktree

import (
	"os"
	"strings"
	"testing"
	"time"

	"qme/tests/require"
)

// situations are what a user may have done since the last commit. Each is tried
// in repositories of several forms.
var situations = []struct {
	name string
	do   func(w *world)
	tol  tolerance
	want string // "dirty" or "clean", to which git must agree, or "" where its versions differ
}{
	{"nothing", func(w *world) {}, exact, "clean"},
	{"same size", func(w *world) { w.write("src/lib/a.c", "AAAA\n") }, exact, "dirty"},
	{"other size", func(w *world) { w.write("src/lib/a.c", "longer than before\n") }, exact, "dirty"},
	{"touched", func(w *world) { w.write("src/main.c", files["src/main.c"]) }, exact, "clean"},
	{"all replaced by copies", func(w *world) {
		for name, content := range files {
			w.write(name+"~", content)
			w.must(os.Chmod(w.path(name+"~"), fileMode(w, name)))
			w.must(os.Rename(w.path(name+"~"), w.path(name)))
		}
	}, exact, "clean"},
	{"emptied", func(w *world) { w.write("README", "") }, exact, "dirty"},
	{"empty no more", func(w *world) { w.write("data/empty", "x") }, exact, "dirty"},
	{"chmod +x", func(w *world) { w.must(os.Chmod(w.path("README"), 0o755)) }, exact, "dirty"},
	{"chmod -x", func(w *world) { w.must(os.Chmod(w.path("run.sh"), 0o644)) }, exact, "dirty"},
	{"chmod that git does not store", func(w *world) { w.must(os.Chmod(w.path("README"), 0o600)) }, exact, "clean"},
	{"chmod +x that is switched off", func(w *world) {
		w.git("config", "core.fileMode", "false")
		w.must(os.Chmod(w.path("README"), 0o755))
	}, exact, "clean"},
	{"deleted", func(w *world) { w.remove("README") }, exact, "dirty"},
	{"folder deleted", func(w *world) { w.remove("src/lib") }, exact, "dirty"},
	{"folder in place of a file", func(w *world) { w.remove("README"); w.mkdir("README") }, exact, "dirty"},
	{"file in place of a folder", func(w *world) { w.remove("src"); w.write("src", "x") }, exact, "dirty"},
	{"link in place of a folder", func(w *world) {
		w.must(os.Rename(w.path("src"), w.path("moved")))
		w.must(os.Symlink("moved", w.path("src")))
	}, exact, "dirty"},
	{"link changed", func(w *world) { w.remove("link"); w.must(os.Symlink("run.sh", w.path("link"))) }, exact, "dirty"},
	{"link made again", func(w *world) { w.remove("link"); w.must(os.Symlink("README", w.path("link"))) }, exact, "clean"},
	{"link in place of a file, same size", func(w *world) { w.remove("README"); w.must(os.Symlink("target", w.path("README"))) }, exact, "dirty"},
	{"file in place of a link", func(w *world) { w.remove("link"); w.write("link", "README") }, exact, "dirty"},
	{"file in place of a link where there are none", func(w *world) {
		w.git("config", "core.symlinks", "false")
		w.remove("link")
		w.write("link", "README")
	}, isNil, "clean"},
	{"untracked", func(w *world) { w.write("new", "x") }, exact, "clean"},
	{"added", func(w *world) { w.write("src/new", "x"); w.git("add", ".") }, exact, "dirty"},
	{"added as the first", func(w *world) { w.write("AAA", "x"); w.git("add", ".") }, exact, "dirty"},
	{"added as the last", func(w *world) { w.write("zzz", "x"); w.git("add", ".") }, exact, "dirty"},
	{"added before a folder", func(w *world) { w.write("src-a", "x"); w.git("add", ".") }, exact, "dirty"},
	{"change added", func(w *world) { w.write("src/lib/a.c", "AAAA\n"); w.git("add", ".") }, exact, "dirty"},
	{"change added, file put back", func(w *world) {
		w.write("src/lib/a.c", "AAAA\n")
		w.git("add", ".")
		w.write("src/lib/a.c", "aaaa\n")
	}, exact, "dirty"},
	{"change added and reverted", func(w *world) {
		w.write("src/lib/a.c", "AAAA\n")
		w.git("add", ".")
		w.write("src/lib/a.c", "aaaa\n")
		w.git("add", ".")
	}, exact, "clean"},
	{"chmod added", func(w *world) {
		w.git("update-index", "--chmod=+x", "README")
		w.must(os.Chmod(w.path("README"), 0o755))
	}, exact, "dirty"},
	{"removal added", func(w *world) { w.git("rm", "-q", "src/main.c") }, exact, "dirty"},
	{"removal of the last added", func(w *world) { w.git("rm", "-q", "src/main.c", "src.txt") }, exact, "dirty"},
	{"removal added, file kept", func(w *world) { w.git("rm", "-q", "--cached", "src/main.c") }, exact, "dirty"},
	{"removed from and added to the index", func(w *world) { w.git("rm", "-qr", "--cached", "src"); w.git("add", "src") }, exact, "clean"},
	{"everything removed", func(w *world) { w.git("rm", "-qr", ".") }, exact, "dirty"},
	{"renamed", func(w *world) { w.git("mv", "README", "LIESMICH") }, exact, "dirty"},
	{"renamed without git", func(w *world) { w.must(os.Rename(w.path("README"), w.path("LIESMICH"))) }, exact, "dirty"},
	{"intent to add", func(w *world) { w.write("new", "x"); w.git("add", "-N", "new") }, exact, "dirty"},
	{"intent to add what is in HEAD", func(w *world) {
		w.git("rm", "-q", "--cached", "data/empty")
		w.git("add", "-N", "data/empty")
	}, exact, "dirty"},
	{"assume unchanged", func(w *world) { w.git("update-index", "--assume-unchanged", "README"); w.write("README", "other") }, exact, "clean"},
	{"skip-worktree", func(w *world) { w.git("update-index", "--skip-worktree", "README"); w.write("README", "other") }, exact, "clean"},
	{"skip-worktree, deleted", func(w *world) { w.git("update-index", "--skip-worktree", "README"); w.remove("README") }, exact, "clean"},
	{"merge conflict", func(w *world) {
		w.git("checkout", "-qb", "side")
		w.write("README", "side\n")
		w.git("commit", "-qam", "side")
		w.git("checkout", "-q", "-")
		w.write("README", "mine\n")
		w.git("commit", "-qam", "mine")
		if out, err := w.try("merge", "side"); err == nil {
			w.Fatalf("no conflict: %s", out)
		}
	}, exact, "dirty"},
	{"conflict with one side alone", func(w *world) {
		blob := w.git("rev-parse", "HEAD:README")
		w.git("rm", "-q", "--cached", "README")
		w.stdin("100644 "+blob+" 2\tREADME\n", "update-index", "--index-info")
	}, exact, "dirty"},
	{"merged", func(w *world) {
		w.git("checkout", "-qb", "side")
		w.write("src/side", "side\n")
		w.git("add", ".")
		w.git("commit", "-qm", "side")
		w.git("checkout", "-q", "-")
		w.write("README", "mine\n")
		w.git("commit", "-qam", "mine")
		w.git("merge", "-q", "--no-edit", "side")
	}, exact, "clean"},
	{"detached", func(w *world) { w.git("checkout", "-q", "--detach") }, exact, "clean"},
	{"branch with a slash", func(w *world) { w.git("checkout", "-qb", "feature/x") }, exact, "clean"},
	{"branch that is another's name", func(w *world) {
		w.git("symbolic-ref", "refs/heads/alias", "refs/heads/main")
		w.git("symbolic-ref", "HEAD", "refs/heads/alias")
	}, exact, "clean"},
	{"orphan branch", func(w *world) { w.git("checkout", "-q", "--orphan", "new") }, exact, "dirty"},
	{"orphan branch, nothing tracked", func(w *world) { w.git("checkout", "-q", "--orphan", "new"); w.git("rm", "-qrf", ".") }, exact, "clean"},
	{"reset of the index to another commit", func(w *world) {
		w.write("src/lib/a.c", "AAAA\n")
		w.git("commit", "-qam", "second")
		w.git("reset", "-q", "--soft", "HEAD~")
	}, exact, "dirty"},
	{"folder of another commit, the rest compared", func(w *world) {
		w.write("src/lib/a.c", "AAAA\n")
		w.git("commit", "-qam", "second")
		w.git("reset", "-q", "--soft", "HEAD~")
		w.write("README", "other\n")
		w.git("add", "README")
		w.write("README", files["README"])
		w.git("add", "README")
	}, exact, "dirty"},
	{"empty folder in HEAD", func(w *world) {
		tree := w.stdin(w.git("ls-tree", "HEAD")+"\n040000 tree "+w.stdin("", "mktree")+"\tvoid\n", "mktree")
		w.git("reset", "-q", "--hard", w.git("commit-tree", "-m", "odd", tree))
		w.write("README", "other\n")
		w.git("add", "README")
		w.write("README", files["README"])
		w.git("add", "README")
	}, exact, "clean"},
	{"empty folder in HEAD, noted otherwise", func(w *world) {
		tree := w.stdin(w.git("ls-tree", "HEAD")+"\n040000 tree "+w.stdin("", "mktree")+"\tvoid\n", "mktree")
		w.git("update-ref", "HEAD", w.git("commit-tree", "-m", "odd", tree))
	}, exact, "clean"},
	{"read-tree", func(w *world) { w.git("read-tree", "HEAD") }, exact, "clean"},
	{"read-tree, same size", func(w *world) { w.git("read-tree", "HEAD"); w.write("README", "ABOUT\n") }, exact, "dirty"},
	{"read-tree, longer", func(w *world) { w.git("read-tree", "HEAD"); w.write("README", "longer than before\n") }, exact, "dirty"},
	{"no index", func(w *world) { w.must(os.Remove(w.git("rev-parse", "--absolute-git-dir") + "/index")) }, exact, "dirty"},
	{"nested repository", func(w *world) { w.mkdir("nested"); w.at("nested").populate() }, exact, "clean"},
	{"split index", func(w *world) { w.git("update-index", "--split-index") }, isNil, "clean"},
	{"sparse index", func(w *world) { w.git("sparse-checkout", "init", "--cone", "--sparse-index") }, isNil, "clean"},
	{"sparse checkout", func(w *world) { w.git("sparse-checkout", "init", "--cone", "--no-sparse-index") }, exact, "clean"},
	{"sparse checkout, file made", func(w *world) {
		w.git("sparse-checkout", "init", "--cone", "--no-sparse-index")
		w.write("src/main.c", "other\n")
	}, mayNil, ""},
	{"large file touched", func(w *world) {
		w.write("large", strings.Repeat("x", fileLimit+1))
		w.age("large")
		w.git("add", ".")
		w.git("commit", "-qm", "large")
		w.must(os.Chtimes(w.path("large"), time.Now(), time.Now()))
	}, isNil, "clean"},
}

func fileMode(w *world, name string) os.FileMode {
	info, err := os.Lstat(w.path(name))
	w.must(err)
	return info.Mode().Perm()
}

// forms are the kinds of repositories in which the situations arise.
var forms = []struct {
	name string
	make func(w *world) *world
}{
	{"loose", func(w *world) *world { return w }},
	{"collected", func(w *world) *world { w.git("pack-refs", "--all"); w.git("gc", "-q"); return w }},
	{"index version 4", func(w *world) *world {
		w.git("config", "index.version", "4")
		w.git("update-index", "--index-version", "4")
		return w
	}},
	{"linked", func(w *world) *world { w.git("worktree", "add", "-q", "../linked"); return w.at("../linked") }},
}

func TestStateIsWhatGitSays(t *testing.T) {
	require.Alone(t)
	for _, form := range forms {
		for _, s := range situations {
			t.Run(form.name+"/"+s.name, func(t *testing.T) {
				w := newWorld(t)
				w.populate()
				w = form.make(w)
				s.do(w)
				w.checkIs(s.want, s.tol)
				if form.name == "loose" {
					w.git("status") // now the index is refreshed
					tol := s.tol
					if s.name == "large file touched" {
						tol = mayNil // git has looked at it, and notes so if its clock has gone on since
					}
					w.checkIs(s.want, tol)
				}
			})
		}
	}
}
