package aside

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// copyFile copies a regular file, or its first keep bytes, with its mode and times.
func copyFile(from, to string, keep int64, st *unix.Stat_t) error {
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
		var src io.Reader = in
		if !whole {
			src = io.LimitReader(in, keep)
		}
		_, err = io.Copy(out, src)
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
