package tasks

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qme/gitstore/worktree"
	"qme/record"
	"qme/tasks/waiting"
	"qme/tests/require"
)

// A tree is a working tree of git in which a snapshot is taken.
type snapshotTree struct {
	*queued
	dir string
}

func newSnapshotTree(t *testing.T) *snapshotTree {
	t.Helper()
	require.Component(t, "git")
	b := &snapshotTree{queued: newQueued(t), dir: filepath.Join(t.TempDir(), "project")}
	b.Settings.GitState = func(dir string) (*record.Git, worktree.Finding) { return worktree.Look(dir, 0) }
	b.sh(".", `mkdir -p "$1"; git -C "$1" init -q -b main`, b.dir)
	b.sh(b.dir, `git config user.name n; git config user.email e@example.org
		mkdir -p src; echo committed > src/code; echo other > src/other; echo gone > src/gone; echo plain > typed; ln -s src/code link
		echo '*.ignored' > .gitignore; printf '#!/bin/sh\n' > tool; chmod +x tool
		git add .; git commit -qm first`)
	return b
}

// add adds a command line that runs in a snapshot of the folder src.
func (b *snapshotTree) add(line string) (*record.Record, *CodeSnapshot) {
	b.t.Helper()
	s, err := b.TakeSnapshot(b.t.Context(), filepath.Join(b.dir, "src"))
	if err != nil {
		b.t.Fatal(err)
	}
	rec, err := b.Add(b.t.Context(), shell(line),
		AddOptions{Env: s.Environment([]string{"PATH=" + os.Getenv("PATH"), "PWD=" + b.dir}), Dir: s.Dir, Snapshot: s, Umask: 0o22})
	if err != nil {
		b.t.Fatal(err)
	}
	return rec, s
}

func (b *snapshotTree) trees() int {
	b.t.Helper()
	return strings.Count(b.sh(b.dir, "git worktree list"), "\n")
}

func TestSnapshot(t *testing.T) {
	b := newSnapshotTree(t)
	b.sh(b.dir, `echo changed > src/code; rm src/gone; rm typed; mkdir typed; echo inside > typed/file
		rm link; ln -s src/other link; echo new > src/new; echo no > src/no.ignored; chmod -x tool; mkdir empty; ln -s /nowhere src/dangling`)
	rec, s := b.add(`cat code new other ../typed/file ../link; ls; readlink dangling; test ! -x ../tool && echo "at $(basename $(dirname $PWD))"`)
	if rec.Data.Queue.Snapshot != s.Folder || rec.Data.PWD != s.Dir || !strings.HasPrefix(s.Dir, s.Folder+"/") {
		t.Errorf("snapshot %q, directory %q", rec.Data.Queue.Snapshot, rec.Data.PWD)
	}
	b.sh(b.dir, `echo later > src/code; echo later > src/new; rm -r typed link`)
	b.supervise(rec.UID)
	ended := b.runs(rec.UID)[0]
	want := "changed\nnew\nother\ninside\nother\ncode\ndangling\nnew\nother\n/nowhere\nat project\n"
	if out := strings.Join(ended.Data.Output, ""); out != want {
		t.Errorf("it printed %q, want %q", out, want)
	}
	if _, err := os.Stat(filepath.Dir(s.Folder)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the snapshot without anything new is still there: %v", err)
	}
	if n := b.trees(); n != 1 {
		t.Errorf("the repository has %d working trees", n)
	}
	if now := b.sh(b.dir, "cat src/code; git status --short"); !strings.HasPrefix(now, "later\n") {
		t.Errorf("the working tree was changed: %s", now)
	}
}

// What a run has made or changed is not lost.
func TestSnapshotIsKept(t *testing.T) {
	for name, line := range map[string]string{
		"new": "echo 1 > result", "ignored": "echo 1 > x.ignored", "changed": "echo committed2 > code", "same size": "printf 'COMMITTED\n' > code",
		"in a folder": "mkdir -p ../out/deep; echo 1 > ../out/deep/file", "touched": "touch code", "link": "ln -s x y",
	} {
		t.Run(name, func(t *testing.T) {
			b := newSnapshotTree(t)
			rec, s := b.add(line)
			b.supervise(rec.UID)
			if _, err := os.Stat(s.Dir); err != nil {
				t.Errorf("the snapshot is gone: %v", err)
			}
			if snap := b.runs(rec.UID)[0].Data.Queue.Snapshot; snap != s.Folder {
				t.Errorf("the record names %q", snap)
			}
			if err := b.RemoveSnapshot(s.Folder); err != nil || b.trees() != 1 {
				t.Errorf("it is not removed: %v", err)
			}
		})
	}
}

// A cancelled task leaves no snapshot, caches are nothing new, and a repository that is gone does not
// keep a snapshot.
func TestSnapshotIsRemoved(t *testing.T) {
	b := newSnapshotTree(t)
	rec, s := b.add("true")
	if _, err := b.TakeOut(t.Context(), rec.UID); err != nil {
		t.Fatal(err)
	}
	rec, other := b.add("mkdir __pycache__; echo 1 > __pycache__/x.pyc")
	b.supervise(rec.UID)
	rec, third := b.add("true")
	b.sh(b.dir, `cd ..; mv project elsewhere`)
	b.supervise(rec.UID)
	for _, one := range []*CodeSnapshot{s, other, third} {
		if _, err := os.Stat(filepath.Dir(one.Folder)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the snapshot %s is still there: %v", one.Folder, err)
		}
	}
	if err := b.RemoveSnapshot(b.t.TempDir()); !errors.Is(err, record.ErrInvalid) {
		t.Errorf("the removal of what is no snapshot: %v", err)
	}
}

// It stays for the next try.
func TestSnapshotIsThereForEachTry(t *testing.T) {
	b := newSnapshotTree(t)
	s, err := b.TakeSnapshot(t.Context(), b.dir)
	if err != nil {
		t.Fatal(err)
	}
	line := "cat src/code; exit 1"
	rec, err := b.Add(t.Context(), shell(line),
		AddOptions{Env: []string{"PATH=" + os.Getenv("PATH")}, Dir: s.Dir, Snapshot: s, Terms: waiting.Terms{Tries: 2}})
	if err != nil {
		t.Fatal(err)
	}
	b.supervise(rec.UID)
	b.supervise(rec.UID)
	runs := b.runs(rec.UID)
	if len(runs) != 2 || strings.Join(runs[1].Data.Output, "") != "committed\n" {
		t.Errorf("%d runs", len(runs))
	}
	if _, err := os.Stat(s.Folder); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the snapshot is still there: %v", err)
	}
}

func TestSnapshotRefuses(t *testing.T) {
	b := newSnapshotTree(t)
	refused := func(dir, why string) {
		t.Helper()
		if _, err := b.TakeSnapshot(t.Context(), dir); !errors.Is(err, record.ErrConflict) || !strings.Contains(err.Error(), why) {
			t.Errorf("want a refusal with %q: %v", why, err)
		}
	}
	refused(t.TempDir(), "no working tree")
	empty := t.TempDir()
	b.sh(empty, "git init -q")
	refused(empty, "no commit")
	b.sh(b.dir, "git init -q nested; echo 1 > nested/file")
	refused(b.dir, "nested")
	b.sh(b.dir, "rm -rf nested; truncate -s 2G large")
	refused(b.dir, "1024 MiB")
	b.sh(b.dir, "rm large; git -c protocol.file.allow=always submodule --quiet add "+b.dir+" sub; git commit -qm sub")
	refused(b.dir, "sub")
	if left, err := os.ReadDir(b.snapshots()); err != nil || len(left) != 0 || b.trees() != 1 {
		t.Errorf("what was refused has left %v, %v", left, err)
	}
}

// A process that is killed while it adds a task leaves no snapshot for good, and none is removed that is in use.
func TestSnapshotIsLeft(t *testing.T) {
	b := newSnapshotTree(t)
	there := func(s *CodeSnapshot, want bool, when string) {
		t.Helper()
		if err := b.Recover(t.Context()); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		if _, err := os.Stat(s.Folder); (err == nil) != want {
			t.Errorf("%s: %v", when, err)
		}
	}
	mark := func(s *CodeSnapshot) string { return filepath.Dir(s.Folder) + addingSuffix }
	s, err := b.TakeSnapshot(t.Context(), b.dir)
	if err != nil {
		t.Fatal(err)
	}
	b.add("true") // so that there is a queue
	there(s, true, "while the task is added")
	if err := s.adding.Close(); err != nil {
		t.Fatal(err)
	}
	there(s, false, "when the process is dead")
	if _, err := os.Stat(mark(s)); !errors.Is(err, os.ErrNotExist) || b.trees() != 2 {
		t.Errorf("%v, and %d working trees", err, b.trees())
	}

	// The process was killed right after the task was in the queue.
	again := func(s *CodeSnapshot) {
		t.Helper()
		if err := os.WriteFile(mark(s), []byte(b.Settings.Host), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rec, s := b.add("echo 1 > result")
	again(s)
	there(s, true, "when the task waits")
	again(s)
	tried, err := b.claim(rec.UID)
	if err != nil {
		t.Fatal(err)
	}
	there(s, true, "when the task has started")
	if err := b.returnAsItWas(tried); err != nil {
		t.Fatal(err)
	}
	again(s)
	b.supervise(rec.UID)
	there(s, true, "when the run has made something")
}

// Where it is not known whether the process is dead, the snapshot stays, and is named.
func TestSnapshotOfAnotherMachine(t *testing.T) {
	b := newSnapshotTree(t)
	s, err := b.TakeSnapshot(t.Context(), b.dir)
	if err == nil {
		err = errors.Join(s.adding.Close(), os.WriteFile(filepath.Dir(s.Folder)+addingSuffix, []byte("elsewhere"), 0o600), b.Recover(t.Context()))
	}
	if err != nil {
		t.Fatal(err)
	}
	notes, err := b.SnapshotNotes()
	if _, serr := os.Stat(s.Folder); serr != nil || err != nil || len(notes) != 1 || !strings.HasPrefix(notes[0], filepath.Dir(s.Folder)+" may be left") {
		t.Errorf("%q, %v, %v", notes, err, serr)
	}
}
