package capture

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"qme/record"
	"qme/tests/await"
)

// outcome is what a run in pipe mode left behind.
type outcome struct {
	*Result
	out, err       string // recorded
	stdout, stderr string // passed on
}

// runPiped runs a command with both outputs going to pipes that are read.
func runPiped(t *testing.T, change func(*Spec), cmd ...string) outcome {
	t.Helper()
	var rec [2]bytes.Buffer
	var passed [2]string
	var ends [2]*os.File
	done := make(chan struct{}, 2)
	for i := range ends {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = w
		go func() {
			b, _ := io.ReadAll(r)
			passed[i] = string(b)
			r.Close()
			done <- struct{}{}
		}()
	}
	s := Spec{Cmd: cmd, Stdout: ends[0], Stderr: ends[1], Out: &rec[0], Err: &rec[1]}
	if change != nil {
		change(&s)
	}
	r, err := Run(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	for i := range ends {
		ends[i].Close()
	}
	<-done
	<-done
	return outcome{r, rec[0].String(), rec[1].String(), passed[0], passed[1]}
}

func TestStreamsStayApartAndExact(t *testing.T) {
	every := make([]byte, 0, 256*1000)
	for range 1000 {
		for b := range 256 {
			every = append(every, byte(b))
		}
	}
	file := filepath.Join(t.TempDir(), "bytes")
	if err := os.WriteFile(file, every, 0o600); err != nil {
		t.Fatal(err)
	}
	got := runPiped(t, nil, "sh", "-c", `cat "$0"; printf 'to\r\nerr' >&2`, file)
	if got.ReturnCode != 0 || got.RecordErr != nil || got.Merged {
		t.Errorf("result %+v", got.Result)
	}
	if got.out != string(every) || got.stdout != string(every) {
		t.Errorf("standard output: %d bytes recorded, %d passed on; want %d", len(got.out), len(got.stdout), len(every))
	}
	if got.err != "to\r\nerr" || got.stderr != "to\r\nerr" {
		t.Errorf("standard error: recorded %q, passed on %q", got.err, got.stderr)
	}
	if got.Usage == nil || got.Usage.MaxRSS != 0 {
		t.Errorf("usage %+v: so much memory is that of qme", got.Usage)
	}
}

func TestReturnCodes(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := write("plain", "echo run by sh: $0 \"$@\"\n", 0o755)
	lost := write("lost", "#!/no/such/interpreter\n", 0o755)
	binary := write("binary", "\x7fELF\x00\x01", 0o755)
	denied := write("denied", "#!/bin/sh\n", 0o644)
	tests := []struct {
		name   string
		cmd    []string
		code   int
		signal string
		out    string
		err    string
	}{
		{name: "success", cmd: []string{"true"}},
		{name: "failure", cmd: []string{"sh", "-c", "exit 3"}, code: 3},
		{name: "killed", cmd: []string{"sh", "-c", "kill -9 $$"}, code: 137, signal: "SIGKILL"},
		{name: "terminated", cmd: []string{"sh", "-c", "kill $$"}, code: 143, signal: "SIGTERM"},
		{name: "not in PATH", cmd: []string{"no-such-command"}, code: 127, err: "qme: no-such-command: command not found\n"},
		{name: "empty name", cmd: []string{""}, code: 127, err: "qme: : command not found\n"},
		{name: "no such file", cmd: []string{"./none"}, code: 127, err: "qme: ./none: No such file or directory\n"},
		{name: "no interpreter", cmd: []string{lost}, code: 127, err: "qme: " + lost + ": No such file or directory\n"},
		{name: "not executable", cmd: []string{denied}, code: 126, err: "qme: " + denied + ": Permission denied\n"},
		{name: "not executable in PATH", cmd: []string{"denied"}, code: 126, err: "qme: " + denied + ": Permission denied\n"},
		{name: "folder", cmd: []string{dir}, code: 126, err: "qme: " + dir + ": Is a directory\n"},
		{name: "wrong format", cmd: []string{binary}, code: 126, err: "qme: " + binary + ": Exec format error\n"},
		{name: "script without #!", cmd: []string{plain, "a b"}, out: "run by sh: " + plain + " a b\n"},
		{name: "script in PATH", cmd: []string{"plain"}, out: "run by sh: " + plain + "\n"},
		{name: "NUL in an argument", cmd: []string{"echo", "a\x00b"}, code: 126, err: "qme: /bin/echo: Invalid argument\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			started := 0
			got := runPiped(t, func(s *Spec) {
				s.Env = []string{"PATH=/no/such:" + dir + ":/bin:/usr/bin"}
				s.OnStart = func(pid int) { started = pid }
			}, test.cmd...)
			if got.ReturnCode != test.code || got.Signal != test.signal {
				t.Errorf("code %d, signal %q; want %d, %q", got.ReturnCode, got.Signal, test.code, test.signal)
			}
			if got.err != test.err || got.stderr != test.err {
				t.Errorf("standard error: recorded %q, passed on %q; want %q", got.err, got.stderr, test.err)
			}
			if got.out != test.out {
				t.Errorf("standard output %q, want %q", got.out, test.out)
			}
			if started != got.PID {
				t.Errorf("OnStart was told %d, the pid is %d", started, got.PID)
			}
			if ran := test.err == ""; ran != (got.PID != 0) || ran != (got.Usage != nil) {
				t.Errorf("pid %d and usage %v, although started: %v", got.PID, got.Usage, ran)
			}
		})
	}
}

func TestArgumentsAndEnvironmentAreUntouched(t *testing.T) {
	got := runPiped(t, func(s *Spec) { s.Env = []string{"A=1", "B=x y\n"} },
		"/bin/sh", "-c", `printf '<%s>' "$@"; printf '[%s]' "$A" "$B"`, "sh", "", "a b", "\xff*", "'\"\n")
	if want := "<><a b><\xff*><'\"\n>[1][x y\n]"; got.out != want {
		t.Errorf("got %q, want %q", got.out, want)
	}
}

func TestDir(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tool"), []byte("#!/bin/sh\npwd; echo $PWD\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", ".", "/no/such::/bin"} { // an empty name is the working directory
		got := runPiped(t, func(s *Spec) { s.Dir = dir; s.Env = []string{"PATH=" + path, "PWD=" + real} }, "tool")
		if want := real + "\n" + real + "\n"; got.out != want {
			t.Errorf("PATH=%q: got %q, %q; want %q", path, got.out, got.err, want)
		}
	}
	if got := runPiped(t, func(s *Spec) { s.Dir = dir }, "./tool"); got.out != real+"\n"+real+"\n" {
		t.Errorf("with the environment of this process: %q", got.out)
	}
	_, err = Run(context.Background(), Spec{Cmd: []string{"true"}, Dir: filepath.Join(dir, "gone")})
	if !errors.Is(err, record.ErrNotFound) {
		t.Errorf("a missing folder: %v", err)
	}
	if _, err = Run(context.Background(), Spec{}); !errors.Is(err, record.ErrInvalid) {
		t.Errorf("an empty command: %v", err)
	}
}

func TestStdinIsTheCommands(t *testing.T) {
	file := filepath.Join(t.TempDir(), "input")
	if err := os.WriteFile(file, []byte("first\nsecond\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := runPiped(t, func(s *Spec) { s.Stdin = f }, "head", "-c", "6")
	if got.out != "first\n" {
		t.Errorf("got %q", got.out)
	}
	// The very same open file was given, so what is behind its position is left.
	if rest, err := io.ReadAll(f); err != nil || !strings.HasSuffix("first\nsecond\n", string(rest)) {
		t.Errorf("rest %q, %v", rest, err)
	}
	if got := runPiped(t, nil, "cat"); got.out != "" || got.ReturnCode != 0 {
		t.Errorf("without a standard input: %q, code %d", got.out, got.ReturnCode)
	}
}

func TestQuietRecordsOnly(t *testing.T) {
	got := runPiped(t, func(s *Spec) { s.Quiet = true }, "sh", "-c", "echo out; echo err >&2")
	if got.out != "out\n" || got.err != "err\n" || got.stdout != "" || got.stderr != "" {
		t.Errorf("got %+v", got)
	}
}

// failing takes some bytes and then fails; it counts the calls after that.
type failing struct {
	room  int
	err   error
	after int
}

func (f *failing) Write(b []byte) (int, error) {
	if f.room < len(b) {
		f.after++
		return 0, f.err
	}
	f.room -= len(b)
	return len(b), nil
}

func TestFailingRecorderDoesNotDisturb(t *testing.T) {
	full := &failing{room: 10, err: errors.New("disk full")}
	got := runPiped(t, func(s *Spec) { s.Out = full }, "sh", "-c", "for i in 1 2 3 4; do echo line $i; sleep 0.05; done; echo e >&2; exit 7")
	if want := "line 1\nline 2\nline 3\nline 4\n"; got.stdout != want {
		t.Errorf("passed on %q, want %q", got.stdout, want)
	}
	if got.ReturnCode != 7 || !errors.Is(got.RecordErr, full.err) || full.after != 1 {
		t.Errorf("code %d, error %v, %d writes after it", got.ReturnCode, got.RecordErr, full.after)
	}
	if got.err != "e\n" {
		t.Errorf("the other recorder has %q", got.err)
	}
}

func TestReaderThatGoesAwayEndsTheCommand(t *testing.T) {
	for _, script := range []string{
		`"$0" as-qme yes | head -n 1`,
		// tail sees that its reader has gone although it writes nothing more.
		`(echo y; cat) > "$CAPTURE_DIR/log" </dev/null; "$0" as-qme tail -n +1 -f "$CAPTURE_DIR/log" | head -n 1`,
	} {
		dir := t.TempDir()
		c := exec.Command("sh", "-c", script, os.Args[0])
		c.Env = append(os.Environ(), "CAPTURE_DIR="+dir)
		out, err := c.CombinedOutput()
		if err != nil || string(out) != "y\n" {
			t.Fatalf("%s: %q, %v", script, out, err)
		}
		if r := resultOf(t, dir); r.ReturnCode != 141 || r.Signal != "SIGPIPE" {
			t.Errorf("%s: %+v", script, r)
		}
		if rec := recorded(t, dir, "out"); !strings.HasPrefix(rec, "y\n") {
			t.Errorf("%s: recorded %.10q", script, rec)
		}
	}
}

func TestFullDiskEndsTheCommand(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	got := runPiped(t, func(s *Spec) { s.Stdout = full }, "yes")
	if got.ReturnCode != 141 || !strings.HasPrefix(got.out, "y\n") {
		t.Errorf("code %d, recorded %.10q", got.ReturnCode, got.out)
	}
	if want := "qme: write error: No space left on device\n"; got.stderr != want {
		t.Errorf("the user is told %q, want %q", got.stderr, want)
	}
}

func TestNonBlockingOutput(t *testing.T) {
	r, w, err := os.Pipe() // both ends are non-blocking, as long as nobody calls Fd
	if err != nil {
		t.Fatal(err)
	}
	raw, err := dup(int(w.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(raw, true); err != nil {
		t.Fatal(err)
	}
	out := os.NewFile(uintptr(raw), "non-blocking")
	w.Close()
	defer r.Close()
	size := make(chan int64)
	go func() {
		time.Sleep(50 * time.Millisecond) // let it fill up
		n, _ := io.Copy(io.Discard, r)
		size <- n
	}()
	got := runPiped(t, func(s *Spec) { s.Stdout = out }, "head", "-c", "3000000", "/dev/zero")
	out.Close()
	if n := <-size; n != 3000000 || len(got.out) != 3000000 || got.ReturnCode != 0 {
		t.Errorf("%d passed on, %d recorded, code %d", n, len(got.out), got.ReturnCode)
	}
}

func TestInheritedDescriptorsReachTheCommand(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c, _ := qmeLike(t, "sh", "-c", "echo through 3 >&3; ls /proc/self/fd")
	c.ExtraFiles = []*os.File{w}
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	plain := exec.Command("sh", "-c", "echo >&3; ls /proc/self/fd")
	plain.ExtraFiles = c.ExtraFiles
	want, err := plain.Output()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if string(out) != string(want) {
		t.Errorf("the command has descriptors %q, without us %q", out, want)
	}
	if b, _ := io.ReadAll(r); string(b) != "through 3\n\n" {
		t.Errorf("descriptor 3 brought %q", b)
	}
}

func TestGrandchildThatHoldsTheOutput(t *testing.T) {
	dir := t.TempDir()
	release := filepath.Join(dir, "release")
	script := `(while [ ! -e "$0" ]; do sleep 0.02; done; echo late; echo late err >&2; echo $? > "$0.status") &
		echo $! > "$0.pid"; echo hi; exit 4`
	c, rec := qmeLike(t, "sh", "-c", script, release)
	outFile, err := os.Create(filepath.Join(dir, "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer outFile.Close()
	c.Stdout, c.Stderr = outFile, outFile
	err = c.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 4 {
		t.Fatalf("got %v, want exit code 4", err)
	}
	if got := recorded(t, rec, "out"); got != "hi\n" {
		t.Errorf("recorded %q", got)
	}
	pid := pidIn(t, dir, "release.pid")
	if !running(pid) {
		t.Fatalf("the process in the background, %d, has ended", pid)
	}
	if err := os.WriteFile(release, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	await.That(t, "its last words", func() bool {
		text := recorded(t, dir, "stdout")
		return strings.Contains(text, "late\n") && strings.Contains(text, "late err\n") && strings.HasPrefix(text, "hi\n")
	})
	await.That(t, "its end", func() bool { return !running(pid) })
	if status := recorded(t, dir, "release.status"); status != "0\n" {
		t.Errorf("its write failed: %q", status)
	}
	// The relay ends with it. Its command line is its role, which no test shares.
	await.That(t, "the relay's end", func() bool { return len(processesHolding(t, outFile.Name())) == 0 })
}

// processesHolding lists the other processes that have a file open.
func processesHolding(t *testing.T, path string) (pids []string) {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	self := "/proc/" + strconv.Itoa(os.Getpid()) + "/"
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && to == path && !strings.HasPrefix(link, self) {
			pids = append(pids, link)
		}
	}
	return pids
}

func TestAllThatWasWrittenIsRead(t *testing.T) {
	// The command leaves a full pipe and somebody who holds it, and the reader is slow.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	size := make(chan int)
	go func() {
		n, buf := 0, make([]byte, 100_000)
		for {
			k, err := r.Read(buf)
			n += k
			if err != nil {
				size <- n
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	got := runPiped(t, func(s *Spec) { s.Stdout = w; s.Drain = time.Millisecond },
		"sh", "-c", `sleep 3 >&2 & head -c 2000000 /dev/zero`)
	w.Close()
	if n := <-size; n != 2000000 || len(got.out) != 2000000 {
		t.Errorf("%d passed on, %d recorded", n, len(got.out))
	}
}
