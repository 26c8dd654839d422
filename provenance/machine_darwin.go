package provenance

import "golang.org/x/sys/unix"

func cpuModel() string { return sysctl("machdep.cpu.brand_string") }

func memory() int64 {
	n, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return 0
	}
	return int64(n)
}

// distribution returns the version of macOS.
func distribution() string {
	if version := sysctl("kern.osproductversion"); version != "" {
		return "macOS " + version
	}
	return ""
}

func sysctl(name string) string {
	value, err := unix.Sysctl(name)
	if err != nil {
		return ""
	}
	return valid(value)
}
