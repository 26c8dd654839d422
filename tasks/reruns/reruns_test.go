package reruns_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/gitstore"
	"qme/record"
	"qme/tasks/reruns"
)

// A home is a history with its list.
type home struct {
	*gitstore.Store
	list reruns.List
	read int // records, for the list
	t    *testing.T
}

func newHome(t *testing.T) *home {
	t.Helper()
	dir := t.TempDir()
	store, err := gitstore.Open(afero.NewOsFs(), filepath.Join(dir, "tasks.git"), gitstore.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	h := &home{Store: store, t: t}
	h.list = reruns.List{Path: filepath.Join(dir, reruns.FileName), Usual: "shell",
		Warn: func(err error) { t.Error(err) }, Progress: func(int) { h.read++ }}
	return h
}

// put records n tasks of an executor whose runs began so much later than their ids say.
func (h *home) put(n int, executor string, later time.Duration) (ids []record.ID) {
	h.t.Helper()
	var changes []gitstore.Change
	for range n {
		id, err := record.NewID(executor)
		if err != nil {
			h.t.Fatal(err)
		}
		ids = append(ids, id)
		changes = append(changes, change(id, later))
	}
	if _, err := h.Commit(h.t.Context(), changes...); err != nil {
		h.t.Fatal(err)
	}
	return ids
}

func change(id record.ID, later time.Duration) gitstore.Change {
	rec := &record.Record{Executor: id.Executor(), UID: id, Command: "true", Data: record.Data{Cmd: []string{"true"}, Output: []string{}, Error: []string{},
		Timestamp: record.Time{Time: id.Time().Add(later)}, Status: record.Cancelled, Run: 1}}
	return gitstore.Change{Verb: "run", What: "true", ID: id, Build: func(*record.Record, string) (*record.Record, error) { return rec, nil }}
}

// order returns the tasks in the order of the list, and whether they are mixed.
func (h *home) order() (ids []record.ID, mixed bool) {
	h.t.Helper()
	sn, err := h.Latest()
	if err != nil {
		h.t.Fatal(err)
	}
	h.read = 0
	o, err := h.list.Order(h.t.Context(), sn, time.Now().Add(time.Hour))
	if err != nil {
		h.t.Fatal(err)
	}
	for res := range sn.Records(record.Range{Brief: true, Order: o}) {
		ids = append(ids, res.ID)
	}
	return ids, o.Mixed
}

// is checks the order, and how many records were read for it.
func (h *home) is(when string, want []record.ID, read int) {
	h.t.Helper()
	if got, _ := h.order(); !slices.Equal(got, want) {
		h.t.Errorf("%s the order is %v, not %v", when, got, want)
	}
	if h.read != read {
		h.t.Errorf("%s %d records were read, not %d", when, h.read, read)
	}
}

func newestFirst(ids []record.ID) []record.ID {
	ids = slices.Clone(ids)
	slices.Reverse(ids)
	return ids
}

// A task that was run again stands where its latest run began, and what is known of the others
// is not read again.
func TestOrder(t *testing.T) {
	h := newHome(t)
	ids := h.put(4, "shell", 0)
	h.is("at first", newestFirst(ids), 4)
	h.is("with a list", newestFirst(ids), 0)
	if _, err := h.Commit(t.Context(), change(ids[1], time.Minute)); err != nil {
		t.Fatal(err)
	}
	again := []record.ID{ids[1], ids[3], ids[2], ids[0]}
	h.is("after a rerun", again, 1)
	h.is("while the list is not worth writing", again, 1)
	h.list.Eager = true
	h.is("for one who writes it", again, 1)
	h.list.Eager = false
	h.is("with the new list", again, 0)
	if _, err := h.Commit(t.Context(), gitstore.Change{Verb: "clear", What: "one", Delete: ids[1:2]}); err != nil {
		t.Fatal(err)
	}
	h.is("after a clear", []record.ID{ids[3], ids[2], ids[0]}, 0)
}

// From 32 changed tasks on the list is written anew by whoever reads it.
func TestListIsWrittenWhenMuchHasChanged(t *testing.T) {
	h := newHome(t)
	h.put(1, "shell", 0)
	h.order()
	h.put(31, "shell", time.Minute)
	h.order()
	if h.order(); h.read != 31 {
		t.Errorf("of 31 changes %d were read again", h.read)
	}
	h.put(1, "shell", time.Minute)
	h.order()
	if h.order(); h.read != 0 {
		t.Errorf("of 32 changes %d were read again", h.read)
	}
}

func TestMixed(t *testing.T) {
	h := newHome(t)
	h.put(2, "shell", 0)
	if _, mixed := h.order(); mixed {
		t.Error("tasks of the usual executor are mixed")
	}
	h.put(1, "slurm", 0)
	for range 2 {
		if _, mixed := h.order(); !mixed {
			t.Error("tasks of two executors are not mixed")
		}
	}
}

// A list that cannot be relied upon is made anew.
func TestUnusableList(t *testing.T) {
	h := newHome(t)
	ids := h.put(3, "shell", 0)
	h.list.Eager = true
	h.order()
	good, err := os.ReadFile(h.list.Path)
	if err != nil {
		t.Fatal(err)
	}
	other := newHome(t)
	other.put(3, "shell", 0)
	other.order()
	others, err := os.ReadFile(other.list.Path)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{
		"empty": "", "cut off": string(good[:len(good)/2]), "damaged": strings.Replace(string(good), "reruns", "rerans", 1),
		"of another repository": string(others), "no text": "\x00\xff\n\n",
	} {
		if err := os.WriteFile(h.list.Path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		h.is("with one that is "+what, newestFirst(ids), 3)
		h.is("after one that was "+what, newestFirst(ids), 0)
	}
}

// Who may not write does the work each time, and changes nothing.
func TestReadOnly(t *testing.T) {
	h := newHome(t)
	ids := h.put(3, "shell", 0)
	h.list.ReadOnly = true
	h.is("at first", newestFirst(ids), 3)
	h.is("again", newestFirst(ids), 3)
	if _, err := os.Stat(h.list.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a list: %v", err)
	}
}

func TestOrderEndsWithItsContext(t *testing.T) {
	h := newHome(t)
	h.put(3, "shell", 0)
	sn, err := h.Latest()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.list.Order(ctx, sn, time.Now()); !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}
