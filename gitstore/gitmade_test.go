package gitstore_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"qme/record"
	"qme/tests/require"
)

// A gitFile is a file of the tree that git is to write.
type gitFile struct {
	path string
	data []byte
}

// A gitRun is one commit as docs/format.md describes it.
type gitRun struct {
	message string
	files   []gitFile
	rec     *record.Record // whose file is added to them
}

// gitHistory describes a history: two tasks and a rerun, one with a stream.
func gitHistory(t testing.TB, commitOf func(gitRun) string) []*record.Record {
	t.Helper()
	first := gitRun{message: "init: task history", files: []gitFile{{"README.md", []byte("# Tasks\n")}, {"format", []byte("1\n")}}}
	before := epoch.Add(-48 * time.Hour)
	a, b := task(idAt("shell", before, 1), "one\n"), task(idAt("slurm", before.Add(time.Second), 2), "two\n")
	stream := noise(1, 300_000)
	sum := sha256.Sum256(stream)
	b.Data.Output, b.Data.Stdout = record.Preview(stream, stream, false), &record.Stream{Size: 300_000, SHA256: hex.EncodeToString(sum[:])}
	commitOf(first)
	prev := commitOf(gitRun{message: message("run", a), rec: a})
	again := task(a.UID, "one again\n")
	again.Data.Run, again.Data.Previous = 2, prev
	commitOf(gitRun{message: message("rerun", again), rec: again})
	commitOf(gitRun{message: message("run", b), rec: b, files: []gitFile{{b.UID.Dir() + "/" + string(b.UID) + ".stdout", stream}}})
	return []*record.Record{b, again} // newest first
}

func message(verb string, rec *record.Record) string {
	return fmt.Sprintf("%s: %s\n\nTask: %s\nReturncode: 0", verb, oneLineOf(rec.Command), rec.UID)
}

// oneLineOf makes a command fit for a subject.
func oneLineOf(s string) string {
	out := []rune(s)
	for i, c := range out {
		if c < ' ' {
			out[i] = '?'
		}
	}
	return string(out)
}

func (r gitRun) all(t testing.TB) []gitFile {
	if r.rec == nil {
		return r.files
	}
	return append(r.files, gitFile{r.rec.UID.Path(), []byte(encoded(t, r.rec))})
}

// plumbed has git's plumbing write a bare repository of loose objects.
func plumbed(t testing.TB, dir string) []*record.Record {
	t.Helper()
	require.Component(t, "git")
	git(t, ".", "init", "-q", "--bare", "-b", "main", dir)
	return gitHistory(t, func(r gitRun) string { return plumb(t, dir, r) })
}

// plumb adds a commit to the branch of a bare repository without a work tree.
func plumb(t testing.TB, dir string, r gitRun) string {
	t.Helper()
	index := filepath.Join(t.TempDir(), "index")
	in := func(input string, args ...string) string {
		// A tree is put together in an index file of its own.
		out, err := tryGitWith([]string{"GIT_INDEX_FILE=" + index}, dir, input, args...)
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return out
	}
	parent, err := tryGit(dir, "", "rev-parse", "-q", "--verify", "refs/heads/main")
	args := []string{"commit-tree", "-m", r.message}
	if err == nil {
		in("", "read-tree", parent)
		args = append(args, "-p", parent)
	}
	for _, f := range r.all(t) {
		h := in(string(f.data), "hash-object", "-w", "--stdin")
		in("", "update-index", "--add", "--cacheinfo", "100644,"+h+","+f.path)
	}
	c := in("", append(args, in("", "write-tree"))...)
	in("", "update-ref", "refs/heads/main", c)
	return c
}

// pushed has git write a history in a clone with a work tree and push it back.
func pushed(t testing.TB, dir string) []*record.Record {
	t.Helper()
	require.Component(t, "git")
	work := filepath.Join(t.TempDir(), "work")
	git(t, ".", "init", "-q", "--bare", "-b", "main", dir)
	git(t, ".", "init", "-q", "-b", "main", work)
	recs := gitHistory(t, func(r gitRun) string {
		for _, f := range r.all(t) {
			writeFile(t, filepath.Join(work, f.path), f.data)
		}
		git(t, work, "add", "-A")
		git(t, work, "commit", "-q", "-m", r.message)
		return git(t, work, "rev-parse", "HEAD")
	})
	git(t, work, "push", "-q", dir, "main")
	return recs
}

// collected is plumbed, packed by git, with the branch in packed-refs.
func collected(t testing.TB, dir string) []*record.Record {
	t.Helper()
	recs := plumbed(t, dir)
	git(t, dir, "gc", "-q", "--prune=now")
	git(t, dir, "pack-refs", "--all", "--prune")
	if _, err := os.Stat(filepath.Join(dir, "refs", "heads", "main")); err == nil {
		t.Fatal("git left the branch in a file of its own; this test is about packed-refs")
	}
	return recs
}
