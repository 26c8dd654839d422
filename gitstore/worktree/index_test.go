package worktree

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestIndexListsWhatGitLists(t *testing.T) {
	for _, version := range []string{"2", "3", "4"} {
		w := newWorld(t)
		w.populate()
		long := strings.Repeat("name/", 900) + "x" // more than the length field can hold
		w.git("update-index", "--add", "--cacheinfo", "100644,"+emptyBlob.String()+","+long)
		w.git("update-index", "--index-version", version)
		if version == "3" { // which git writes only when a flag calls for it
			w.git("update-index", "--skip-worktree", "README")
		}
		idx, err := readIndex(find(w.dir))
		if err != nil {
			t.Fatalf("version %s: %v", version, err)
		}
		var got strings.Builder
		for _, e := range idx.entries {
			fmt.Fprintf(&got, "%o %s 0\t%s\n", e.mode, e.hash, e.name)
		}
		if want := w.git("ls-files", "-s") + "\n"; got.String() != want {
			t.Errorf("version %s\nread %s\ngit  %s", version, got.String(), want)
		}
		w.git("rm", "-q", "--cached", long)
		w.git("commit", "-q", "--allow-empty", "-m", "again")
		if idx, err = readIndex(find(w.dir)); err != nil {
			t.Fatalf("version %s: %v", version, err)
		}
		if !idx.tree.valid() || idx.tree.hash.String() != w.git("rev-parse", "HEAD^{tree}") {
			t.Errorf("version %s: the noted tree is %+v", version, idx.tree)
		}
	}
}

// FuzzIndex shows that no index, however damaged, makes decode fail otherwise
// than with an error.
func FuzzIndex(f *testing.F) {
	w := newWorld(f)
	w.populate()
	for _, version := range []string{"2", "4"} {
		w.git("update-index", "--index-version", version)
		b, err := os.ReadFile(filepath.Join(w.dir, ".git/index"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:len(b)-hashLen])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		sum := sha1.Sum(body) // else nearly every input would be turned away
		idx := &index{}
		if err := idx.decode(append(bytes.Clone(body), sum[:]...)); err != nil {
			return
		}
		for _, e := range idx.entries {
			if strings.ContainsRune(e.name, 0) {
				t.Errorf("name %q", e.name)
			}
		}
	})
}

func BenchmarkState(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := newWorld(b)
			w.git("init", "-q")
			for i := range n {
				name := fmt.Sprintf("d%03d/file%05d", i/50, i)
				w.write(name, fmt.Sprint(i))
				w.age(name)
			}
			w.git("add", ".")
			w.git("commit", "-qm", "first")
			w.git("status")
			for b.Loop() {
				if s := State(w.dir, plenty); s == nil || s.Dirty == nil || *s.Dirty {
					b.Fatalf("State = %+v, want clean", s)
				}
			}
		})
	}
}
