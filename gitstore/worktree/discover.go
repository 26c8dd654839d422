package worktree

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"qme/gitstore/gitconfig"
	"qme/record"
)

// A repo is a repository with a working tree.
type repo struct {
	root      string // the top of the working tree
	gitDir    string // HEAD and the index
	commonDir string // objects and refs: that of the main working tree
	own       *gitconfig.File
	others    []*gitconfig.File // read when first needed
	attrs     map[string]*attributes
}

// find returns the repository whose working tree contains dir, or nil. It looks
// where git looks, so that both speak of the same repository.
func find(dir string) *repo {
	// git starts from the directory itself, not from the links that led there.
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil
	}
	fence := newFence(dir)
	for {
		r, found := openRepo(dir)
		if found {
			return r
		}
		if isGitDir(dir, dir) {
			return nil // bare, or a .git directory from the inside
		}
		parent := filepath.Dir(dir)
		if parent == dir || fence.stops(parent) {
			return nil
		}
		dir = parent
	}
}

// openRepo opens the repository whose working tree has its top at root. When
// found is true the search ends here, also if there is no working tree to tell
// of (nil).
func openRepo(root string) (r *repo, found bool) {
	dotGit := filepath.Join(root, ".git")
	info, err := os.Stat(dotGit)
	if err != nil {
		return nil, false
	}
	r = &repo{root: root, gitDir: dotGit}
	if !info.IsDir() {
		if r.gitDir, err = readGitFile(root, dotGit); err != nil {
			return nil, true
		}
	}
	linked := r.findCommonDir()
	if !isGitDir(r.gitDir, r.commonDir) {
		// git goes on to look above an empty .git directory, and stops at a
		// .git file that leads nowhere.
		return nil, !info.IsDir()
	}
	r.own = gitconfig.Read(filepath.Join(r.commonDir, "config"))
	if bare, _ := last(r.own, "core.bare"); gitconfig.IsTrue(bare) && !linked {
		return nil, true
	}
	return r, true
}

// readGitFile returns the directory that a .git file names ("gitdir: …").
func readGitFile(root, name string) (string, error) {
	b, err := readMeta(name)
	if err != nil {
		return "", err
	}
	target, ok := strings.CutPrefix(strings.TrimRight(string(b), "\r\n"), "gitdir: ")
	if !ok {
		return "", fmt.Errorf("%w .git file %s: it does not begin with \"gitdir: \"", record.ErrInvalid, name)
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(root, target)
	}
	return target, nil
}

// findCommonDir sets commonDir and reports whether it is not gitDir itself, as
// in a linked working tree.
func (r *repo) findCommonDir() bool {
	r.commonDir = r.gitDir
	b, err := readMeta(filepath.Join(r.gitDir, "commondir"))
	if err != nil {
		return false
	}
	r.commonDir = strings.TrimRight(string(b), "\r\n")
	if !filepath.IsAbs(r.commonDir) {
		r.commonDir = filepath.Join(r.gitDir, r.commonDir)
	}
	return true
}

// isGitDir applies git's own test for a repository.
func isGitDir(gitDir, commonDir string) bool {
	for _, name := range []string{"objects", "refs"} {
		if info, err := os.Stat(filepath.Join(commonDir, name)); err != nil || !info.IsDir() {
			return false
		}
	}
	if target, err := os.Readlink(filepath.Join(gitDir, "HEAD")); err == nil {
		return strings.HasPrefix(target, "refs/")
	}
	b, err := readMeta(filepath.Join(gitDir, "HEAD"))
	if err != nil {
		return false
	}
	return symbolic(b) != "" || objectName(bytes.TrimSpace(b)) != ""
}

// unsupported reports whether r cannot be compared with its working tree here.
func (r *repo) unsupported() bool {
	if format, set := last(r.own, "extensions.objectformat"); set != no && format != "sha1" {
		return true
	}
	// A ref that takes the place of an object would have to be followed.
	if names, err := os.ReadDir(filepath.Join(r.commonDir, "refs", "replace")); err == nil && len(names) > 0 {
		return true
	}
	worktree, set := last(r.own, "core.worktree")
	if set == no || r.gitDir != r.commonDir { // git does not ask in a linked working tree
		return false
	}
	if !filepath.IsAbs(worktree) {
		worktree = filepath.Join(r.gitDir, worktree)
	}
	worktree, err := filepath.EvalSymlinks(worktree)
	return err != nil || set == unknown || worktree != r.root
}

// A fence says how far up git looks for a repository.
type fence struct {
	dev      uint64
	across   bool
	ceilings []string
}

func newFence(dir string) fence {
	f := fence{across: gitconfig.IsTrue(os.Getenv("GIT_DISCOVERY_ACROSS_FILESYSTEM"))}
	var st unix.Stat_t
	if unix.Stat(dir, &st) == nil {
		f.dev = uint64(st.Dev)
	}
	resolve := true
	for _, ceiling := range filepath.SplitList(os.Getenv("GIT_CEILING_DIRECTORIES")) {
		if ceiling == "" { // git(1): those after an empty entry are no links
			resolve = false
			continue
		}
		if real, err := filepath.EvalSymlinks(ceiling); resolve && err == nil {
			ceiling = real
		}
		f.ceilings = append(f.ceilings, filepath.Clean(ceiling))
	}
	return f
}

// stops reports whether git would not look in dir, the parent of where it was.
func (f fence) stops(dir string) bool {
	for _, ceiling := range f.ceilings {
		if dir == ceiling {
			return true
		}
	}
	var st unix.Stat_t
	if f.across {
		return false
	}
	return unix.Stat(dir, &st) != nil || uint64(st.Dev) != f.dev
}
