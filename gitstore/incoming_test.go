package gitstore_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/spf13/afero"

	"qme/gitstore"
	"qme/gitstore/storetest"
	"qme/record"
	"qme/tests/faults"
)

// good is a task that every remote of TestRefused has besides what is wrong.
var good = task(idAt("shell", epoch, 1), "good\n")

// after returns a further run of a record, which names a commit as the one of the run
// before.
func after(rec *record.Record, commit string) *record.Record {
	next := *rec
	next.Data.Run, next.Data.Previous = 2, commit
	return &next
}

// waiting returns a record as the queue of a home has it.
func waiting(rec *record.Record) *record.Record {
	now := *rec
	now.Data.Status, now.Data.ReturnCode, now.Data.Queue = record.None, nil, &record.Queue{Added: rec.Data.Timestamp}
	return &now
}

func running(rec *record.Record) *record.Record {
	r := *rec
	r.Data.Status = record.Running
	return &r
}

// TestRefused has remotes offer what does not belong in a history. Nothing of it
// gets in; with SkipInvalid the rest does.
func TestRefused(t *testing.T) {
	t.Parallel()
	bad := task(idAt("shell", epoch.Add(time.Hour), 2), "bad\n")
	other := task(idAt("shell", epoch.Add(time.Hour), 3), "other\n")
	streamed := task(idAt("shell", epoch.Add(time.Hour), 4))
	stored(streamed, record.Stdout, noise(3, 3000))
	unsummed := task(streamed.UID)
	stored(unsummed, record.Stdout, noise(3, 3000))
	unsummed.Data.Stdout.SHA256 = "zz"
	parted, private, endless := task(bad.UID), task(bad.UID), task(bad.UID)
	parted.Data.Parts = record.Parts{record.PartFiles: record.NewPart([]byte("list"))}
	private.Data.Parts = record.Parts{record.PartFiles: {Size: 4, SHA256: record.NewPart([]byte("list")).SHA256, Home: true}}
	endless.Data.Parts = record.Parts{record.PartFiles: {Size: record.MaxPart + 1, SHA256: strings.Repeat("0", 64)}}
	dir := bad.UID.Dir() + "/"
	const file = "100644"
	for name, c := range map[string]struct {
		planted []gitstore.Planted
		says    string
		whole   bool // nothing of the remote can be had
	}{
		"symbolic link":       {[]gitstore.Planted{{Path: "tasks/link", Mode: "120000", Content: "/etc/passwd"}}, "symbolic link", true},
		"submodule":           {[]gitstore.Planted{{Path: "tasks/sub", Mode: "160000", Commit: plumbing.NewHash(strings.Repeat("1", 40))}}, "submodule", true},
		".git":                {[]gitstore.Planted{{Path: ".GIT/config", Mode: file, Content: "x"}}, "cannot be the name", true},
		"parent folder":       {[]gitstore.Planted{{Path: "tasks/../x", Mode: file, Content: "x"}}, "cannot be the name", true},
		"strange mode":        {[]gitstore.Planted{{Path: "x", Mode: "100666", Content: "x"}}, "has the mode", true},
		"file at the top":     {[]gitstore.Planted{{Path: "LICENSE", Mode: file, Content: "x"}}, "LICENSE: is not where", false},
		"file among years":    {[]gitstore.Planted{{Path: "tasks/x.json", Mode: file, Content: "x"}}, "tasks/x.json: is not where", false},
		"folder of a minute":  {[]gitstore.Planted{{Path: dir + "sub/" + string(bad.UID) + ".json", Mode: file, Content: encoded(t, bad)}}, "is not where", false},
		"no record":           {[]gitstore.Planted{{Path: dir + string(bad.UID) + ".json", Mode: file, Content: "{}"}}, string(bad.UID), false},
		"other id":            {[]gitstore.Planted{{Path: dir + string(bad.UID) + ".json", Mode: file, Content: encoded(t, other)}}, string(other.UID), false},
		"other minute":        {[]gitstore.Planted{{Path: good.UID.Dir() + "/" + string(bad.UID) + ".json", Mode: file, Content: encoded(t, bad)}}, "is not where", false},
		"executable":          {[]gitstore.Planted{{Path: dir + string(bad.UID) + ".json", Mode: "100755", Content: encoded(t, bad)}}, "100755", true},
		"record too large":    {[]gitstore.Planted{{Path: dir + string(bad.UID) + ".json", Mode: file, Content: encoded(t, bad) + strings.Repeat(" ", 10000)}}, "share.max_record allows 5000", true},
		"stream alone":        {[]gitstore.Planted{{Path: dir + string(bad.UID) + ".stdout", Mode: file, Content: "x"}}, "record is missing", false},
		"stream too many":     {[]gitstore.Planted{{Path: dir + string(bad.UID) + ".json", Mode: file, Content: encoded(t, bad)}, {Path: dir + string(bad.UID) + ".stdout", Mode: file, Content: "x"}}, "knows of no file .stdout", false},
		"stream missing":      {[]gitstore.Planted{{Path: streamed.UID.Path(), Mode: file, Content: encoded(t, streamed)}}, ".stdout is missing", false},
		"stream too short":    {[]gitstore.Planted{{Path: streamed.UID.Path(), Mode: file, Content: encoded(t, streamed)}, {Path: streamed.UID.Dir() + "/" + string(streamed.UID) + ".stdout", Mode: file, Content: "x"}}, "has 1 bytes", false},
		"stream of another":   {[]gitstore.Planted{{Path: streamed.UID.Path(), Mode: file, Content: encoded(t, streamed)}, {Path: streamed.UID.Dir() + "/" + string(streamed.UID) + ".stdout", Mode: file, Content: string(noise(4, 3000))}}, "has not the SHA-256", false},
		"sum that is none":    {[]gitstore.Planted{{Path: streamed.UID.Path(), Mode: file, Content: encoded(t, unsummed)}, {Path: streamed.UID.Dir() + "/" + string(streamed.UID) + ".stdout", Mode: file, Content: string(noise(3, 3000))}}, "is none", false},
		"part too many":       {[]gitstore.Planted{{Path: dir + string(bad.UID) + ".json", Mode: file, Content: encoded(t, bad)}, {Path: dir + string(bad.UID) + ".files", Mode: file, Content: "list"}}, "knows of no file .files", false},
		"part that is away":   {[]gitstore.Planted{{Path: dir + string(bad.UID) + ".json", Mode: file, Content: encoded(t, private)}, {Path: dir + string(bad.UID) + ".files", Mode: file, Content: "list"}}, "knows of no file .files", false},
		"part missing":        {[]gitstore.Planted{{Path: dir + string(bad.UID) + ".json", Mode: file, Content: encoded(t, parted)}}, ".files is missing", false},
		"part of another":     {[]gitstore.Planted{{Path: dir + string(bad.UID) + ".json", Mode: file, Content: encoded(t, parted)}, {Path: dir + string(bad.UID) + ".files", Mode: file, Content: "tsil"}}, "has not the SHA-256", false},
		"part too long":       {[]gitstore.Planted{{Path: dir + string(bad.UID) + ".json", Mode: file, Content: encoded(t, endless)}}, "part files", false},
		"runs of nowhere":     {[]gitstore.Planted{{Path: dir + string(bad.UID) + ".json", Mode: file, Content: encoded(t, bad)}, {Path: dir + string(bad.UID) + ".runs", Mode: file, Content: strings.Repeat("1", 40) + "\n"}}, strings.Repeat("1", 40), false},
		"runs of no commit":   {[]gitstore.Planted{{Path: dir + string(bad.UID) + ".json", Mode: file, Content: encoded(t, bad)}, {Path: dir + string(bad.UID) + ".runs", Mode: file, Content: "../../x\n"}}, "is no commit", false},
		"still running":       {[]gitstore.Planted{{Path: dir + string(bad.UID) + ".json", Mode: file, Content: encoded(t, running(bad))}}, "has not ended", false},
		"waits in a queue":    {[]gitstore.Planted{{Path: dir + string(bad.UID) + ".json", Mode: file, Content: encoded(t, waiting(bad))}}, "waits in the queue of another home", false},
		"previous of nowhere": {[]gitstore.Planted{{Path: dir + string(bad.UID) + ".json", Mode: file, Content: encoded(t, after(bad, strings.Repeat("2", 40)))}}, strings.Repeat("2", 40), false},
		"previous no commit":  {[]gitstore.Planted{{Path: dir + string(bad.UID) + ".json", Mode: file, Content: encoded(t, after(bad, "HEAD"))}}, "is no commit", false},
		"control character":   {[]gitstore.Planted{{Path: "tasks/\x1b[31m", Mode: file, Content: "x"}}, "control character", true},
		"folder elsewhere":    {[]gitstore.Planted{{Path: "other/file", Mode: file, Content: "x"}}, "other: is not where", false},
		"other file":          {[]gitstore.Planted{{Path: dir + string(bad.UID) + ".exe", Mode: file, Content: "x"}}, "is not where", false},
		"later format":        {[]gitstore.Planted{{Path: "format", Mode: file, Content: "2\n"}}, "format 2", true},
		"no format":           {[]gitstore.Planted{{Path: "format", Mode: file}}, "no task history", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			theirs, ours := emptyStore(t), emptyStore(t)
			good := *good // a commit writes to it
			commit(t, theirs, run(&good, nil))
			if err := theirs.Plant(context.Background(), c.planted...); err != nil {
				t.Fatal(err)
			}
			head, err := ours.Head()
			if err != nil {
				t.Fatal(err)
			}
			limits := gitstore.FetchOptions{MaxRecord: 5000}
			_, err = ours.Fetch(context.Background(), "origin", theirs.Peer(), limits)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("Fetch: %v, want something about %q", err, c.says)
			}
			if at, err := ours.Tracking("origin"); at != "" || err != nil {
				t.Errorf("it is noted that the remote is at %q (%v)", at, err)
			}
			if packs, err := filepath.Glob(filepath.Join(ours.Dir(), "objects", "pack", "*.pack")); len(packs) != 1 || err != nil {
				t.Errorf("packs are left: %v %v", packs, err)
			}
			limits.SkipInvalid = true
			got, err := ours.Fetch(context.Background(), "origin", theirs.Peer(), limits)
			if c.whole {
				if err == nil {
					t.Error("Fetch with SkipInvalid lets it in")
				}
				return
			}
			if err != nil || len(got.Rejected) == 0 {
				t.Fatalf("Fetch with SkipInvalid: %+v, %v", got, err)
			}
			var skip []string
			for _, r := range got.Rejected {
				skip = append(skip, r.Path)
			}
			m, err := ours.Merge(context.Background(), got.Commit, skip)
			if err != nil || m.Before != head {
				t.Fatalf("Merge: %+v, %v", m, err)
			}
			wantTasks(t, ours, record.Range{}, []*record.Record{&good})
			selfCheck(t, ours)
			fsckLoosely(t, ours.Dir())
		})
	}
}

// fsckLoosely is fsck of a history that has what no qme wrote.
func fsckLoosely(t *testing.T, dir string) {
	t.Helper()
	if out, err := tryGit(dir, "", "fsck", "--full", "--no-dangling"); err != nil {
		t.Errorf("git fsck: %v\n%s", err, out)
	}
}

func emptyStore(t *testing.T) *gitstore.Store {
	t.Helper()
	return openStore(t, afero.NewOsFs(), filepath.Join(t.TempDir(), "tasks.git"), nil)
}

// TestForeignBranch offers a repository of something else.
func TestForeignBranch(t *testing.T) {
	t.Parallel()
	s := emptyStore(t)
	head, err := s.Head()
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Fetch(context.Background(), "origin", refsOnly{"refs/heads/master": plumbing.NewHash(head)}, gitstore.FetchOptions{})
	if !errors.Is(err, record.ErrInvalid) || !strings.Contains(err.Error(), `"master"`) {
		t.Errorf("Fetch: %v", err)
	}
	if got, err := s.Fetch(context.Background(), "origin", refsOnly{}, gitstore.FetchOptions{}); err != nil || got.Commit != "" {
		t.Errorf("Fetch from an empty repository: %+v, %v", got, err)
	}
}

// refsOnly is a Source that must not be asked for more.
type refsOnly map[string]plumbing.Hash

func (r refsOnly) Refs() map[string]plumbing.Hash { return r }

func (r refsOnly) Pack(context.Context, plumbing.Hash, []plumbing.Hash) (io.ReadCloser, error) {
	panic("asked for a pack")
}

// TestFaultsOfPull has every operation of a pull fail, or be the last one. The
// history is as before, or has all of it; the next pull has all of it.
func TestFaultsOfPull(t *testing.T) {
	t.Parallel()
	theirs := emptyStore(t)
	shared := task(idAt("shell", epoch, 1), "shared\n")
	commit(t, theirs, run(shared, nil))
	base := filepath.Join(t.TempDir(), "base")
	ours := openStore(t, afero.NewOsFs(), base, nil)
	pullFrom(t, ours, theirs)
	mine := task(idAt("shell", epoch.Add(time.Minute), 2), "mine\n")
	commit(t, ours, run(mine, nil))
	theirTask := task(idAt("shell", epoch.Add(2*time.Minute), 3), "theirs\n")
	commit(t, theirs, run(theirTask, nil))

	faults.Each(t, 5, func(t *testing.T, fault storetest.Fault) bool {
		dir := filepath.Join(t.TempDir(), "tasks.git")
		if err := os.CopyFS(dir, os.DirFS(base)); err != nil {
			t.Fatal(err)
		}
		fsys := storetest.New(afero.NewOsFs())
		s, err := gitstore.Open(fsys, dir, options())
		if err != nil {
			t.Fatal(err)
		}
		fsys.Arm(fault)
		got, err := s.Fetch(context.Background(), "origin", theirs.Peer(), gitstore.FetchOptions{})
		if err == nil {
			_, err = s.Merge(context.Background(), got.Commit, nil)
		}
		failed := fsys.Failed()
		_ = s.Close()
		if failed == "" {
			return false
		}
		if !fault.Crash && err == nil && !strings.Contains(failed, ".keep") && !strings.Contains(failed, "qme.lock") {
			t.Errorf("the pull succeeded although %q failed", failed)
		}
		ageLocks(t, dir)
		again := patient(t, dir)
		before, berr := again.Get("", theirTask.UID)
		if berr != nil && !errors.Is(berr, record.ErrNotFound) || before == nil && err == nil && !fault.Crash {
			t.Errorf("%q failed: %v", failed, berr)
		}
		wantGet(t, again, mine)
		pullFrom(t, again, theirs)
		wantTasks(t, again, record.Range{}, []*record.Record{theirTask, mine, shared})
		selfCheck(t, again)
		fsck(t, dir)
		return true
	})
}

func wantGet(t *testing.T, s *gitstore.Store, rec *record.Record) {
	t.Helper()
	if got, err := s.Get("", rec.UID); err != nil || got.Command != rec.Command {
		t.Errorf("task %s: %v", rec.UID, err)
	}
}

func pullFrom(t *testing.T, s, from *gitstore.Store) {
	t.Helper()
	got, err := s.Fetch(context.Background(), "origin", from.Peer(), gitstore.FetchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Merge(context.Background(), got.Commit, nil); err != nil {
		t.Fatal(err)
	}
}
