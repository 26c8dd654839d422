package tests

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"qme/record"
)

// noLocksVariable has the kernel tell qme that there are no file locks, as on a network
// file system without a lock service.
const noLocksVariable = "QME_TEST_NO_LOCKS"

func init() {
	if os.Getenv(noLocksVariable) == "" {
		return
	}
	err := os.Unsetenv(noLocksVariable)
	if err == nil {
		err = forbidLocks()
	}
	if err == nil {
		err = syscall.Exec("/proc/self/exe", os.Args, os.Environ())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// forbidLocks has flock(2) return ENOLCK for this thread and what it executes.
func forbidLocks() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_FLOCK},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOLCK)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0); err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	return nil
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
