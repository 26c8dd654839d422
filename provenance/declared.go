package provenance

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"qme/internal/panics"
	"qme/record"
)

// Declared are the files that the user declares for a run, as patterns relative to its directory.
type Declared struct{ In, Out []string }

func (d *Declared) empty() bool { return len(d.In)+len(d.Out) == 0 }

// Matching says what was not found by the patterns of Declared.
type Matching struct {
	// In and Out are patterns that match no regular file: In before the run, Out after it.
	In, Out []string
	// Cut says that there was too much to look at, or no time, so that more files may match. CutIn
	// and CutOut are the patterns of which this holds.
	Cut           bool
	CutIn, CutOut []string
}

// cutBy notes patterns that were not looked at whole, each once.
func (m *Matching) cutBy(in, out []string) {
	more := func(list, patterns []string) []string {
		for _, p := range patterns {
			if !slices.Contains(list, p) {
				list = append(slices.Clip(list), p)
			}
		}
		return list
	}
	m.CutIn, m.CutOut = more(m.CutIn, in), more(m.CutOut, out)
	m.Cut = len(m.CutIn)+len(m.CutOut) > 0
}

const (
	// finding is how long files are looked for by patterns, before the command and after it.
	finding = 250 * time.Millisecond
	// mostNames bounds the bytes of the names of declared files in a list.
	mostNames = 1 << 20
)

// A finder finds regular files by patterns. It follows only those links to folders that a pattern
// has literally, and never looks into a folder .git.
type finder struct {
	dir      string
	deadline time.Time
	entries  int // that were read of folders, and looked at
	cut      bool
}

// matchAll calls found for each regular file that one of some patterns matches, and says whether the
// pattern is the name of the file. The files that are named come first: no folder, and no wildcard,
// leaves them out. none are the patterns that match no file, and cut are those that may match more.
func (f *finder) matchAll(patterns []string, found func(path string, s *state, named bool)) (none, cut []string) {
	first, then := []string{}, []string{}
	for _, pattern := range patterns {
		if f.isName(pattern) {
			first = append(first, pattern)
		} else {
			then = append(then, pattern)
		}
	}
	for i, pattern := range slices.Concat(first, then) {
		f.cut = false
		ok := f.match(pattern, func(path string, s *state) { found(path, s, i < len(first)) })
		switch {
		case f.cut:
			cut = append(cut, pattern)
		case !ok:
			none = append(none, pattern)
		}
	}
	return none, cut
}

// isName reports whether a pattern is the name of a file, or that of nothing.
func (f *finder) isName(pattern string) bool {
	info, err := os.Stat(f.path(pattern))
	return err == nil && !info.IsDir() || err != nil && !strings.ContainsAny(pattern, "*?[{\\")
}

// match calls found for each regular file that a pattern matches, and for those below a folder that
// it matches. ok is false if there is none.
func (f *finder) match(pattern string, found func(path string, s *state)) (ok bool) {
	visit := func(p string) {
		if f.late() != nil {
			return
		}
		if s, err := stateOf(p); err == nil && s != nil {
			ok = true
			found(p, s)
		}
	}
	name := f.path(pattern)
	if info, err := os.Stat(name); err == nil { // that file, whatever characters its name has
		if f.entries++; info.IsDir() {
			f.walk(name, map[string]bool{}, visit)
		} else {
			visit(name)
		}
		return ok
	}
	f.glob(pattern, visit)
	return ok
}

func (f *finder) path(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(f.dir, name)
}

// glob visits what a pattern matches, as a shell with "**" does: a wildcard matches no hidden file.
func (f *finder) glob(pattern string, visit func(path string)) {
	base, rest := doublestar.SplitPattern(filepath.Clean(pattern))
	root := f.path(base)
	options := []doublestar.GlobOption{doublestar.WithNoFollow(), doublestar.WithNoHidden(), doublestar.WithFailOnIOErrors()}
	if path.Base(rest) == "**" { // which has the files in each folder by itself
		options = append(options, doublestar.WithFilesOnly())
	}
	walked := map[string]bool{}
	err := doublestar.GlobWalk(folder{f, root}, rest, func(name string, d fs.DirEntry) error {
		p := filepath.Join(root, name)
		if d.IsDir() {
			f.walk(p, walked, visit)
		} else {
			visit(p)
		}
		return f.late() // what was read is looked at, also if no more is read
	}, options...)
	f.cut = f.cut || errors.Is(err, errOver) // another error is that of a pattern which matches nothing
}

// walk visits all files below a folder, hidden ones as well.
func (f *finder) walk(dir string, walked map[string]bool, visit func(path string)) {
	if walked[dir] {
		return
	}
	walked[dir] = true
	list, err := f.readDir(dir)
	if err != nil {
		return // what is over is noted
	}
	for _, e := range list {
		if p := filepath.Join(dir, e.Name()); e.IsDir() {
			f.walk(p, walked, visit)
		} else {
			visit(p)
		}
	}
}

// over returns an error when enough was read.
func (f *finder) over() error {
	if f.entries >= mostEntries {
		f.cut = true
		return errOver
	}
	return f.late()
}

// late returns an error when there is no more time.
func (f *finder) late() error {
	if time.Now().After(f.deadline) {
		f.cut = true
		return errOver
	}
	return nil
}

const gitFolder = ".git"

// readDir reads a folder within the bounds. One that cannot be read is empty.
func (f *finder) readDir(dir string) ([]fs.DirEntry, error) {
	if err := f.over(); err != nil {
		return nil, err
	}
	if slices.Contains(strings.Split(dir, "/"), gitFolder) || ofKernel(dir) {
		return nil, nil
	}
	left := mostEntries - f.entries
	list, err := readFolder(dir, left)
	if err != nil {
		return nil, nil //nolint:nilerror // as for a shell
	}
	f.entries += len(list)
	f.cut = f.cut || len(list) == left
	return slices.DeleteFunc(list, func(e fs.DirEntry) bool { return e.Name() == gitFolder }), nil
}

// readFolder returns the entries of a folder in the order of their names, or some of them if there
// are more than most.
func readFolder(dir string, most int) ([]fs.DirEntry, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, err := f.ReadDir(most)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list, nil
}

// A folder is the part of the file system in which a pattern is looked for.
type folder struct {
	f    *finder
	root string
}

// Open implements fs.FS. Nothing is ever opened by it.
func (d folder) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
}

// ReadDir implements fs.ReadDirFS.
func (d folder) ReadDir(name string) ([]fs.DirEntry, error) {
	return d.f.readDir(filepath.Join(d.root, name))
}

// Stat implements fs.StatFS.
func (d folder) Stat(name string) (fs.FileInfo, error) {
	if err := d.f.over(); err != nil {
		return nil, err
	}
	d.f.entries++
	info, err := os.Lstat(filepath.Join(d.root, name))
	if err == nil && info.Mode()&fs.ModeSymlink != 0 && name == "." {
		info, err = os.Stat(d.root)
	}
	if err != nil {
		return nil, fs.ErrNotExist // also what cannot be looked at
	}
	return info, nil
}

// declare adds the files that are declared before the run.
func (w *Watch) declare(known *fileSet, d Declared, deadline time.Time) {
	in := finder{dir: w.dir, deadline: deadline}
	names := 0
	none, cutIn := in.matchAll(d.In, func(path string, s *state, named bool) {
		if f := known.same[s.inode]; f != nil {
			f.declaredIn, f.to = true, false
			return
		}
		if names += len(path); !named && (known.looked >= mostNamed || names > mostNames) {
			known.leftOut++
			return
		}
		known.looked++
		known.put(&file{path: path, by: record.ByDeclared, exact: named, before: s}, w.dir)
	})
	out := finder{dir: w.dir, deadline: deadline}
	_, cutOut := out.matchAll(d.Out, func(path string, s *state, named bool) {
		if f := known.same[s.inode]; f != nil {
			f.declaredOut = true
			return
		}
		known.put(&file{path: path, by: record.ByDeclared, exact: named, to: true, onlyOut: true, before: s}, w.dir)
	})
	w.matching = Matching{In: none}
	w.matching.cutBy(cutIn, cutOut)
	w.blind = len(cutOut) > 0
}

// An ending is what is found when the command has ended.
type ending struct {
	files    []*file
	matching Matching
	leftOut  int
}

// again looks at the files again, and for declared ones that have come. before is what is known of the
// patterns. It changes nothing of w, which may be in use when it is late.
func (w *Watch) again(before Matching, deadline time.Time) ending {
	e := ending{files: make([]*file, len(w.files)), matching: before, leftOut: w.leftOut}
	paths, inodes := map[string]*file{}, map[inode]*file{}
	for i, f := range w.files {
		again := *f
		if !f.onlyOut { // those are found by their pattern
			again.after, _ = stateOf(f.path) // what cannot be looked at is not there
		}
		if e.files[i] = &again; again.after != nil {
			inodes[again.after.inode] = &again
		}
		paths[f.path] = &again
	}
	out := finder{dir: w.dir, deadline: deadline}
	// Other people's names of files must never end this process.
	err := panics.Catch(func() error {
		none, cut := out.matchAll(w.declared.Out, func(path string, s *state, named bool) { w.found(&e, paths, inodes, path, s, named) })
		e.matching.Out = none
		e.matching.cutBy(nil, cut)
		return nil
	})
	if err != nil {
		e.matching.cutBy(nil, w.declared.Out)
	}
	e.cut()
	return e
}

// found notes a file that is declared as an output and is there after the run.
func (w *Watch) found(e *ending, paths map[string]*file, inodes map[inode]*file, path string, s *state, named bool) {
	f := paths[path]
	if f == nil {
		f = inodes[s.inode] // another name of it
	}
	switch {
	case f != nil && f.after != nil:
		f.declaredOut = true
	case f != nil:
		f.after, f.declaredOut = s, true
	case w.blind && time.Unix(s.ctime.Unix()).Add(settled).Before(w.begun):
		return // it was not seen before the run, but was there
	default:
		f = &file{path: path, name: nameIn(w.dir, path), by: record.ByDeclared, exact: named, to: true, onlyOut: true, after: s}
		e.files = append(e.files, f)
	}
	paths[path], inodes[s.inode] = f, f
}

// cut leaves out the declared files that have not changed, and those that are too many.
func (e *ending) cut() {
	sortDeclared(e.files)
	listed, names := 0, 0
	e.files = slices.DeleteFunc(e.files, func(f *file) bool {
		switch {
		case !f.onlyOut:
			return false
		case f.after == nil || f.before != nil && f.before.alike(f.after):
			return true
		}
		listed++
		if names += len(f.name); !f.exact && (listed > mostNamed || names > mostNames) {
			e.leftOut++
			return true
		}
		return false
	})
}

// sortDeclared brings the files that are only declared to the end, by their names, and those first
// that are declared by their names: equal files are an equal list then, however they were found.
func sortDeclared(files []*file) {
	declared := func(f *file) int {
		switch {
		case f.by != record.ByDeclared:
			return 0
		case f.exact:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(files, func(a, b *file) int {
		if c := cmp.Compare(declared(a), declared(b)); c != 0 || declared(a) == 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
}
