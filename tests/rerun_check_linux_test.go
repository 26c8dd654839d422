package tests

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// A checked is a task whose command makes a figure, which is to stay as it is.
type checked struct {
	*home
	figure  string
	content []byte
	stat    syscall.Stat_t
}

// newChecked runs a script that makes a figure once.
func newChecked(t *testing.T, script string) *checked {
	t.Helper()
	h := newHome(t)
	h.cwd = filepath.Join(filepath.Dir(h.dir), "work")
	if err := os.Mkdir(h.cwd, 0o700); err != nil {
		t.Fatal(err)
	}
	c := &checked{home: h, figure: filepath.Join(h.cwd, "figure.txt")}
	h.must("-q", "run", "--out", "figure.txt", "--out", "table.txt", "sh", "-c", script)
	var err error
	if c.content, err = os.ReadFile(c.figure); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Lstat(c.figure, &c.stat); err != nil {
		t.Fatal(err)
	}
	return c
}

// same fails unless the figure is as it was, with its inode and time.
func (c *checked) same() {
	c.t.Helper()
	b, err := os.ReadFile(c.figure)
	if err != nil || !bytes.Equal(b, c.content) {
		c.t.Errorf("the figure is %q, %v", b, err)
		return
	}
	var now syscall.Stat_t
	if err := syscall.Lstat(c.figure, &now); err != nil {
		c.t.Fatal(err)
	}
	if was := c.stat; now.Ino != was.Ino || now.Mode != was.Mode || now.Mtim != was.Mtim {
		c.t.Errorf("the figure has another inode, mode or time")
	}
	for _, pattern := range []string{".aside/*/*", ".journal/shell-*"} {
		if left, err := filepath.Glob(filepath.Join(c.dir, "check", pattern)); err != nil || len(left) > 0 {
			c.t.Errorf("left are %v, %v", left, err)
		}
	}
}

// TestCheckKilled kills checks at random moments, by SIGKILL: after the next command the figure is as it was,
// and what goes on of the killed check does not reach it.
func TestCheckKilled(t *testing.T) {
	c := newChecked(t, `printf half > figure.txt; if test -e slow; then sleep 0.01; fi; printf ' whole\n' >> figure.txt; echo table > table.txt`)
	if err := os.WriteFile(filepath.Join(c.cwd, "slow"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	killed := 0
	n := kills(t) / 5
	for range n {
		if killAt(t, c.home, time.Duration(rnd.IntN(80_000))*time.Microsecond, "rerun", "--check") {
			killed++
		}
		c.must("ls")
		if c.same(); t.Failed() {
			return
		}
	}
	t.Logf("%d of %d were killed", killed, n)
	if killed < n/10 {
		t.Errorf("only %d of %d were killed: the test does not test", killed, n)
	}
	c.verify()
	if out := c.must("rerun", "--check"); !strings.Contains(out, "] reproduced\n") {
		t.Errorf("after all that:\n%s", out)
	}
}

// TestCheckKilledInTheMiddle kills a check while its command is at work, which goes on: the next command
// ends it before it puts the figure back.
func TestCheckKilledInTheMiddle(t *testing.T) {
	c := newChecked(t, `printf half > figure.txt; if test -p go; then echo begun > begun; read x < go; fi; printf ' whole\n' >> figure.txt`)
	fifo, begun := filepath.Join(c.cwd, "go"), filepath.Join(c.cwd, "begun")
	for _, path := range []string{fifo, begun} {
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := c.start("rerun", "--check")
	if _, err := os.ReadFile(begun); err != nil { // ends when the command has begun
		t.Fatal(err)
	}
	if b, err := os.ReadFile(c.figure); err != nil || string(b) != "half" {
		t.Errorf("in the middle the figure is %q, %v", b, err)
	}
	if _, errs, code := c.run("rerun", "--check"); code != 5 || !strings.Contains(errs, "is running") {
		t.Errorf("a second check at once ends with %d: %s", code, errs)
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s.wait()
	if _, errs, code := c.run("ls"); code != 0 || !strings.Contains(errs, "was cut off. The files that it had set aside are back.") {
		t.Errorf("the next command ends with %d: %s", code, errs)
	}
	c.same()
	// Nobody reads the pipe any more.
	if fd, err := syscall.Open(fifo, syscall.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
		_ = syscall.Close(fd)
		t.Error("the command of the killed check is still there")
	}
	out := c.must("log")
	if !strings.Contains(out, "cancelled") || !strings.Contains(out, "check: unknown") {
		t.Errorf("the killed check is not among the runs:\n%s", out)
	}
	kept, err := filepath.Glob(filepath.Join(c.dir, "check", "kept", "*", "figure.txt"))
	if err != nil || len(kept) != 1 {
		t.Errorf("what the check had made is not kept: %v, %v", kept, err)
	}
	c.verify()
}

// TestCheckInSandboxKilled kills a check in a sandbox: the next command ends what is left of it, and removes
// the sandbox.
func TestCheckInSandboxKilled(t *testing.T) {
	c := newChecked(t, `printf whole > figure.txt; if test -n "$BEGUN"; then echo begun > $BEGUN; sleep 100; fi`)
	begun := filepath.Join(c.cwd, "begun")
	if err := syscall.Mkfifo(begun, 0o600); err != nil {
		t.Fatal(err)
	}
	c.env = append(c.env, "BEGUN="+begun)
	s := c.start("rerun", "--check", "--sandbox")
	if _, err := os.ReadFile(begun); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s.wait()
	c.must("ls")
	c.same()
	if left, err := filepath.Glob(filepath.Join(c.dir, "check", ".sandbox", "*")); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
	c.verify()
}

// TestCheckLeavesAProcess has a command leave a process that may write to files which are back.
func TestCheckLeavesAProcess(t *testing.T) {
	c := newChecked(t, `echo whole > figure.txt; if test -p go; then sh -c 'read x < go' >/dev/null 2>&1 & fi`)
	fifo := filepath.Join(c.cwd, "go")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	_, errs, code := c.run("rerun", "--check")
	if code != 0 || !strings.Contains(errs, "goes on, and may write to files that are back: process ") {
		t.Errorf("it ends with %d: %s", code, errs)
	}
	c.same()
	if err := os.WriteFile(fifo, []byte("go\n"), 0o600); err != nil { // the process ends
		t.Fatal(err)
	}
}

// TestCheckOnTerminal checks a run that had a terminal where there is none, and the other way round.
func TestCheckOnTerminal(t *testing.T) {
	h := newHome(t)
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(slave, &pty.Winsize{Rows: 33, Cols: 111}); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = new(bytes.Buffer).ReadFrom(master) // ends with an error when the terminal is closed
	}()
	cmd := h.command("-q", "run", "sh", "-c", "test -t 1 && stty size <&1; echo $TERM; echo to stderr >&2")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.Env = append(cmd.Env, "TERM=vt220")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if err := slave.Close(); err != nil {
		t.Fatal(err)
	}
	<-read
	out := h.must("rerun", "--check")
	if !strings.Contains(out, "] output reproduced; files not recorded\n") || strings.Contains(out, "terminal") {
		t.Errorf("%s\n%s", out, h.must("diff", "@1@1.1"))
	}
	if got := h.must("get", "@1@1.1", "--stdout"); got != "33 111\nvt220\nto stderr\n" {
		t.Errorf("the check printed %q", got)
	}
	h.must("-q", "run", "sh", "-c", "test -t 1 && echo terminal; test -t 2 && echo terminal; true")
	if out := h.onTerminal("rerun", "--check"); !strings.Contains(out, "Task shell-") {
		t.Errorf("on a terminal it says %q", out)
	}
	if got := h.must("log"); !strings.Contains(got, "check: output reproduced") {
		t.Errorf("the runs are\n%s", got)
	}
}

// TestCheckCancelled ends a check by SIGTERM: the figure is as it was, and the check is recorded as cut off.
func TestCheckCancelled(t *testing.T) {
	c := newChecked(t, `printf half > figure.txt; if test -p begun; then echo begun > begun; sleep 100; fi; printf ' whole\n' >> figure.txt`)
	begun := filepath.Join(c.cwd, "begun")
	if err := syscall.Mkfifo(begun, 0o600); err != nil {
		t.Fatal(err)
	}
	s := c.start("rerun", "--check")
	if _, err := os.ReadFile(begun); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.wait()
	if status := s.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v", status)
	}
	c.same()
	if out := c.must("log"); !strings.Contains(out, "check: unknown") {
		t.Errorf("the runs are\n%s", out)
	}
	c.verify()
}
