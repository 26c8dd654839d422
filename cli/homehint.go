package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"qme/cli/config"
)

// homeErrors are errors of the file system for a home that cannot be used.
var homeErrors = []error{syscall.ENOTDIR, syscall.EISDIR, syscall.EEXIST, syscall.EROFS, fs.ErrPermission}

const otherHome = "QME_HOME or --home can name another folder for tasks and settings."

// pathOf returns the absolute path of the file that an error is about, "" if that is not known.
func pathOf(err error) string {
	var of *fs.PathError
	var link *os.LinkError
	path := ""
	switch {
	case errors.As(err, &of):
		path = of.Path
	case errors.As(err, &link):
		path = link.New
	}
	if !filepath.IsAbs(path) {
		return ""
	}
	return path
}

// below reports whether a path is dir, or below it.
func below(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// notHomes reports whether an error is about a file that is neither in the home nor leads to it.
func notHomes(home string, err error) bool {
	path := pathOf(err)
	if path == "" || below(path, home) || below(home, path) {
		return false
	}
	real, err := filepath.EvalSymlinks(home)
	return err != nil || !below(path, real) && !below(real, path)
}

// spaceHint says what the user can do about a full disk, a quota or a limit on the size of files. It returns "" for other
// errors, and for those of writing to standard output or standard error.
func (s *settings) spaceHint(err error) string {
	where, herr := s.homeDir()
	path := pathOf(err)
	switch {
	case herr != nil || path == "/dev/stdout" || path == "/dev/stderr":
		return ""
	case notHomes(where, err):
		where = filepath.Dir(path)
	}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Sprintf("The disk of %s is full: free some space there, and try again.", where)
	case errors.Is(err, syscall.EDQUOT):
		return fmt.Sprintf("Your quota on the disk of %s is used up: free some space there, and try again.", where)
	case errors.Is(err, syscall.EFBIG):
		return fmt.Sprintf("A limit on the size of files keeps this from being written to %s: raise it (ulimit -f), and try again.", where)
	}
	return ""
}

// homeHint describes a problem with the home that caused err, and its solution. It
// returns "" if the home is not the cause.
func (s *settings) homeHint(err error) string {
	failed := err
	if !slices.ContainsFunc(homeErrors, func(e error) bool { return errors.Is(err, e) }) {
		return ""
	}
	home, err := s.homeDir()
	if err != nil || notHomes(home, failed) {
		return ""
	}
	if link, to := dangling(home); link != "" {
		return fmt.Sprintf("%s is a symbolic link to %s, which is not there: make that folder, or remove the link. %s", link, to, otherHome)
	}
	there, info := existing(home)
	if info == nil || !info.IsDir() {
		return fmt.Sprintf("%s is no folder. %s", there, otherHome)
	}
	parts := []string{filepath.Join(home, "running"), filepath.Join(home, "tasks.git")}
	for _, path := range parts {
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return fmt.Sprintf("%s should be a folder, which qme makes by itself: move away what is there. %s", path, otherHome)
		}
	}
	if info, err := os.Stat(config.File(home)); err == nil && info.IsDir() {
		return fmt.Sprintf("%s should be a file: move the folder away. %s", config.File(home), otherHome)
	}
	if hint := readHint(home, pathOf(failed)); hint != "" {
		return hint
	}
	for _, path := range append([]string{there}, parts...) {
		err := unix.Access(path, unix.R_OK|unix.W_OK|unix.X_OK)
		switch {
		case err == nil || errors.Is(err, unix.ENOENT):
		case errors.Is(err, unix.EROFS):
			return fmt.Sprintf("%s is on a file system that can only be read. %s", path, otherHome)
		case path == there && there != home:
			return fmt.Sprintf("%s cannot be made, since you cannot write in %s (%v). %s", home, path, err, otherHome)
		default:
			return fmt.Sprintf("You cannot write in %s (%v): give yourself the permission. %s", path, err, otherHome)
		}
	}
	return ""
}

// readHint names what the user may not read, the home or the file that has failed; "" if that is neither.
func readHint(home, failed string) string {
	if err := unix.Access(home, unix.R_OK|unix.X_OK); errors.Is(err, fs.ErrPermission) {
		return fmt.Sprintf("You can neither read %s nor write in it (%v): give yourself the permission. %s", home, err, otherHome)
	}
	if err := unix.Access(failed, unix.R_OK); failed != "" && errors.Is(err, fs.ErrPermission) {
		return fmt.Sprintf("You cannot read %s (%v): give yourself the permission. %s", failed, err, otherHome)
	}
	return ""
}

// dangling returns the lowest part of a path that is a dangling symbolic link, and its
// target; "" if there is none.
func dangling(path string) (link, to string) {
	for ; path != filepath.Dir(path); path = filepath.Dir(path) {
		if _, err := os.Stat(path); err == nil {
			return "", ""
		}
		if to, err := os.Readlink(path); err == nil {
			return path, to
		}
	}
	return "", ""
}

// existing returns path or, if it does not exist, its nearest ancestor that does. The
// information is nil if not even the root can be read.
func existing(path string) (string, fs.FileInfo) {
	for {
		info, err := os.Stat(path)
		if err == nil || path == filepath.Dir(path) {
			return path, info
		}
		path = filepath.Dir(path)
	}
}
