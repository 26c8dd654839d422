package provenance

import (
	"os"
	"path/filepath"
	"time"

	"qme/record"
)

// A List are files as they were at one moment, of which the hashes are computed in the background. It is
// for one goroutine.
type List struct {
	names   []string
	states  []*state // nil for a link
	dir     string
	hashing *hashing
}

// NewList looks at files by their names in a directory. What is neither a regular file nor a link is left
// out. A link is not followed: it may lead to a file server that does not respond.
func NewList(dir string, names []string) *List {
	list := &List{dir: dir}
	for _, name := range names {
		path := filepath.Join(dir, name)
		info, err := os.Lstat(path)
		if err != nil {
			continue // it is gone
		}
		var s *state
		switch {
		case info.Mode()&os.ModeSymlink != 0:
		case info.Mode().IsRegular():
			if s, err = stateOf(path); err != nil || s == nil {
				continue
			}
		default:
			continue
		}
		list.names, list.states = append(list.names, name), append(list.states, s)
	}
	return list
}

// Hash begins to hash the files that have not changed since NewList looked at them, unless it has begun.
// Secrets are not hashed.
func (l *List) Hash(limits Limits) {
	if l.hashing != nil {
		return
	}
	l.hashing = newHashing(limits)
	for i, s := range l.states {
		if s != nil {
			l.hashing.add(filepath.Join(l.dir, l.names[i]), s)
		}
	}
}

// Files returns the files with those hashes that are there at a deadline. It may be called once.
func (l *List) Files(deadline time.Time) []record.File {
	l.hashing.finish(deadline)
	files := make([]record.File, len(l.names))
	for i, name := range l.names {
		if files[i] = (record.File{Path: name}); l.states[i] != nil {
			files[i].Size = l.states[i].size
			files[i] = listed(files[i], l.hashing.of(filepath.Join(l.dir, name), l.states[i]))
		}
	}
	return files
}
