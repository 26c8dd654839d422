package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/afero"

	"qme/internal/wholefile"
	"qme/record"
)

// WritePart stores a part of the run, in place of an earlier one of that name, for Parts. It may be
// called from several goroutines while the run is recorded. If the content could not be written,
// Parts of this process returns it all the same. The error wraps record.ErrInvalid if the content
// has more than record.MaxPart bytes; it is not stored then.
func (e *Entry) WritePart(name record.PartName, content []byte) error {
	if len(content) > record.MaxPart {
		return fmt.Errorf("the part %s has %d bytes, and at most %d are allowed: %w", name, len(content), record.MaxPart, record.ErrInvalid)
	}
	err := wholefile.Replace(e.fs, filepath.Join(e.dir, string(name)), content)
	e.parting.Lock()
	defer e.parting.Unlock()
	if err != nil {
		if e.parts == nil {
			e.parts = map[record.PartName][]byte{}
		}
		e.parts[name] = content
	}
	return err
}

// AppendPart adds bytes to a part that WritePart has stored. It is for parts that grow during the
// run.
func (e *Entry) AppendPart(name record.PartName, more []byte) error {
	f, err := e.fs.OpenFile(filepath.Join(e.dir, string(name)), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(more)
	return errors.Join(err, f.Close())
}

// Parts returns the parts of the run that are stored. An empty one is none: a power cut leaves such
// files.
func (e *Entry) Parts() (map[record.PartName][]byte, error) {
	e.parting.Lock()
	defer e.parting.Unlock()
	parts := map[record.PartName][]byte{}
	for _, name := range record.PartNames {
		content, ok := e.parts[name]
		if !ok {
			var err error
			if content, err = readPart(e.fs, e.dir, name); err != nil {
				return nil, err
			}
		}
		if len(content) > 0 {
			parts[name] = content
		}
	}
	return parts, nil
}

// Part returns a part of an uncommitted run as it is now, empty if there is none.
func (s *Spool) Part(id record.ID, name record.PartName) ([]byte, error) {
	return readPart(s.fs, filepath.Join(s.dir, string(id)), name)
}

// readPart reads a part. What is longer than one may be is no part.
func readPart(fsys afero.Fs, dir string, name record.PartName) (content []byte, err error) {
	f, err := openIn(fsys, dir, string(name), os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if info, serr := f.Stat(); serr != nil || info.Size() <= record.MaxPart {
		content, err = afero.ReadAll(f)
		err = errors.Join(serr, err)
	}
	return content, errors.Join(err, f.Close())
}
