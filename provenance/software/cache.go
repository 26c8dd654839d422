package software

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"qme/internal/regular"
	"qme/internal/room"
	"qme/internal/wholefile"
)

const (
	// form is that of the files of the cache.
	form = 1
	// largestCached bounds such a file.
	largestCached = 16 << 20
	// mostCached is how many environments are kept.
	mostCached = 32
	// settled is how long a folder must have been left alone before its list is kept: within the
	// tick of a clock a change leaves no trace in its times.
	settled = 2 * time.Second
)

// A looked is a path as it was when it was looked at; all numbers are 0 for none.
type looked struct {
	Path  string `json:"path"`
	Dev   uint64 `json:"dev"`
	Ino   uint64 `json:"ino"`
	Size  int64  `json:"size"`
	Mtime int64  `json:"mtime"` // nanoseconds since 1970
	Ctime int64  `json:"ctime"`
}

func lookAt(path string) looked {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return looked{Path: path}
	}
	return looked{path, uint64(st.Dev), st.Ino, st.Size, st.Mtim.Nano(), st.Ctim.Nano()}
}

// look notes what a path is, before it is read.
func (l *listing) look(path string) { l.looked = append(l.looked, lookAt(path)) }

// names returns the sorted names in a folder, and notes what it is.
func (l *listing) names(dir string) ([]string, error) {
	if err := l.late(); err != nil {
		return nil, err
	}
	l.look(dir)
	return names(dir)
}

// A header is the first line of a file of the cache. The packages follow it.
type header struct {
	Form     int       `json:"form"`
	Kind     string    `json:"kind"`
	Path     string    `json:"path"`
	Looked   []looked  `json:"looked"`
	Python   string    `json:"python,omitempty"`
	Count    int       `json:"count"`
	LeftOut  int       `json:"left_out,omitempty"`
	Editable []Package `json:"editable,omitempty"`
	Sum      uint32    `json:"sum"` // CRC-32 of the packages
}

// A Cache keeps lists of packages, in files that can be deleted at any time. The zero value keeps none.
type Cache struct {
	Dir string
	// Secret reports whether a file would have a secret in it, and so must not be written; nil for
	// none.
	Secret func(content []byte) bool
}

// file returns the name of an environment's file, "" for none.
func (c Cache) file(e *Environment) string {
	if c.Dir == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(e.Kind + "\x00" + e.Path))
	return filepath.Join(c.Dir, hex.EncodeToString(sum[:16]))
}

// cached returns the list of an environment that is kept in a file, nil if there is none or
// something has changed.
func cached(file string, e *Environment) *listing {
	if file == "" {
		return nil
	}
	b, _, err := regular.ReadBounded(file, largestCached, unix.O_NOFOLLOW)
	if err != nil {
		return nil // it is made
	}
	first, lines, _ := bytes.Cut(b, []byte("\n"))
	var h header
	if json.Unmarshal(first, &h) != nil || h.Form != form || h.Kind != e.Kind || h.Path != e.Path || h.Sum != crc32.ChecksumIEEE(lines) {
		return nil
	}
	for _, was := range h.Looked {
		if lookAt(was.Path) != was {
			return nil
		}
	}
	for _, p := range h.Editable {
		if p.Editable == nil {
			return nil
		}
	}
	return &listing{python: h.Python, count: h.Count, leftOut: h.LeftOut, editable: h.Editable, lines: lines}
}

// store keeps the list of an environment that has been left alone for a while. A list that cannot be
// kept is made again.
func (c Cache) store(file string, e *Environment, l *listing) {
	now := time.Now()
	if file == "" || slices.ContainsFunc(l.looked, func(w looked) bool {
		return now.Sub(time.Unix(0, max(w.Mtime, w.Ctime))) < settled || lookAt(w.Path) != w
	}) {
		return
	}
	first, err := json.Marshal(header{form, e.Kind, e.Path, l.looked, l.python, l.count, l.leftOut, l.editable, crc32.ChecksumIEEE(l.lines)})
	if err != nil {
		return
	}
	content := append(append(first, '\n'), l.lines...)
	if len(content) > largestCached || !room.Spare(filepath.Dir(c.Dir)) || c.Secret != nil && c.Secret(content) {
		return
	}
	fsys := &afero.OsFs{}
	if err := wholefile.Replace(fsys, file, content); errors.Is(err, os.ErrNotExist) && os.Mkdir(filepath.Dir(file), 0o700) == nil {
		_ = wholefile.Replace(fsys, file, content) // without it the list is made again
	}
	prune(filepath.Dir(file))
}

// prune removes all but the newest files of the cache, and what killed processes have left there.
func prune(dir string) {
	list, err := os.ReadDir(dir)
	if err != nil || len(list) <= mostCached {
		return
	}
	type entry struct {
		path string
		at   time.Time
	}
	var files []entry
	for _, e := range list {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			files = append(files, entry{filepath.Join(dir, e.Name()), info.ModTime()})
		}
	}
	slices.SortFunc(files, func(a, b entry) int { return cmp.Or(b.at.Compare(a.at), cmp.Compare(a.path, b.path)) })
	for _, f := range files[min(len(files), mostCached):] {
		_ = os.Remove(f.path) // another process may have done it
	}
}
