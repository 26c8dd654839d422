package queue

import (
	"cmp"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"qme/internal/regular"
	"qme/provenance"
)

// A Machine is what tasks may get together at one place.
type Machine struct {
	CPUs   int      `json:"cpus"`
	Memory int64    `json:"memory"` // bytes; 0: not known
	GPUs   []string `json:"gpus"`   // named as in CUDA_VISIBLE_DEVICES
}

// machine returns what this process may use here, narrowed by the state.
func machine(s *State) Machine {
	known := provenance.Machine()
	m := Machine{CPUs: runtime.NumCPU(), Memory: known.Memory} // NumCPU is that of the affinity
	cpus, memory := groupLimits(cgroups, ownGroups)
	if cpus > 0 {
		m.CPUs = max(1, min(m.CPUs, int(cpus)))
	}
	if memory > 0 {
		m.Memory = min(cmp.Or(m.Memory, memory), memory)
	}
	return s.narrow(m, foundGPUs)
}

// narrow applies what the user has set.
func (s *State) narrow(m Machine, gpus func() []string) Machine {
	if s.CPUs > 0 {
		m.CPUs = min(m.CPUs, s.CPUs)
	}
	if s.Memory > 0 {
		m.Memory = min(cmp.Or(m.Memory, s.Memory), s.Memory)
	}
	if m.GPUs = s.GPUs; m.GPUs == nil {
		m.GPUs = gpus()
	}
	return m
}

const (
	cgroups   = "/sys/fs/cgroup"    // where control groups are mounted
	ownGroups = "/proc/self/cgroup" // lists the groups of this process
)

// groupLimits returns how many processors and bytes the control groups of a process allow, the list of which
// is in a file, below the folder root; 0 for no limit. The limits of all groups around it count.
func groupLimits(root, list string) (cpus float64, memory int64) {
	b, err := regular.ReadHere(list)
	if err != nil {
		return 0, 0 // no Linux
	}
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 || !path.IsAbs(f[2]) {
			continue
		}
		names := strings.Split(f[1], ",")
		switch {
		case f[0] == "0" && f[1] == "":
			for dir := range around(root, f[2]) {
				cpus = least(cpus, quota(fields(dir, "cpu.max")))
				memory = least(memory, amount(fields(dir, "memory.max")))
			}
		case slices.Contains(names, "cpu"):
			for dir := range around(filepath.Join(root, f[1]), f[2]) {
				cpus = least(cpus, quota(append(fields(dir, "cpu.cfs_quota_us"), fields(dir, "cpu.cfs_period_us")...)))
			}
		case slices.Contains(names, "memory"):
			for dir := range around(filepath.Join(root, "memory"), f[2]) {
				memory = least(memory, amount(fields(dir, "memory.limit_in_bytes")))
			}
		}
	}
	return cpus, memory
}

// around yields the folder of a group and those of the groups around it. In a container the path may be
// of the machine, and only the last folder be there.
func around(root, group string) func(yield func(dir string) bool) {
	return func(yield func(string) bool) {
		for group = path.Clean(group); yield(filepath.Join(root, group)) && group != "/"; {
			group = path.Dir(group)
		}
	}
}

// fields returns the words of a small file of a control group, none if there is no such file.
func fields(dir, name string) []string {
	b, err := regular.ReadHere(filepath.Join(dir, name))
	if err != nil {
		return nil
	}
	return strings.Fields(string(b))
}

// quota returns how many processors a quota and a period, in microseconds, are; 0 for no limit.
func quota(words []string) float64 {
	if len(words) != 2 {
		return 0
	}
	q, qerr := strconv.ParseInt(words[0], 10, 64) // "max" and -1 mean no limit
	period, perr := strconv.ParseInt(words[1], 10, 64)
	if qerr != nil || perr != nil || q <= 0 || period <= 0 {
		return 0
	}
	return float64(q) / float64(period)
}

// noLimit is about what version 1 of control groups shows for no limit.
const noLimit = 1 << 60

func amount(words []string) int64 {
	if len(words) != 1 {
		return 0
	}
	n, err := strconv.ParseInt(words[0], 10, 64)
	if err != nil || n <= 0 || n >= noLimit {
		return 0
	}
	return n
}

// least returns the smaller one of two limits, of which 0 is none.
func least[N int64 | float64](a, b N) N {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
