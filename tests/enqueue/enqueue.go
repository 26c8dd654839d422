// Package enqueue has tasks wait in a queue, as the files of a home say, for tests that start none.
package enqueue

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/afero"

	"qme/record"
	"qme/tasks/waiting"
)

// Task returns a command line of the shell that is to wait: its record, and what the queue knows of it. It runs in
// a folder of the test.
func Task(t testing.TB, line string, terms waiting.Terms) (*record.Record, *waiting.Entry) {
	t.Helper()
	id, err := record.NewID("shell")
	if err != nil {
		t.Fatal(err)
	}
	dir, cmd := t.TempDir(), []string{"sh", "-c", line}
	e := &waiting.Entry{Terms: terms, Added: record.Now(), Run: record.NewRunID(), Try: 1, Executor: "shell", Dir: []byte(dir), Line: []byte(line), Umask: 0o22}
	for _, word := range cmd {
		e.Cmd = append(e.Cmd, []byte(word))
	}
	return &record.Record{Executor: "shell", UID: id, Command: line, Data: record.Data{
		RunID: e.Run, Cmd: cmd, PWD: dir, Timestamp: e.Added, Output: []string{}, Error: []string{}, Run: 1, Queue: e.Described(),
	}}, e
}

// Held has a command line wait in the queue of a home, held, so that nothing starts it.
func Held(t testing.TB, home, line string, terms waiting.Terms) record.ID {
	t.Helper()
	terms.Held = true
	rec, e := Task(t, line, terms)
	if err := os.MkdirAll(home, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := waiting.New(afero.NewOsFs(), filepath.Join(home, "queue")).Add(rec, e, os.Environ()); err != nil {
		t.Fatal(err)
	}
	return rec.UID
}
