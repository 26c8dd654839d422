package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"qme/cli/config"
)

// homeErrors are errors of the file system for a home that cannot be used.
var homeErrors = []error{syscall.ENOTDIR, syscall.EISDIR, syscall.EEXIST, syscall.EROFS, fs.ErrPermission}

const otherHome = "QME_HOME or --home can name another folder for tasks and settings."

// homeHint describes a problem with the home that caused err, and its solution. It
// returns "" if the home is not the cause.
func (s *settings) homeHint(err error) string {
	if !slices.ContainsFunc(homeErrors, func(e error) bool { return errors.Is(err, e) }) {
		return ""
	}
	home, err := s.homeDir()
	if err != nil {
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
