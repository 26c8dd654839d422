// Package trace sees which files a command and its descendants use, by the notifications of
// seccomp(2): the kernel tells of each call that opens, makes, renames, links or executes a file,
// and the call waits until this process lets it go. Neither root nor ptrace(2) is needed, so
// terminals, job control and signals work as without it. It is for Linux; elsewhere New fails.
//
// Three processes take part. The stage is the command before its exec: it installs the filter
// (Install) and sends the listener. This process reads what each call names, lets it go, and looks
// at the file (Tracer). The keeper holds the listener as well, and lets calls go when this process
// is stopped, is killed, or has ended before the last process with the filter: without an answer
// such a process would wait for ever, and without a listener its calls would fail.
package trace

import (
	"errors"

	"golang.org/x/sys/unix"
)

// ErrUnsupported says that the kernel, a container or a limit does not allow tracing.
var ErrUnsupported = errors.New("files cannot be traced here")

// MostFiles is how many paths a trace knows at most; further ones are counted.
const MostFiles = 1 << 20

// A State is what is known of a regular file at one moment.
type State struct {
	Dev, Ino     uint64
	Size         int64
	Mtime, Ctime unix.Timespec
	Absent       bool // the disk holds no block of its content
}

// A File is one that was used.
type File struct {
	// Path is absolute, and without symbolic links, unless Foreign.
	Path string
	// Foreign says that the process saw another file system tree, as in a container, in which
	// the path is. It must not be opened here.
	Foreign bool
	// Read says that the file was there before the command has written to it, and that it was
	// opened for reading or executed. Before is what it was then.
	Read   bool
	Before *State
	// Executed says that it was executed.
	Executed bool
	// Written says that it has come or changed, and After is what it was at the end.
	Written bool
	After   *State
	// ReadBy and WrittenBy are the executables that did it first, as /proc names them.
	ReadBy, WrittenBy string
}

// Losses count what a trace cannot have seen.
type Losses struct {
	// Unreadable are calls whose arguments could not be read, as of a process of another user.
	Unreadable int
	// Kept are calls that the keeper let go, because this process did not answer.
	Kept int
	// Late are looks at files that had not ended in time, because a file server did not respond.
	Late int
	// Full are uses of files beyond MostFiles.
	Full int
	// Rings are io_uring instances, whose opens are not seen.
	Rings int
	// Handles are files that were opened by handle, without a path.
	Handles int
	// Foreign are uses of files of another file system tree, as in a container, of which not
	// all is known.
	Foreign int
}

// Any reports whether there are any.
func (l Losses) Any() bool { return l != Losses{} }

// A Result is what a trace has seen.
type Result struct {
	Files []File // sorted by path
	// Temporary counts the files that were made and did not survive.
	Temporary int
	Losses    Losses
}

// Variable is the environment variable with the address of the Tracer that traces the process.
const Variable = "QME_TRACE"
