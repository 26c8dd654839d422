package capture

import (
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The runtime keeps a table of what each signal did when this process started, and publishes
// only the entries of SIGHUP and SIGINT (signal.Ignored). This file looks for that table in
// memory and copies it. It can do no harm where it fails:
//
//   - Nothing is written to memory. The runtime itself is made to put a mark into two entries.
//   - The mark is the address of the runtime's own signal handler, so no signal that arrives
//     meanwhile meets a handler that is none.
//   - Only the neighbourhood of a variable of this package is read. An address that cannot be
//     read ends the search.
//   - A table is believed only where all of its 65 entries are as they must be. Without one,
//     no more is known than signal.Ignored tells.

// An actionTable has an entry for each signal, by number: 0 for the default, 1 for a signal
// that is ignored, else the address of a handler. The runtime's is runtime.fwdSig.
type actionTable [65]uintptr

const (
	actionDefault = 0
	actionIgnore  = 1
)

// neighbour is of the size of the runtime's table, and so lies near it: the linker sorts
// variables that begin as zeroes by size.
var neighbour actionTable

// reach is how far around neighbour is searched, in entries of a table.
const reach = 16 << 10 / unsafe.Sizeof(uintptr(0))

// marked are two signals that no program is known to send.
var marked = [2]syscall.Signal{61, 63}

// ignoredAtStart returns a function that knows which signals were ignored when this process
// started.
func ignoredAtStart() func(syscall.Signal) bool {
	told := func(sig syscall.Signal) bool { return signal.Ignored(sig) }
	mark := actionOf(marked[0])
	if mark[0] <= actionIgnore || actionOf(marked[1]) != mark || slices.ContainsFunc(marked[:], told) {
		return told
	}
	c := make(chan os.Signal, 1)
	defer signal.Stop(c)
	for _, sig := range marked {
		signal.Ignore(sig) // after this, Notify puts the action of the moment into the table
		setAction(sig, mark)
		signal.Notify(c, sig)
	}
	known, ok := findTable(mark[0])
	if !ok {
		return told
	}
	return func(sig syscall.Signal) bool { return told(sig) || known[sig] == actionIgnore }
}

// findTable returns a copy of the runtime's table, whose marked entries are mark.
func findTable(mark uintptr) (actionTable, bool) {
	size := int(unsafe.Sizeof(uintptr(0)))
	for _, step := range []int{size, -size} {
		if t, ok := search(step, mark); ok {
			return t, true
		}
	}
	return actionTable{}, false
}

// search looks for the table from neighbour on in one direction. At the end of the program's
// memory it ends without one.
//
//go:nocheckptr
//go:norace
func search(step int, mark uintptr) (table actionTable, ok bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			table, ok = actionTable{}, false
		}
	}()
	for i := range int(reach) {
		t := (*actionTable)(unsafe.Add(unsafe.Pointer(&neighbour), i*step))
		if t[marked[0]] == mark && t[marked[1]] == mark {
			if table = *t; table.plausible(mark) {
				return table, true
			}
		}
	}
	return actionTable{}, false
}

// plausible says whether this can be the runtime's table: a process is started with no other
// actions than "default" and "ignore", and some are known otherwise.
func (t *actionTable) plausible(mark uintptr) bool {
	for n, action := range t {
		sig := syscall.Signal(n)
		ofC := sig >= firstOfC && sig < firstRealTime // the C library handles these, where there is one
		switch {
		case slices.Contains(marked[:], sig):
			if action != mark {
				return false
			}
		case action > actionIgnore && !ofC:
			return false
		}
	}
	for _, sig := range []syscall.Signal{0, unix.SIGKILL, unix.SIGSTOP} {
		if t[sig] != actionDefault {
			return false
		}
	}
	for _, sig := range []syscall.Signal{unix.SIGHUP, unix.SIGINT} {
		if (t[sig] == actionIgnore) != signal.Ignored(sig) {
			return false
		}
	}
	return true
}
