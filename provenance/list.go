package provenance

import (
	"path/filepath"
	"time"

	"qme/record"
)

// A List are files of which the hashes are computed in the background. It is for one goroutine.
type List struct {
	names   []string
	states  []*state
	dir     string
	hashing *hashing
}

// NewList begins to hash files by their names in a directory, each as it is now. What is no regular
// file is left out, and secrets are not hashed.
func NewList(dir string, names []string, l Limits) *List {
	list := &List{dir: dir, hashing: newHashing(l)}
	for _, name := range names {
		path := filepath.Join(dir, name)
		if s, err := stateOf(path); err == nil && s != nil {
			list.names, list.states = append(list.names, name), append(list.states, s)
			list.hashing.add(path, s)
		}
	}
	return list
}

// Files returns the files with those hashes that are there at a deadline. It may be called once.
func (l *List) Files(deadline time.Time) []record.File {
	l.hashing.finish(deadline)
	files := make([]record.File, len(l.names))
	for i, name := range l.names {
		files[i] = listed(record.File{Path: name, Size: l.states[i].size}, l.hashing.of(filepath.Join(l.dir, name), l.states[i]))
	}
	return files
}
