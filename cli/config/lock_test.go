package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"qme/internal/regular"
)

// TestLockOfADeadProcess edits settings beside a lock that a killed process has left, one
// whose process lives, and other things in its place.
func TestLockOfADeadProcess(t *testing.T) {
	waitForLock(t, 200*time.Millisecond)
	old := time.Now().Add(-10 * time.Second)
	for name, c := range map[string]struct {
		make func(lock string) error
		good bool
	}{
		"dead": {func(lock string) error {
			return errors.Join(os.WriteFile(lock, []byte("pager = \"less\"\n"), 0o600), os.Chtimes(lock, old, old))
		}, true},
		"young": {func(lock string) error {
			later := time.Now().Add(time.Hour)
			return errors.Join(os.WriteFile(lock, nil, 0o600), os.Chtimes(lock, later, later))
		}, false},
		"alive": {func(lock string) error {
			f, err := os.Create(lock)
			if err != nil {
				return err
			}
			t.Cleanup(func() { _ = f.Close() })
			return errors.Join(unix.Flock(int(f.Fd()), unix.LOCK_EX), os.Chtimes(lock, old, old))
		}, false},
		"FIFO":   {func(lock string) error { return syscall.Mkfifo(lock, 0o600) }, false},
		"folder": {func(lock string) error { return os.Mkdir(lock, 0o700) }, false},
	} {
		home := t.TempDir()
		lock := File(home) + ".lock"
		if err := c.make(lock); err != nil {
			t.Fatal(err)
		}
		err := Set(regular.NewFS(), home, "run.keep", "1MiB")
		if c.good != (err == nil) {
			t.Errorf("%s: %v", name, err)
		}
		_, lerr := os.Lstat(lock)
		if gone := errors.Is(lerr, fs.ErrNotExist); gone != c.good {
			t.Errorf("%s: the lock is gone: %v", name, gone)
		}
		left, err := filepath.Glob(filepath.Join(home, "*"))
		if err != nil || len(left) != 1 {
			t.Errorf("%s: there is %v", name, left)
		}
	}
}
