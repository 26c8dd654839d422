package program_test

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"qme/internal/program"
)

// A program ends with its context, and with it what it has started.
func TestCommandEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cmd := program.Command(ctx, "sh", "-c", "sleep 1000 & echo $!; wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 20)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(line[:n])))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := cmd.Wait(); !errors.Is(err, context.Canceled) && (err == nil || err.Error() != "signal: killed") {
		t.Errorf("it ended with %v", err)
	}
	for _, pid := range []int{child, -cmd.Process.Pid} {
		end := time.Now().Add(10 * time.Second)
		for !ended(pid) {
			if time.Now().After(end) {
				t.Fatalf("process %d goes on", pid)
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// ended reports whether a process is gone, or waits for its parent to notice.
func ended(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	state, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(max(pid, -pid))).Output()
	return err != nil || bytes.HasPrefix(bytes.TrimSpace(state), []byte("Z"))
}

// What a program leaves running does not hold up who waits for it.
func TestStragglers(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := program.Buffer{Most: 100, Stop: cancel}
	cmd := program.Command(ctx, "sh", "-c", "sleep 1000 & echo out")
	cmd.Stdout = &out
	if err := cmd.Run(); !errors.Is(err, exec.ErrWaitDelay) || string(out.Bytes()) != "out\n" {
		t.Errorf("%q, %v", out.Bytes(), err)
	}
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

// A program that prints too much is ended.
func TestBuffer(t *testing.T) {
	t.Parallel()
	for script, full := range map[string]bool{"printf 12345": false, "printf 123456": true, "exec cat /dev/zero": true} {
		ctx, cancel := context.WithCancel(t.Context())
		out := program.Buffer{Most: 5, Stop: cancel}
		cmd := program.Command(ctx, "sh", "-c", script)
		cmd.Stdout = &out
		err := cmd.Run()
		if out.Full() != full || (err == nil) == full || len(out.Bytes()) > 5 || !full && string(out.Bytes()) != "12345" {
			t.Errorf("%s: %v, %q, full: %t", script, err, out.Bytes(), out.Full())
		}
		cancel()
	}
}

// A buffer without Stop keeps the beginning and lets the program go on.
func TestBufferDrops(t *testing.T) {
	t.Parallel()
	out := program.Buffer{Most: 5}
	cmd := program.Command(t.Context(), "sh", "-c", "printf 123; printf 4567; printf 8")
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil || !out.Full() || string(out.Bytes()) != "12345" {
		t.Errorf("%v, %q, full: %t", err, out.Bytes(), out.Full())
	}
}
