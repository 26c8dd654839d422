package gitstore_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/gitstore"
	"qme/record"
)

// A commit that gave up leaves its note; the next one then takes git's empty lock
// for its own.
func TestNoteOfBusy(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tasks.git")
	history(t, dir, 1)
	lock := filepath.Join(dir, "refs", "heads", "main.lock")
	writeFile(t, lock, nil) // git at work, such as "git reflog expire"
	o := options()
	o.LockTimeout = 3 * time.Second
	for range 2 {
		s, _ := gitstore.Open(afero.NewOsFs(), dir, o)
		_, err := s.Commit(context.Background(), run(task(idAt("shell", epoch.Add(time.Hour), 50), "a"), nil))
		if !errors.Is(err, gitstore.ErrBusy) {
			t.Errorf("git's lock, a few seconds old, was removed: %v", err)
		}
		s.Close()
	}
	_, err := os.Stat(lock)
	t.Log(err)
	_ = record.Stdout
}
