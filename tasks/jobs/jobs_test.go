package jobs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/afero"

	"qme/record"
)

func TestNote(t *testing.T) {
	id, err := record.NewID("batch")
	if err != nil {
		t.Fatal(err)
	}
	f := New(afero.NewOsFs(), filepath.Join(t.TempDir(), "jobs"))
	if rec, err := f.Get(id); rec != nil || err != nil {
		t.Fatalf("before there is a note it is %v, %v", rec, err)
	}
	rec := &record.Record{Executor: "batch", UID: id, Command: "sub", Data: record.Data{
		PWD: "/dir", Output: []string{"long"}, Job: &record.Job{ID: "7", StdoutFile: "/dir/out", Output: []string{"long"}}}}
	if err := f.Open(rec); err != nil {
		t.Fatal(err)
	}
	note, err := f.Get(id)
	if err != nil || note.Data.PWD != "/dir" || note.Data.Job.StdoutFile != "/dir/out" {
		t.Fatalf("the note is %+v, %v", note, err)
	}
	if len(note.Data.Output)+len(note.Data.Job.Output) > 0 || len(rec.Data.Job.Output) == 0 {
		t.Error("output is noted, or taken from the record")
	}
	if err := os.WriteFile(filepath.Join(f.Path(id), noteName), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Get(id); !errors.Is(err, record.ErrInvalid) || !strings.Contains(err.Error(), "without that file") {
		t.Errorf("a damaged note is %v", err)
	}
	if err := f.Close(id); err != nil {
		t.Fatal(err)
	}
	if ids, err := f.IDs(); len(ids) > 0 || err != nil {
		t.Errorf("there are %v, %v", ids, err)
	}
}
