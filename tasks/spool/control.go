package spool

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"qme/internal/regular"
	"qme/record"
)

// A Word is what a process can ask of the one that records a run.
type Word string

// The words.
const (
	WordCancel   Word = "cancel"   // end the command
	WordStop     Word = "stop"     // have its processes stand still
	WordContinue Word = "continue" // have them go on
)

// longestWord is more than a word has, in bytes. A longer line is ignored.
const longestWord = 100

// Listen calls heard with each word that other processes say by Tell, one at a time and from another
// goroutine, until it has said WordCancel or stop was called. Words that are not known are ignored.
// The words use a FIFO because all signals belong to the command. On a file system without FIFOs,
// Listen does nothing; this is not an error.
func (e *Entry) Listen(heard func(Word)) (stop func()) {
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
	go listen(f, heard)
	return func() { _ = f.Close() }
}

func listen(f io.Reader, heard func(Word)) {
	lines := bufio.NewReaderSize(f, longestWord)
	for long := false; ; {
		line, more, err := lines.ReadLine()
		if err != nil {
			return
		}
		whole := !long && !more
		if long = more; !whole {
			continue
		}
		switch w := Word(line); w {
		case WordStop, WordContinue:
			heard(w)
		case WordCancel:
			heard(w)
			return
		}
	}
}

// Cancel is Tell with WordCancel.
func (s *Spool) Cancel(id record.ID) error { return s.Tell(id, WordCancel) }

// Tell asks something of the process that records a run, and does not wait until it is done. The error
// wraps record.ErrNotFound when the task is not running, and record.ErrConflict when no process on
// this machine listens for words.
func (s *Spool) Tell(id record.ID, word Word) error {
	running, err := s.Running(id)
	if err != nil {
		return err
	}
	if !running {
		return fmt.Errorf("task %s is not running: %w", id, record.ErrNotFound)
	}
	f, err := os.OpenFile(filepath.Join(s.dir, string(id), controlFile), os.O_WRONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ENXIO) || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("nobody hears on this machine who could %s task %s: %w", wishes[word], id, record.ErrConflict)
	} else if err != nil {
		return err
	}
	_, err = f.WriteString(string(word) + "\n")
	return errors.Join(err, f.Close())
}

// wishes say in messages what a word is for.
var wishes = map[Word]string{WordCancel: "end", WordStop: "stop", WordContinue: "continue"}
