package worktree

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"golang.org/x/sys/unix"

	"qme/gitstore/gitconfig"
	"qme/internal/regular"
)

const (
	// lateEvery is after how many files the clock is read.
	lateEvery = 32
	// tick is more than the steps in which a kernel's file times advance. A
	// file may be changed twice within a step, and then its time tells nothing.
	tick = 20 * time.Millisecond
)

// emptyBlob is the content of an empty file.
var emptyBlob = plumbing.NewHash("e69de29bb2d1d6434b8b29ae775ad8c2e48c5391")

// filesDiffer answers whether a tracked file on disk differs from the index.
func (c *check) filesDiffer(r *repo, idx *index) answer {
	root, err := unix.Open(r.root, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return unknown
	}
	defer unix.Close(root)
	f := &fileCheck{check: c, repo: r, index: idx, root: root}
	result := no
	for i := range idx.entries {
		if i%lateEvery == 0 && c.late() {
			return unknown
		}
		if result = result.or(f.entry(&idx.entries[i])); result == yes {
			break
		}
	}
	return result
}

// A fileCheck compares the files on disk with an index.
type fileCheck struct {
	*check
	*repo
	index *index
	root  int    // the directory root, opened
	dir   string // the folder of the file before
	gone  answer // whether dir is no longer a folder
	st    unix.Stat_t
}

func (f *fileCheck) entry(e *entry) answer {
	switch {
	case e.assume:
		return no
	case e.skip:
		return f.skipped(e)
	}
	return f.differs(e)
}

// skipped answers for a file with the skip-worktree bit. Newer versions of git
// look at such a file all the same when it exists in a sparse checkout.
func (f *fileCheck) skipped(e *entry) answer {
	if sparse, known := f.setting("core.sparsecheckout"); known && !gitconfig.IsTrue(sparse) {
		return no
	}
	if err := lstatAt(f.root, e.name, &f.st); missing(err) {
		return no
	}
	if f.differs(e) == no {
		return no
	}
	return unknown
}

func (f *fileCheck) differs(e *entry) answer {
	if a := f.leading(e.name); a != no {
		return a
	}
	err := lstatAt(f.root, e.name, &f.st)
	if missing(err) {
		return yes
	}
	if err != nil {
		return unknown
	}
	kind := uint32(f.st.Mode) & typeMask
	switch {
	case e.mode&typeMask == typeGitlink:
		if kind != typeDir {
			return yes
		}
		return f.submodule(e)
	case e.mode&typeMask == typeLink && kind == typeRegular:
		return f.unless("core.symlinks") // it may stand for a link
	case e.mode&typeMask != kind:
		return yes
	}
	mode := no
	if kind == typeRegular && (e.mode^uint32(f.st.Mode))&0o100 != 0 {
		if mode = f.unless("core.filemode"); mode == yes {
			return yes
		}
	}
	return mode.or(f.contentDiffers(e))
}

// unless answers yes, unless the user has switched off the setting key.
func (f *fileCheck) unless(key string) answer {
	value, known := f.setting(key)
	switch {
	case !known:
		return unknown
	case value == "" || gitconfig.IsTrue(value):
		return yes
	case key == "core.symlinks":
		return unknown
	}
	return no
}

// leading answers whether a folder on the way to name is missing, or is a link
// to a folder, which to git is the same.
func (f *fileCheck) leading(name string) answer {
	dir := name[:max(strings.LastIndexByte(name, '/'), 0)]
	if dir == f.dir {
		return f.gone
	}
	before, known := f.dir, f.gone == no
	f.dir, f.gone = dir, no
	for end := 0; end < len(dir); end++ {
		next := strings.IndexByte(dir[end:], '/')
		if next < 0 {
			next = len(dir) - end
		}
		end += next
		if known && (before == dir[:end] || strings.HasPrefix(before, dir[:end]) && before[end] == '/') {
			continue // looked at for the file before
		}
		err := lstatAt(f.root, dir[:end], &f.st)
		if missing(err) || err == nil && uint32(f.st.Mode)&typeMask != typeDir {
			f.gone = yes
			break
		}
		if err != nil {
			f.gone = unknown
			break
		}
	}
	return f.gone
}

func missing(err error) bool { return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) }

// contentDiffers answers for a file whose type is right and whose state is in
// f.st. git trusts size and times as long as they are those that it has noted.
func (f *fileCheck) contentDiffers(e *entry) answer {
	// git notes the size 0 where it has not looked, or not late enough.
	noted := e.size != 0 || e.hash == emptyBlob && f.st.Size == 0
	if noted && e.size != uint32(f.st.Size) {
		return yes
	}
	mtime, ctime := stampOf(f.st.Mtim), stampOf(f.st.Ctim)
	if noted && e.mtime.equal(mtime) && e.ctime.equal(ctime) &&
		(e.ino == 0 || e.ino == uint32(f.st.Ino)) && !f.racy(e.mtime) {
		return no
	}
	if f.late() {
		return unknown
	}
	content, err := f.read(e)
	if err != nil {
		return unknown
	}
	same := blobHash(content) == e.hash
	if e.mode&typeMask == typeRegular && !f.rawDecides(e.name, content) {
		return unknown
	}
	if same {
		return no
	}
	return yes
}

// read returns the content of a file or link, within the bounds.
func (f *fileCheck) read(e *entry) ([]byte, error) {
	path := filepath.Join(f.repo.root, e.name)
	if f.st.Size > fileLimit || !f.spend(f.st.Size) {
		return nil, fmt.Errorf("read %s: %w", path, errSpent)
	}
	if e.mode&typeMask == typeLink {
		target, err := os.Readlink(path)
		return []byte(target), err
	}
	b, _, err := regular.ReadBounded(path, fileLimit, unix.O_NOFOLLOW)
	return b, err
}

func blobHash(content []byte) plumbing.Hash {
	return plumbing.ComputeHash(plumbing.BlobObject, content)
}

// racy reports whether a file that was last changed at mtime may have been
// changed again, after git had looked at it, without its time telling.
func (f *fileCheck) racy(mtime stamp) bool {
	step := tick
	if mtime.nsec == 0 || f.index.mtime.Nanosecond() == 0 {
		step = 2 * time.Second // a file system that keeps whole seconds
	}
	return !time.Unix(int64(mtime.sec), int64(mtime.nsec)).Add(step).Before(f.index.mtime)
}

func stampOf(t unix.Timespec) stamp { return stamp{uint32(t.Sec), uint32(t.Nsec)} }

// equal compares the nanoseconds only when both have them.
func (s stamp) equal(t stamp) bool {
	return s.sec == t.sec && (s.nsec == t.nsec || s.nsec == 0 || t.nsec == 0)
}
