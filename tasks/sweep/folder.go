package sweep

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"qme/internal/safe"
)

// longestFolder is how long the name of a folder is at most, in bytes.
const longestFolder = 255

// Folder returns a path with values in place of the names. A value cannot lead elsewhere: it is a name, or a part of one. The error wraps
// ErrInvalid.
func (h Placeholder) Folder(path string, values map[string]string) (string, error) {
	for _, name := range slices.Sorted(maps.Keys(h.Uses([]string{path}, slices.Collect(maps.Keys(values))))) {
		if v := values[name]; v == "" || v == "." || v == ".." || strings.Contains(v, "/") {
			return "", fmt.Errorf("the value %s of %s cannot be the name of a folder: %w", safe.Bounded(strconv.Quote(v)), name, ErrInvalid)
		}
	}
	dir := h.Words([]string{path}, values)[0]
	for part := range strings.SplitSeq(dir, "/") {
		if len(part) > longestFolder {
			return "", fmt.Errorf("the name %s of a folder is too long: %w", safe.Bounded(part), ErrInvalid)
		}
	}
	return filepath.Clean(dir), nil
}
