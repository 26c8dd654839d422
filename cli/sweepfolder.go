package cli

import (
	"os"
	"path/filepath"
	"strings"

	"qme/tasks"
)

// makeFolders makes the folders in which tasks run.
func makeFolders(list []tasks.GroupTask) error {
	for _, t := range list {
		if t.Dir == "" {
			continue
		}
		if err := os.MkdirAll(t.Dir, 0o777); err != nil {
			return err
		}
	}
	return nil
}

// missingThere reports whether a word names a file that is here and not in a folder.
func missingThere(word, dir string) bool {
	if word == "" || strings.HasPrefix(word, "/") || strings.HasPrefix(word, "-") {
		return false
	}
	info, err := os.Stat(word)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	_, err = os.Stat(filepath.Join(dir, word))
	return err != nil
}
