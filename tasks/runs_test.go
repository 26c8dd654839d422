package tasks

import (
	"context"
	"slices"
	"testing"

	"qme/record"
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
