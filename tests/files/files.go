// Package files makes small files for tests.
package files

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Write makes files in dir, which is "" for the current directory, from their contents by name, with the folders in
// which they lie; all may be executed. A name that ends with a slash is a folder.
func Write(t testing.TB, dir string, contents map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(contents)) {
		path, isFolder := filepath.Join(dir, name), strings.HasSuffix(name, "/")
		folder := filepath.Dir(path)
		if isFolder {
			folder = path
		}
		err := os.MkdirAll(folder, 0o777)
		if !isFolder {
			err = errors.Join(err, os.WriteFile(path, []byte(contents[name]), 0o777))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
