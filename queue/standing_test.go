package queue

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"qme/internal/regular"
	"qme/record"
	"qme/tasks"
	"qme/tasks/waiting"
)

// TestLongCycle has a task wait for the last one of a long chain that begins with it: the error is short.
func TestLongCycle(t *testing.T) {
	t.Parallel()
	f := waiting.New(regular.NewFS(), filepath.Join(t.TempDir(), "queue"))
	q := &Queue{Service: &tasks.Service{Waiting: f}}
	ids := make([]record.ID, 0, 20)
	for i := range cap(ids) {
		id, err := record.NewID("shell")
		if err != nil {
			t.Fatal(err)
		}
		rec := &record.Record{Executor: "shell", UID: id, Command: "true", Data: record.Data{
			Cmd: []string{"true"}, Timestamp: record.Now(), Output: []string{}, Error: []string{}, Run: 1}}
		e := &waiting.Entry{Executor: "shell", Cmd: [][]byte{[]byte("true")}, Dir: []byte("/"), Added: record.Now(), Run: record.NewRunID(), Try: 1}
		if i > 0 {
			e.After = []waiting.After{{Task: ids[i-1], On: waiting.OnSuccess}}
		}
		rec.Data.RunID, rec.Data.Queue = e.Run, e.Described()
		if err := f.Add(rec, e, nil); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	err := q.NoCycle(ids[0], []waiting.After{{Task: ids[len(ids)-1], On: waiting.OnSuccess}})
	if !errors.Is(err, record.ErrConflict) {
		t.Fatalf("%v, want record.ErrConflict", err)
	}
	want := fmt.Sprintf("task %s would wait for itself: it is to start after %s, that after %s, that after %s, and so on through 16 more: ", ids[0], ids[19], ids[18], ids[17])
	if !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%q, want %q", err, want)
	}
}
