package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"qme/record"
	"qme/tests/genhistory/history"
	"qme/tests/seccomp"
)

// These have the kernel tell qme that there are no file locks, as on a network file system
// without a lock service; or no hard links, as on FAT and many mounts.
const (
	noLocksVariable = "QME_TEST_NO_LOCKS"
	noLinksVariable = "QME_TEST_NO_LINKS"
)

func init() {
	without(noLocksVariable, unix.SYS_FLOCK, unix.ENOLCK)
	without(noLinksVariable, unix.SYS_LINKAT, unix.EPERM)
}

// without executes this program anew, if the variable is set, where a system call fails.
func without(variable string, call uint32, errno syscall.Errno) {
	if os.Getenv(variable) == "" {
		return
	}
	err := os.Unsetenv(variable)
	if err == nil {
		err = seccomp.Fail(call, errno)
	}
	if err == nil {
		err = syscall.Exec("/proc/self/exe", os.Args, os.Environ())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func withoutLocks(cmd *exec.Cmd) *exec.Cmd {
	cmd.Env = append(cmd.Env, noLocksVariable+"=1")
	return cmd
}

// TestNoLocks records runs where there are no file locks: one that ends, one that others
// see while it goes on, and that is killed then.
func TestNoLocks(t *testing.T) {
	h := newHome(t)
	must := func(args ...string) string {
		t.Helper()
		out, err := withoutLocks(h.command(args...)).CombinedOutput()
		if err != nil {
			t.Fatalf("qme %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	must("-q", "run", "echo", "first")
	cmd := withoutLocks(h.command("run", "sh", "-c", "echo arrived; sleep 100"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	for must("get", "@1", "--stdout") != "arrived\n" {
		time.Sleep(5 * time.Millisecond)
	}
	if check := must("check"); !strings.Contains(check, "1 running: all is well") {
		t.Errorf("while a run goes on: %s", check)
	}
	pid := h.records()[0].Data.PID
	defer func() { _ = syscall.Kill(pid, syscall.SIGKILL) }()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // "signal: killed"
	must("ls")
	r := h.records()
	if len(r) != 2 || r[0].Data.Status != record.Cancelled || strings.Join(r[0].Data.Output, "") != "arrived\n" {
		t.Errorf("the records are %+v", r)
	}
	h.verify()
}

// TestSearchNoLocks searches where there are no file locks, and where there are no hard
// links: also while others do, and when a part of the index is taken over.
func TestSearchNoLocks(t *testing.T) {
	t.Parallel()
	other := newHome(t)
	if _, err := history.Generate(t.Context(), other.dir, history.Options{Tasks: 600, Seed: 2}); err != nil {
		t.Fatal(err)
	}
	for _, variable := range []string{noHomeLocksVariable, noLinksVariable} {
		h := withHistory(t, 600)
		h.env = append(h.env, variable+"="+h.dir)
		for round := range 2 {
			records := h.records()
			var others sync.WaitGroup
			for range 3 {
				others.Go(func() {
					if _, errs, code := h.run("search", "zzzz"); code != 0 || strings.Contains(errs, "cannot be used") {
						t.Errorf("%s: search ends with %d and says %q", variable, code, errs)
					}
					checkSearch(t, h, records)
				})
			}
			others.Wait()
			left, err := filepath.Glob(filepath.Join(h.dir, "index*"))
			if err != nil || !slices.Contains(left, filepath.Join(h.dir, "index")) || len(left) > 2 {
				t.Errorf("%s, round %d: there is %v (%v)", variable, round, left, err)
			}
			if round == 0 {
				h.must("-q", "remote", filepath.Join(other.dir, "tasks.git"))
				h.must("-q", "pull")
				if now := len(h.records()); now != 1200 {
					t.Fatalf("there are %d tasks: the test does not test", now)
				}
			}
		}
	}
}
