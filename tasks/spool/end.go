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

// The lock of an entry has room for how the run ends, from endAt on. It is taken when the
// run begins: a command may fill the disk, and then its end could be written nowhere else.
const (
	endAt    = 1 << 10
	lockSize = 2 << 10
)

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
	if len(b) >= lockSize-endAt {
		return fmt.Errorf("the end of task %s takes %d bytes: %w", e.id, len(b), record.ErrInvalid)
	}
	_, err = e.lock.WriteAt(padded(b, lockSize-endAt), endAt)
	return err
}

// padded returns a line of n bytes.
func padded(b []byte, n int) []byte {
	return append(append(b, bytes.Repeat([]byte{' '}, n-1-len(b))...), '\n')
}

// ended completes a record with how its run has ended, and reports whether that is known.
func ended(fsys afero.Fs, dir string, rec *record.Record) (bool, error) {
	f, err := fsys.Open(filepath.Join(dir, lockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // being removed, or a copy of a home
	} else if err != nil {
		return false, err
	}
	b, err := io.ReadAll(io.NewSectionReader(f, endAt, lockSize-endAt))
	if err = errors.Join(err, f.Close()); err != nil {
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

// settle puts into the record of a run in flight what is known by now: its end, or that its
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
