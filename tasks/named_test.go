package tasks

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/spf13/afero"

	"qme/gitstore"
	"qme/record"
	"qme/tasks/given"
)

// A name belongs to one task also if two processes give it at once.
func TestNameOfTwoTasksAtOnce(t *testing.T) {
	b := newBench(t, 0)
	b.Names = given.NewNames(afero.NewOsFs(), filepath.Join(b.Home, given.NamesName))
	one, two := b.run(t).Record.UID, b.run(t).Record.UID
	b.commitTo = func(ctx context.Context, store *gitstore.Store, changes ...gitstore.Change) (string, error) {
		b.commitTo = b.history.commit
		if err := b.Name(ctx, two, "same", false); err != nil {
			t.Fatal(err)
		}
		return b.history.commit(ctx, store, changes...)
	}
	var taken *NameTakenError
	if err := b.Name(t.Context(), one, "same", false); !errors.As(err, &taken) || taken.ID != two || !errors.Is(err, record.ErrConflict) {
		t.Errorf("%v", err)
	}
	if rec, err := b.named("same"); err != nil || rec.UID != two {
		t.Errorf("%v, %v", rec, err)
	}
	if rec, err := b.task(one); err != nil || rec.Notes.Named() != "" {
		t.Errorf("%v, %v", rec.Notes, err)
	}
}
