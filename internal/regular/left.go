package regular

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// leftAge is from when on a file that is made within milliseconds is a killed process's.
const leftAge = time.Minute

// RemoveLeft removes from a folder the files whose names begin with prefix and go on with
// digits, which os.CreateTemp made and a process that was killed has left. Their age is told
// by the clock that dates beside, a file that was made just now.
func RemoveLeft(dir, prefix string, beside fs.FileInfo) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), prefix)
		if !ok || strings.Trim(rest, "0123456789") != "" || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if beside.ModTime().Sub(info.ModTime()) < leftAge {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
