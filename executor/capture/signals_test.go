package capture

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"qme/tests/await"
)

// A counted is a qme-like process that runs count-signals in pipe mode.
type counted struct {
	*exec.Cmd
	t     *testing.T
	lines *bufio.Scanner
}

// startCounted starts it; with tty as its controlling terminal unless that is nil.
func startCounted(t *testing.T, tty *os.File, wrapper ...string) *counted {
	t.Helper()
	c, _ := qmeLike(t, os.Args[0], "count-signals")
	if len(wrapper) > 0 {
		path := need(t, wrapper[0])
		c.Path, c.Args = path, append(append([]string{}, wrapper...), c.Args...)
	}
	if tty != nil {
		c.Stdin = tty
		c.SysProcAttr.Setctty = true
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() })
	s := &counted{c, t, bufio.NewScanner(out)}
	s.expect("ready")
	return s
}

func (c *counted) send(sig syscall.Signal) {
	c.t.Helper()
	if err := c.Process.Signal(sig); err != nil {
		c.t.Fatal(err)
	}
}

func (c *counted) expect(line string) {
	c.t.Helper()
	if !c.lines.Scan() || c.lines.Text() != line {
		c.t.Fatalf("got %q, want %q", c.lines.Text(), line)
	}
}

// finish ends the command and checks that nothing more has arrived.
func (c *counted) finish() {
	c.t.Helper()
	c.send(unix.SIGUSR2)
	c.expect(unix.SIGUSR2.String())
	c.expect("end")
	if err := c.Wait(); err != nil {
		c.t.Errorf("qme ended with %v although it only passed signals on", err)
	}
}

func TestSignalsArriveOnce(t *testing.T) {
	c := startCounted(t, nil)
	for _, sig := range []syscall.Signal{
		unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGALRM,
		unix.SIGWINCH, unix.SIGCONT, unix.SIGTERM, unix.SIGINT,
	} {
		c.send(sig)
		c.expect(sig.String())
	}
	c.finish()
}

func TestSignalsArriveOnceWithATerminal(t *testing.T) {
	master, tty := newTerminal(t)
	c := startCounted(t, tty)
	for _, sig := range []syscall.Signal{unix.SIGHUP, unix.SIGTERM, unix.SIGUSR1} {
		c.send(sig)
		c.expect(sig.String())
	}
	for key, sig := range map[string]syscall.Signal{"\x03": unix.SIGINT, "\x1c": unix.SIGQUIT} {
		if _, err := io.WriteString(master, key); err != nil {
			t.Fatal(err)
		}
		c.expect(sig.String())
	}
	c.finish()
}

func TestIgnoredSignalsStayIgnored(t *testing.T) {
	c := startCounted(t, nil, "nohup") // count-signals itself catches SIGHUP, whatever it was
	c.send(unix.SIGHUP)
	c.finish() // qme lives, and has not passed it on

	const all = "HUP INT QUIT ABRT USR1 USR2 PIPE ALRM TERM XCPU XFSZ VTALRM IO PWR 40 64 TSTP TTIN TTOU"
	for _, ignored := range append(strings.Fields(all), all) {
		script := `trap "" ` + ignored + `; exec "$0" as-qme sh -c 'for s in ` + ignored + `; do kill -$s $$; done; echo lives'`
		cmd := exec.Command("setsid", "sh", "-c", script, os.Args[0])
		cmd.Env = append(os.Environ(), "CAPTURE_DIR="+t.TempDir())
		if out, err := cmd.Output(); err != nil || string(out) != "lives\n" {
			t.Errorf("%s ignored by the caller: %q, %v", ignored, out, err)
		}
		u := newUser(t)
		cmd = exec.Command("sh", "-c", script, os.Args[0])
		cmd.Env = append(os.Environ(), "CAPTURE_DIR="+t.TempDir())
		u.start(cmd)
		u.expect("lives\r\n")
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s ignored by the caller, at a terminal: %v", ignored, err)
		}
	}
}

// What the caller does not ignore is at its default, also for signals that this process
// or the runtime use.
func TestDefaultSignalsAreDefault(t *testing.T) {
	for _, name := range []string{"HUP", "INT", "QUIT", "TERM", "USR1", "PIPE", "ALRM"} {
		got := runPiped(t, nil, "sh", "-c", "kill -"+name+" $$; echo lives")
		if got.Signal != "SIG"+name || got.out != "" {
			t.Errorf("%s: signal %q, output %q", name, got.Signal, got.out)
		}
	}
	for _, number := range []int{40, 61, 63, 64} {
		got := runPiped(t, nil, "sh", "-c", fmt.Sprintf("kill -%d $$; echo lives", number))
		if got.Signal != fmt.Sprintf("SIG%d", number) || got.ReturnCode != 128+number || got.out != "" {
			t.Errorf("%d: result %+v, output %q", number, got.Result, got.out)
		}
	}
}

func TestStopAndContinueWithoutATerminal(t *testing.T) {
	c, dir := qmeLike(t, "sh", "-c", "echo up; exec sleep 1000")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(line, err)
	}
	child := pidIn(t, dir, "pid")
	qme := c.Process.Pid
	signal := func(sig syscall.Signal) {
		if err := unix.Kill(qme, sig); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		signal(unix.SIGTSTP)
		await.That(t, "both stopped", func() bool { return state(qme) == "T" && state(child) == "T" })
		signal(unix.SIGCONT)
		await.That(t, "both going on", func() bool { return state(qme) != "T" && state(child) != "T" })
	}
	// Who stops the command itself does not stop us.
	if err := unix.Kill(child, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	await.That(t, "the command stopped", func() bool { return state(child) == "T" })
	if err := unix.Kill(child, unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	signal(unix.SIGTERM)
	_ = c.Wait()
	if code := c.ProcessState.ExitCode(); code != 143 {
		t.Errorf("code %d, want 143", code)
	}
}

// someGrace is enough to obey SIGTERM on a busy machine. A test that has to see it run
// out takes that long.
const someGrace = 2 * time.Second

func TestCancelEndsTheTree(t *testing.T) {
	dir := t.TempDir()
	// One ignores SIGTERM, one is stopped, one has a group of its own, one ends.
	script := `trap 'exit 9' TERM
		sh -c 'trap "" TERM; echo $$ > stubborn; while :; do sleep 0.1; done' &
		sh -c 'echo $$ > stopped; kill -STOP $$; while :; do sleep 0.1; done' &
		setsid sh -c 'echo $$ > session; while :; do sleep 0.1; done' &
		sh -c 'echo $$ > plain; while :; do sleep 0.1; done' &
		while :; do sleep 0.1; done`
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	type ended struct {
		r   *Result
		err error
	}
	done := make(chan ended)
	go func() {
		r, err := Run(ctx, Spec{Cmd: []string{"sh", "-c", script}, Dir: dir, KillGrace: someGrace})
		done <- ended{r, err}
	}()
	var pids []int
	for _, name := range []string{"stubborn", "stopped", "session", "plain"} {
		pids = append(pids, pidIn(t, dir, name))
	}
	await.That(t, "the stop", func() bool { return state(pids[1]) == "T" })
	cancel()
	got := <-done
	if got.err != nil {
		t.Fatal(got.err)
	}
	if !got.r.Cancelled || got.r.ReturnCode != 9 {
		t.Errorf("result %+v", got.r)
	}
	for i, pid := range pids {
		if running(pid) {
			t.Errorf("process %d of the tree, %d, lives on", i, pid)
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// What has left the command's session and parents behind is found by its environment.
func TestCancelFindsWhatHasLeft(t *testing.T) {
	need(t, "setsid")
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	const mark = "CAPTURE_TEST=here"
	ended := make(chan *Result)
	go func() {
		r, err := Run(ctx, Spec{
			Cmd: []string{"sh", "-c", `(setsid sh -c 'echo $$ > left; exec sleep 1000' &); echo $$ > root; exec sleep 1000`},
			Dir: dir, Env: append(os.Environ(), mark), Mark: mark, KillGrace: someGrace,
		})
		if err != nil {
			t.Error(err)
		}
		ended <- r
	}()
	left := pidIn(t, dir, "left")
	pidIn(t, dir, "root")
	cancel()
	if r := <-ended; r == nil || !r.Cancelled {
		t.Errorf("result %+v", r)
	}
	if running(left) {
		t.Errorf("process %d lives on", left)
		_ = unix.Kill(left, unix.SIGKILL)
	}
}

// A calling is a recorder that calls a function when there is output.
type calling func()

func (c calling) Write(b []byte) (int, error) {
	c()
	return len(b), nil
}

func TestCancelEndsWhatIgnoresIt(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	r, err := Run(ctx, Spec{
		Cmd:       []string{"sh", "-c", `trap "" TERM; echo; while :; do sleep 0.05; done`},
		KillGrace: 100 * time.Millisecond,
		Out:       calling(cancel),
	})
	if err != nil || !r.Cancelled || r.Signal != "SIGKILL" || r.ReturnCode != 137 {
		t.Errorf("result %+v, %v", r, err)
	}
}

func TestCancelledBeforeTheStart(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r, err := Run(ctx, Spec{Cmd: []string{"sleep", "1000"}})
	if err != nil || !r.Cancelled || r.Signal != "SIGTERM" {
		t.Errorf("result %+v, %v", r, err)
	}
}

// newTerminal makes a pseudo-terminal that stands for the user's.
func newTerminal(t *testing.T) (master, tty *os.File) {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close(); tty.Close() })
	return master, tty
}
