package procfs_test

import (
	"os/exec"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"qme/internal/procfs"
)

func cpuTime() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts)
	return ts.Nano()
}

func BenchmarkFiles(b *testing.B) {
	c := exec.Command("sleep", "60")
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	pid := c.Process.Pid
	var r procfs.Reader
	for _, name := range []string{"schedstat", "stat", "io", "smaps_rollup", "statm", "wchan"} {
		b.Run(name, func(b *testing.B) {
			runtime.LockOSThread()
			a := cpuTime()
			for range b.N {
				_, _ = r.File(pid, name)
			}
			b.ReportMetric(float64(cpuTime()-a)/float64(b.N), "cpu-ns/op")
		})
	}
	b.Run("children", func(b *testing.B) {
		runtime.LockOSThread()
		a := cpuTime()
		for range b.N {
			r.ChildrenOfFirst(nil, pid)
		}
		b.ReportMetric(float64(cpuTime()-a)/float64(b.N), "cpu-ns/op")
	})
}
