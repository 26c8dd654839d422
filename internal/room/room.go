// Package room says whether a disk has room for what can be made again. The last free bytes are for
// what cannot: records.
package room

import "golang.org/x/sys/unix"

// spare is how many bytes are left to records.
const spare = 32 << 20

// Spare reports whether the file system of a path that exists has room for more than records. It
// does if that is not known.
func Spare(path string) bool {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return true
	}
	return st.Bavail >= uint64(spare/max(int64(st.Bsize), 1))
}
