package provenance

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"qme/internal/intime"
)

// A Name is a file that a command names, as other commands may name it.
type Name struct {
	Path  string // without symbolic links
	To    bool   // the command writes to it
	State string // tells one content of it from another, by inode, size and time; "" if it is not there
}

// Names returns the files that the command names, as they were before it, at most 4,096, in the order
// of Named. all says that files which come later may be outputs as well, by a pattern. It returns no
// names if they cannot be had in time.
func (w *Watch) Names() (names []Name, all bool) {
	if w == nil {
		return nil, false
	}
	names, _ = intime.Within(beginning, func() []Name {
		var names []Name
		real := realPaths{}
		for _, f := range w.files[:min(len(w.files), mostNamed)] {
			names = append(names, f.shareable(f.before, real))
		}
		for _, pattern := range w.declared.Out {
			path := pattern
			if !filepath.IsAbs(path) {
				path = filepath.Join(w.dir, path)
			}
			if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) && !strings.ContainsAny(pattern, `*?[{\`) {
				names = append(names, Name{Path: real.of(path)})
			}
		}
		return names
	})
	return names, len(w.declared.Out) > 0
}

// Share has End ask of each file, as it is by then, whether another command writes to it. To find its
// name takes longer than to see that there are no other commands.
func (w *Watch) Share(written func(name func() Name) bool) { w.written = written }

// Outs returns the paths of the files that End has found to be outputs, without symbolic links.
func (w *Watch) Outs() []string {
	paths, real := make([]string, 0, len(w.outs)), realPaths{}
	for _, f := range w.outs {
		if !f.foreign {
			paths = append(paths, real.of(f.path))
		}
	}
	return paths
}

// shareable returns the file in a state, nil if it is not there.
func (f *file) shareable(s *state, real realPaths) Name {
	n := Name{Path: real.of(f.path), To: f.to && !f.onlyOut}
	if s != nil {
		sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %d %d %d", s.dev, s.ino, s.size, s.mtime.Sec, s.mtime.Nsec))
		n.State = hex.EncodeToString(sum[:8])
	}
	return n
}

// realPaths are folders without symbolic links, by their paths.
type realPaths map[string]string

// of returns a path without symbolic links, also if there is no file yet.
func (r realPaths) of(path string) string {
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			return real
		}
	}
	dir := filepath.Dir(path)
	real, known := r[dir]
	if !known {
		var err error
		if real, err = filepath.EvalSymlinks(dir); err != nil {
			real = dir
		}
		r[dir] = real
	}
	return filepath.Join(real, filepath.Base(path))
}
