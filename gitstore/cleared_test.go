package gitstore_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/spf13/afero"

	"qme/gitstore"
	"qme/record"
	"qme/tests/require"
)

// wantCleared compares the tasks that were cleared after a commit with those of want, each with the
// commit that removed it and the output of its last record.
func wantCleared(t *testing.T, s *gitstore.Store, since string, want map[record.ID][2]string) {
	t.Helper()
	sn, err := s.Latest()
	if err != nil {
		t.Fatal(err)
	}
	c, err := sn.Cleared(context.Background(), since)
	if err != nil || c.Gap != nil || len(c.Tasks) != len(want) {
		t.Fatalf("Cleared: %v, %v, %+v; want %v", err, c.Gap, c.Tasks, want)
	}
	for _, one := range c.Tasks {
		rec, err := s.Get(one.Before, one.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]string{one.Commit, rec.Data.Output[0]}; got != want[one.ID] {
			t.Errorf("Cleared: %s by %v, want %v", one.ID, got, want[one.ID])
		}
	}
}

func cleared(t *testing.T, p place) {
	s := openStore(t, p.fs, p.dir, nil)
	wantCleared(t, s, "", nil)
	a, b, c := idAt("shell", epoch, 901), idAt("shell", epoch, 902), idAt("slurm", epoch, 903)
	commit(t, s, run(task(a, "a"), nil))
	commit(t, s, run(task(b, "b"), nil))
	commit(t, s, run(task(c, "c"), nil))
	first := commit(t, s, clearing(a, b))
	wantCleared(t, s, "", map[record.ID][2]string{a: {first, "a"}, b: {first, "b"}})
	// One comes back, and another is cleared, in the same second.
	commit(t, s, run(task(a, "again"), nil))
	second := commit(t, s, clearing(c))
	wantCleared(t, s, "", map[record.ID][2]string{b: {first, "b"}, c: {second, "c"}})
	wantCleared(t, s, first, map[record.ID][2]string{c: {second, "c"}})
	wantCleared(t, s, second, nil)
	third := commit(t, s, clearing(a))
	wantCleared(t, s, "", map[record.ID][2]string{a: {third, "again"}, b: {first, "b"}, c: {second, "c"}})
	sn, err := s.Snapshot(first)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sn.Cleared(context.Background(), third); !errors.Is(err, record.ErrNotFound) {
		t.Errorf("Cleared since a later commit: %v, want record.ErrNotFound", err)
	}
}

// TestClearedByGit has what git itself has removed count, by a revert and in a merge, whatever the
// messages say.
func TestClearedByGit(t *testing.T) {
	t.Parallel()
	require.Component(t, "git")
	dir := filepath.Join(t.TempDir(), "tasks.git")
	s := openStore(t, afero.NewOsFs(), dir, nil)
	var ids []record.ID
	for i := range 4 {
		ids = append(ids, idAt("shell", epoch, 1+i))
		commit(t, s, run(task(ids[i], "x"), nil))
	}
	work := filepath.Join(t.TempDir(), "work")
	git(t, dir, "worktree", "add", "-q", "--detach", work, "main")
	git(t, work, "revert", "--no-edit", "HEAD")
	git(t, work, "rm", "-q", ids[0].Path())
	git(t, work, "commit", "-qm", "run: a message that says something else")
	base := git(t, work, "rev-parse", "HEAD")
	git(t, work, "commit", "-q", "--allow-empty", "-m", "merge: a side")
	git(t, work, "rm", "-q", "--cached", ids[1].Path())
	tree := git(t, work, "write-tree")
	merged := git(t, work, "commit-tree", tree, "-p", "HEAD", "-p", base+"~1", "-m", "merge: by hand")
	git(t, dir, "update-ref", "refs/heads/main", merged)
	wantClearedIDs(t, openStore(t, afero.NewOsFs(), dir, nil), ids[0], ids[1], ids[3])
}

// TestClearedLast has the last removal of a task count where clocks were set back, where two
// histories were merged by git, and where folders of the same content are removed in two places.
func TestClearedLast(t *testing.T) {
	t.Parallel()
	require.Component(t, "git")
	dir := filepath.Join(t.TempDir(), "tasks.git")
	s := openStore(t, afero.NewOsFs(), dir, nil)
	a, b := idAt("shell", epoch, 1), idAt("shell", epoch, 2)
	commit(t, s, run(task(a, "a"), nil))
	commit(t, s, run(task(b, "b"), nil))
	work := filepath.Join(t.TempDir(), "work")
	git(t, dir, "worktree", "add", "-q", "--detach", work, "main")
	at := func(date string, args ...string) string {
		t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir, cmd.Env = work, append(os.Environ(), "GIT_COMMITTER_DATE="+date, "GIT_AUTHOR_DATE="+date, "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return git(t, work, "rev-parse", "HEAD")
	}
	base := git(t, work, "rev-parse", "HEAD")
	git(t, work, "rm", "-q", a.Path())
	at("2038-01-02T00:00:00Z", "commit", "-qm", "clear: a, by a clock that is ahead")
	at("2038-01-03T00:00:00Z", "revert", "--no-edit", "HEAD")
	git(t, work, "rm", "-q", a.Path())
	second := at("2030-01-01T00:00:00Z", "commit", "-qm", "clear: a")
	git(t, work, "rm", "-q", b.Path())
	third := at("2030-01-02T00:00:00Z", "commit", "-qm", "clear: b")
	for _, to := range []string{second, third} {
		git(t, dir, "update-ref", "refs/heads/main", to)
		want := map[record.ID][2]string{a: {second, "a"}}
		if to == third {
			want[b] = [2]string{third, "b"}
		}
		wantCleared(t, openStore(t, afero.NewOsFs(), dir, nil), "", want)
	}
	// The other side of a merge has the task as it was before.
	git(t, work, "checkout", "-q", base)
	at("2039-01-01T00:00:00Z", "commit", "-q", "--allow-empty", "-m", "run: something else")
	merged := at("2039-01-02T00:00:00Z", "merge", "-q", "--no-edit", third)
	git(t, dir, "update-ref", "refs/heads/main", merged)
	wantCleared(t, openStore(t, afero.NewOsFs(), dir, nil), "", map[record.ID][2]string{a: {second, "a"}, b: {third, "b"}})

	git(t, work, "checkout", "-q", base)
	if err := os.CopyFS(filepath.Join(work, "backup"), os.DirFS(filepath.Join(work, "tasks"))); err != nil {
		t.Fatal(err)
	}
	git(t, work, "add", "backup")
	at("2040-01-01T00:00:00Z", "commit", "-qm", "a copy")
	git(t, work, "rm", "-rq", "backup", "tasks")
	both := at("2040-01-02T00:00:00Z", "commit", "-qm", "remove both")
	git(t, dir, "update-ref", "refs/heads/main", both)
	wantClearedIDs(t, openStore(t, afero.NewOsFs(), dir, nil), a, b)
}

func wantClearedIDs(t *testing.T, s *gitstore.Store, want ...record.ID) {
	t.Helper()
	sn, err := s.Latest()
	if err != nil {
		t.Fatal(err)
	}
	c, err := sn.Cleared(context.Background(), "")
	var got []record.ID
	for _, one := range c.Tasks {
		got = append(got, one.ID)
	}
	slices.Sort(got)
	if err != nil || c.Gap != nil || !slices.Equal(got, want) {
		t.Errorf("Cleared: %v, %v, %v; want %v", err, c.Gap, got, want)
	}
}
