package worktree

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRandomEdits lets a repository go through random edits and git commands and
// compares with git after each. Nothing in it excuses not to know.
func TestRandomEdits(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	w := newWorld(t)
	w.populate()
	clean := 0
	for i := range 60 {
		w.log += w.randomEdit(rnd, i) + "\n"
		if !w.check(exact) {
			clean++
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("clean after %d of 60 edits", clean)
}

// randomEdit does one thing that may fail, and says what.
func (w *world) randomEdit(rnd *rand.Rand, n int) string {
	w.Helper()
	tracked := append(strings.Split(w.git("ls-files"), "\n"), "untracked")
	name := tracked[rnd.IntN(len(tracked))]
	fresh := fmt.Sprintf("%sn%d", []string{"", "src/", "src/lib/", "zz/y/"}[rnd.IntN(4)], n)
	edits := map[string]func() error{
		"write":  func() error { return os.WriteFile(w.path(name), []byte(fmt.Sprint("content ", n)), 0o644) },
		"letter": func() error { return os.WriteFile(w.path(name), []byte{byte('a' + n%3)}, 0o644) },
		"touch":  func() error { return os.Chtimes(w.path(name), time.Now(), time.Now()) },
		// Each time is another, else git would not see the change.
		"age":       func() error { return os.Chtimes(w.path(name), time.Unix(1e9+int64(n), 0), time.Unix(1e9+int64(n), 0)) },
		"chmod":     func() error { return os.Chmod(w.path(name), []os.FileMode{0o644, 0o755}[n%2]) },
		"delete":    func() error { return os.Remove(w.path(name)) },
		"create":    func() error { return w.create(fresh) },
		"relink":    func() error { return cmp.Or(os.Remove(w.path(name)), os.Symlink(fresh, w.path(name))) },
		"replace":   func() error { return cmp.Or(os.RemoveAll(w.path("src")), os.WriteFile(w.path("src"), nil, 0o644)) },
		"fresh add": func() error { return cmp.Or(w.create(fresh), w.run("add", fresh)) },
	}
	for _, command := range []string{
		"add " + name, "add .", "add .", "rm -q --cached " + name, "rm -qf " + name, "mv -f " + name + " " + fresh,
		"commit -qm x", "commit -qam x", "commit -qam x", "reset -q", "reset -q --hard", "reset -q --hard", "reset -q --soft HEAD~",
		"checkout -q " + name, "stash -q", "stash pop -q", "status", "status", "checkout -q --detach", "checkout -qB b" + fmt.Sprint(n%3),
		"checkout -q main", "pack-refs --all", "repack -qad", "read-tree HEAD", "update-index --chmod=+x " + name,
		"update-index --index-version " + fmt.Sprint(2+n%3), "update-index --refresh -q", "checkout -q HEAD~ -- .", "commit -q --amend --allow-empty -m y",
	} {
		edits["git "+command] = func() error { return w.run(strings.Fields(command)...) }
	}
	names := make([]string, 0, len(edits))
	for edit := range edits {
		names = append(names, edit)
	}
	edit := names[rnd.IntN(len(names))]
	return fmt.Sprint(edit, " ", name, ": ", edits[edit]())
}

// create writes a new file, unless a file is where its folder should be.
func (w *world) create(name string) error {
	return cmp.Or(os.MkdirAll(filepath.Dir(w.path(name)), 0o755), os.WriteFile(w.path(name), []byte("fresh"), 0o644))
}

func (w *world) run(args ...string) error {
	_, err := w.try(args...)
	return err
}
