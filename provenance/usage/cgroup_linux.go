package usage

import (
	"bufio"
	"bytes"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// cgroups is where control groups are mounted.
const cgroups = "/sys/fs/cgroup"

// cgroupMemory returns the resident memory of the command's control group. ok is false if there is
// none, or not all of it is of the run: the group of a login, a batch job or a container usually
// has other processes, too.
func (t *tree) cgroupMemory(alive []int) (n int64, ok bool) {
	b, err := t.files.File(t.root, "cgroup")
	if err != nil {
		return 0, false
	}
	folder, anonymous, mapped := memoryGroup(string(b))
	if folder == "" || !t.onlyOurs(folder, alive) {
		return 0, false
	}
	stat, err := os.ReadFile(filepath.Join(folder, "memory.stat"))
	if err != nil {
		return 0, false
	}
	found := 0
	for line := range bytes.Lines(stat) {
		name, value, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		if name != anonymous && name != mapped {
			continue
		}
		bytes, err := strconv.ParseInt(value, 10, 64)
		if err != nil || bytes < 0 {
			return 0, false
		}
		n, found = n+bytes, found+1
	}
	return n, found == 2
}

// memoryGroup returns the folder of the group that accounts for memory, from /proc/PID/cgroup, and
// the names of its counters of anonymous and of mapped memory.
func memoryGroup(text string) (folder, anonymous, mapped string) {
	for line := range strings.Lines(text) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 || !path.IsAbs(f[2]) {
			continue
		}
		switch {
		case f[1] == "memory":
			return filepath.Join(cgroups, "memory", f[2]), "total_rss", "total_mapped_file"
		case f[0] == "0" && folder == "":
			folder, anonymous, mapped = filepath.Join(cgroups, f[2]), "anon", "file_mapped"
		}
	}
	return folder, anonymous, mapped
}

// onlyOurs reports whether all processes of a group, and of the groups below it, are of the run.
// This process may be among them.
func (t *tree) onlyOurs(folder string, alive []int) bool {
	ours := map[int]bool{os.Getpid(): true}
	for _, pid := range alive {
		ours[pid] = true
	}
	groups := 0
	err := filepath.WalkDir(folder, func(name string, d os.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if groups++; groups > mostGroups {
			return os.ErrInvalid
		}
		return t.allIn(filepath.Join(name, "cgroup.procs"), ours)
	})
	return err == nil
}

// mostGroups bounds how many groups are looked at.
const mostGroups = 100

func (t *tree) allIn(list string, ours map[int]bool) error {
	f, err := os.Open(list)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		pid, err := strconv.Atoi(lines.Text())
		if err != nil {
			return err
		}
		if p := t.procs[pid]; !ours[pid] && (p == nil || !p.Dead()) {
			return os.ErrInvalid
		}
	}
	return lines.Err()
}
