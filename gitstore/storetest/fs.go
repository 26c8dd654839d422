// Package storetest holds what the tests of the packages that write to disk have
// in common. Production code never imports it.
package storetest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/afero"
)

// ErrCrashed is the error of every operation after the one at which the process
// is taken to have died.
var ErrCrashed = errors.New("the process is dead")

// A Fault is an error that happens once.
type Fault struct {
	// At is the operation that goes wrong, counted from 1; 0 means none.
	At int
	// Err is its error, such as syscall.ENOSPC.
	Err error
	// Short makes a write store half of its bytes before it fails.
	Short bool
	// Crash makes the operation at At the last one: it is done (or, with Short,
	// half done) and all later ones return ErrCrashed.
	Crash bool
}

// String describes the fault, as the name of a test.
func (f Fault) String() string {
	s := fmt.Sprintf("%d %v", f.At, f.Err)
	if f.Crash {
		s = fmt.Sprintf("%d crash", f.At)
	}
	if f.Short {
		s += " short"
	}
	return s
}

// FS is a file system in which a chosen operation goes wrong. The operations that
// count are those that change something: create, write, truncate, sync, close
// after a write, rename, chmod, chtimes, remove, mkdir. It may be used by several
// goroutines.
//
// Its files are not *os.File, so that locks of the kernel (flock(2)) are not
// taken through it. Sync flushes nothing: it is there for its error.
type FS struct {
	afero.Fs

	mu     sync.Mutex
	fault  Fault
	n      int
	failed string
	dead   bool
	hook   func(op, path string)
	inHook sync.Mutex
}

var _ afero.Fs = (*FS)(nil)

// New returns a file system over another one in which nothing goes wrong yet.
func New(under afero.Fs) *FS { return &FS{Fs: under} }

// Arm counts from 0 again and sets the fault.
func (f *FS) Arm(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.n, f.failed, f.dead = fault, 0, "", false
}

// Failed says which operation went wrong since Arm; it is "" when none did.
func (f *FS) Failed() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

// Count returns how many operations there were since Arm.
func (f *FS) Count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

// Before has fn called before each operation that counts, with its name and path.
// fn may work with the folder by other means. It is called once at a time.
func (f *FS) Before(fn func(op, path string)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = fn
}

// step counts an operation. An err other than nil is its result; done says
// that it is to be carried out, half that it is to be half carried out.
func (f *FS) step(op, path string) (done, half bool, err error) {
	f.mu.Lock()
	hook := f.hook
	f.mu.Unlock()
	if hook != nil {
		func() {
			f.inHook.Lock()
			defer f.inHook.Unlock()
			hook(op, path)
		}()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return false, false, &fs.PathError{Op: op, Path: path, Err: ErrCrashed}
	}
	if f.n++; f.n != f.fault.At {
		return true, false, nil
	}
	f.failed = op + " " + filepath.Base(path)
	half = f.fault.Short && op == "write"
	if !f.fault.Crash {
		return false, half, &fs.PathError{Op: op, Path: path, Err: f.fault.Err}
	}
	f.dead = true
	if half {
		return false, true, &fs.PathError{Op: op, Path: path, Err: ErrCrashed}
	}
	return true, false, nil
}

// alive is asked by operations that change nothing.
func (f *FS) alive(op, path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return &fs.PathError{Op: op, Path: path, Err: ErrCrashed}
	}
	return nil
}

// do carries an operation out that cannot be half done.
func (f *FS) do(op, path string, fn func() error) error {
	if done, _, err := f.step(op, path); !done {
		return err
	}
	return fn()
}

// Name implements afero.Fs.
func (f *FS) Name() string { return "storetest.FS" }

// Create implements afero.Fs.
func (f *FS) Create(name string) (afero.File, error) {
	return f.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

// Open implements afero.Fs.
func (f *FS) Open(name string) (afero.File, error) { return f.OpenFile(name, os.O_RDONLY, 0) }

// OpenFile implements afero.Fs.
func (f *FS) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	var under afero.File
	open := func() (err error) {
		under, err = f.Fs.OpenFile(name, flag, perm)
		return err
	}
	var err error
	if flag&(os.O_CREATE|os.O_TRUNC) != 0 {
		err = f.do("create", name, open)
	} else if err = f.alive("open", name); err == nil {
		err = open()
	}
	if err != nil {
		return nil, err
	}
	return &file{File: under, fs: f}, nil
}

// Mkdir implements afero.Fs.
func (f *FS) Mkdir(name string, perm os.FileMode) error {
	return f.do("mkdir", name, func() error { return f.Fs.Mkdir(name, perm) })
}

// MkdirAll implements afero.Fs. It counts only where there is something to make.
func (f *FS) MkdirAll(path string, perm os.FileMode) error {
	if _, err := f.Fs.Stat(path); err == nil {
		return f.alive("mkdir", path)
	}
	return f.do("mkdir", path, func() error { return f.Fs.MkdirAll(path, perm) })
}

// Rename implements afero.Fs.
func (f *FS) Rename(from, to string) error {
	return f.do("rename", to, func() error { return f.Fs.Rename(from, to) })
}

// Remove implements afero.Fs.
func (f *FS) Remove(name string) error {
	return f.do("remove", name, func() error { return f.Fs.Remove(name) })
}

// RemoveAll implements afero.Fs. Each file is an operation, as it is for the
// kernel.
func (f *FS) RemoveAll(path string) error {
	if err := f.alive("remove", path); err != nil {
		return err
	}
	info, err := f.Fs.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if info.IsDir() {
		entries, err := afero.ReadDir(f.Fs, path)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := f.RemoveAll(filepath.Join(path, e.Name())); err != nil {
				return err
			}
		}
	}
	return f.Remove(path)
}

// Chmod implements afero.Fs.
func (f *FS) Chmod(name string, mode os.FileMode) error {
	return f.do("chmod", name, func() error { return f.Fs.Chmod(name, mode) })
}

// Chtimes implements afero.Fs.
func (f *FS) Chtimes(name string, a, m time.Time) error {
	return f.do("chtimes", name, func() error { return f.Fs.Chtimes(name, a, m) })
}

// Stat implements afero.Fs.
func (f *FS) Stat(name string) (os.FileInfo, error) {
	if err := f.alive("stat", name); err != nil {
		return nil, err
	}
	return f.Fs.Stat(name)
}

// A file counts operations on it.
type file struct {
	afero.File
	fs      *FS
	written bool
}

func (w *file) write(b []byte, under func([]byte) (int, error)) (int, error) {
	w.written = true
	done, half, err := w.fs.step("write", w.Name())
	if half {
		n, werr := under(b[:len(b)/2])
		return n, errors.Join(err, werr)
	}
	if !done {
		return 0, err
	}
	return under(b)
}

// Write implements io.Writer.
func (w *file) Write(b []byte) (int, error) { return w.write(b, w.File.Write) }

// WriteString implements io.StringWriter.
func (w *file) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// WriteAt implements io.WriterAt.
func (w *file) WriteAt(b []byte, off int64) (int, error) {
	return w.write(b, func(b []byte) (int, error) { return w.File.WriteAt(b, off) })
}

// Truncate implements afero.File.
func (w *file) Truncate(size int64) error {
	return w.fs.do("truncate", w.Name(), func() error { return w.File.Truncate(size) })
}

// Sync implements afero.File.
func (w *file) Sync() error {
	return w.fs.do("sync", w.Name(), func() error { return nil })
}

// Read implements io.Reader.
func (w *file) Read(b []byte) (int, error) {
	if err := w.fs.alive("read", w.Name()); err != nil {
		return 0, err
	}
	return w.File.Read(b)
}

// ReadAt implements io.ReaderAt.
func (w *file) ReadAt(b []byte, off int64) (int, error) {
	if err := w.fs.alive("read", w.Name()); err != nil {
		return 0, err
	}
	return w.File.ReadAt(b, off)
}

// Close implements io.Closer. The file below is closed in any case.
func (w *file) Close() error {
	err := w.File.Close()
	if err != nil {
		return err
	}
	if !w.written {
		return w.fs.alive("close", w.Name())
	}
	return w.fs.do("close", w.Name(), func() error { return nil })
}

// Kinds lists the faults that are worth trying at each operation.
func Kinds() []Fault {
	return []Fault{
		{Err: syscall.ENOSPC}, {Err: syscall.EIO}, {Err: syscall.ENOSPC, Short: true},
		{Crash: true}, {Crash: true, Short: true},
	}
}
