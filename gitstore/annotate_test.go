package gitstore_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/gitstore"
	"qme/record"
)

// tagging returns a change that adds a tag to tasks.
func tagging(tag string, ids ...record.ID) gitstore.Change {
	return gitstore.Change{Verb: "note", What: tag, Annotate: ids, When: epoch, Edit: func(_ record.ID, n *record.Notes) (*record.Notes, error) {
		n.Tags = append(n.Tags, tag)
		return n, nil
	}}
}

// lastCleared returns the last removal of a task.
func lastCleared(t *testing.T, s *gitstore.Store, id record.ID) record.Clearing {
	t.Helper()
	sn, err := s.Latest()
	if err != nil {
		t.Fatal(err)
	}
	cleared, err := sn.Cleared(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range cleared.Tasks {
		if one.ID == id {
			return one
		}
	}
	t.Fatalf("task %s was not cleared", id)
	return record.Clearing{}
}

// Two machines that know a task with the tag "both" do something with it, and merge. What is then there
// does not depend on which one merges.
func TestNotesMerge(t *testing.T) {
	t.Parallel()
	id := idAt("shell", epoch, 1)
	rerun := func(t *testing.T, s *gitstore.Store) {
		rec := task(id, "again\n")
		rec.Data.Timestamp = record.Time{Time: epoch.Add(time.Hour)}
		commit(t, s, run(rec, nil))
	}
	clearIt := func(t *testing.T, s *gitstore.Store) {
		c := clearing(id)
		c.What = s.Dir() // equal commits would be one
		commit(t, s, c)
	}
	restore := func(t *testing.T, s *gitstore.Store) {
		commit(t, s, gitstore.Change{Verb: "restore", Restore: []record.Clearing{lastCleared(t, s, id)}, When: epoch.Add(2 * time.Hour)})
	}
	tag := func(name string) func(*testing.T, *gitstore.Store) {
		return func(t *testing.T, s *gitstore.Store) { commit(t, s, tagging(name, id)) }
	}
	untag := func(t *testing.T, s *gitstore.Store) {
		commit(t, s, gitstore.Change{Verb: "note", Annotate: []record.ID{id}, Edit: func(record.ID, *record.Notes) (*record.Notes, error) { return nil, nil }})
	}
	type does []func(*testing.T, *gitstore.Store)
	for name, c := range map[string]struct {
		a, b does
		want string // the tags; "gone" if the task is not there
	}{
		"each a tag":                  {does{tag("a")}, does{tag("b")}, "[a b both]"},
		"removed and another":         {does{untag}, does{tag("b")}, "[b]"},
		"cleared and a tag":           {does{clearIt}, does{tag("b")}, "gone"},
		"cleared and another run":     {does{clearIt}, does{rerun}, "[both]"},
		"a tag and another run":       {does{tag("a")}, does{rerun}, "[a both]"},
		"cleared, brought back":       {does{clearIt, restore}, does{}, "[both]"},
		"brought back and cleared":    {does{clearIt, restore}, does{clearIt}, "[both]"},
		"both brought back":           {does{clearIt, restore, tag("a")}, does{clearIt, restore}, "[a both]"},
		"brought back, cleared again": {does{clearIt, restore, clearIt}, does{}, "gone"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			open := func(name string) *gitstore.Store {
				return openStore(t, afero.NewOsFs(), filepath.Join(dir, name, "tasks.git"), nil)
			}
			a, b := open("a"), open("b")
			commit(t, a, run(task(id, "one\n"), nil))
			commit(t, a, tagging("both", id))
			pullFrom(t, b, a)
			for _, do := range c.a {
				do(t, a)
			}
			for _, do := range c.b {
				do(t, b)
			}
			pullFrom(t, a, b)
			pullFrom(t, b, a)
			for _, s := range []*gitstore.Store{a, b} {
				rec, err := s.Get("", id)
				got := "gone"
				if err == nil {
					got = fmt.Sprint(rec.Notes.Tagged())
				} else if !errors.Is(err, record.ErrNotFound) {
					t.Fatal(err)
				}
				if got != c.want {
					t.Errorf("%s, want %s", got, c.want)
				}
				selfCheck(t, s)
			}
			heads := [2]string{}
			for i, s := range []*gitstore.Store{a, b} {
				var err error
				if heads[i], err = s.Head(); err != nil {
					t.Fatal(err)
				}
			}
			if heads[0] != heads[1] {
				t.Errorf("the histories differ: %v", heads)
			}
		})
	}
}

// Notes are in each view of a task, stay when it is run again, and go when nothing is left of them.
func TestNotesOfTask(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tasks.git")
	s := openStore(t, afero.NewOsFs(), dir, nil)
	id, other := idAt("shell", epoch, 1), idAt("shell", epoch, 2)
	commit(t, s, run(task(id, "one\n"), nil), run(task(other, "two\n"), nil))
	before, err := s.Head()
	if err != nil {
		t.Fatal(err)
	}
	commit(t, s, tagging("a", id))
	commit(t, s, run(task(id, "again\n"), nil))
	for res := range recordsOf(s, record.Range{}) {
		if got, want := fmt.Sprint(res.Record.Notes.Tagged()), map[record.ID]string{id: "[a]", other: "[]"}[res.ID]; got != want {
			t.Errorf("%s: %s, want %s", res.ID, got, want)
		}
	}
	changed := 0
	for d, err := range s.Differences(context.Background(), before, "") {
		if err != nil {
			t.Fatal(err)
		}
		rec, err := d.New()
		if changed++; err != nil || d.ID != id || fmt.Sprint(rec.Notes.Tagged()) != "[a]" || d.Added || d.Removed || d.Noted {
			t.Errorf("%+v, %v", d, err)
		}
	}
	if changed != 1 {
		t.Errorf("%d tasks differ", changed)
	}
	if _, err := s.Commit(context.Background(), tagging("b", id, idAt("shell", epoch, 3))); !errors.Is(err, record.ErrNotFound) {
		t.Errorf("notes of a task that is not there: %v", err)
	}
	if _, err := s.Commit(context.Background(), tagging("no tag", id)); !errors.Is(err, record.ErrInvalid) {
		t.Errorf("a tag that is none: %v", err)
	}
	if before, err = s.Head(); err != nil {
		t.Fatal(err)
	}
	commit(t, s, tagging("b", id))
	for d, err := range s.Differences(context.Background(), before, "") {
		if err != nil || d.ID != id || !d.Noted {
			t.Errorf("%+v, %v", d, err)
		}
		if was, err := d.Old(); err != nil || fmt.Sprint(was.Notes.Tagged()) != "[a]" {
			t.Errorf("before: %+v, %v", was, err)
		}
	}
	commit(t, s, clearing(id))
	commit(t, s, run(task(id, "anew\n"), nil))
	if rec, err := s.Get("", id); err != nil || rec.Notes != nil {
		t.Errorf("notes of a task that was cleared: %+v, %v", rec, err)
	}
	selfCheck(t, s)
	fsck(t, dir)
}

// What was said of a task elsewhere, before a merge has removed it with the task, comes back with it.
func TestRestoreAfterMerge(t *testing.T) {
	t.Parallel()
	dir, id := t.TempDir(), idAt("shell", epoch, 1)
	open := func(name string) *gitstore.Store {
		return openStore(t, afero.NewOsFs(), filepath.Join(dir, name, "tasks.git"), nil)
	}
	restore := func(s *gitstore.Store, when time.Time) {
		t.Helper()
		good, bad, err := s.Restorable(context.Background(), []record.Clearing{lastCleared(t, s, id)})
		if err != nil || len(bad) > 0 {
			t.Fatal(bad, err)
		}
		commit(t, s, gitstore.Change{Verb: "restore", Restore: good, When: when})
	}
	a, b := open("a"), open("b")
	commit(t, a, run(task(id, "one\n"), nil))
	commit(t, a, tagging("both", id))
	pullFrom(t, b, a)
	commit(t, b, tagging("b", id))
	commit(t, a, clearing(id))
	pullFrom(t, a, b)
	restore(a, epoch.Add(time.Hour))
	pullFrom(t, b, a)
	for _, s := range []*gitstore.Store{a, b} {
		if rec, err := s.Get("", id); err != nil || fmt.Sprint(rec.Notes.Tagged()) != "[b both]" {
			t.Errorf("%+v, %v", rec, err)
		}
	}
	// A clock that goes backwards has a later restoration be one all the same.
	commit(t, a, clearing(id))
	restore(a, epoch)
	if rec, err := a.Get("", id); err != nil || !rec.Notes.Restored.After(epoch.Add(time.Hour)) {
		t.Errorf("%+v, %v", rec, err)
	}
	selfCheck(t, a)
}

// Notes from elsewhere that say that the task was brought back at the end of time do not keep it away.
func TestRestoreAfterLastTime(t *testing.T) {
	t.Parallel()
	id := idAt("shell", epoch, 1)
	s := openStore(t, afero.NewOsFs(), filepath.Join(t.TempDir(), "tasks.git"), nil)
	commit(t, s, run(task(id, "one\n"), nil))
	last := record.Time{Time: time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)}
	commit(t, s, gitstore.Change{Verb: "note", What: "x", Annotate: []record.ID{id}, Edit: func(_ record.ID, n *record.Notes) (*record.Notes, error) {
		n.Restored = &last
		return n, nil
	}})
	commit(t, s, clearing(id))
	good, bad, err := s.Restorable(context.Background(), []record.Clearing{lastCleared(t, s, id)})
	if err != nil || len(bad) > 0 {
		t.Fatal(bad, err)
	}
	commit(t, s, gitstore.Change{Verb: "restore", Restore: good, When: epoch})
	if rec, err := s.Get("", id); err != nil || !rec.Notes.Restored.Equal(last.Time) {
		t.Errorf("%+v, %v", rec, err)
	}
}
