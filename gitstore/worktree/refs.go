package worktree

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	sha1Hex   = 40
	sha256Hex = 64
	// maxLinks is how many symbolic refs git follows in a row.
	maxLinks = 5
)

// A head is the content of HEAD.
type head struct {
	commit string
	branch string
	known  bool // commit is "" because there is none yet, not for want of an answer
}

// head reads HEAD and the branch that it names.
func (r *repo) head() head {
	name, branch := "HEAD", ""
	for range maxLinks {
		text, err := r.readRef(name)
		if errors.Is(err, fs.ErrNotExist) {
			commit, known := r.packedRef(name)
			return head{commit, branch, known}
		}
		if err != nil {
			break
		}
		target := symbolic(text)
		if target == "" {
			commit := objectName(bytes.TrimSpace(text))
			return head{commit, branch, commit != ""}
		}
		if target == "refs/heads/.invalid" { // the HEAD of a repository with reftables
			return head{}
		}
		name, branch = target, strings.TrimPrefix(target, "refs/heads/")
	}
	return head{branch: branch}
}

// readRef returns the text of a loose ref, fs.ErrNotExist when there is none.
func (r *repo) readRef(name string) ([]byte, error) {
	dir := r.commonDir
	if !strings.HasPrefix(name, "refs/") || perWorktree(name) {
		dir = r.gitDir
	}
	path := filepath.Join(dir, name)
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) || errNotDir(err) {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	if info.IsDir() { // of former refs below it
		return nil, fs.ErrNotExist
	}
	if info.Mode()&fs.ModeSymlink != 0 { // how the first versions of git did it
		if target, err := os.Readlink(path); err == nil && strings.HasPrefix(target, "refs/") {
			return []byte("ref: " + target), nil
		}
	}
	return readMeta(path)
}

// perWorktree reports whether each working tree has its own ref of that name.
func perWorktree(name string) bool {
	for _, prefix := range []string{"refs/bisect/", "refs/worktree/", "refs/rewritten/"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// symbolic returns the name in "ref: NAME", and "" when text is not that or the
// name could lead out of the refs.
func symbolic(text []byte) string {
	rest, ok := bytes.CutPrefix(text, []byte("ref:"))
	if !ok {
		return ""
	}
	name := string(bytes.TrimSpace(rest))
	if !strings.HasPrefix(name, "refs/") || filepath.Clean(name) != name || strings.ContainsAny(name, "\x00\n") {
		return ""
	}
	return name
}

// objectName returns text when it is an object's name in hex, else "".
func objectName(text []byte) string {
	if len(text) != sha1Hex && len(text) != sha256Hex {
		return ""
	}
	for _, c := range text {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return ""
		}
	}
	return string(text)
}
