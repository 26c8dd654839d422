package worktree

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"golang.org/x/sys/unix"

	"qme/gitstore/gitformat"
)

// A Commit is a commit that some files are of.
type Commit struct {
	Root string   // the top of the working tree, without links
	Name string   // of the commit that is checked out
	Path []string // the files, in the order in which they were given
}

// Committed returns those of some files that are tracked, and are now as they are in the commit that
// is checked out. The paths are absolute and without links. A file of which that cannot be told, by
// the rules of State or before the deadline, is not among them.
func Committed(paths []string, deadline time.Time) []Commit {
	var all []Commit
	repos := map[string]*repo{} // by the folder; nil for none
	looks := map[string]*look{} // by the root
	for _, path := range paths {
		if !time.Now().Before(deadline) {
			break
		}
		dir := filepath.Dir(path)
		r, known := repos[dir]
		if !known {
			r = find(dir)
			repos[dir] = r
		}
		if r == nil {
			continue
		}
		l := looks[r.root]
		if l == nil {
			l = newLook(r, deadline)
			looks[r.root] = l
			defer l.close()
		}
		if !l.committed(strings.TrimPrefix(path, r.root+"/")) {
			continue
		}
		i := slices.IndexFunc(all, func(c Commit) bool { return c.Root == r.root })
		if i < 0 {
			i, all = len(all), append(all, Commit{Root: r.root, Name: l.commit})
		}
		all[i].Path = append(all[i].Path, path)
	}
	return all
}

// A look compares single files of a repository with its commit. One without entries knows none.
type look struct {
	files  *fileCheck
	staged *stagedCheck
	commit string
	root   plumbing.Hash                    // the tree of the commit
	trees  map[string][]gitformat.TreeEntry // by the folder
}

func newLook(r *repo, deadline time.Time) *look {
	l := &look{trees: map[string][]gitformat.TreeEntry{}}
	head := r.head()
	if !head.known || head.commit == "" || len(head.commit) == sha256Hex || r.unsupported() {
		return l
	}
	idx, err := readIndex(r)
	if err != nil {
		return l
	}
	db, err := openObjects(r.objectsDir())
	if err != nil {
		return l
	}
	c := &check{deadline: deadline, bytes: totalLimit}
	l.staged = &stagedCheck{check: c, db: db}
	if l.root, err = l.staged.treeOf(plumbing.NewHash(head.commit)); err != nil {
		return l
	}
	fd, err := unix.Open(r.root, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return l
	}
	l.files, l.commit = &fileCheck{check: c, repo: r, index: idx, root: fd}, head.commit
	return l
}

func (l *look) close() {
	if l.staged != nil {
		_ = l.staged.db.Close() // it was only read
	}
	if l.files != nil {
		unix.Close(l.files.root)
	}
}

// committed reports whether a file is as in the commit. name is relative to the root.
func (l *look) committed(name string) bool {
	if l.files == nil {
		return false
	}
	i, ok := slices.BinarySearchFunc(l.files.index.entries, name, func(e entry, name string) int { return strings.Compare(e.name, name) })
	if !ok {
		return false
	}
	e := &l.files.index.entries[i]
	if e.assume || e.skip || l.files.differs(e) != no {
		return false
	}
	hash, mode, ok := l.inCommit(name)
	return ok && hash == e.hash && mode == e.mode
}

// inCommit returns what the commit has by a name.
func (l *look) inCommit(name string) (plumbing.Hash, uint32, bool) {
	folder, base := "", name
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		folder, base = name[:i], name[i+1:]
	}
	for _, t := range l.tree(folder) {
		if string(t.Name) == base {
			mode, err := strconv.ParseUint(string(t.Mode), 8, 32)
			return t.Hash, canonical(uint32(mode)), err == nil
		}
	}
	return plumbing.ZeroHash, 0, false
}

// tree returns the entries of a folder in the commit, none if it is not there.
func (l *look) tree(folder string) []gitformat.TreeEntry {
	if known, ok := l.trees[folder]; ok {
		return known
	}
	hash := l.root
	if folder != "" {
		var mode uint32
		var ok bool
		if hash, mode, ok = l.inCommit(folder); !ok || mode != typeDir {
			l.trees[folder] = nil
			return nil
		}
	}
	var list []gitformat.TreeEntry
	if b, err := l.staged.get(hash, plumbing.TreeObject); err == nil {
		for len(b) > 0 {
			t, rest, ok := gitformat.NextTreeEntry(b)
			if !ok {
				break
			}
			list, b = append(list, t), rest
		}
	}
	l.trees[folder] = list
	return list
}
