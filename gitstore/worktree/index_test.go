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

// TestManyFiles has an index of more than a MiB.
func TestManyFiles(t *testing.T) {
	w := newWorld(t)
	w.git("init", "-q")
	w.write("own", "1\n")
	w.age("own")
	w.git("add", "own")
	var lines strings.Builder
	const files = 15000
	for i := range files {
		fmt.Fprintf(&lines, "100644 %s\td%03d/file-with-a-name-%05d\n", emptyBlob, i/50, i)
	}
	w.stdin("", "hash-object", "-w", "--stdin")
	w.stdin(lines.String(), "update-index", "--index-info")
	w.git("checkout-index", "-a", "-u")
	w.git("commit", "-qm", "first")
	w.checkIs("clean", exact)
	w.write("own", "22\n")
	w.checkIs("dirty", exact)

	lines.Reset()
	long := strings.Repeat("name/", 800)
	for i := range indexLimit/len(long) + 1 {
		fmt.Fprintf(&lines, "100644 %s\t%s%d\n", emptyBlob, long, i)
	}
	w.stdin(lines.String(), "update-index", "--index-info")
	state, finding := Look(w.dir, plenty)
	if state == nil || state.Dirty != nil || finding.Doubt != doubtIndex {
		t.Fatalf("of an index above the limit: %+v, %+v", state, finding)
	}
	<-finding.Ended
}
