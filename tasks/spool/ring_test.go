package spool_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/afero"

	"qme/gitstore/storetest"
	"qme/record"
	"qme/tasks/spool"
)

// ringShapes are sizes of what is kept and of what is written at once.
var ringShapes = []struct{ keep, chunk int }{{10, 3}, {10, 7}, {2000, 700}, {20_000, 3000}, {60_000, 25_000}, {20_000, 15_000}}

// TestRingCrash has the process die at every single step of a stream that goes round in
// the ring. What is salvaged is what the record says it is, to the byte.
func TestRingCrash(t *testing.T) {
	t.Parallel()
	for _, shape := range ringShapes {
		for _, short := range []bool{false, true} {
			t.Run(fmt.Sprint(shape, short), func(t *testing.T) {
				t.Parallel()
				at := 1
				for crashInRing(t, shape.keep, shape.chunk, storetest.Fault{At: at, Crash: true, Short: short}) {
					at++
				}
				if at < 20 {
					t.Errorf("%d operations were counted", at)
				}
			})
		}
	}
}

// crashInRing reports whether the stream was longer than the process lived.
func crashInRing(t *testing.T, keep, chunk int, fault storetest.Fault) bool {
	t.Helper()
	under := afero.NewMemMapFs()
	fsys := storetest.New(under)
	rec := running(t)
	e := begin(t, spool.NewDead(fsys, "/running"), rec)
	fsys.Arm(fault)
	r := e.Recorder(record.Stdout, int64(keep))
	b := noise(9, 4*keep)
	written := 0
	for written < len(b) {
		n, err := r.Write(b[written:min(written+chunk, len(b))])
		if err != nil {
			t.Fatal(err)
		}
		if fsys.Failed() != "" {
			break // the process is dead
		}
		written += n
	}
	entries := take(t, spool.New(under, "/running"))
	if len(entries) != 1 {
		t.Fatalf("%v: %d entries", fault, len(entries))
	}
	got, err := entries[0].Salvage(0)
	if err != nil {
		t.Fatalf("%v: %v", fault, err)
	}
	checkTail(t, fmt.Sprint(fault, " ", fsys.Failed()), entries[0], got.Data.Stdout, b, written, keep, chunk)
	return fsys.Failed() != ""
}

// checkTail checks that what is stored is true, and how much of the end is there.
func checkTail(t *testing.T, what string, e *spool.Entry, d *record.Stream, b []byte, written, keep, chunk int) {
	t.Helper()
	if d == nil {
		if written > 0 {
			t.Errorf("%s: %d bytes are lost", what, written)
		}
		return
	}
	blobs, err := e.Streams(&record.Record{Data: record.Data{Stdout: d}})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if int(d.Size) < written {
		t.Errorf("%s: %d bytes were written, %d are recorded", what, written, d.Size)
	}
	if got := content(t, blobs[record.Stdout]); !bytes.Equal(got, described(b, d)) {
		t.Errorf("%s: what is stored is not what %+v %+v says", what, d, d.Cut)
	}
	half := (keep + 1) / 2
	piece := min(max(half/4, 4096), chunk, half)
	if least := min(int(d.Size), 2*half-piece); chunk <= half && int(d.Stored()) < least {
		t.Errorf("%s: %d bytes are stored, want %d at the least", what, d.Stored(), least)
	}
}

// An overtaken file system lets the run go on when somebody who watches it opens a file.
type overtaken struct {
	afero.Fs
	file string
	grow func()
}

func (o overtaken) Open(name string) (afero.File, error) {
	f, err := o.Fs.Open(name)
	if strings.HasSuffix(name, o.file) {
		o.grow()
	}
	return f, err
}

// TestWatchingARing reads a ring while it is written to: what is read is true, and ends
// where the stream ended when it was looked at.
func TestWatchingARing(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"stdout", "stdout.tail"} {
		for _, step := range []int{1, 300, 999, 1000, 5000} {
			t.Run(fmt.Sprint(file, step), func(t *testing.T) {
				t.Parallel()
				watchRing(t, file, step)
			})
		}
	}
}

func watchRing(t *testing.T, file string, step int) {
	const keep = 2000
	dir := t.TempDir()
	rec := running(t)
	r := begin(t, spool.New(afero.NewOsFs(), dir), rec).Recorder(record.Stdout, keep)
	b := noise(4, 100_000)
	written := 0
	write := func(n int) {
		if _, err := r.Write(b[written : written+n]); err != nil {
			t.Error(err)
		}
		written += n
	}
	write(3500)
	watcher := spool.New(overtaken{afero.NewOsFs(), file, func() { write(step) }}, dir)
	before := written
	live, err := watcher.Stream(rec.UID, record.Stdout)
	if err != nil {
		t.Fatal(err)
	}
	got := readAll(t, live)
	if len(got) < keep/2 || !bytes.Equal(got[:keep/2], b[:keep/2]) {
		t.Fatalf("%d bytes were read, the beginning is not there", len(got))
	}
	if tail := got[keep/2:]; !bytes.HasSuffix(b[:before], tail) || len(tail) < keep/2-step {
		t.Errorf("the %d bytes read of the end are not the end", len(tail))
	}
	shown, err := watcher.Get(rec.UID, 0)
	if err != nil || shown.Data.Stdout == nil || shown.Data.Stdout.Cut == nil {
		t.Errorf("Get returns %+v, %v", shown, err)
	}
}

// TestWatchingForReal has a process watch a run that prints all the time.
func TestWatchingForReal(t *testing.T) {
	t.Parallel()
	const keep = 20_000
	dir := t.TempDir()
	rec := running(t)
	r := begin(t, spool.New(afero.NewOsFs(), dir), rec).Recorder(record.Stdout, keep)
	b := noise(5, 8<<20)
	if _, err := r.Write(b[:keep]); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		for at := keep; at < len(b); at += 1500 {
			if _, err := r.Write(b[at:min(at+1500, len(b))]); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	watcher := spool.New(afero.NewOsFs(), dir)
	for {
		live, err := watcher.Stream(rec.UID, record.Stdout)
		if err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, live); !bytes.Equal(got[:keep/2], b[:keep/2]) || !bytes.Contains(b, got[keep/2:]) {
			t.Fatalf("%d bytes were read that the run has not printed so", len(got))
		}
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			return
		default:
		}
	}
}

// TestPowerCutInRing has the end of the ring's file be lost.
func TestPowerCutInRing(t *testing.T) {
	t.Parallel()
	for _, left := range []int64{0, 1, 300, 1000} {
		s := spool.NewDead(afero.NewOsFs(), t.TempDir())
		rec := running(t)
		e := begin(t, s, rec)
		b := noise(6, 2700)
		if _, err := e.Recorder(record.Stdout, 2000).Write(b); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(s.Dir()+"/"+string(rec.UID)+"/stdout.tail", left); err != nil {
			t.Fatal(err)
		}
		got, err := e.Salvage(0)
		if err != nil {
			t.Fatalf("%d bytes left: %v", left, err)
		}
		checkTail(t, fmt.Sprint(left), e, got.Data.Stdout, b, 0, 0, 1)
	}
}
