package given

import (
	"errors"
	"io/fs"
	"os"

	"github.com/spf13/afero"

	"qme/internal/regular"
)

// A lineFile is a file of lines, which is only appended to. It is safe for use by any number of processes.
type lineFile struct {
	fs   afero.Fs
	path string
}

// add appends lines, each of which begins with its newline, in one write: a line that was cut off does not
// spoil the next one.
func (f lineFile) add(lines []byte) error {
	file, err := regular.Open(f.fs, f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(lines)
	return errors.Join(err, file.Close())
}

// read returns what is in the file, nothing if it is not there.
func (f lineFile) read() ([]byte, error) {
	b, err := regular.ReadFile(f.fs, f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}
