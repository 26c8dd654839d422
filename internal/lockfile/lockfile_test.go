package lockfile_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"qme/internal/lockfile"
	"qme/internal/regular"
)

// held names a lock file that this program, started anew, holds until its input ends.
const held = "QME_TEST_HELD_LOCK"

func TestMain(m *testing.M) {
	if path := os.Getenv(held); path != "" {
		if _, err := lockfile.Open(afero.NewOsFs(), path, lockfile.Exclusive); err != nil {
			os.Exit(1)
		}
		_, _ = os.Stdout.WriteString("held\n")
		_, _ = os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// hold has another process hold a lock until the test calls kill.
func hold(t *testing.T, path string) (kill func()) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), held+"="+path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	ended := false
	kill = func() {
		if !ended {
			ended = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // "signal: killed"
			_ = in.Close()
		}
	}
	t.Cleanup(kill)
	return kill
}

func TestOpen(t *testing.T) {
	t.Parallel()
	disk, path := afero.NewOsFs(), filepath.Join(t.TempDir(), "lock")
	f, err := lockfile.Open(disk, path, lockfile.Exclusive)
	if err != nil || !f.Locked {
		t.Fatalf("a free lock: %v", err)
	}
	for _, kind := range []lockfile.Kind{lockfile.Exclusive, lockfile.Shared} {
		if _, err := lockfile.Open(disk, path, kind); !errors.Is(err, lockfile.ErrHeld) {
			t.Errorf("a held lock, kind %d: %v", kind, err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	a, errA := lockfile.Open(disk, path, lockfile.Shared)
	b, errB := lockfile.Open(disk, path, lockfile.Shared)
	if errA != nil || errB != nil {
		t.Fatalf("two shared locks: %v, %v", errA, errB)
	}
	if _, err := lockfile.Open(disk, path, lockfile.Exclusive); !errors.Is(err, lockfile.ErrHeld) {
		t.Errorf("beside shared locks: %v", err)
	}
	if err := errors.Join(a.Close(), b.Close()); err != nil {
		t.Error(err)
	}
	if _, err := lockfile.Open(disk, filepath.Dir(path), lockfile.Shared); !errors.Is(err, regular.ErrNot) {
		t.Errorf("a folder: %v", err)
	}
}

// A lock ends with its process, and before that no wait gets it.
func TestWait(t *testing.T) {
	t.Parallel()
	disk, path := afero.NewOsFs(), filepath.Join(t.TempDir(), "lock")
	kill := hold(t, path)
	if _, err := lockfile.Open(disk, path, lockfile.Exclusive); !errors.Is(err, lockfile.ErrHeld) {
		t.Fatalf("a lock that another process has: %v", err)
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := lockfile.Wait(short, disk, path, lockfile.Exclusive); !errors.Is(err, lockfile.ErrHeld) {
		t.Fatalf("a wait that is over: %v", err)
	}
	had := make(chan error, 1)
	go func() {
		f, err := lockfile.Wait(t.Context(), disk, path, lockfile.Exclusive)
		if err == nil && !f.Locked {
			err = errors.New("the lock was not had")
		}
		if err == nil {
			err = f.Close()
		}
		had <- err
	}()
	select {
	case err := <-had:
		t.Fatalf("the wait ended while the other had the lock: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	kill()
	if err := <-had; err != nil {
		t.Error(err)
	}
	// The wait that was over has given up what it got too late.
	f, err := lockfile.Wait(t.Context(), disk, path, lockfile.Exclusive)
	if err != nil || !f.Locked {
		t.Fatalf("afterwards: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// A process that is being started has the file open, too, and does not prolong the lock.
func TestCloseUnlocks(t *testing.T) {
	t.Parallel()
	disk, path := afero.NewOsFs(), filepath.Join(t.TempDir(), "lock")
	f, err := lockfile.Open(disk, path, lockfile.Exclusive)
	if err != nil {
		t.Fatal(err)
	}
	inherited, err := syscall.Dup(int(f.File.(*os.File).Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(inherited) }()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := lockfile.Open(disk, path, lockfile.Exclusive)
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// Where there are no locks, all may go on, and know it.
func TestWithoutLocks(t *testing.T) {
	t.Parallel()
	memory := afero.NewMemMapFs()
	for range 2 {
		f, err := lockfile.Wait(t.Context(), memory, "/lock", lockfile.Exclusive)
		if err != nil || f.Locked {
			t.Fatalf("in memory: %v", err)
		}
		if err := lockfile.Try(f, lockfile.Shared); !errors.Is(err, lockfile.ErrNone) {
			t.Errorf("in memory: %v", err)
		}
		if err := errors.Join(lockfile.Unlock(f), f.Close()); err != nil {
			t.Error(err)
		}
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	// As on a file system that does not know such calls.
	if err := lockfile.Try(f, 1<<10); !errors.Is(err, lockfile.ErrNone) || !errors.Is(err, unix.EINVAL) {
		t.Errorf("a lock of no kind: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := lockfile.Try(f, lockfile.Shared); err == nil || errors.Is(err, lockfile.ErrNone) || errors.Is(err, lockfile.ErrHeld) {
		t.Errorf("a closed file: %v", err)
	}
}
