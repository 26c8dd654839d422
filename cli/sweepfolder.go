package cli

import (
	"os"
	"path/filepath"
	"strings"

	"qme/internal/safe"
	"qme/tasks"
	"qme/tasks/sweep"
)

// folderOf returns the folder of a task with values in place of placeholders. A value must not lead elsewhere.
func folderOf(h sweep.Placeholder, folder string, values map[string]string) (string, error) {
	for name := range h.Uses([]string{folder}, keysOf(values)) {
		if v := values[name]; v == "" || v == "." || v == ".." || strings.Contains(v, "/") {
			return "", sweepUsage("--dir: the value %s of %s cannot be the name of a folder", quoted(v), name)
		}
	}
	dir := h.Words([]string{folder}, values)[0]
	for part := range strings.SplitSeq(dir, "/") {
		if len(part) > longestFolder {
			return "", sweepUsage("--dir: the name %s of a folder is too long", safe.Bounded(part))
		}
	}
	return filepath.Abs(dir)
}

// longestFolder is how long the name of a folder is at most, in bytes.
const longestFolder = 255

func keysOf(values map[string]string) (names []string) {
	for name := range values {
		names = append(names, name)
	}
	return names
}

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
