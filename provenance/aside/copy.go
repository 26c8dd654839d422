package aside

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// copyFile copies a regular file, or its first keep bytes, with its mode and times. It ends with ctx.
func copyFile(ctx context.Context, from, to string, keep int64, st *unix.Stat_t) error {
	if st.Blocks == 0 && st.Size > 0 {
		return fmt.Errorf("the disk holds no block of it: %w", ErrLeft)
	}
	in, err := os.OpenFile(from, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	whole := keep < 0 || keep >= st.Size
	if !whole || clone(out, in) != nil {
		size := st.Size
		if !whole {
			size = keep
		}
		err = copyData(ctx, out, in, size)
	}
	// Another owner may only be given by root; the command of another user sees the mode.
	if cerr := out.Chown(int(st.Uid), int(st.Gid)); cerr != nil && !errors.Is(cerr, unix.EPERM) {
		err = errors.Join(err, cerr)
	}
	err = errors.Join(err, out.Chmod(os.FileMode(st.Mode&0o777)), out.Close())
	if err == nil {
		at := time.Unix(0, modified(st))
		err = os.Chtimes(to, at, at)
	}
	if err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return nil
}

// copyData copies the first size bytes of a file, and leaves holes where it has holes.
func copyData(ctx context.Context, out, in *os.File, size int64) error {
	const step = 64 << 20 // bytes between two looks at ctx
	for at := int64(0); at < size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if data, err := in.Seek(at, unix.SEEK_DATA); err == nil {
			at = data
		} else if errors.Is(err, unix.ENXIO) {
			break // the remainder is a hole
		}
		end := min(at+step, size)
		if hole, err := in.Seek(at, unix.SEEK_HOLE); err == nil && hole > at {
			end = min(end, hole)
		}
		if at >= end {
			break
		}
		if _, err := in.Seek(at, io.SeekStart); err != nil {
			return err
		}
		if _, err := out.Seek(at, io.SeekStart); err != nil {
			return err
		}
		n, err := io.CopyN(out, in, end-at)
		if errors.Is(err, io.EOF) {
			return nil // it has just become shorter
		}
		if err != nil {
			return err
		}
		at += n
	}
	return out.Truncate(size)
}

// CopyTo copies a regular file, or its first keep bytes if that is not negative, with its mode and times, to
// a path below a folder in which no symbolic link is followed; what is there is replaced. Folders are made
// as they are needed. It ends with ctx.
func CopyTo(ctx context.Context, from, below, to string, keep int64) error {
	var st unix.Stat_t
	if err := unix.Stat(from, &st); err != nil {
		return &os.PathError{Op: "stat", Path: from, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return fmt.Errorf("%s: %w", from, ErrLeft)
	}
	real, err := filepath.EvalSymlinks(from)
	if err != nil {
		return err
	}
	dir, err := openDirAgain(filepath.Dir(to))
	if err != nil {
		return err
	}
	defer dir.close()
	name := filepath.Base(to)
	if err := unix.Unlinkat(dir.fd, name, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return &os.PathError{Op: "unlink", Path: to, Err: err}
	}
	made := filepath.Join(below, copyName)
	if err := copyFile(ctx, real, made, keep, &st); err != nil {
		return err
	}
	return dir.moveIn(made, name)
}

// copyName is the name of a file that is being copied.
const copyName = ".qme-copy"

// ShowFile moves a file to the folder of a task in the home, in which a check leaves files for the user, and
// returns its path there.
func ShowFile(home, task, path string) (string, error) {
	home, err := realPath(home)
	if err != nil {
		return "", err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", err
	}
	return show(path, filepath.Join(home, Folder, task, filepath.Base(path)))
}
