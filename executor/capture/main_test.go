package capture

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"qme/tests/await"
	"qme/tests/require"
)

// TestMain lets the test binary play three parts: itself, the helpers of this package,
// and a program that runs its arguments as qme does (argument "as-qme") or counts
// signals (argument "count-signals").
func TestMain(m *testing.M) {
	Helper(enterStage)
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "as-qme":
			os.Exit(asQME(os.Args[2:]))
		case "count-signals":
			countSignals()
		}
	}
	// What a script starts in the background ignores it, and so would all that the tests start.
	if signal.Ignored(os.Interrupt) {
		interrupted := make(chan os.Signal, 1)
		signal.Notify(interrupted, os.Interrupt)
		go func() {
			<-interrupted
			os.Exit(130)
		}()
	}
	// Under the race detector each process would sleep for a second when it ends.
	if os.Getenv("GORACE") == "" {
		os.Setenv("GORACE", "atexit_sleep_ms=0")
	}
	os.Exit(m.Run())
}

// deadline is for what must happen, but may take its time on a busy machine.
const deadline = 30 * time.Second

// asQME runs cmd on its own streams. CAPTURE_DIR is a folder that gets what was
// recorded, and the result.
func asQME(cmd []string) int {
	dir := os.Getenv("CAPTURE_DIR")
	var files [3]*os.File
	for i, name := range []string{"out", "err", "pid"} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			panic(err)
		}
		files[i] = f
	}
	r, err := Run(context.Background(), Spec{
		Cmd: cmd, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Quiet: os.Getenv("CAPTURE_QUIET") != "",
		Out:   files[0], Err: files[1], Input: io.Discard,
		OnStart: func(pid int) { fmt.Fprintln(files[2], pid) },
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "as-qme:", err)
		return 99
	}
	b, err := json.Marshal(r)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "result"), b, 0o600)
	}
	if err != nil {
		panic(err)
	}
	return r.ReturnCode
}

// countSignals prints each signal that arrives, "ready" before and, on SIGUSR2, "end".
func countSignals() {
	c := make(chan os.Signal, 100)
	signal.Notify(c, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM,
		syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM, syscall.SIGCONT, syscall.SIGWINCH)
	time.AfterFunc(2*deadline, func() { os.Exit(1) }) // a test that failed does not end it
	fmt.Println("ready")
	for sig := range c {
		fmt.Println(sig)
		if sig == syscall.SIGUSR2 {
			// What was sent before has long arrived; give doubles a chance to show.
			time.Sleep(100 * time.Millisecond)
			for len(c) > 0 {
				fmt.Println(<-c)
			}
			fmt.Println("end")
			os.Exit(0)
		}
	}
}

// qmeLike returns a command that runs cmd as qme would, and the folder of what it
// recorded. It has no controlling terminal unless the caller gives it one.
func qmeLike(t *testing.T, cmd ...string) (*exec.Cmd, string) {
	t.Helper()
	dir := t.TempDir()
	c := exec.Command(os.Args[0], append([]string{"as-qme"}, cmd...)...)
	c.Env = append(os.Environ(), "CAPTURE_DIR="+dir)
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return c, dir
}

// recorded returns a file of the folder that qmeLike names.
func recorded(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// pidIn returns the process that is named in such a file, once it is.
func pidIn(t *testing.T, dir, name string) (pid int) {
	t.Helper()
	await.That(t, "a process in "+name, func() bool {
		b, err := os.ReadFile(filepath.Join(dir, name))
		line, whole := strings.CutSuffix(string(b), "\n")
		if err != nil || !whole {
			return false
		}
		if pid, err = strconv.Atoi(line); err != nil {
			t.Fatal(err)
		}
		return true
	})
	return pid
}

func resultOf(t *testing.T, dir string) *Result {
	t.Helper()
	r := new(Result)
	if err := json.Unmarshal([]byte(recorded(t, dir, "result")), r); err != nil {
		t.Fatal(err)
	}
	return r
}

// running says whether a process runs: exists and is not a zombie.
func running(pid int) bool {
	s := state(pid)
	return s != "gone" && s != "Z"
}

// state is the letter with which the system tells the state of a process, "gone" when
// there is none.
func state(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "gone"
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return rest[:1]
}

// need returns the path of a program that a test needs, as require.Component has it.
func need(t *testing.T, program string) string {
	t.Helper()
	require.Component(t, program)
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
