package tasks

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"qme/record"
)

// check runs a check of a run of a task.
func (b *bench) check(t *testing.T, ref string) *record.Record {
	t.Helper()
	v, err := b.Find(ref)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := b.Rerun(context.Background(), string(v.Record.UID), RunOptions{checking: &checking{ref: v, beside: t.Context()}})
	if err != nil {
		t.Fatal(err)
	}
	return rep.Record
}

func (b *bench) suffixes(t *testing.T, id record.ID) (list []string) {
	t.Helper()
	for v, err := range b.Runs(string(id)) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, v.Suffix())
	}
	return list
}

// TestChecksAreBesideTheRuns has checks that change neither the record of their task nor the numbers of
// its runs.
func TestChecksAreBesideTheRuns(t *testing.T) {
	b := newBench(t, 0)
	id := b.run(t).Record.UID
	other := b.run(t).Record.UID
	first := b.history.record(t, id)
	one := b.check(t, string(id))
	if got := b.history.record(t, id); !record.SameRun(got, first) || got.IsCheck() {
		t.Errorf("after a check the record of its task is that of run %s, not of %s", got.Data.RunID, first.Data.RunID)
	}
	if last, err := b.last(); err != nil || last.UID != other {
		t.Errorf("after a check the last task is %v, %v", last, err)
	}
	if nth, err := b.Find("@2"); err != nil || nth.Record.UID != id {
		t.Errorf("after a check @2 is %v, %v", nth.Record, err)
	}
	if one.Data.Check == nil || one.Data.Check.Of != first.Data.RunID {
		t.Errorf("the check is %+v", one.Data.Check)
	}
	if _, err := b.Rerun(context.Background(), string(id), RunOptions{}); err != nil {
		t.Fatal(err)
	}
	again := b.check(t, string(id)+"@1")
	b.check(t, string(id))
	want := []string{"@2.1", "@2", "@1.2", "@1.1", "@1"}
	if got := b.suffixes(t, id); !slices.Equal(got, want) {
		t.Errorf("the runs are %v, not %v", got, want)
	}
	if v, err := b.Find(string(id) + "@1.2"); err != nil || !record.SameRun(v.Record, again) {
		t.Errorf("@1.2 is %v, %v", v.Record, err)
	}
	if v, err := b.Find(string(id) + "@-1"); err != nil || v.Record.IsCheck() || v.Number != 1 {
		t.Errorf("@-1 is %v, %v", v.Record, err)
	}
	if _, err := b.Find(string(id) + "@2.2"); err == nil {
		t.Error("@2.2 is found")
	}
	for v, err := range b.Earlier(b.history.record(t, id), "") {
		if err != nil || v.Record.IsCheck() {
			t.Errorf("an earlier run is %v, %v", v.Record, err)
		}
	}
}

// TestCheckOfAClearedTaskBringsItBack clears a task while it is checked.
func TestCheckOfAClearedTaskBringsItBack(t *testing.T) {
	b := newBench(t, 0)
	id := b.run(t).Record.UID
	v, err := b.Find(string(id))
	if err != nil {
		t.Fatal(err)
	}
	confirm := func(*record.Record, bool) error {
		_, err := b.Clear(context.Background(), "it", []record.ID{id})
		return err
	}
	if _, err := b.Rerun(context.Background(), string(id), RunOptions{Confirm: confirm, checking: &checking{ref: v, beside: t.Context()}}); err != nil {
		t.Fatal(err)
	}
	if got := b.history.record(t, id); got.IsCheck() {
		t.Error("the check is the record of the task")
	}
	if got, want := b.suffixes(t, id), []string{"@1.1", "@1"}; !slices.Equal(got, want) {
		t.Errorf("the runs are %v, not %v", got, want)
	}
}

func TestBeginsAs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("first\nsecond\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{"first\n": true, "": true, "other\n": false, "first\nsecond\nthird\n": false} {
		was := record.File{Size: int64(len(text)), SHA256: record.NewPart([]byte(text)).SHA256}
		if got := beginsAs(path, was); got != want {
			t.Errorf("whether it begins as %q: %v", text, got)
		}
	}
	if beginsAs(path, record.File{Size: 3}) || beginsAs(path+"x", record.File{SHA256: record.NewPart(nil).SHA256}) {
		t.Error("a file without a hash, or that is not there, begins so")
	}
}

// TestNothingToCheck refuses tasks of which there is no run that could be compared.
func TestNothingToCheck(t *testing.T) {
	b := newBench(t, 0)
	for name, change := range map[string]func(*record.Record){
		"its only run is a check": func(r *record.Record) {
			r.Data.Check = &record.Check{Verdict: record.CheckDiffers, Output: record.CheckDiffers}
		},
		"it has started a job": func(r *record.Record) { r.Data.Job = &record.Job{ID: "1", Final: true} },
		"it was cut off":       func(r *record.Record) { r.Data.ReturnCode, r.Data.Status = nil, record.Cancelled },
	} {
		rec := b.history.record(t, b.run(t).Record.UID)
		change(rec)
		b.history.put(t, rec)
		if _, err := b.Check(t.Context(), string(rec.UID), CheckOptions{}, RunOptions{}); !errors.Is(err, record.ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCheckAsTheRecordOfItsTask has a history in which the record of a task is a check, as no home writes it.
func TestCheckAsTheRecordOfItsTask(t *testing.T) {
	b := newBench(t, 0)
	rec := b.history.record(t, b.run(t).Record.UID)
	rec.Data.Check = &record.Check{Verdict: record.CheckDiffers, Output: record.CheckDiffers}
	b.history.put(t, rec)
	id := rec.UID
	if got, want := b.suffixes(t, id), []string{"@1.1"}; !slices.Equal(got, want) {
		t.Errorf("its runs are %v, not %v", got, want)
	}
	if v, err := b.Find(string(id) + "@1.1"); err != nil || !record.SameRun(v.Record, rec) {
		t.Errorf("@1.1 is %v, %v", v.Record, err)
	}
	if _, err := b.Rerun(context.Background(), string(id), RunOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := b.history.record(t, id); got.IsCheck() {
		t.Error("its rerun is a check")
	}
}
