package aside

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// A dirHandle is an open folder, so that what is done in it is done in no other one.
type dirHandle struct {
	fd   int
	path string
}

func (d *dirHandle) close() { unix.Close(d.fd) }

// openDir opens a folder by a path in which no part may be a symbolic link.
func openDir(path string) (*dirHandle, error) { return walk(path, false) }

// openDirAgain is openDir, and makes the folders that are missing. The error is a stuckError if something
// else has the name of one.
func openDirAgain(path string) (*dirHandle, error) {
	d, err := walk(path, true)
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EROFS) {
		return nil, &stuckError{fmt.Errorf("its folder: %w", err)}
	}
	return d, err
}

// realPath returns a path from the root without symbolic links.
func realPath(path string) (string, error) {
	whole, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(whole)
}

// folderAbove returns a folder on the file system of another one in which files of that are safe from a
// command that removes it, or its own directory: the uppermost that has the same owner and can be written, or
// else the one above it. "" says that there is none.
func folderAbove(dir string) string {
	var own unix.Stat_t
	if unix.Stat(dir, &own) != nil {
		return ""
	}
	found, last := "", ""
	for at := filepath.Dir(dir); ; at = filepath.Dir(at) {
		var st unix.Stat_t
		if unix.Stat(at, &st) != nil || st.Dev != own.Dev || unix.Access(at, unix.W_OK|unix.X_OK) != nil {
			return found
		}
		if at == filepath.Dir(dir) {
			last = at
		}
		const public = unix.S_ISVTX | 0o002
		if st.Uid != own.Uid || st.Mode&public == public || at == filepath.Dir(at) {
			break
		}
		found = at
	}
	return cmp.Or(found, last)
}

const dirFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

func walk(path string, create bool) (*dirHandle, error) {
	fail := func(err error) error { return &os.PathError{Op: "open", Path: path, Err: err} }
	// A folder may be searchable and not readable, as /home of others.
	fd, err := unix.Open("/", searchFlags, 0)
	if err != nil {
		return nil, fail(err)
	}
	parts := strings.Split(strings.Trim(filepath.Clean(path), "/"), "/")
	for i, name := range parts {
		if name == "" {
			continue
		}
		flags := searchFlags
		if i == len(parts)-1 {
			flags = dirFlags
		}
		next, err := unix.Openat(fd, name, flags, 0)
		if create && errors.Is(err, unix.ENOENT) {
			if err = unix.Mkdirat(fd, name, 0o777); err == nil || errors.Is(err, unix.EEXIST) {
				next, err = unix.Openat(fd, name, flags, 0)
			}
		}
		unix.Close(fd)
		if err != nil {
			return nil, fail(err)
		}
		fd = next
	}
	return &dirHandle{fd, path}, nil
}

// moveOut renames a file in the folder to a path at which there is none.
func (d *dirHandle) moveOut(name, to string) error {
	return rename(d.fd, name, unix.AT_FDCWD, to)
}

// moveIn renames a file at a path to a name in the folder that nothing has. The error is unix.EEXIST if
// something has it.
func (d *dirHandle) moveIn(from, name string) error {
	return rename(unix.AT_FDCWD, from, d.fd, name)
}

// moveOutAs renames a file in the folder to one in another folder, with its name or one like it, and returns
// its path.
func (d *dirHandle) moveOutAs(name, folder string) (string, error) {
	return d.moveOutTo(name, folder, name)
}

// moveOutTo is moveOutAs with another name. With an error it returns the last path that was tried.
func (d *dirHandle) moveOutTo(name, folder, as string) (string, error) {
	if strings.HasPrefix(as, ".") {
		as = "dot" + as
	}
	const longest = 200 // bytes of a name, which may be 255 long
	if len(as) > longest {
		as = as[:longest]
	}
	for n := 1; ; n++ {
		to := filepath.Join(folder, as)
		if n > 1 {
			to = fmt.Sprintf("%s.%d", to, n)
		}
		if err := d.moveOut(name, to); !errors.Is(err, unix.EEXIST) {
			return to, err
		}
	}
}

// rename renames a file, and overwrites none.
func rename(fromDir int, from string, toDir int, to string) error {
	err := renameNew(fromDir, from, toDir, to)
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.ENOTSUP) {
		return err
	}
	// The file system cannot do both at once.
	if err := unix.Linkat(fromDir, from, toDir, to, 0); err == nil {
		return unix.Unlinkat(fromDir, from, 0)
	} else if errors.Is(err, unix.EEXIST) || errors.Is(err, unix.EXDEV) {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstatat(toDir, to, &st, unix.AT_SYMLINK_NOFOLLOW); !errors.Is(err, unix.ENOENT) {
		if err == nil {
			err = unix.EEXIST
		}
		return err
	}
	return unix.Renameat(fromDir, from, toDir, to)
}
