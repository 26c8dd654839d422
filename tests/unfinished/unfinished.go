// Package unfinished says what of the queue of a home has not ended yet.
package unfinished

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Tasks returns the tasks that run, as running/ID, and those that wait, as queue/ID.
func Tasks(home string) (names []string, err error) {
	for _, dir := range []string{"running", "queue"} {
		entries, err := os.ReadDir(filepath.Join(home, dir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), ".") {
				names = append(names, dir+"/"+e.Name())
			}
		}
	}
	return names, nil
}

// Processes returns the processes that are workers and supervisors of the queue, where the system has /proc; none
// elsewhere.
func Processes(home string) (workers, supervisors []int, err error) {
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, nil, err
	}
	for _, path := range lines {
		line, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		words := strings.Split(string(line), "\x00")
		if len(words) < 5 || !slices.Equal(words[1:4], []string{"--home", home, "queue"}) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			return nil, nil, err
		}
		switch words[4] {
		case "work":
			workers = append(workers, pid)
		case "supervise":
			supervisors = append(supervisors, pid)
		}
	}
	return workers, supervisors, nil
}
