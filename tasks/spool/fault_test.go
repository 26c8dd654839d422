package spool_test

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"github.com/spf13/afero"

	"qme/gitstore/storetest"
	"qme/record"
	"qme/tasks/spool"
	"qme/tests/faults"
)

// keep is what the runs of these tests store of a stream.
const keep = 2000

// A flight is a run as the queue records it, on a file system on which something
// goes wrong.
type flight struct {
	rec          *record.Record
	begun, ended bool // Begin succeeded; the record of the end is in the entry
	removed      bool // Remove succeeded
	wrote        error
	after        []byte // all of what was written to stdout; what was meant to be
}

// fly records a run from its beginning to its end. The errors are dealt with as the
// queue deals with them.
func fly(t *testing.T, fsys afero.Fs, dir string) *flight {
	t.Helper()
	f := &flight{rec: running(t), after: noise(3, 5*keep)}
	e, err := spool.NewDead(fsys, dir).Begin(f.rec)
	if err != nil {
		return f
	}
	defer func() { _ = e.Close() }() // the process may be dead
	f.begun = true
	out, errs := e.Recorder(record.Stdout, keep), e.Recorder(record.Stderr, keep)
	for at := 0; at < len(f.after); at += 700 {
		// What cannot be recorded is passed on to the terminal all the same.
		if _, f.wrote = out.Write(f.after[at:min(at+700, len(f.after))]); f.wrote != nil {
			break
		}
	}
	_, wrote := errs.Write([]byte("an error\n"))
	f.wrote = errors.Join(f.wrote, wrote)
	code := 0
	final := *f.rec
	final.Data.Status, final.Data.ReturnCode = record.Complete, &code
	f.wrote = errors.Join(f.wrote, out.Close(&final, inline), errs.Close(&final, inline))
	if err := e.Write(&final); err != nil {
		return f
	}
	f.rec, f.ended = &final, true
	blobs, err := e.Streams(&final)
	if err != nil {
		return f
	}
	for name, b := range blobs {
		// Else the history refuses the record, now and each time again.
		if _, d := name.Of(&final); b.Size != d.Stored() {
			t.Errorf("%s is said to be %d bytes and has %d", name, d.Stored(), b.Size)
		}
	}
	f.removed = e.Remove() == nil
	return f
}

func TestFaults(t *testing.T) {
	t.Parallel()
	faults.Each(t, 20, func(t *testing.T, fault storetest.Fault) bool {
		fsys := storetest.New(afero.NewOsFs())
		fsys.Arm(fault)
		dir := t.TempDir()
		f := fly(t, fsys, dir)
		failed := fsys.Failed()
		t.Log(failed)
		if failed == "" && (!f.removed || f.wrote != nil) {
			t.Errorf("without a fault: %+v", f)
		}
		recovered(t, spool.New(afero.NewOsFs(), dir), f, fault.Crash)
		return failed != ""
	})
}

// recovered is what the next command finds and does.
func recovered(t *testing.T, s *spool.Spool, f *flight, crash bool) {
	t.Helper()
	entries := take(t, s)
	if f.removed && len(entries) > 0 {
		t.Error("an entry that was removed is there")
	}
	if !f.begun && len(entries) > 0 && !crash {
		t.Error("Begin failed, and an entry is there")
	}
	if f.begun && !f.ended && len(entries) != 1 {
		t.Errorf("the run has not ended, and %d entries are there", len(entries))
	}
	for _, e := range entries {
		rec, err := e.Salvage(inline)
		switch {
		case errors.Is(err, record.ErrNotFound) && f.ended: // it was being removed
		case err != nil:
			t.Errorf("Salvage: %v", err)
		default:
			salvaged(t, e, rec, f, crash)
		}
		if err := e.Remove(); err != nil {
			t.Errorf("Remove of an entry that was taken over: %v", err)
		}
	}
	if again := take(t, s); len(again) > 0 {
		t.Error("an entry that was taken over and removed is there")
	}
	left, err := os.ReadDir(s.Dir())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range left {
		if !crash && f.begun {
			t.Errorf("%s is left", l.Name())
		}
	}
	// The next run of the same task can begin.
	if err := begin(t, s, running(t)).Remove(); err != nil {
		t.Error(err)
	}
}

// salvaged checks that the history would take the record, and that what it says of
// the output is true.
func salvaged(t *testing.T, e *spool.Entry, rec *record.Record, f *flight, crash bool) {
	t.Helper()
	if f.ended && rec.Data.Status != record.Complete {
		t.Errorf("the run ended as complete and is salvaged as %q", rec.Data.Status)
	}
	if _, err := record.Decode(mustEncode(t, rec)); err != nil {
		t.Errorf("the record is not valid: %v", err)
	}
	blobs, err := e.Streams(rec)
	if err != nil {
		t.Fatalf("Streams: %v", err)
	}
	d := rec.Data.Stdout
	if d == nil {
		if len(rec.Data.Output) > 0 {
			t.Errorf("output %q", rec.Data.Output)
		}
		if f.wrote == nil && !crash {
			t.Error("the output is lost, and no error said so")
		}
		return
	}
	got := content(t, blobs[record.Stdout])
	if int64(len(got)) != d.Stored() || blobs[record.Stdout].Size != d.Stored() {
		t.Errorf("%d bytes are stored, the record says %d", len(got), d.Stored())
	}
	if d.Cut == nil && d.SHA256 != sum(got) {
		t.Errorf("the SHA-256 is not that of the %d bytes stored", len(got))
	}
	if d.Cut != nil && d.SHA256 != "" && d.SHA256 != sum(f.after[:d.Size]) {
		t.Errorf("the SHA-256 is not that of the %d bytes that came", d.Size)
	}
	if d.Size < int64(len(f.after)) && f.wrote == nil && !crash {
		t.Errorf("%d of %d bytes are recorded, and no error said so", d.Size, len(f.after))
	}
	if want := described(f.after, d); !bytes.Equal(got, want) {
		t.Error("what is stored is not what the record says")
	}
	if want, _ := kept(f.after[:d.Size], keep); f.wrote == nil && !crash && !bytes.Equal(got, want) {
		t.Error("the stream is not what was written")
	}
}
