package spool

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"qme/internal/regular"
	"qme/record"
)

// Listen calls cancel once, when another process asks by Cancel to end the run. The request
// uses a FIFO because all signals belong to the command. On a file system without
// FIFOs, Listen does nothing; this is not an error.
func (e *Entry) Listen(cancel func()) (stop func()) {
	switch e.fs.(type) {
	case *afero.OsFs, *regular.FS:
	default:
		return func() {}
	}
	path := filepath.Join(e.dir, controlFile)
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return func() {}
	}
	// Open for reading and writing, so that the open does not wait for a writer and reads do
	// not end when a writer closes the FIFO.
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return func() {}
	}
	go func() {
		line, err := bufio.NewReader(f).ReadString('\n')
		if err == nil && line == "cancel\n" {
			cancel()
		}
	}()
	return func() { _ = f.Close() }
}

// Cancel asks the process that records a run to end it. The error wraps record.ErrNotFound when
// the task is not running, and record.ErrConflict when no process on this machine listens for
// the request.
func (s *Spool) Cancel(id record.ID) error {
	running, err := s.Running(id)
	if err != nil {
		return err
	}
	if !running {
		return fmt.Errorf("task %s is not running: %w", id, record.ErrNotFound)
	}
	f, err := os.OpenFile(filepath.Join(s.dir, string(id), controlFile), os.O_WRONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ENXIO) || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("nobody hears on this machine who could end task %s: %w", id, record.ErrConflict)
	} else if err != nil {
		return err
	}
	_, err = f.WriteString("cancel\n")
	return errors.Join(err, f.Close())
}
