package config

import (
	"bytes"

	"github.com/spf13/afero"
)

// Text returns what HOME/config.toml holds, nil when there is no such file.
func Text(fsys afero.Fs, home string) ([]byte, error) { return read(fsys, File(home)) }

// Replace writes a whole HOME/config.toml where it is still the text before. The error is
// a Mistakes when text is wrong, record.ErrConflict when the file has changed, and else as
// that of Set; the file is then as it was.
func Replace(fsys afero.Fs, home string, before, text []byte) error {
	c := &Config{found: map[string]found{}}
	c.readText(File(home), text)
	if len(c.mistakes) > 0 {
		return c.mistakes
	}
	return rewrite(fsys, File(home), func(path string, old []byte) ([]byte, error) {
		if !bytes.Equal(old, before) {
			return nil, conflict("%s has been changed meanwhile", path)
		}
		return text, nil
	})
}
