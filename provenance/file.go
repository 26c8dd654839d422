package provenance

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"qme/record"
)

// An inode is a file, whatever its names are.
type inode struct{ dev, ino uint64 }

// A state is a regular file at one moment. A file with the same state is taken for unchanged.
type state struct {
	inode
	size   int64
	mtime  time.Time
	absent bool // the disk holds no block of it
}

// stateOf returns the state of a regular file, nil if there is none that a list may have.
func stateOf(path string) *state {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	return stateFrom(info)
}

func stateFrom(info os.FileInfo) *state {
	sys, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.Mode().IsRegular() {
		return nil
	}
	s := &state{inode: inode{uint64(sys.Dev), uint64(sys.Ino)}, size: info.Size(), mtime: info.ModTime(), absent: sys.Blocks == 0 && info.Size() > 0}
	if sys.Blocks == 0 && s.ofKernel() {
		return nil
	}
	return s
}

// ofKernel reports whether the file is one of /proc or /sys, which have no blocks.
func (s *state) ofKernel() bool {
	for _, folder := range []string{"/proc", "/sys"} {
		info, err := os.Stat(folder)
		if err != nil {
			continue
		}
		if sys, ok := info.Sys().(*syscall.Stat_t); ok && uint64(sys.Dev) == s.dev {
			root, err := os.Stat("/")
			rootSys, isStat := root.Sys().(*syscall.Stat_t)
			return err == nil && isStat && uint64(rootSys.Dev) != s.dev // where they are folders of the disk
		}
	}
	return false
}

// same reports whether two states are of one file that has not changed.
func (s *state) same(t *state) bool {
	return s.inode == t.inode && s.size == t.size && s.mtime.Equal(t.mtime)
}

// A file is one that the command names.
type file struct {
	path, name    string // to open it, and as it is listed
	by            string
	to            bool  // it is only written to
	offset        int64 // where the run's own part of it begins
	before, after *state
}

// isOut reports whether the file has come or changed during the run.
func (f *file) isOut() bool {
	return f.after != nil && (f.to || f.before == nil || !f.before.same(f.after))
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
var grades = map[string]int{record.ByStdio: 0, record.ByRedirect: 1, record.ByOption: 2, record.ByWord: 3}

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
	if info, err := os.Stat(path); err == nil {
		if f.before = stateFrom(info); f.before == nil {
			return
		}
		if m.appends {
			f.offset = f.before.size
		}
	} else if !os.IsNotExist(err) {
		return
	}
	known := s.named[path]
	if f.before != nil {
		known = s.same[f.before.inode]
	}
	if known != nil {
		known.to = known.to && f.to // it is read as well
		if grades[f.by] < grades[known.by] {
			known.by = f.by
		}
		return
	}
	f.name = nameIn(dir, path)
	if f.before != nil {
		s.same[f.before.inode] = f
	} else {
		s.named[path] = f
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
