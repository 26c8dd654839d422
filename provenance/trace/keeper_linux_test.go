package trace

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"qme/internal/procfs"
	"qme/tests/await"
	"qme/tests/require"
)

// tracerName is the name under which the test's program traces the command of its arguments. It prints
// the process number of its keeper, and then what was seen.
const tracerName = "trace-test: tracer"

func tracerMain() int {
	tracer, err := New(os.Getenv(Variable))
	if err == nil {
		cmd := &exec.Cmd{Path: "/proc/self/exe", Args: append([]string{stageName}, os.Args[1:]...), ExtraFiles: []*os.File{tracer.Stage()}, Env: append(os.Environ(), Variable+"="+tracer.Address())}
		if err = cmd.Start(); err == nil {
			err = tracer.Started()
			fmt.Println(tracer.keeping.pid())
			_ = cmd.Wait() // the test sees how it ended
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	r, err := tracer.End()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, f := range r.Files {
		if f.Written {
			fmt.Fprintf(os.Stderr, "%q\n", filepath.Base(f.Path))
		}
	}
	r.Files = nil
	_ = json.NewEncoder(os.Stdout).Encode(r)
	return 0
}

// A supervised is a traced command whose tracer is another process.
type supervised struct {
	t      *testing.T
	cmd    *exec.Cmd
	out    *bufio.Scanner
	keeper int
	dir    string
}

func supervise(t *testing.T, script string) *supervised {
	t.Helper()
	return superviseAs(t, script, nil)
}

// superviseAs is supervise for another user.
func superviseAs(t *testing.T, script string, as *syscall.Credential) *supervised {
	t.Helper()
	require.Component(t, "seccomp")
	s := &supervised{t: t, dir: t.TempDir()}
	s.cmd = &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{tracerName, "sh", "-c", script}, Dir: s.dir, Stderr: os.Stderr,
		SysProcAttr: &syscall.SysProcAttr{Credential: as},
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.out = bufio.NewScanner(out)
	if s.out.Scan(); s.out.Err() != nil {
		t.Fatal(s.out.Err())
	}
	if s.keeper, err = strconv.Atoi(s.out.Text()); err != nil {
		t.Fatal(err)
	}
	return s
}

// signal sends a signal to the tracer.
func (s *supervised) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// await waits for a file.
func (s *supervised) await(name string) string {
	s.t.Helper()
	var text string
	await.That(s.t, "the file "+name, func() bool {
		b, err := os.ReadFile(filepath.Join(s.dir, name))
		text = string(b)
		return err == nil && strings.HasSuffix(text, "\n")
	})
	return strings.TrimSpace(text)
}

// losses waits for the tracer's end, and returns what it has lost.
func (s *supervised) losses() Losses {
	s.t.Helper()
	var r Result
	if s.out.Scan(); json.Unmarshal(s.out.Bytes(), &r) != nil {
		s.t.Fatalf("the tracer printed %q", s.out.Text())
	}
	if err := s.cmd.Wait(); err != nil {
		s.t.Fatal(err)
	}
	return r.Losses
}

const many = `for i in $(seq 300); do echo $i > f$i; cat f$i > g$i || echo failed >> bad; done; cat g* | wc -l > done; `

func (s *supervised) check() {
	s.t.Helper()
	if got := s.await("done"); got != "300" {
		s.t.Errorf("%s lines of 300", got)
	}
	if b, err := os.ReadFile(filepath.Join(s.dir, "bad")); err == nil {
		s.t.Errorf("calls failed: %s", b)
	}
}

func TestTracerIsKilled(t *testing.T) {
	for i := range 8 {
		s := supervise(t, many)
		s.await(fmt.Sprintf("f%d", 1+i*30))
		s.signal(syscall.SIGKILL)
		s.check()
		_ = s.cmd.Wait() // killed
	}
}

func TestTracerIsStopped(t *testing.T) {
	for i := range 4 {
		s := supervise(t, many)
		s.await(fmt.Sprintf("f%d", 1+i*30))
		s.signal(syscall.SIGSTOP)
		s.check()
		s.signal(syscall.SIGCONT)
		if l := s.losses(); l.Kept == 0 {
			t.Error("no losses are counted")
		}
	}
}

func TestKeeperIsKilled(t *testing.T) {
	s := supervise(t, many+`(sleep 0.3; cat f1; echo late > late) > out 2>&1 &`)
	if err := syscall.Kill(s.keeper, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.check()
	if l := s.losses(); l.Any() {
		t.Errorf("losses: %+v", l)
	}
	s.await("late")
}

func TestKeeperIsStopped(t *testing.T) {
	s := supervise(t, many+`(while test ! -e go && test -d .; do sleep 0.01; done; cat f1; echo late > late) > out 2>&1 &`)
	if err := syscall.Kill(s.keeper, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	s.check()
	s.losses()
	if err := os.WriteFile(filepath.Join(s.dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.await("late")
}

func TestOutlivesTheRun(t *testing.T) {
	s := supervise(t, `(while test ! -e go; do sleep 0.01; done; echo x > f; cat f > g; ls > /dev/null && echo late > late) > out 2>&1 &`)
	if l := s.losses(); l.Any() {
		t.Errorf("losses: %+v", l)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.await("late")
	await.That(t, "the keeper's end", func() bool { return syscall.Kill(s.keeper, 0) != nil })
}

// TestOrdinaryUser traces without any privilege, which the kernel allows if the command can gain none.
func TestOrdinaryUser(t *testing.T) {
	require.Component(t, "root")
	for _, test := range []struct {
		as   *syscall.Credential
		want string
	}{{nil, "0"}, {&syscall.Credential{Uid: 65534, Gid: 65534}, "1"}} {
		dir := t.TempDir()
		for d := dir; d != os.TempDir(); d = filepath.Dir(d) {
			if err := os.Chmod(d, 0o777); err != nil {
				t.Fatal(err)
			}
		}
		out := filepath.Join(dir, "status")
		s := superviseAs(t, `grep NoNewPrivs /proc/self/status > `+out+`; cat `+out, test.as)
		if l := s.losses(); l.Any() {
			t.Errorf("losses: %+v", l)
		}
		if b, err := os.ReadFile(out); err != nil || strings.TrimSpace(string(b)) != "NoNewPrivs:\t"+test.want {
			t.Errorf("%q, %v; want %s", b, err, test.want)
		}
	}
}

// TestBothAreKilled kills the keeper, and then the Tracer, which has started another one.
func TestBothAreKilled(t *testing.T) {
	s := supervise(t, many)
	s.await("f1")
	if err := syscall.Kill(s.keeper, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await.That(t, "another keeper", s.hasKeeper)
	s.signal(syscall.SIGKILL)
	s.check()
	_ = s.cmd.Wait() // killed
}

// hasKeeper reports whether a child of the tracer, other than the first keeper, is a keeper that has the
// listener.
func (s *supervised) hasKeeper() bool {
	var r procfs.Reader
	for _, pid := range r.Children(nil, s.cmd.Process.Pid) {
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil || pid == s.keeper || !strings.HasPrefix(string(name), keeperName) {
			continue
		}
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		for _, e := range entries {
			if link, lerr := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, e.Name())); err == nil && lerr == nil && strings.Contains(link, "seccomp") {
				return true
			}
		}
	}
	return false
}
