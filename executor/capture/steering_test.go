package capture

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"qme/tests/await"
)

// A steered is a command that a test gives orders.
type steered struct {
	t      *testing.T
	dir    string
	orders chan Control
	told   chan Control
	cancel func()
	done   chan *Result
}

const steerMark = "CAPTURE_TEST=steered"

// steer runs a script of sh in a new folder, on pipes or with the terminal out.
func steer(t *testing.T, out *os.File, script string, change func(*Spec)) *steered {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &steered{t: t, dir: t.TempDir(), orders: make(chan Control, 9), told: make(chan Control, 9), cancel: cancel, done: make(chan *Result, 1)}
	t.Cleanup(cancel)
	spec := Spec{
		Cmd: []string{"sh", "-c", script}, Dir: s.dir, Env: append(os.Environ(), steerMark), Mark: steerMark,
		Stdin: out, Stdout: out, Stderr: out, KillGrace: someGrace,
		Control: s.orders, OnControl: func(c Control) { s.told <- c },
	}
	if change != nil {
		change(&spec)
	}
	go func() {
		r, err := Run(ctx, spec)
		if err != nil {
			t.Error(err)
		}
		s.done <- r
	}()
	return s
}

func (s *steered) order(c Control) {
	s.t.Helper()
	s.orders <- c
	select {
	case told := <-s.told:
		if told != c {
			s.t.Errorf("order %d was carried out instead of %d", told, c)
		}
	case <-time.After(deadline):
		s.t.Fatalf("order %d was not carried out", c)
	}
}

func (s *steered) end() *Result {
	s.t.Helper()
	select {
	case r := <-s.done:
		if r == nil {
			s.t.FailNow()
		}
		return r
	case <-time.After(deadline):
		s.t.Fatal("the command has not ended")
		return nil
	}
}

func (s *steered) file(name string) string { return filepath.Join(s.dir, name) }

// mayEnd makes the file for which the command waits.
func (s *steered) mayEnd() {
	s.t.Helper()
	if err := os.WriteFile(s.file("go"), nil, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// inBothModes runs a test on pipes, and with a terminal.
func inBothModes(t *testing.T, test func(t *testing.T, out *os.File)) {
	t.Run("pipes", func(t *testing.T) { test(t, nil) })
	t.Run("terminal", func(t *testing.T) {
		u := newUser(t)
		test(t, u.tty)
	})
}

// family starts a child, a process in a session of its own that has lost its parents, and one that
// traps the signals that can be trapped; the script goes on when the file "go" is there.
const family = `
	sh -c 'echo $$ > child; while :; do sleep 0.02; done' &
	(setsid sh -c 'echo $$ > left; exec sleep 1000' &)
	sh -c 'trap "" TERM TSTP CONT; echo $$ > stubborn; while :; do sleep 0.02; done' &
	echo $$ > root; while [ ! -e go ]; do sleep 0.02; done; kill -9 $(cat child left stubborn); exit 3`

var familyNames = []string{"child", "left", "stubborn", "root"}

func (s *steered) family() (pids []int) {
	s.t.Helper()
	for _, name := range familyNames {
		pids = append(pids, pidIn(s.t, s.dir, name))
	}
	return pids
}

// all reports whether all processes are stopped, or none is.
func all(pids []int, stopped bool) func() bool {
	return func() bool {
		for _, pid := range pids {
			if (state(pid) == "T") != stopped {
				return false
			}
		}
		return true
	}
}

func TestStopAndContinue(t *testing.T) {
	need(t, "setsid")
	inBothModes(t, func(t *testing.T, out *os.File) {
		s := steer(t, out, family, nil)
		pids := s.family()
		for range 2 {
			s.order(Stop)
			await.That(t, "all stopped", all(pids, true))
			s.order(Continue)
			await.That(t, "all going on", all(pids, false))
		}
		s.order(Stop)
		began := time.Now()
		// Somebody else continues one; it is stopped again.
		await.That(t, "all stopped", all(pids, true))
		if err := unix.Kill(pids[0], unix.SIGCONT); err != nil {
			t.Fatal(err)
		}
		await.That(t, "the continued one stopped again", all(pids, true))
		s.mayEnd()
		time.Sleep(300 * time.Millisecond) // which would be enough for the command to end
		select {
		case r := <-s.done:
			t.Fatalf("it went on while it was stopped: %+v", r)
		default:
		}
		still := time.Since(began)
		s.order(Continue)
		r := s.end()
		if r.ReturnCode != 3 || r.Cancelled || r.TimedOut || r.Stopped < still {
			t.Errorf("result %+v; it stood still for more than %v", r, still)
		}
	})
}

// A stopped process that ends is not taken for a job that the user has stopped, and its time counts
// once.
func TestEndWhileStopped(t *testing.T) {
	need(t, "setsid")
	inBothModes(t, func(t *testing.T, out *os.File) {
		s := steer(t, out, family, nil)
		pids := s.family()
		s.order(Stop)
		await.That(t, "all stopped", all(pids, true))
		began := time.Now()
		time.Sleep(100 * time.Millisecond)
		still := time.Since(began)
		if err := unix.Kill(pids[3], unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		r := s.end()
		if r.Signal != "SIGKILL" || r.Stopped < still || r.Duration < 0 {
			t.Errorf("result %+v; it stood still for more than %v", r, still)
		}
		// What it leaves behind goes on.
		left := pids[:3]
		if out != nil { // a hangup ends the others
			left = pids[1:3]
		}
		await.That(t, "the others going on", all(left, false))
		for _, pid := range left {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	})
}

func TestCancelWhileStopped(t *testing.T) {
	need(t, "setsid")
	inBothModes(t, func(t *testing.T, out *os.File) {
		s := steer(t, out, "trap 'echo ended > said; exit 4' TERM\n"+family, nil)
		pids := s.family()
		s.order(Stop)
		await.That(t, "all stopped", all(pids, true))
		s.cancel()
		r := s.end()
		if !r.Cancelled || r.ReturnCode != 4 || r.Stopped == 0 {
			t.Errorf("result %+v", r)
		}
		if said := recorded(t, s.dir, "said"); said != "ended\n" {
			t.Errorf("it could not say goodbye: %q", said)
		}
		for i, pid := range pids {
			if running(pid) {
				t.Errorf("the process %s, %d, lives on", familyNames[i], pid)
				_ = unix.Kill(pid, unix.SIGKILL)
			}
		}
	})
}

func TestLimit(t *testing.T) {
	need(t, "setsid")
	inBothModes(t, func(t *testing.T, out *os.File) {
		const limit = 700 * time.Millisecond
		s := steer(t, out, "trap 'exit 0' TERM\n"+family, func(s *Spec) { s.Limit = limit })
		r := s.end()
		if !r.TimedOut || r.Cancelled || r.ReturnCode != 0 || r.Duration < limit {
			t.Errorf("result %+v", r)
		}
		for i, name := range familyNames {
			if b, err := os.ReadFile(s.file(name)); err == nil && len(b) > 0 { // it had begun
				if pid := pidIn(t, s.dir, name); running(pid) {
					t.Errorf("the process %s, %d, lives on", familyNames[i], pid)
					_ = unix.Kill(pid, unix.SIGKILL)
				}
			}
		}
	})
}

// SIGKILL follows where SIGTERM does not help.
func TestLimitKills(t *testing.T) {
	s := steer(t, nil, `trap "" TERM; while :; do sleep 0.05; done`, func(s *Spec) { s.Limit, s.KillGrace = 200*time.Millisecond, 100*time.Millisecond })
	if r := s.end(); !r.TimedOut || r.Cancelled || r.Signal != "SIGKILL" {
		t.Errorf("result %+v", r)
	}
}

// A command that ends in time is not touched, whatever its limit.
func TestLimitIsNotReached(t *testing.T) {
	s := steer(t, nil, `exit 5`, func(s *Spec) { s.Limit = time.Hour })
	if r := s.end(); r.TimedOut || r.Cancelled || r.ReturnCode != 5 {
		t.Errorf("result %+v", r)
	}
}

func TestStoppedTimeDoesNotCountForTheLimit(t *testing.T) {
	const limit = time.Second
	s := steer(t, nil, `echo $$ > root; while [ ! -e go ]; do sleep 0.02; done; exit 6`, func(s *Spec) { s.Limit = limit })
	pid := pidIn(t, s.dir, "root")
	s.order(Stop)
	await.That(t, "it stopped", all([]int{pid}, true))
	time.Sleep(2 * limit)
	s.mayEnd()
	s.order(Continue)
	r := s.end()
	if r.TimedOut || r.ReturnCode != 6 || r.Stopped < 2*limit || r.Duration > r.Stopped {
		t.Errorf("result %+v", r)
	}
}

// Orders that change nothing are ignored, and so is the end of orders.
func TestOrdersWithoutEffect(t *testing.T) {
	s := steer(t, nil, `echo $$ > root; while [ ! -e go ]; do sleep 0.02; done`, nil)
	pid := pidIn(t, s.dir, "root")
	s.orders <- Continue
	s.order(Stop)
	s.orders <- Stop
	s.order(Continue)
	close(s.orders)
	await.That(t, "it going on", all([]int{pid}, false))
	s.mayEnd()
	if r := s.end(); r.ReturnCode != 0 || len(s.told) != 0 {
		t.Errorf("result %+v, %d more orders", r, len(s.told))
	}
}

// A shell with jobs does not notice that they were stopped: its children go on before it does.
func TestJobsOfTheCommandAreNotSeenStopped(t *testing.T) {
	bash := need(t, "bash")
	u := newUser(t)
	var seen strings.Builder
	s := steer(t, u.tty, "", func(s *Spec) {
		s.Cmd = []string{bash, "--norc", "-c", `set -m; echo $$ > root; (echo $BASHPID > child; while [ ! -e go ]; do sleep 0.02; done; exit 7); echo "ended with $?"`}
		s.Out, s.Err = &seen, io.Discard
	})
	pids := []int{pidIn(t, s.dir, "root"), pidIn(t, s.dir, "child")}
	for range 20 {
		s.order(Stop)
		await.That(t, "both stopped", all(pids, true))
		s.order(Continue)
	}
	s.mayEnd()
	s.end()
	if !strings.Contains(seen.String(), "ended with 7") {
		t.Errorf("the shell says %q", seen.String())
	}
}
