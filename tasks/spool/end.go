package spool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/spf13/afero"

	"qme/record"
)

// The lock of an entry has room for how the run ends, from endAt on, and for how many bytes
// came of streams of which not all could be stored, from lossAt on. It is taken when the run
// begins: a command may fill the disk, and then this could be written nowhere else.
const (
	endAt    = 1 << 10
	lossAt   = 2 << 10
	lockSize = lossAt + 128
)

// lose notes how many bytes came of a stream of which not all could be stored.
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

// losses returns how many bytes came of the streams of which not all could be stored.
func losses(fsys afero.Fs, dir string) (map[record.StreamName]int64, error) {
	b, err := readLock(fsys, dir, lossAt, lockSize)
	var came map[record.StreamName]int64
	if err != nil || json.Unmarshal(b, &came) != nil {
		return nil, err // none, or a power cut came
	}
	return came, nil
}

// readLock reads a part of the lock of an entry; of one that is not there nothing: it is being
// removed, or in a copy of a home.
func readLock(fsys afero.Fs, dir string, from, to int64) ([]byte, error) {
	f, err := fsys.Open(filepath.Join(dir, lockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.NewSectionReader(f, from, to-from))
	return b, errors.Join(err, f.Close())
}

// An end is how a run ended, as far as the record from its beginning does not have it.
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

// End notes how a run has ended, in place. After that it is known whatever becomes of the
// disk and of this process; the output is in the files of its recorders.
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

// padded returns a line of n bytes.
func padded(b []byte, n int) []byte {
	return append(append(b, bytes.Repeat([]byte{' '}, n-1-len(b))...), '\n')
}

// ended completes a record with how its run has ended, and reports whether that is known.
func ended(fsys afero.Fs, dir string, rec *record.Record) (bool, error) {
	b, err := readLock(fsys, dir, endAt, lossAt)
	if err != nil {
		return false, err
	}
	var e end
	if json.Unmarshal(b, &e) != nil || e.Finished == nil || e.ReturnCode == nil {
		return false, nil // it has not ended, or a power cut came
	}
	d := &rec.Data
	d.Status, d.ReturnCode, d.PID, d.Signal = e.Status, e.ReturnCode, e.PID, e.Signal
	d.Finished, d.Duration, d.Usage, d.Merged = e.Finished, e.Duration, e.Usage, e.Merged
	return true, nil
}

// settle puts into the record of an uncommitted run what is known by now: its end, or that its
// process is no more. Such a run waits for somebody who can commit it.
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
	if o.gone(s.me()) {
		rec.Data.Status = record.Cancelled
	}
	return nil
}
