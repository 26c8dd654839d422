package waiting_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/afero"

	"qme/gitstore/storetest"
	"qme/record"
	"qme/tasks/waiting"
	"qme/tests/faults"
)

// A way is what a task goes through: what of it has succeeded.
type way struct {
	rec                               *record.Record
	added, claimed, returned, dropped bool
}

// goes has a task be added, claimed, tried again and dropped, on a file system on which something goes
// wrong.
func goes(t *testing.T, fsys afero.Fs, home string) (w way) {
	t.Helper()
	f, e := waiting.New(fsys, filepath.Join(home, "queue")), (*waiting.Entry)(nil)
	w.rec, e = task(t)
	claimed := filepath.Join(home, "run", "queued")
	if w.added = f.Add(w.rec, e, env) == nil; !w.added {
		return w
	}
	for _, again := range []bool{true, false} {
		if err := f.Claim(w.rec.UID, claimed); err != nil {
			return w
		}
		w.claimed = true
		if !again {
			break
		}
		if err := f.Return(w.rec.UID, claimed, func(to string) error { return fsys.Rename(claimed, to) }, (*waiting.Entry).Next); err != nil {
			return w
		}
		w.claimed, w.returned = false, true
	}
	w.dropped = f.Drop(w.rec.UID, claimed) == nil
	return w
}

// TestFaults has each operation fail once, or be the last one of a process: the task is always in one of
// the two places, whole.
func TestFaults(t *testing.T) {
	t.Parallel()
	faults.Each(t, 20, func(t *testing.T, fault storetest.Fault) bool {
		home := t.TempDir()
		if err := os.Mkdir(filepath.Join(home, "run"), 0o700); err != nil {
			t.Fatal(err)
		}
		fsys := storetest.New(afero.NewOsFs())
		fsys.Arm(fault)
		w := goes(t, fsys, home)
		failed := fsys.Failed()
		t.Log(failed)
		w.check(t, home, failed, fault.Crash)
		return failed != ""
	})
}

// check looks at where the task is.
func (w way) check(t *testing.T, home, failed string, crash bool) {
	t.Helper()
	f, claimed := waiting.New(afero.NewOsFs(), filepath.Join(home, "queue")), filepath.Join(home, "run", "queued")
	_, werr := f.Entry(w.rec.UID)
	_, cerr := f.EntryIn(claimed, w.rec.UID)
	places := 0
	for _, err := range []error{werr, cerr} {
		if err == nil {
			places++
		} else if !errors.Is(err, record.ErrNotFound) && !w.claimed { // Drop may have been cut off
			t.Errorf("it is damaged: %v", err)
		}
	}
	switch {
	case places > 1:
		t.Error("it is in two places")
	case failed == "" && !w.dropped:
		t.Errorf("without a fault: %+v", w)
	case w.dropped && places > 0, !w.added && !crash && places > 0:
		t.Errorf("it is there: %+v", w)
	case w.added && !w.claimed && places == 0:
		t.Errorf("it is lost: %+v", w)
	}
	dir := filepath.Join(home, "queue", string(w.rec.UID))
	if cerr == nil {
		dir = claimed
	}
	if places == 1 && !w.claimed {
		_, rerr := f.RecordIn(dir, w.rec.UID)
		_, eerr := f.EnvironmentIn(dir, w.rec.UID)
		if err := errors.Join(rerr, eerr); err != nil {
			t.Error(err)
		}
	}
}
