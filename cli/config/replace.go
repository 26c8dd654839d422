package config

import (
	"bytes"

	"github.com/spf13/afero"
)

// Text returns the content of HOME/config.toml, nil if there is no such file.
func Text(fsys afero.Fs, home string) ([]byte, error) { return read(fsys, File(home)) }

// Replace replaces HOME/config.toml if its content is still before. The error is a
// Mistakes if text is invalid, wraps record.ErrConflict if the file has changed, and
// otherwise is as in Set. After an error the file is unchanged.
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
