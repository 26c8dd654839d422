package provenance

import (
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"qme/record"
)

// Machine returns what is known of this machine. What the system does not tell is empty.
func Machine() *record.Machine {
	m := &record.Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), CPU: cpuModel(), Memory: memory(), Distribution: distribution()}
	var name unix.Utsname
	if err := unix.Uname(&name); err == nil {
		m.Kernel = valid(unix.ByteSliceToString(name.Release[:]))
	}
	return m
}

// beginningOf returns the first bytes of a small file, "" if it cannot be read.
func beginningOf(name string) string {
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	b := make([]byte, 4096)
	n, _ := f.Read(b) // what could be read
	return string(b[:n])
}

// valueIn returns the value of the first line NAME, blanks, SEPARATOR, VALUE of a text, "" if there
// is none.
func valueIn(text, name, separator string) string {
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(line, separator)
		if ok && strings.TrimSpace(key) == name {
			return valid(strings.Trim(strings.TrimSpace(value), `"`))
		}
	}
	return ""
}
