package worktree

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"qme/record"
)

// metaLimit bounds git's small files: HEAD, a ref, a configuration, attributes.
const metaLimit = 64 << 10

// errTooLarge says that a file is larger than the bound for its kind.
var errTooLarge = errors.New("larger than the bound")

// openRegular opens a regular file without following a link in its last part
// (when nofollow is set) and without waiting for the other end of a fifo.
func openRegular(name string, nofollow bool) (*os.File, os.FileInfo, error) {
	flags := os.O_RDONLY | unix.O_NONBLOCK
	if nofollow {
		flags |= unix.O_NOFOLLOW
	}
	f, err := os.OpenFile(name, flags, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file: %w", name, record.ErrInvalid)
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

// readBounded returns all of a regular file of at most limit bytes.
func readBounded(name string, limit int64, nofollow bool) ([]byte, os.FileInfo, error) {
	f, info, err := openRegular(name, nofollow)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if info.Size() > limit {
		return nil, nil, fmt.Errorf("%s: %w", name, errTooLarge)
	}
	// One byte more than the size, so that a file which grows is noticed, and
	// reading ends without growing the buffer.
	b := make([]byte, info.Size()+1)
	n, err := io.ReadFull(f, b)
	if err == nil {
		return nil, nil, fmt.Errorf("%s grew while it was read: %w", name, record.ErrConflict)
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, nil, err
	}
	return b[:n], info, nil
}

// readMeta returns one of git's small files.
func readMeta(name string) ([]byte, error) {
	b, _, err := readBounded(name, metaLimit, false)
	return b, err
}

// lstatAt is fstatat(2) that does not follow links, started again when a signal
// interrupts it.
func lstatAt(dirfd int, name string, st *unix.Stat_t) error {
	for {
		err := unix.Fstatat(dirfd, name, st, unix.AT_SYMLINK_NOFOLLOW)
		if err != unix.EINTR {
			return err
		}
	}
}
