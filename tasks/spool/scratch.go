package spool

import (
	"errors"

	"github.com/spf13/afero"

	"qme/record"
)

// Scratch returns an entry that no listing shows, to store streams of a record that come from
// elsewhere, such as the output of a job. The caller must remove it. After a
// crash, Take removes it.
func (s *Spool) Scratch(rec *record.Record) (*Entry, error) {
	if err := s.fs.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	tmp, err := afero.TempDir(s.fs, s.dir, newPrefix)
	if err != nil {
		return nil, err
	}
	e := &Entry{s: s, fs: s.fs, dir: tmp, id: rec.UID}
	if err := e.fill(rec); err != nil {
		return nil, errors.Join(err, e.Close(), s.fs.RemoveAll(tmp))
	}
	return e, nil
}
