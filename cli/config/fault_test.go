package config

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/record"
)

var errFault = errors.New("injected fault")

// faulty is a file system on which one operation fails.
type faulty struct {
	afero.Fs
	operation string
}

func (f faulty) fail(operation string) error {
	if f.operation == operation {
		return errFault
	}
	return nil
}

func (f faulty) MkdirAll(path string, mode os.FileMode) error {
	return errors.Join(f.fail("mkdir"), f.Fs.MkdirAll(path, mode))
}

func (f faulty) Open(name string) (afero.File, error) {
	if err := f.fail("read"); err != nil {
		return nil, err
	}
	return f.Fs.Open(name)
}

func (f faulty) OpenFile(name string, flag int, mode os.FileMode) (afero.File, error) {
	if err := f.fail("create"); err != nil {
		return nil, err
	}
	file, err := f.Fs.OpenFile(name, flag, mode)
	return faultyFile{file, f}, err
}

func (f faulty) Rename(from, to string) error {
	if err := f.fail("rename"); err != nil {
		return err
	}
	return f.Fs.Rename(from, to)
}

type faultyFile struct {
	afero.File
	fs faulty
}

func (f faultyFile) Write(b []byte) (int, error) {
	if f.fs.operation == "short write" {
		return f.File.Write(b[:len(b)/2])
	}
	if err := f.fs.fail("write"); err != nil {
		n, _ := f.File.Write(b[:len(b)/2]) // as a full disk does
		return n, err
	}
	return f.File.Write(b)
}

func (f faultyFile) Sync() error {
	return errors.Join(f.fs.fail("sync"), f.File.Sync())
}

func (f faultyFile) Close() error {
	return errors.Join(f.fs.fail("close"), f.File.Close())
}

func TestFaultsLeaveTheOldFile(t *testing.T) {
	const before = "run.keep = 5\n"
	for _, operation := range []string{"mkdir", "read", "create", "write", "short write", "sync", "close", "rename"} {
		for name, edit := range map[string]func(afero.Fs) error{
			"set":   func(fsys afero.Fs) error { return Set(fsys, home, "run.keep", "6") },
			"unset": func(fsys afero.Fs) error { return Unset(fsys, home, "run.keep") },
		} {
			if operation == "mkdir" && name == "unset" || operation == "short write" && name == "unset" {
				continue // it makes no folder, and half of nothing is nothing
			}
			t.Run(operation+"/"+name, func(t *testing.T) {
				fsys := fileWith(t, before)
				want := errFault
				if operation == "short write" {
					want = io.ErrShortWrite
				}
				wantError(t, edit(faulty{fsys, operation}), want)
				if got := content(t, fsys); got != before {
					t.Errorf("the file has become %q", got)
				}
				wantOnlySettings(t, fsys)
			})
		}
	}
}

func TestFaultsBeforeThereIsAFile(t *testing.T) {
	fsys := afero.NewMemMapFs()
	wantError(t, Set(faulty{fsys, "sync"}, home, "run.keep", "6"), errFault)
	wantOnlySettings(t, fsys)
	if exists, err := afero.Exists(fsys, File(home)); err != nil || exists {
		t.Errorf("there is a file: %v, %v", exists, err)
	}
}

// stuck is a file system whose lock cannot be removed either.
type stuck struct{ faulty }

func (s stuck) Remove(name string) error {
	return &os.PathError{Op: "remove", Path: name, Err: io.ErrClosedPipe}
}

func TestFaultInCleaningUpIsReportedToo(t *testing.T) {
	fsys := stuck{faulty{fileWith(t, ""), "write"}}
	err := Set(fsys, home, "run.keep", "6")
	wantError(t, err, errFault)
	wantError(t, err, io.ErrClosedPipe, File(home)+".lock")
}

// waitForLock sets how long locks are waited for in a test.
func waitForLock(t *testing.T, d time.Duration) {
	before := lockWait
	lockWait = d
	t.Cleanup(func() { lockWait = before })
}

// busy is a file system on which another process holds the lock for some tries.
type busy struct {
	afero.Fs
	tries *int
}

func (b busy) OpenFile(name string, flag int, mode os.FileMode) (afero.File, error) {
	if strings.HasSuffix(name, ".lock") && *b.tries > 0 {
		*b.tries--
		return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrExist}
	}
	return b.Fs.OpenFile(name, flag, mode)
}

func TestLockIsWaitedFor(t *testing.T) {
	waitForLock(t, time.Hour) // the test ends when the tries do
	tries := 5
	fsys := busy{fileWith(t, "run.keep = 5\n"), &tries}
	if err := Set(fsys, home, "run.keep", "6"); err != nil {
		t.Fatal(err)
	}
	if got := content(t, fsys); got != "run.keep = 6\n" || tries != 0 {
		t.Errorf("the file has become %q, after all but %d tries", got, tries)
	}
}

func TestLockOfAnotherProcess(t *testing.T) {
	waitForLock(t, 0)
	fsys := fileWith(t, "run.keep = 5\n")
	lock := File(home) + ".lock"
	if err := afero.WriteFile(fsys, lock, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := Set(fsys, home, "run.keep", "6")
	wantError(t, err, record.ErrConflict, lock, "delete that file")
	if got := content(t, fsys); !strings.Contains(got, "5") {
		t.Errorf("the file has become %q", got)
	}
	if exists, err := afero.Exists(fsys, lock); err != nil || !exists {
		t.Errorf("the other's lock: %v, %v", exists, err)
	}
}
