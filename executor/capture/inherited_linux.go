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

// The runtime keeps a table of the action of each signal when this process started, but
// publishes only the entries of SIGHUP and SIGINT (signal.Ignored). This file finds the
// table in memory and copies it. A failure is harmless:
//
//   - Nothing is written to memory. The runtime itself is made to put a mark into two entries.
//   - The mark is the address of the runtime's own signal handler, so signals that arrive
//     meanwhile are handled normally.
//   - Only memory near a variable of this package is read. An unreadable address ends the
//     search.
//   - A table is accepted only if all of its 65 entries are plausible. Otherwise only
//     signal.Ignored is used.

// An actionTable has an entry for each signal number: 0 for the default, 1 for an ignored
// signal, else the address of a handler. The table of the runtime is runtime.fwdSig.
type actionTable [65]uintptr

const (
	actionDefault = 0
	actionIgnore  = 1
)

// neighbour has the size of the runtime's table and is therefore placed near it: the
// linker sorts zero-initialised variables by size.
var neighbour actionTable

// reach is the distance searched around neighbour, in table entries.
const reach = 16 << 10 / unsafe.Sizeof(uintptr(0))

// marked are two signals that no known program sends.
var marked = [2]syscall.Signal{61, 63}

// ignoredAtStart returns a function that reports whether a signal was ignored when this
// process started.
func ignoredAtStart() func(syscall.Signal) bool {
	told := func(sig syscall.Signal) bool { return signal.Ignored(sig) }
	mark := actionOf(marked[0])
	if mark[0] <= actionIgnore || actionOf(marked[1]) != mark || slices.ContainsFunc(marked[:], told) {
		return told
	}
	c := make(chan os.Signal, 1)
	defer signal.Stop(c)
	for _, sig := range marked {
		signal.Ignore(sig) // after this, Notify puts the current action into the table
		setAction(sig, mark)
		signal.Notify(c, sig)
	}
	known, ok := findTable(mark[0])
	if !ok {
		return told
	}
	return func(sig syscall.Signal) bool { return told(sig) || known[sig] == actionIgnore }
}

// findTable returns a copy of the runtime's table, with mark in the marked entries.
func findTable(mark uintptr) (actionTable, bool) {
	size := int(unsafe.Sizeof(uintptr(0)))
	for _, step := range []int{size, -size} {
		if t, ok := search(step, mark); ok {
			return t, true
		}
	}
	return actionTable{}, false
}

// search searches for the table in one direction from neighbour, within reach. It fails at
// the end of the program's memory.
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

// plausible reports whether this can be the runtime's table. A process starts with no
// actions other than "default" and "ignore", and some entries are known from other
// sources.
func (t *actionTable) plausible(mark uintptr) bool {
	for n, action := range t {
		sig := syscall.Signal(n)
		ofC := sig >= firstOfC && sig < firstRealTime // handled by the C library, if there is one
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
