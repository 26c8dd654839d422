package openfile

import (
	"fmt"
	"os"
)

// nameOf returns the path of an open file as known to the system, "" if there is none.
func nameOf(fd int) string {
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return ""
	}
	return path
}
