package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"
)

// header writes on what it is measured.
func (l *lab) header(out io.Writer) error {
	git, err := l.text("", "git", "version")
	if err != nil {
		return err
	}
	qme, err := l.text("", l.qme, "version")
	if err != nil {
		return err
	}
	least, err := l.measure(process{argv: []string{"true"}})
	if err != nil {
		return err
	}
	for _, line := range [][2]string{
		{"date", time.Now().Format(time.DateOnly)},
		{"qme", qme},
		{"machine", fmt.Sprintf("%d cores, %s, %s/%s", runtime.NumCPU(), processor(), runtime.GOOS, runtime.GOARCH)},
		{"load before", loadAverage()},
		{"file system", l.fileSystem()},
		{"git", strings.TrimPrefix(git, "git version ")},
		{"go", runtime.Version()},
		{"peak memory", "below " + mb(least.rss) + " it cannot be seen"},
		{"samples", fmt.Sprintf("%d of each; the figures are medians (and the middle half)", l.opts.n)},
	} {
		if _, err := fmt.Fprintf(out, "%-12s %s\n", line[0], line[1]); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(out)
	return err
}

// unknown is what the header says where the system does not tell.
const unknown = "unknown"

// processor names the model as Linux does.
func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return unknown
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if name, value, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return unknown
}

// loadAverage is how many processes were at work before: a machine that is not
// quiet gives worse figures.
func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(b))
	if err != nil || len(fields) < 3 {
		return unknown
	}
	return strings.Join(fields[:3], " ")
}

func (l *lab) fileSystem() string {
	out, err := l.text("", "df", "--output=fstype", l.root)
	if err != nil {
		return unknown
	}
	fields := strings.Fields(out)
	return fields[len(fields)-1]
}
