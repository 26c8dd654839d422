package gitstore_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"

	"context"

	"qme/gitstore"
	"qme/record"
	"qme/tests/require"
)

// housekeeping is what a user, or git itself, may do to a history.
var housekeeping = [][]string{
	{"gc", "-q"},
	{"gc", "-q", "--aggressive", "--prune=now"},
	{"repack", "-q", "-a", "-d"},
	{"repack", "-q", "-A", "-d", "-F", "--depth=50", "--window=50"},
	{"repack", "-q", "-d", "--geometric=2", "--write-midx"},
	{"repack", "-q", "-a", "-d", "--write-bitmap-index"},
	{"maintenance", "run", "--task=loose-objects", "--task=incremental-repack"},
	{"pack-refs", "--all"},
	{"multi-pack-index", "write"},
	{"commit-graph", "write", "--reachable"},
	{"prune", "--expire=now"},
}

// TestHousekeepingByGit has git do each of these to a history in use: a store that
// was open before, and one that is opened afterwards, read all of it and write on,
// and the store's own GC goes together with what git left.
func TestHousekeepingByGit(t *testing.T) {
	t.Parallel()
	require.Component(t, "git")
	made := filepath.Join(t.TempDir(), "tasks.git")
	have := history(t, made, 6)
	old := patient(t, made)
	stream := readStream(t, old, "", have[5], record.Stdout)
	for _, cmd := range housekeeping {
		t.Run(strings.Join(cmd, " "), func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "tasks.git")
			copyTree(t, made, dir)
			writeLoose(t, dir)
			s := patient(t, dir)
			want := slices.Clone(have)
			check := func() {
				t.Helper()
				for _, s := range []*gitstore.Store{s, patient(t, dir)} {
					wantTasks(t, s, record.Range{}, want)
					if got := readStream(t, s, "", have[5], record.Stdout); string(got) != string(stream) {
						t.Error("the stream is not what it was")
					}
				}
				fsck(t, dir)
			}
			check() // so that s has its files open
			git(t, dir, cmd...)
			check()
			for i := range 4 {
				rec := task(idAt("shell", epoch.Add(time.Duration(i+1)*time.Hour), i), fmt.Sprint(i))
				commit(t, s, run(rec, nil))
				want = append([]*record.Record{rec}, want...)
				check()
				switch i {
				case 0:
					collect(t, s, false)
				case 1:
					git(t, dir, cmd...)
				case 2:
					collect(t, s, true)
				case 3:
					git(t, dir, cmd...)
					collect(t, s, true)
				}
				check()
			}
			selfCheck(t, s)
		})
	}
}

func collect(t *testing.T, s *gitstore.Store, all bool) {
	t.Helper()
	if rep, err := s.GC(context.Background(), all); err != nil || rep == nil {
		t.Fatalf("GC: %v, %v", rep, err)
	}
}

// TestGitReadsTheHistory uses the history as someone without qme would.
func TestGitReadsTheHistory(t *testing.T) {
	t.Parallel()
	require.Component(t, "git")
	dir := filepath.Join(t.TempDir(), "tasks.git")
	have := history(t, dir, 3)
	s := patient(t, dir)
	commit(t, s, run(task(have[2].UID, "again"), nil))
	rerun, err := s.Get("", have[2].UID)
	if err != nil {
		t.Fatal(err)
	}
	if out := git(t, dir, "log", "--stat=300", "--format=%s"); strings.Count(out, "run: echo") != 4 || !strings.Contains(out, have[0].UID.Path()+" | ") {
		t.Errorf("git log --stat prints\n%s", out)
	}
	if out := git(t, dir, "log", "--format=%H", "--", rerun.UID.Path()); len(strings.Fields(out)) != 2 {
		t.Errorf("git log of a task run twice prints\n%s", out)
	}
	if out := git(t, dir, "show", rerun.Data.Previous+":"+rerun.UID.Path()); out+"\n" != encoded(t, have[2]) {
		t.Errorf("git show of the run before prints\n%s", out)
	}
	work := filepath.Join(t.TempDir(), "clone")
	git(t, ".", "clone", "-q", dir, work)
	if out := git(t, work, "status", "--porcelain"); out != "" {
		t.Errorf("a fresh clone has changes:\n%s", out)
	}
	if b, err := afero.ReadFile(afero.NewOsFs(), filepath.Join(work, rerun.UID.Path())); err != nil || string(b) != encoded(t, rerun) {
		t.Errorf("the clone's file holds %q, %v", b, err)
	}
	for _, name := range []string{"README.md", "format"} {
		if out := git(t, dir, "ls-tree", "main", name); !strings.HasPrefix(out, "100644 blob ") {
			t.Errorf("%s: %q", name, out)
		}
	}
	if out := git(t, dir, "log", "--format=%s", "--reverse"); !strings.HasPrefix(out, "init: task history\n") {
		t.Errorf("the first commit is %q", out)
	}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	require.Component(t, "git")
	long := strings.Repeat("ä", 100)
	for _, c := range []struct {
		name, what, subject string
		code                *int
	}{
		{"plain", "make all", "run: make all", new(int)},
		{"failed", "false", "run: false", ptr(137)},
		{"no code", "sleep 1", "run: sleep 1", nil},
		{"empty", "", "run: (empty)", new(int)},
		{"blank", " \u00a0 ", "run: (empty)", new(int)},
		{"control characters", "a\nb\tc\x1b[31m\x7f\u0085d", "run: a?b?c?[31m??d", new(int)},
		{"a trailer of its own", "x\n\nTask: shell-y", "run: x??Task: shell-y", new(int)},
		{"not UTF-8", "a\xffb", "run: a?b", new(int)},
		{"72 characters", long[:144], "run: " + long[:144], new(int)},
		{"73 characters", long[:146], "run: " + long[:138] + "...", new(int)},
		{"comment", "# no comment", "run: # no comment", new(int)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "tasks.git")
			s := patient(t, dir)
			rec := task(idAt("shell", epoch, 1))
			rec.Data.ReturnCode = c.code
			change := run(rec, nil)
			change.What = c.what
			zone := time.FixedZone("", -(3*3600 + 30*60))
			change.When = epoch.In(zone)
			commit(t, s, change)
			if got := git(t, dir, "log", "-1", "--format=%s"); got != c.subject {
				t.Errorf("subject %q, want %q", got, c.subject)
			}
			if got := git(t, dir, "log", "-1", "--format=%(trailers:key=Task,valueonly,separator=;)"); got != string(rec.UID) {
				t.Errorf("trailers Task: %q, want %q", got, rec.UID)
			}
			code := ""
			if c.code != nil {
				code = fmt.Sprint(*c.code)
			}
			if got := git(t, dir, "log", "-1", "--format=%(trailers:key=Returncode,valueonly,separator=;)"); got != code {
				t.Errorf("trailers Returncode: %q, want %q", got, code)
			}
			who := "Test Er <test@example.org> 2026-11-23T06:01:00-03:30"
			if got := git(t, dir, "log", "-1", "--format=%an <%ae> %aI|%cn <%ce> %cI"); got != who+"|"+who {
				t.Errorf("commit of %q, want %q twice", got, who)
			}
			fsck(t, dir)
		})
	}
}

func ptr(i int) *int { return &i }

func TestMessageOfClear(t *testing.T) {
	t.Parallel()
	require.Component(t, "git")
	dir := filepath.Join(t.TempDir(), "tasks.git")
	s := patient(t, dir)
	var ids []record.ID
	var changes []gitstore.Change
	for i := range 150 {
		ids = append(ids, idAt("shell", epoch, i))
		changes = append(changes, run(task(ids[i]), nil))
	}
	commit(t, s, changes...)
	commit(t, s, clearing(ids[:3]...))
	want := fmt.Sprintf("%s\n%s\n%s", ids[0], ids[1], ids[2])
	if got := git(t, dir, "log", "-1", "--format=%(trailers:key=Task,valueonly)"); strings.TrimSpace(got) != want {
		t.Errorf("trailers of clear: %q", got)
	}
	commit(t, s, clearing(ids...))
	if got := git(t, dir, "log", "-1", "--format=%B"); got != "clear: 150 tasks\n" && got != "clear: 150 tasks" {
		t.Errorf("message of a clear of many: %q", got)
	}
	if got := git(t, dir, "ls-tree", "-r", "--name-only", "main"); got != "README.md\nformat" {
		t.Errorf("behind the clear of everything the tree holds\n%s", got)
	}
	fsck(t, dir)
}
