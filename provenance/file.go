package provenance

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"qme/record"
)

// An inode is a file, whatever its names are.
type inode struct{ dev, ino uint64 }

// A state is a regular file at one moment.
type state struct {
	inode
	size         int64
	mtime, ctime unix.Timespec
	absent       bool // the disk holds no block of it
}

// stateOf returns the state of a regular file, nil if there is none that a list may have. The
// error is that of stat(2).
func stateOf(path string) (*state, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return nil, err
	}
	if st.Blocks == 0 && ofKernel(path) {
		return nil, nil
	}
	return stateFrom(&st), nil
}

func stateFrom(st *unix.Stat_t) *state {
	if uint32(st.Mode)&unix.S_IFMT != unix.S_IFREG {
		return nil
	}
	return &state{inode{uint64(st.Dev), st.Ino}, st.Size, st.Mtim, st.Ctim, st.Blocks == 0 && st.Size > 0}
}

// ofKernel reports whether a file is one of those that the kernel shows, which have no blocks.
func ofKernel(path string) bool {
	real, err := filepath.EvalSymlinks(path)
	return err != nil || slices.ContainsFunc([]string{"/proc/", "/sys/", "/dev/"}, func(p string) bool { return strings.HasPrefix(real, p) }) && !strings.HasPrefix(real, "/dev/shm/")
}

// same reports whether two states are of one file with the same content, by all evidence.
func (s *state) same(t *state) bool { return s.alike(t) && s.ctime == t.ctime }

// still reports whether a file is in this state.
func (s *state) still(st *unix.Stat_t) bool {
	now := stateFrom(st)
	return now != nil && now.same(s)
}

// alike is same but for the time at which the inode was changed, which a new name or mode changes
// as well, and which cannot be set.
func (s *state) alike(t *state) bool {
	return s.inode == t.inode && s.size == t.size && s.mtime == t.mtime
}

// A file is one that the command names.
type file struct {
	path, name    string // to open it, and as it is listed
	by            string
	to            bool  // it is only written to
	offset        int64 // where the run's own part of it begins
	before, after *state

	exact bool // it is declared by its name

	// What a trace knows: whether it has seen the file, has seen it come or change, and in another
	// file system tree, and which programs have used it first. Dropped is one that is listed otherwise.
	traced, came, foreign, dropped bool
	readBy, writtenBy              string

	// declaredIn and declaredOut say that it is declared as well, and onlyOut that nothing but a
	// pattern for outputs names it.
	declaredIn, declaredOut, onlyOut bool
}

// evidence returns why the file is in a list, for which it may be declared.
func (f *file) evidence(declared bool) string {
	if declared && grades[record.ByDeclared] < grades[f.by] {
		return record.ByDeclared
	}
	return f.by
}

// isOut reports whether the file has come or changed during the run. Where the time of the inode
// alone has changed, the hashes tell.
func (f *file) isOut(h *hashing) bool {
	switch {
	case f.came:
		return true
	case f.after == nil || f.traced:
		return false
	case f.before == nil || !f.before.alike(f.after):
		return true
	case f.before.same(f.after):
		return false
	}
	before, after := h.of(f.path, f.before).sha256, h.of(f.path, f.after).sha256
	return before != "" && after != "" && before != after
}

// A mention is a name of a file, which may not be there.
type mention struct {
	path   string // relative to the directory of the run, or absolute
	by     string
	to     bool // it is only written to
	offset int64
	// appends says that the run's part begins at the end of the file.
	appends bool
}

// A fileSet has each file once, by its best evidence.
type fileSet struct {
	list    []*file
	same    map[inode]*file
	named   map[string]*file // those that were not there
	leftOut int
	looked  int
}

// grades are the grades of evidence, the best first.
var grades = map[string]int{record.ByTrace: -1, record.ByStdio: 0, record.ByRedirect: 1, record.ByDeclared: 2, record.ByOption: 3, record.ByWord: 4}

func (s *fileSet) add(m mention, dir string) {
	if m.path == "" || strings.ContainsRune(m.path, 0) {
		return
	}
	if s.looked++; s.looked > mostNamed {
		s.leftOut++
		return
	}
	path := m.path
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	f := &file{path: path, by: m.by, to: m.to, offset: m.offset}
	var err error
	switch f.before, err = stateOf(path); {
	case f.before == nil && !errors.Is(err, fs.ErrNotExist):
		return
	case f.before != nil && m.appends:
		f.offset = f.before.size
	}
	known := s.named[path]
	if f.before != nil {
		known = s.same[f.before.inode]
	}
	if known != nil {
		known.to = known.to && f.to // it is read as well
		if m.to && !m.appends && m.by == record.ByRedirect {
			known.offset = 0
		}
		if grades[f.by] < grades[known.by] {
			known.by = f.by
		}
		return
	}
	s.put(f, dir)
}

// put adds a file that is not in the set.
func (s *fileSet) put(f *file, dir string) {
	f.name = nameIn(dir, f.path)
	if f.before != nil {
		s.same[f.before.inode] = f
	} else {
		s.named[f.path] = f
	}
	s.list = append(s.list, f)
}

// nameIn returns the name of a file in a list: relative to the directory where it is below that,
// by its path or by its real path.
func nameIn(dir, path string) string {
	below := func(dir, path string) (string, bool) {
		rel, err := filepath.Rel(dir, path)
		return rel, err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
	}
	path = filepath.Clean(path)
	if rel, ok := below(dir, path); ok {
		return valid(rel)
	}
	realDir, derr := filepath.EvalSymlinks(dir)
	realPath, perr := filepath.EvalSymlinks(filepath.Dir(path)) // the file may not be there yet
	if derr == nil && perr == nil {
		if rel, ok := below(realDir, filepath.Join(realPath, filepath.Base(path))); ok {
			return valid(rel)
		}
	}
	return valid(path)
}

func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
