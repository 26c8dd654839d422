package provenance

import (
	"strings"

	"golang.org/x/sys/unix"
)

// cpuModel returns the name of the processor. Only the beginning of the list is read, which the
// kernel makes for each processor.
func cpuModel() string {
	text := beginningOf("/proc/cpuinfo")
	for _, name := range []string{"model name", "cpu model", "cpu", "Model"} { // as on x86, MIPS, POWER, ARM
		if value := valueIn(text, name, ":"); value != "" {
			return strings.Join(strings.Fields(value), " ")
		}
	}
	return ""
}

func memory() int64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0
	}
	return int64(info.Totalram) * int64(info.Unit)
}

// distribution returns the name of the distribution with its version (os-release(5)).
func distribution() string {
	text := beginningOf("/etc/os-release")
	if text == "" {
		text = beginningOf("/usr/lib/os-release")
	}
	return valueIn(text, "PRETTY_NAME", "=")
}
