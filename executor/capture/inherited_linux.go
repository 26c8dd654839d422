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

// An actionTable has what a signal did when this process started: the address of a
// handler, 0 for the default, 1 for nothing. The runtime keeps one (runtime.fwdSig).
type actionTable [65]uintptr

// beside lies near the runtime's own table: the linker puts what is empty at the start in
// the order of its size.
var beside actionTable

// reach is how far around beside the table is looked for, in entries of a table.
const reach = 64 << 10 / unsafe.Sizeof(uintptr(0))

// unused are two signals that nobody sends.
var unused = [2]syscall.Signal{61, 63}

// ignoredAtStart returns a function that knows which signals were ignored when this process
// started. The runtime knows, and tells of SIGHUP and SIGINT only. So it is made to write
// two numbers that are found nowhere else into its table, as the actions of two signals
// that nobody uses, and the memory around is looked through for them. What does not look
// like the table in all its places is not believed, and then no more is known than the
// runtime tells.
func ignoredAtStart() func(syscall.Signal) bool {
	told := func(sig syscall.Signal) bool { return signal.Ignored(sig) }
	if slices.ContainsFunc(unused[:], told) {
		return told
	}
	c := make(chan os.Signal, 1)
	defer signal.Stop(c)
	var marks [2]uintptr
	for i, sig := range unused {
		marks[i] = uintptr(os.Getpid())<<8 | uintptr(i+2)
		signal.Ignore(sig) // so that the next Notify asks what it did before
		setAction(sig, sigaction{marks[i]})
		signal.Notify(c, sig)
	}
	table := findTable(marks)
	if table == nil {
		return told
	}
	known := *table
	for i, sig := range unused {
		table[sig], known[sig] = 0, 0
		marks[i] = 0
	}
	return func(sig syscall.Signal) bool { return told(sig) || known[sig] == 1 }
}

// findTable looks for the runtime's table, which has marks in the places of unused; nil
// where there is none.
//
//go:nocheckptr
func findTable(marks [2]uintptr) (table *actionTable) {
	// At the end of what the program occupies.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			table = nil
		}
	}()
	const size = unsafe.Sizeof(uintptr(0))
	for i := range reach {
		for _, at := range []unsafe.Pointer{unsafe.Add(unsafe.Pointer(&beside), i*size), unsafe.Add(unsafe.Pointer(&beside), -int(i*size))} {
			if t := (*actionTable)(at); t[unused[0]] == marks[0] && t[unused[1]] == marks[1] && t.plausible() {
				return t
			}
		}
	}
	return nil
}

// plausible says whether this can be the runtime's table: it has what is known otherwise.
func (t *actionTable) plausible() bool {
	for _, sig := range []syscall.Signal{0, unix.SIGKILL, unix.SIGSTOP} {
		if t[sig] != 0 {
			return false
		}
	}
	for _, sig := range []syscall.Signal{unix.SIGHUP, unix.SIGINT} {
		if (t[sig] == 1) != signal.Ignored(sig) {
			return false
		}
	}
	return true
}
