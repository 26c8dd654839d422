package spool

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"qme/gitstore/storetest"
	"qme/record"
)

// noFlock opens lock files in a way in which flock(2) fails, with EBADF on O_PATH: an
// answer that no file system without locks gives.
type noFlock struct{ afero.Fs }

func (n noFlock) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	f, err := n.Fs.OpenFile(name, flag, perm)
	if err == nil && filepath.Base(name) == "lock" {
		_ = f.Close()
		return os.OpenFile(name, unix.O_PATH, 0)
	}
	return f, err
}

func TestNoFlock(t *testing.T) {
	s := New(noFlock{afero.NewOsFs()}, t.TempDir())
	_, err := s.Begin(rec(t))
	if errors.Is(err, record.ErrConflict) {
		t.Errorf("a lock that fails is reported as a running task, so the command is not run: %v", err)
	}
}

// statHook calls fn after a Stat.
type statHook struct {
	afero.Fs
	fn func(name string)
}

func (h statHook) Stat(name string) (os.FileInfo, error) {
	info, err := h.Fs.Stat(name)
	h.fn(name)
	return info, err
}

// C looks at a half removed entry; meanwhile its owner finishes removing it and a
// rerun of the same task begins. C then deletes the live entry of the rerun.
func TestRemoveRest(t *testing.T) {
	dir := t.TempDir()
	a := New(afero.NewOsFs(), dir)
	r := rec(t)
	e, err := a.Begin(r)
	if err != nil {
		t.Fatal(err)
	}
	// The owner is inside Remove: record and lock are unlinked.
	os.Remove(filepath.Join(e.dir, recordFile))
	os.Remove(filepath.Join(e.dir, lockFile))
	var live *Entry
	c := New(statHook{afero.NewOsFs(), func(name string) {
		if filepath.Base(name) == recordFile && live == nil {
			os.Remove(e.dir) // the owner's rmdir
			e.Close()
			if live, err = a.Begin(r); err != nil {
				t.Fatal(err)
			}
		}
	}}, dir)
	if _, err := c.Take(); err != nil {
		t.Fatal(err)
	}
	if live == nil {
		t.Fatal("hook not hit")
	}
	if err := live.Write(r); err != nil {
		t.Errorf("the live rerun's entry was deleted by another process: %v", err)
	}
}

func TestDiedWhileRemoving(t *testing.T) {
	s := New(afero.NewOsFs(), t.TempDir())
	e, err := s.Begin(rec(t))
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(e.dir, recordFile)) // then it died
	e.Close()
	es, err := s.Take()
	if err != nil || len(es) != 1 {
		t.Fatal(es, err)
	}
	if _, err := es[0].Salvage(100); !errors.Is(err, record.ErrNotFound) {
		t.Fatal(err)
	}
	if err := es[0].Remove(); err != nil {
		t.Errorf("finishing a removal is an error: %v", err)
	}
}

func TestTakeStopsAtFirst(t *testing.T) {
	s := New(afero.NewOsFs(), t.TempDir())
	for range 6 {
		e, err := s.Begin(rec(t))
		if err != nil {
			t.Fatal(err)
		}
		e.Close()
	}
	names, _ := s.names()
	// one that cannot be opened (EACCES of a run made as root; here EISDIR)
	p := filepath.Join(s.dir, names[0], lockFile)
	os.Remove(p)
	os.Mkdir(p, 0o700)
	es, err := s.Take()
	if len(es) != 5 {
		t.Errorf("%d of 5 good entries are taken: %v", len(es), err)
	}
}

func TestNoLockFile(t *testing.T) {
	s := New(afero.NewOsFs(), t.TempDir())
	e, _ := s.Begin(rec(t))
	e.Close()
	os.Remove(filepath.Join(e.dir, lockFile))
	es, err := s.Take()
	if len(es) == 0 {
		es, err = s.Take() // the first look makes the lock
	}
	if len(es) == 0 && err == nil {
		l, _ := s.List(10)
		t.Errorf("a record without a lock is neither recovered nor reported; List has %d", len(l))
	}
}

// limited fails writes to the named file.
type limited struct {
	afero.Fs
	base string
	left int
}
type limitedFile struct {
	afero.File
	l *limited
}

func (l *limited) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	f, err := l.Fs.OpenFile(name, flag, perm)
	if err == nil && filepath.Base(name) == l.base {
		return limitedFile{f, l}, nil
	}
	return f, err
}
func (f limitedFile) Write(b []byte) (int, error) {
	n := min(len(b), f.l.left)
	f.l.left -= n
	m, _ := f.File.Write(b[:n])
	if m < len(b) {
		return m, syscall.ENOSPC
	}
	return m, nil
}
func (f limitedFile) WriteAt(b []byte, off int64) (int, error) {
	if len(b) > f.l.left {
		return 0, syscall.ENOSPC
	}
	return f.File.WriteAt(b, off)
}

func TestFullDiskHash(t *testing.T) {
	s := New(&limited{afero.NewOsFs(), "stdout", 1000}, t.TempDir())
	r := rec(t)
	e, err := s.Begin(r)
	if err != nil {
		t.Fatal(err)
	}
	w := e.Recorder(record.Stdout, 1<<20)
	all := strings.Repeat("x", 3000)
	for at := 0; at < len(all); at += 600 {
		if _, err := w.Write([]byte(all[at : at+600])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(r, 10); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("what could not be stored is said as %v", err)
	}
	want := record.Stream{Size: 3000, SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte(all))), Cut: &record.Cut{Offset: 1000, Bytes: 2000}}
	if got := r.Data.Stdout; got == nil || got.Size != want.Size || got.SHA256 != want.SHA256 || got.Cut == nil || *got.Cut != *want.Cut {
		t.Errorf("the record says %+v, want %+v", got, want)
	}
	// A process that comes later knows as much, but for the sum.
	if now, err := s.Get(r.UID, 10); err != nil || now.Data.Stdout == nil || now.Data.Stdout.Size != 3000 || *now.Data.Stdout.Cut != *want.Cut {
		t.Errorf("the spool says %+v, %v", now, err)
	}
}

func TestFullDiskCount(t *testing.T) {
	s := New(&limited{afero.NewOsFs(), "stdout.size", 0}, t.TempDir())
	r := rec(t)
	e, err := s.Begin(r)
	if err != nil {
		t.Fatal(err)
	}
	w := e.Recorder(record.Stdout, 1000)
	if _, err := w.Write([]byte(strings.Repeat("x", 800))); err != nil {
		t.Fatal(err)
	}
	werr := w.Close(r, 10)
	if !errors.Is(werr, syscall.ENOSPC) {
		t.Fatal(werr)
	}
	blobs, err := e.Streams(r)
	if err != nil {
		t.Fatal(err)
	}
	if blobs[record.Stdout].Size != r.Data.Stdout.Stored() {
		t.Errorf("after %v the entry has %d bytes, its record says %d: gitstore refuses to commit it, now and by every recovery", werr, blobs[record.Stdout].Size, r.Data.Stdout.Stored())
	}
}

func TestKeepZero(t *testing.T) {
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("keep 0: %v", p)
		}
	}()
	s := New(afero.NewOsFs(), t.TempDir())
	r := rec(t)
	e, _ := s.Begin(r)
	w := e.Recorder(record.Stdout, 0)
	w.Write([]byte("aaaaaaaaaa"))
}

// openHook: Get of an entry that goes away meanwhile.
type openHook struct {
	afero.Fs
	fn func(name string)
}

func (h openHook) Stat(name string) (os.FileInfo, error) {
	i, err := h.Fs.Stat(name)
	if filepath.Base(name) == "stdout" {
		h.fn(name)
	}
	return i, err
}

func TestGetWhileRemoved(t *testing.T) {
	dir := t.TempDir()
	a := New(afero.NewOsFs(), dir)
	r := rec(t)
	e, _ := a.Begin(r)
	w := e.Recorder(record.Stdout, 1000)
	w.Write([]byte("hello"))
	b := New(openHook{afero.NewOsFs(), func(string) { e.Remove() }}, dir)
	_, err := b.Get(r.UID, 100)
	if !errors.Is(err, record.ErrNotFound) {
		t.Errorf("Get of an entry that was committed and removed meanwhile: %v", err)
	}
}

var _ = storetest.New
