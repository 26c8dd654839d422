package worktree

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"qme/gitstore/gitformat"
	"qme/internal/regular"
)

const (
	// packedLimit bounds the part of packed-refs that is read in one piece.
	packedLimit = 1 << 20
	// refLine is more than the longest line that packed-refs can have.
	refLine = 8 << 10
)

// errNotDir reports whether a part of a path is not a directory.
func errNotDir(err error) bool { return errors.Is(err, unix.ENOTDIR) }

// packedRef looks name up in packed-refs. A ref that is not there has no commit,
// and that is known; it is not when the file cannot be searched.
func (r *repo) packedRef(name string) (commit string, known bool) {
	f, err := regular.OpenHere(filepath.Join(r.commonDir, "packed-refs"), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "", true
	}
	if err != nil {
		return "", false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", false
	}
	from, to, err := narrow(f, info.Size(), name)
	if err != nil {
		return "", false
	}
	text := make([]byte, to-from)
	if _, err := f.ReadAt(text, from); err != nil {
		return "", false
	}
	hash := gitformat.PackedRef(text, name)
	commit = objectName(hash)
	return commit, commit != "" || hash == nil
}

// narrow returns the part of packed-refs, cut at lines and of at most
// packedLimit bytes, that holds name if the file does. A larger file must be
// sorted, as git's own are.
func narrow(f *os.File, size int64, name string) (from, to int64, err error) {
	to = size
	if size <= packedLimit {
		return 0, size, nil
	}
	b := make([]byte, refLine)
	n, err := f.ReadAt(b, 0)
	header, _, _ := bytes.Cut(b[:n], []byte("\n"))
	if err != nil || !bytes.HasPrefix(header, []byte("# pack-refs")) || !bytes.Contains(append(header, ' '), []byte(" sorted ")) {
		return 0, 0, regular.ErrTooLarge
	}
	for to-from > packedLimit {
		mid := from + (to-from)/2
		at, ref, err := firstRef(f, b, mid)
		switch {
		case err != nil:
			return 0, 0, err
		case ref <= name:
			from = at
		default:
			to = at
		}
	}
	return from, to, nil
}

// firstRef returns the first line after offset that names a ref, and its offset.
// It uses b as its buffer.
func firstRef(f *os.File, b []byte, offset int64) (at int64, ref string, err error) {
	n, err := f.ReadAt(b, offset)
	if err != nil && err != io.EOF {
		return 0, "", err
	}
	text := b[:n]
	for {
		_, rest, ok := bytes.Cut(text, []byte("\n"))
		if !ok {
			return 0, "", regular.ErrTooLarge // no line is that long
		}
		text = rest
		line, _, whole := bytes.Cut(text, []byte("\n"))
		if _, ref, ok := bytes.Cut(line, []byte(" ")); ok && whole {
			return offset + int64(n-len(text)), string(ref), nil
		}
	}
}
