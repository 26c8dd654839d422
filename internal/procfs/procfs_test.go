package procfs_test

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"

	"qme/internal/procfs"
	"qme/tests/require"
)

func TestParseStat(t *testing.T) {
	line := "4711 (a) Z 5 (x\n) S 12 34 56 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 3 0 987654 1 2 3\n"
	s, ok := procfs.ParseStat([]byte(line))
	want := procfs.Stat{PID: 4711, Parent: 12, Group: 34, Session: 56, State: 'S', Threads: 3, Used: procfs.Ticks{User: 5, System: 6}, Waited: procfs.Ticks{User: 7, System: 8}, Born: 987654, Pages: 2}
	if !ok || s != want {
		t.Errorf("got %+v, %v; want %+v", s, ok, want)
	}
	for _, bad := range []string{"", "1 (x", ") 1 (", "1 (x) S 1 2", "x (y) S 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2", "1 (y) SS 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2"} {
		if s, ok := procfs.ParseStat([]byte(bad)); ok {
			t.Errorf("%q gives %+v", bad, s)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("1 (a) S 12 34 56 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 3 0 987654 1 2 3\n"))
	f.Fuzz(func(_ *testing.T, b []byte) { procfs.ParseStat(b) })
}

// The files of real processes are read.
func TestReader(t *testing.T) {
	if runtime.GOOS != "linux" {
		require.Missing(t, "procfs", "there is no /proc")
	}
	var r procfs.Reader
	if !r.HasChildren() {
		require.Missing(t, "procfs", "the kernel has no lists of children")
	}
	var started []int
	for range 3 {
		c := exec.Command("sleep", "60")
		c.Env = append(os.Environ(), "QME_TEST_MARK=a")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
		started = append(started, c.Process.Pid)
	}
	children := r.Children(nil, os.Getpid())
	for _, pid := range started {
		if !slices.Contains(children, pid) {
			t.Errorf("%d is not among %v", pid, children)
		}
		if !r.HasVariable(pid, "QME_TEST_MARK=a") || r.HasVariable(pid, "TEST_MARK=a") || r.HasVariable(pid, "QME_TEST_MARK=") {
			t.Errorf("the variables of %d are not told apart", pid)
		}
	}
	if s, ok := r.Stat(started[0]); !ok || s.PID != started[0] || s.Parent != os.Getpid() || s.Born == 0 || s.Pages == 0 || s.Dead() {
		t.Errorf("stat: %+v, %v", s, ok)
	}
	if pss, own, err := r.PSS(os.Getpid()); err != nil || own <= 0 || pss < own {
		t.Errorf("memory: %d, %d, %v", pss, own, err)
	}
	if read, _, err := r.IO(os.Getpid()); err != nil || read == 0 {
		t.Errorf("read %d: %v", read, err)
	}
}
