// Package openfile finds the path of an open file.
package openfile

import "golang.org/x/sys/unix"

// Path returns the absolute path of an open file, "" if it no longer has one or the system does
// not tell.
func Path(fd int) string {
	path := nameOf(fd)
	var open, now unix.Stat_t
	if path == "" || unix.Fstat(fd, &open) != nil || unix.Stat(path, &now) != nil || now.Dev != open.Dev || now.Ino != open.Ino {
		return ""
	}
	return path
}
