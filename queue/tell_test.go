package queue

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"qme/internal/regular"
	"qme/record"
	"qme/tasks"
	"qme/tasks/spool"
)

// TestTell tells something to a run whose process does not listen yet, and to one that has just ended.
func TestTell(t *testing.T) {
	t.Parallel()
	s := spool.New(regular.NewFS(), filepath.Join(t.TempDir(), "running"))
	q := &Queue{Service: &tasks.Service{Spool: s}}
	id, err := record.NewID("shell")
	if err != nil {
		t.Fatal(err)
	}
	rec := &record.Record{Executor: "shell", UID: id, Command: "true", Data: record.Data{
		Cmd: []string{"true"}, Timestamp: record.Now(), Status: record.Running, Output: []string{}, Error: []string{}, Run: 1}}
	e, err := s.Begin(rec)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	heard, stop := make(chan spool.Word, 1), make(chan func(), 1)
	time.AfterFunc(5*tellPause, func() { stop <- e.Listen(func(w spool.Word) { heard <- w }) })
	if err := q.tell(t.Context(), id, spool.WordStop); err != nil {
		t.Error(err)
	}
	if w := <-heard; w != spool.WordStop {
		t.Errorf("it hears %q", w)
	}
	(<-stop)()
	code, now := 0, record.Now()
	rec.Data.Status, rec.Data.ReturnCode, rec.Data.Finished = record.Complete, &code, &now
	if err := e.End(rec); err != nil {
		t.Fatal(err)
	}
	if err := q.tell(t.Context(), id, spool.WordStop); !errors.Is(err, record.ErrNotFound) {
		t.Errorf("a run that has ended: %v", err)
	}
}
