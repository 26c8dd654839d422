package tasks

import (
	"context"
	"io"
	"slices"
	"testing"

	"qme/record"
	"qme/tasks/waiting"
)

// numbers returns the runs of a task, the latest first.
func (b *bench) numbers(t *testing.T, id record.ID) (list []int) {
	t.Helper()
	for v, err := range b.Runs(string(id)) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, v.Number)
	}
	return list
}

func TestRunsAreAllThereWhileOneIsCommitted(t *testing.T) {
	b := newBench(t, 0)
	id := b.run(t).Record.UID
	var during []int
	b.history.before = func(context.Context, record.ID) error {
		during = b.numbers(t, id)
		return nil
	}
	if _, err := b.Rerun(context.Background(), string(id), RunOptions{}); err != nil {
		t.Fatal(err)
	}
	if want := []int{2, 1}; !slices.Equal(during, want) {
		t.Errorf("while the second run was committed there were %v, not %v", during, want)
	}
}

func TestRerunBringsBackWhatWasClearedAsItBegan(t *testing.T) {
	b := newBench(t, 0)
	id := b.run(t).Record.UID
	ctx := context.Background()
	if _, err := b.Rerun(ctx, string(id), RunOptions{}); err != nil {
		t.Fatal(err)
	}
	first, before := b.history.record(t, id), ""
	confirm := func(*record.Record, bool) error { // before the rerun is in the spool
		version, err := b.Clear(ctx, "it", []record.ID{id})
		before = version
		return err
	}
	if _, err := b.Rerun(ctx, string(id), RunOptions{Confirm: confirm}); err != nil {
		t.Fatal(err)
	}
	rec := b.history.record(t, id)
	if rec.Data.Run != 3 || rec.Data.Previous == "" || rec.Data.Previous == before {
		t.Errorf("it is run %d, and the one before is in %q", rec.Data.Run, rec.Data.Previous)
	}
	if got, want := b.numbers(t, id), []int{3, 2, 1}; !slices.Equal(got, want) {
		t.Errorf("the runs are %v, not %v", got, want)
	}
	if was, err := b.history.Get(rec.Data.Previous, id); err != nil || !record.SameRun(was, first) {
		t.Errorf("the run before is %v, %v", was, err)
	}
	if rec.Notes == nil || rec.Notes.Restored == nil {
		t.Error("its notes do not say that it was brought back")
	}
}

// TestRunThatHasJustEnded reads a run whose record was read while it went on.
func TestRunThatHasJustEnded(t *testing.T) {
	b := newQueued(t)
	id := b.add("echo printed", waiting.Terms{}).UID
	b.supervise(id)
	looked := *b.runs(id)[0]
	looked.Data.Status, looked.Data.Output = record.Running, nil
	var runs []Version
	for v, err := range b.Service.runs(&looked, "") {
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, v)
	}
	if len(runs) != 1 || runs[0].Record.Data.Status != record.Complete {
		t.Errorf("the runs are %v", runs)
	}
	r, err := Version{Record: &looked, service: b.Service}.Stream(record.Stdout)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if out, err := io.ReadAll(r); err != nil || string(out) != "printed\n" {
		t.Errorf("%q, %v", out, err)
	}
}
