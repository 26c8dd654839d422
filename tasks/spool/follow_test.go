package spool_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"testing"

	"github.com/spf13/afero"

	"qme/record"
	"qme/tasks/spool"
)

// TestFollow reads a stream from every position, while it is all there and when its
// middle is gone: what is read lies where it says.
func TestFollow(t *testing.T) {
	t.Parallel()
	const keep = 200
	b := noise(7, 5000)
	for _, written := range []int{0, 1, 99, 100, 101, 150, 200, 201, 333, 5000} {
		t.Run(fmt.Sprint(written), func(t *testing.T) {
			t.Parallel()
			s := onDisk(t)
			rec := running(t)
			r := begin(t, s, rec).Recorder(record.Stdout, keep)
			for at := 0; at < written; at += 37 {
				if _, err := r.Write(b[at:min(at+37, written)]); err != nil {
					t.Fatal(err)
				}
			}
			for from := range int64(written + 2) {
				checkFollow(t, s, rec.UID, b[:written], from)
			}
		})
	}
}

func checkFollow(t *testing.T, s *spool.Spool, id record.ID, all []byte, from int64) {
	t.Helper()
	const limit, half, piece = 64, 100, 100
	p, err := s.Follow(id, record.Stdout, from, limit)
	got, at, size := p.Data, p.At, p.Size
	if err != nil || size != int64(len(all)) || len(got) > limit {
		t.Fatalf("from %d: %d bytes of %d, %v", from, len(got), size, err)
	}
	if at > size || !bytes.HasPrefix(all[at:], got) {
		t.Fatalf("from %d: what is said to lie at %d does not", from, at)
	}
	if from < size && len(got) == 0 {
		t.Errorf("from %d: nothing of %d bytes", from, size)
	}
	if kept := from < half || from > size-half+piece; kept && from < size && at != from {
		t.Errorf("from %d: only what lies from %d on, of %d", from, at, size)
	}
}

// TestFollowWhileWritten has the run print while its output is followed.
func TestFollowWhileWritten(t *testing.T) {
	t.Parallel()
	for _, step := range []int{1, 300, 999, 1000, 5000} {
		dir := t.TempDir()
		rec := running(t)
		r := begin(t, spool.New(afero.NewOsFs(), dir), rec).Recorder(record.Stdout, 2000)
		b := noise(4, 100_000)
		written := 0
		write := func(n int) {
			if _, err := r.Write(b[written : written+n]); err != nil {
				t.Error(err)
			}
			written += n
		}
		write(3500)
		watcher := spool.New(overtaken{afero.NewOsFs(), "stdout.tail", func() { write(step) }}, dir)
		for from := int64(0); from < 3500; from += 100 {
			p, err := watcher.Follow(rec.UID, record.Stdout, from, 1<<20)
			got, at := p.Data, p.At
			if err != nil || !bytes.HasPrefix(b[at:], got) {
				t.Fatalf("step %d, from %d: %d bytes at %d are not what was printed there, %v", step, from, len(got), at, err)
			}
			if written > 90_000 {
				break
			}
		}
	}
}

func TestFollowEnds(t *testing.T) {
	t.Parallel()
	s := onDisk(t)
	rec := running(t)
	e := begin(t, s, rec)
	if err := e.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Follow(rec.UID, record.Stdout, 0, 10); !errors.Is(err, record.ErrNotFound) {
		t.Errorf("Follow of a run that is over returns %v", err)
	}
}

// A stamp differs once the record does, and not before. A home that is gone is an error.
func TestStamps(t *testing.T) {
	t.Parallel()
	s := onDisk(t)
	if stamps, err := s.Stamps(); len(stamps) != 0 || err != nil {
		t.Errorf("of no spool there are %v: %v", stamps, err)
	}
	one, two := running(t), running(t)
	e := begin(t, s, one)
	begin(t, s, two)
	first, err := s.Stamps()
	if err != nil || len(first) != 2 || first[one.UID] == "" || first[two.UID] == "" {
		t.Fatalf("of two runs there are %v: %v", first, err)
	}
	if again, err := s.Stamps(); err != nil || !maps.Equal(again, first) {
		t.Errorf("with nothing changed they are %v, and were %v: %v", again, first, err)
	}
	one.Data.PID = 7
	if err := e.Write(one); err != nil {
		t.Fatal(err)
	}
	changed, err := s.Stamps()
	if err != nil || changed[one.UID] == first[one.UID] || changed[two.UID] != first[two.UID] {
		t.Errorf("with one changed they are %v, and were %v: %v", changed, first, err)
	}
	if err := e.Remove(); err != nil {
		t.Fatal(err)
	}
	if left, err := s.Stamps(); err != nil || len(left) != 1 || left[two.UID] != first[two.UID] {
		t.Errorf("with one removed they are %v: %v", left, err)
	}
	gone := spool.New(afero.NewOsFs(), filepath.Join(t.TempDir(), "home", "running"))
	if _, err := gone.Stamps(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a home that is gone: %v", err)
	}
}
