package trace

import (
	"golang.org/x/sys/unix"
)

// A kind is what a call does with the file that it names.
type kind uint8

const (
	opens kind = iota + 1
	opensHow
	creates
	renames
	links
	symlinks
	unlinks
	truncates
	makesNode
	executes
	ring
	handle
	enters // it changes what paths mean
)

// none is the place of an argument that a call does not have.
const none = -1

// A call says where the arguments of a system call are.
type call struct {
	kind        kind
	dir, path   int8 // of the file; dir is none where the path is relative to the working directory
	flags       int8 // of an open, a link or an exec; of a node its mode
	dir2, path2 int8 // of the new name
}

func at(k kind, dir, path, flags int8) call {
	return call{kind: k, dir: dir, path: path, flags: flags, dir2: none, path2: none}
}

func toName(k kind, dir, path, dir2, path2, flags int8) call {
	return call{kind: k, dir: dir, path: path, flags: flags, dir2: dir2, path2: path2}
}

// An abi is an interface of the kernel for programs.
type abi struct {
	arch  uint32
	calls map[uint32]call
}

// findCall returns the call of a notification.
func findCall(arch, nr uint32) (call, bool) {
	for _, a := range abis {
		if a.arch == arch {
			c, ok := a.calls[nr&^otherNumbers]
			return c, ok
		}
	}
	return call{}, false
}

const (
	tmpfile   = unix.O_TMPFILE &^ unix.O_DIRECTORY
	noContent = unix.O_DIRECTORY | unix.O_PATH // opens of which no content can be read or written
)
