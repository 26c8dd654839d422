package gitstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/gitstore"
	"qme/record"
)

// tester is who commits in these tests.
var tester = gitstore.Identity{Name: "Test Er", Email: "test@example.org"}

// gitEnv keeps git from finding the settings of whoever runs the tests.
func gitEnv(home string) []string {
	return append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "LC_ALL=C",
		"GIT_AUTHOR_NAME=git", "GIT_AUTHOR_EMAIL=git@example.org", "GIT_COMMITTER_NAME=git", "GIT_COMMITTER_EMAIL=git@example.org")
}

// tryGit runs git in dir and returns what it printed, standard error included.
func tryGit(dir, input string, args ...string) (string, error) {
	return tryGitWith(nil, dir, input, args...)
}

func tryGitWith(env []string, dir, input string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env, cmd.Stdin = dir, append(gitEnv(dir), env...), strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	return strings.TrimSuffix(string(out), "\n"), err
}

func git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	out, err := tryGit(dir, "", args...)
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// fsck has git check the repository, as strictly as it can; nothing may be amiss.
func fsck(t testing.TB, dir string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		return
	}
	if out, err := tryGit(dir, "", "fsck", "--strict", "--full", "--no-dangling"); err != nil || out != "" {
		t.Errorf("git fsck --strict: %v\n%s", err, out)
	}
}

// selfCheck has the store check itself; nothing may be amiss.
func selfCheck(t testing.TB, s *gitstore.Store) *gitstore.CheckReport {
	t.Helper()
	rep, err := s.Check(context.Background(), func(err error) { t.Errorf("Check reports: %v", err) }, nil)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// epoch is when the tasks of these tests begin.
var epoch = time.Date(2026, 11, 23, 9, 31, 0, 0, time.UTC)

// idAt makes the id of a task of the given moment; n tells those of one
// millisecond apart.
func idAt(executor string, at time.Time, n int) record.ID {
	ms := fmt.Sprintf("%012x", at.UnixMilli())
	return record.ID(fmt.Sprintf("%s-%s-%s-7%03x-8%03x-%012x", executor, ms[:8], ms[8:], n&0xfff, n>>12&0xfff, n))
}

// task makes the record of a run that has ended.
func task(id record.ID, output ...string) *record.Record {
	rc := 0
	at := record.Time{Time: id.Time()}
	return &record.Record{Executor: id.Executor(), UID: id, Command: "echo " + strings.Join(output, " "), Data: record.Data{
		PWD: "/home/user", User: "user", Host: "host", Timestamp: at, Finished: &at, Cmd: []string{"echo", "hi"}, Status: record.Complete,
		ReturnCode: &rc, PID: 4711, Duration: 0.25, Output: append([]string{}, output...), Error: []string{}, Run: 1}}
}

// run is the change that stores rec as the task's next run.
func run(rec *record.Record, streams map[record.StreamName]gitstore.Blob) gitstore.Change {
	return gitstore.Change{Verb: "run", What: rec.Command, When: epoch, ID: rec.UID, Streams: streams,
		Build: func(current *record.Record, commit string) (*record.Record, error) {
			rec.Data.Run, rec.Data.Previous = 1, ""
			if current != nil {
				rec.Data.Run, rec.Data.Previous = current.Data.Run+1, commit
			}
			return rec, nil
		}}
}

func clearing(ids ...record.ID) gitstore.Change {
	return gitstore.Change{Verb: "clear", What: fmt.Sprint(len(ids), " tasks"), When: epoch, Delete: ids}
}

// commit commits changes, which must succeed.
func commit(t testing.TB, s *gitstore.Store, changes ...gitstore.Change) string {
	t.Helper()
	version, err := s.Commit(context.Background(), changes...)
	if err != nil {
		t.Fatalf("Commit: %v", err)
	}
	return version
}

// blob is a stream with the content b.
func blob(b []byte) gitstore.Blob {
	return gitstore.Blob{Size: int64(len(b)), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}
}

// noise is n bytes that do not compress, the same for the same seed.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = r.Read(b) // never fails
	return b
}

// encoded is what tells two records apart.
func encoded(t testing.TB, rec *record.Record) string {
	t.Helper()
	b, err := record.Encode(rec)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func wantRecord(t testing.TB, s *gitstore.Store, version string, want *record.Record) {
	t.Helper()
	got, err := s.Get(version, want.UID)
	if err != nil {
		t.Errorf("Get %s: %v", want.UID, err)
	} else if encoded(t, got) != encoded(t, want) {
		t.Errorf("Get %s returns\n%s\nwant\n%s", want.UID, encoded(t, got), encoded(t, want))
	}
}

func wantGone(t testing.TB, s *gitstore.Store, id record.ID) {
	t.Helper()
	if rec, err := s.Get("", id); !errors.Is(err, record.ErrNotFound) {
		t.Errorf("Get %s returns %v, %v; want record.ErrNotFound", id, rec, err)
	}
}

func readStream(t testing.TB, s *gitstore.Store, version string, rec *record.Record, name record.StreamName) []byte {
	t.Helper()
	r, err := s.Stream(version, rec, name)
	if err != nil {
		t.Errorf("Stream %s.%s: %v", rec.UID, name, err)
		return nil
	}
	b, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		t.Errorf("Stream %s.%s: %v", rec.UID, name, err)
	}
	return b
}

// idsOf yields the tasks of a range as of now. It ends at the first error.
func idsOf(s *gitstore.Store, rg record.Range) iter.Seq2[record.ID, error] {
	return func(yield func(record.ID, error) bool) {
		sn, err := s.Latest()
		if err != nil {
			yield("", err)
			return
		}
		for e, err := range sn.Tasks(rg) {
			if !yield(e.ID, err) {
				return
			}
		}
	}
}

// recordsOf yields the records of a range as of now, see gitstore.Snapshot.Records.
func recordsOf(s *gitstore.Store, rg record.Range) iter.Seq[record.Result] {
	sn, err := s.Latest()
	if err != nil {
		return slices.Values([]record.Result{{Err: err}})
	}
	return sn.Records(rg)
}

// wantTasks compares all records of a range with those expected, newest first, by
// both ways to walk over them.
func wantTasks(t testing.TB, s *gitstore.Store, rg record.Range, want []*record.Record) {
	t.Helper()
	var ids []record.ID
	for id, err := range idsOf(s, rg) {
		if err != nil {
			t.Errorf("IDs %v: %v", rg, err)
			return
		}
		ids = append(ids, id)
	}
	var got []string
	for res := range recordsOf(s, rg) {
		if res.Err != nil {
			t.Errorf("Records %v: %s: %v", rg, res.ID, res.Err)
			return
		}
		got = append(got, encoded(t, res.Record))
	}
	if len(got) != len(want) || len(ids) != len(want) {
		t.Errorf("range %+v: %d ids and %d records, want %d", rg, len(ids), len(got), len(want))
		return
	}
	for i, rec := range want {
		if ids[i] != rec.UID || got[i] != encoded(t, rec) {
			t.Errorf("range %+v: at %d is %s\n%s\nwant\n%s", rg, i, ids[i], got[i], encoded(t, rec))
			return
		}
	}
}

// openStore opens the history in dir, with no flushes unless opts says more.
func openStore(t testing.TB, fsys afero.Fs, dir string, change func(*gitstore.Options)) *gitstore.Store {
	t.Helper()
	opts := gitstore.Options{NoSync: true, Identity: tester}
	if change != nil {
		change(&opts)
	}
	s, err := gitstore.Open(fsys, dir, opts)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// copyTree copies a folder of the real file system.
func copyTree(t testing.TB, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// packs lists the packs of a repository of the real file system.
func packs(t testing.TB, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "objects", "pack", "*.pack"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func writeFile(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, b, 0o644)); err != nil {
		t.Fatal(err)
	}
}

// raw runs git in the environment of the test as it is.
func raw(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSuffix(string(out), "\n")
}

// ident drops the time from what git prints of an author.
func ident(s string) string {
	end := strings.LastIndexByte(s, '>')
	return s[:end+1]
}
