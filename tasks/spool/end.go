package spool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/afero"

	"qme/record"
)

// The lock file reserves space for the end of the run, at endAt, and for the number of bytes
// received of incomplete streams, at lossAt. The space is allocated when the run begins,
// because the command may fill the disk.
const (
	endAt    = 1 << 10
	lossAt   = 2 << 10
	lockSize = lossAt + 128
)

// lose notes the number of bytes received of a stream that could not be stored completely.
func (e *Entry) lose(name record.StreamName, came int64) error {
	e.losing.Lock()
	defer e.losing.Unlock()
	if e.lost == nil {
		e.lost = map[record.StreamName]int64{}
	}
	e.lost[name] = came
	b, err := json.Marshal(e.lost)
	if err != nil {
		return err
	}
	if len(b) >= lockSize-lossAt {
		return fmt.Errorf("what is lost of the output of task %s takes %d bytes: %w", e.id, len(b), record.ErrInvalid)
	}
	_, err = e.lock.WriteAt(padded(b, lockSize-lossAt), lossAt)
	return err
}

// losses returns the number of bytes received of each stream that could not be stored
// completely.
func losses(fsys afero.Fs, dir string) (map[record.StreamName]int64, error) {
	b, err := readLock(fsys, dir, lossAt, lockSize)
	var came map[record.StreamName]int64
	if err != nil || json.Unmarshal(b, &came) != nil {
		return nil, err // no losses, or damaged by a power cut
	}
	return came, nil
}

// readLock reads a part of an entry's lock file. It returns nil when there is no lock file: the
// entry is being removed, or belongs to a copy of a home.
func readLock(fsys afero.Fs, dir string, from, to int64) ([]byte, error) {
	f, err := openIn(fsys, dir, lockFile, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.NewSectionReader(f, from, to-from))
	return b, errors.Join(err, f.Close())
}

// An end holds the fields of a record that are known only when its run has ended.
type end struct {
	Status     record.Status `json:"status"`
	ReturnCode *int          `json:"returncode"`
	PID        int           `json:"pid"`
	Signal     string        `json:"signal,omitempty"`
	Finished   *record.Time  `json:"finished"`
	Duration   float64       `json:"duration"`
	Usage      *record.Usage `json:"usage,omitempty"`
	Merged     bool          `json:"merged,omitempty"`
}

// End notes the end of a run in the lock file, in place. After End returns, the result is not
// lost even if the disk is full or this process dies. The output stays in the files of the
// recorders.
func (e *Entry) End(rec *record.Record) error {
	d := &rec.Data
	b, err := json.Marshal(end{d.Status, d.ReturnCode, d.PID, d.Signal, d.Finished, d.Duration, d.Usage, d.Merged})
	if err != nil {
		return err
	}
	if len(b) >= lossAt-endAt {
		return fmt.Errorf("the end of task %s takes %d bytes: %w", e.id, len(b), record.ErrInvalid)
	}
	_, err = e.lock.WriteAt(padded(b, lossAt-endAt), endAt)
	return err
}

// padded pads b with spaces to a line of n bytes.
func padded(b []byte, n int) []byte {
	return append(append(b, bytes.Repeat([]byte{' '}, n-1-len(b))...), '\n')
}

// ended completes a record from the noted end of its run, and reports whether there is one.
func ended(fsys afero.Fs, dir string, rec *record.Record) (bool, error) {
	b, err := readLock(fsys, dir, endAt, lossAt)
	if err != nil {
		return false, err
	}
	var e end
	if json.Unmarshal(b, &e) != nil || e.Finished == nil || e.ReturnCode == nil {
		return false, nil // not ended, or damaged by a power cut
	}
	d := &rec.Data
	d.Status, d.ReturnCode, d.PID, d.Signal = e.Status, e.ReturnCode, e.PID, e.Signal
	d.Finished, d.Duration, d.Usage, d.Merged = e.Finished, e.Duration, e.Usage, e.Merged
	return true, nil
}

// settle completes the record of an uncommitted run from its noted end. If there is none and
// the recording process has certainly died, the status becomes Cancelled. Such a run waits for
// a process that can commit it. A run of the queue goes on as long as processes of it are alive.
func (s *Spool) settle(dir string, rec *record.Record) error {
	known, err := ended(s.fs, dir, rec)
	if err != nil || known {
		return err
	}
	o, err := s.readOwner(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if !o.gone(s.me()) {
		return nil
	}
	if hasQueued(s.fs, dir) {
		if alive, err := s.unsupervised(dir, rec.UID); err != nil || alive {
			return err
		}
	}
	rec.Data.Status = record.Cancelled
	return nil
}
