package capture

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A user sits at a terminal: types, and waits for what appears on it.
type user struct {
	t      *testing.T
	master *os.File
	tty    *os.File

	mu   sync.Mutex
	text string // all that has appeared
	read int    // how much of it expect has gone past
}

// newUser makes a terminal of 100 by 40.
func newUser(t *testing.T) *user {
	t.Helper()
	u := &user{t: t}
	u.master, u.tty = newTerminal(t)
	u.resize(100, 40)
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := u.master.Read(buf)
			u.mu.Lock()
			u.text += string(buf[:n])
			u.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return u
}

func (u *user) resize(cols, rows uint16) {
	u.t.Helper()
	if err := unix.IoctlSetWinsize(int(u.tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: cols, Row: rows}); err != nil {
		u.t.Fatal(err)
	}
}

func (u *user) typed(s string) {
	u.t.Helper()
	if _, err := io.WriteString(u.master, s); err != nil {
		u.t.Fatal(err)
	}
}

// expect waits until s appears behind what was expected before, and returns what came
// in between.
func (u *user) expect(s string) string {
	u.t.Helper()
	for end := time.Now().Add(deadline); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		u.mu.Lock()
		before, _, found := strings.Cut(u.text[u.read:], s)
		if found {
			u.read += len(before) + len(s)
		}
		u.mu.Unlock()
		if found {
			return before
		}
	}
	u.t.Fatalf("waited for %q, on the terminal is:\n%q", s, u.seen())
	return ""
}

func (u *user) seen() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.text
}

func (u *user) settings() unix.Termios {
	u.t.Helper()
	s, err := unix.IoctlGetTermios(int(u.tty.Fd()), getTermios)
	if err != nil {
		u.t.Fatal(err)
	}
	return *s
}

// start starts a command with this terminal as all three streams, except those that
// are set, and as its controlling terminal.
func (u *user) start(c *exec.Cmd) {
	u.t.Helper()
	if c.Stdin == nil {
		c.Stdin = u.tty
	}
	if c.Stdout == nil {
		c.Stdout = u.tty
	}
	if c.Stderr == nil {
		c.Stderr = u.tty
	}
	ctty, err := dup(int(u.tty.Fd()))
	if err != nil {
		u.t.Fatal(err)
	}
	extra := os.NewFile(uintptr(ctty), "tty")
	defer extra.Close()
	c.ExtraFiles = []*os.File{extra} // 3
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	if err := c.Start(); err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(func() { _ = c.Process.Kill() })
}

// run runs cmd as qme does on this terminal; talk is the user's part.
func (u *user) run(talk func(), change func(*exec.Cmd), cmd ...string) (*Result, string) {
	u.t.Helper()
	before := u.settings()
	c, dir := qmeLike(u.t, cmd...)
	if change != nil {
		change(c)
	}
	u.start(c)
	if talk != nil {
		talk()
	}
	_ = c.Wait()
	if after := u.settings(); after != before {
		u.t.Errorf("the terminal is left at\n%+v, was\n%+v", after, before)
	}
	r := resultOf(u.t, dir)
	if c.ProcessState.ExitCode() != r.ReturnCode {
		u.t.Errorf("qme ended with %v, the result is %+v", c.ProcessState, r)
	}
	return r, dir
}

// shell starts an interactive bash, whose prompt is "> ".
func (u *user) shell() (dir string) {
	u.t.Helper()
	path := need(u.t, "bash")
	dir = u.t.TempDir()
	c := exec.Command(path, "--norc", "--noprofile", "--noediting", "-i")
	c.Env = append(os.Environ(), "PS1=> ", "CAPTURE_DIR="+dir, "BINARY="+os.Args[0], "QME="+os.Args[0]+" as-qme", "HISTFILE=", "TERM=xterm")
	u.start(c)
	u.expect("> ")
	return dir
}
