package capture

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"qme/tests/await"
)

// noInput makes the standard input of a command empty.
func noInput(t *testing.T) func(*exec.Cmd) {
	t.Helper()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { null.Close() })
	return func(c *exec.Cmd) { c.Stdin = null }
}

// A gate is where a shell script waits for the test: at each "pass NAME" until the
// test opens NAME.
type gate struct {
	t   *testing.T
	dir string
}

func newGate(t *testing.T) *gate { return &gate{t, t.TempDir()} }

func (g *gate) script(s string) string {
	return "pass() { while [ ! -e '" + g.dir + "'/$1 ]; do sleep 0.01; done; }; " + s
}

func (g *gate) open(name string) {
	g.t.Helper()
	if err := os.WriteFile(filepath.Join(g.dir, name), nil, 0o600); err != nil {
		g.t.Fatal(err)
	}
}

func TestTerminalIsATerminal(t *testing.T) {
	u := newUser(t)
	r, dir := u.run(nil, nil, "sh", "-c", `for i in 0 1 2; do test -t $i && echo $i yes; done; stty size; test $(ps -o tpgid= -p $$) = $(ps -o pgid= -p $$) && echo foreground; exit 5`)
	if r.ReturnCode != 5 || !r.Merged {
		t.Errorf("result %+v", r)
	}
	if got, want := recorded(t, dir, "out"), "0 yes\n1 yes\n2 yes\n40 100\nforeground\n"; got != want {
		t.Errorf("recorded %q, want %q", got, want)
	}
	u.expect("0 yes\r\n1 yes\r\n2 yes\r\n40 100\r\nforeground\r\n")
	if r.Usage == nil || r.Usage.MaxRSS != 0 || r.PID == 0 {
		t.Errorf("result %+v, usage %+v", r, r.Usage)
	}
}

func TestTerminalReturnCodes(t *testing.T) {
	for _, test := range []struct {
		cmd    []string
		code   int
		signal string
		screen string
	}{
		{cmd: []string{"true"}},
		{cmd: []string{"sh", "-c", "kill -9 $$"}, code: 137, signal: "SIGKILL"},
		{cmd: []string{"no-such-command"}, code: 127, screen: "qme: no-such-command: command not found\r\n"},
		{cmd: []string{"/"}, code: 126, screen: "qme: /: Is a directory\r\n"},
	} {
		u := newUser(t)
		r, dir := u.run(nil, nil, test.cmd...)
		if r.ReturnCode != test.code || r.Signal != test.signal {
			t.Errorf("%q: result %+v", test.cmd, r)
		}
		u.expect(test.screen)
		if got := recorded(t, dir, "err"); got != strings.ReplaceAll(test.screen, "\r\n", "\n") {
			t.Errorf("%q: recorded %q", test.cmd, got)
		}
	}
}

func TestLineEnds(t *testing.T) {
	u := newUser(t)
	g := newGate(t)
	_, dir := u.run(func() {
		u.expect("a\r\nb\r\r\nc\rd\r")
		g.open("1")
		u.expect("\r\ne\r")
		g.open("2")
		u.expect("raw\r\nx\n")
		g.open("3")
	}, nil, "sh", "-c", g.script(`printf 'a\nb\r\nc\rd\r'; pass 1; printf '\ne\r'; pass 2
		stty -opost; printf 'raw\r\n'; printf 'x\n'; pass 3; stty opost; printf 'end\r'`))
	if got, want := recorded(t, dir, "out"), "a\nb\r\nc\rd\r\ne\rraw\r\nx\nend\r"; got != want {
		t.Errorf("recorded %q, want %q", got, want)
	}
	u.expect("end\r")
	if got, want := u.seen(), "a\r\nb\r\r\nc\rd\r\r\ne\rraw\r\nx\nend\r"; got != want {
		t.Errorf("the terminal has %q, want %q", got, want)
	}
}

func TestNewlinesAnyChunks(t *testing.T) {
	const text = "a\r\n\r\r\n\rb\r\r\r\nc\r"
	want := strings.ReplaceAll(text, "\r\n", "\n")
	for size := 1; size <= len(text); size++ {
		yes := func() bool { return true }
		n := &newlines{onlcr: yes, raw: yes}
		var rec, screen strings.Builder
		for rest := text; rest != ""; {
			k := min(size, len(rest))
			a, b := n.split([]byte(rest[:k]))
			rec.Write(a)
			screen.Write(b)
			rest = rest[k:]
		}
		rec.Write(n.rest())
		if rec.String() != want || screen.String() != text {
			t.Errorf("in chunks of %d: recorded %q, screen %q; want %q, %q", size, rec.String(), screen.String(), want, text)
		}
	}
}

func TestKeysAndEcho(t *testing.T) {
	u := newUser(t)
	_, dir := u.run(func() {
		u.expect("name? ")
		u.typed("qm\x7fme\r") // a typing error, corrected by the terminal
		u.expect("hello qme\r\n")
		u.typed("more\r\x04")
		u.expect("got more\r\n")
	}, nil, "sh", "-c", `printf 'name? '; read x; echo hello $x; while read y; do echo got $y; done`)
	if got := recorded(t, dir, "out"); !strings.Contains(got, "\nhello qme\n") {
		t.Errorf("recorded %q", got)
	}
}

func TestPasswordIsNotEchoed(t *testing.T) {
	u := newUser(t)
	_, dir := u.run(func() {
		u.expect("password: ")
		u.typed("secret\r")
		u.expect("6 letters")
	}, nil, "sh", "-c", `stty -echo; printf 'password: '; read x; stty echo; echo; echo ${#x} letters`)
	if strings.Contains(u.seen()+recorded(t, dir, "out"), "secret") {
		t.Error("the password is to be seen")
	}
}

func TestControlC(t *testing.T) {
	u := newUser(t)
	r, dir := u.run(func() {
		u.expect("up\r\n")
		u.typed("\x03")
	}, nil, "sh", "-c", `trap 'echo int; exit 8' INT; echo up; while :; do sleep 0.05; done`)
	if r.ReturnCode != 8 {
		t.Errorf("result %+v", r)
	}
	if got := recorded(t, dir, "out"); strings.Count(got, "int\n") != 1 {
		t.Errorf("recorded %q", got)
	}
}

func TestSignalsInTerminalMode(t *testing.T) {
	u := newUser(t)
	c, _ := qmeLike(t, os.Args[0], "count-signals")
	u.start(c)
	u.expect("ready")
	for _, sig := range []unix.Signal{
		unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGWINCH, unix.SIGCONT,
	} {
		if err := c.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		u.expect(sig.String() + "\r\n")
	}
	u.resize(90, 30)
	u.expect(unix.SIGWINCH.String())
	if err := c.Process.Signal(unix.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	if between := u.expect("end"); between != "\r\n"+unix.SIGUSR2.String()+"\r\n" {
		t.Errorf("also arrived: %q", between)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

func TestResize(t *testing.T) {
	u := newUser(t)
	end := filepath.Join(t.TempDir(), "end")
	u.run(func() {
		u.expect("40 100\r\n")
		u.resize(70, 20)
		u.expect("20 70\r\n")
		if err := os.WriteFile(end, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}, nil, "bash", "-c", `trap 'stty size' WINCH; stty size; while [ ! -e "$0" ]; do sleep 0.05; done`, end)
}

func TestStderrToAFileStaysApart(t *testing.T) {
	u := newUser(t)
	file := filepath.Join(t.TempDir(), "stderr")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, dir := u.run(nil, func(c *exec.Cmd) { c.Stderr = f },
		"sh", "-c", `echo out; printf 'err\r\nx\n' >&2; test -t 2 || echo 2 is no terminal`)
	if r.Merged || recorded(t, dir, "out") != "out\n2 is no terminal\n" || recorded(t, dir, "err") != "err\r\nx\n" {
		t.Errorf("merged %v, recorded %q and %q", r.Merged, recorded(t, dir, "out"), recorded(t, dir, "err"))
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "err\r\nx\n" {
		t.Errorf("the file has %q, %v", b, err)
	}
}

func TestStderrIsATerminalInPipeMode(t *testing.T) {
	u := newUser(t)
	out, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	g := newGate(t)
	r, dir := u.run(func() {
		u.expect("0 yes\r\n2 yes\r\n40 100\r\n")
		g.open("1")
		u.expect("tty\r\n")
	}, func(c *exec.Cmd) { c.Stdout = out },
		"sh", "-c", g.script(`for i in 0 1 2; do test -t $i && echo $i yes >&2; done; stty size <&2 >&2; echo out; pass 1; echo tty >/dev/tty`))
	if r.Merged || recorded(t, dir, "out") != "out\n" || recorded(t, dir, "err") != "0 yes\n2 yes\n40 100\n" {
		t.Errorf("merged %v, recorded %q and %q", r.Merged, recorded(t, dir, "out"), recorded(t, dir, "err"))
	}
}

func TestStdinFromElsewhere(t *testing.T) {
	u := newUser(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, dir := u.run(func() {
		if _, err := io.WriteString(w, "from the pipe\n"); err != nil {
			t.Fatal(err)
		}
		w.Close()
		u.expect("from the pipe")
		u.expect("password: ")
		u.typed("secret\r")
		u.expect("6 letters")
	}, func(c *exec.Cmd) { c.Stdin = r },
		"sh", "-c", `cat; test -t 0 && echo stdin is a terminal; stty -echo </dev/tty; printf 'password: '
			read x </dev/tty; stty echo </dev/tty; echo; echo ${#x} letters`)
	if got, want := recorded(t, dir, "out"), "from the pipe\npassword: \n6 letters\n"; got != want {
		t.Errorf("recorded %q, want %q", got, want)
	}
	u.expect("\r\n")
	if got, want := u.seen(), "from the pipe\r\npassword: \r\n6 letters\r\n"; got != want {
		t.Errorf("the terminal has %q, want %q", got, want)
	}
}

func TestAnswerWithStdinFromElsewhere(t *testing.T) {
	u := newUser(t)
	before := u.settings()
	_, dir := u.run(func() {
		u.expect("sure? ")
		await.That(t, "a raw terminal", func() bool { return u.settings() != before })
		u.typed("yes\r")
		u.expect("so: yes\r\n")
		await.That(t, "the terminal as it was", func() bool { return u.settings() == before })
		u.typed("\x03")
	}, noInput(t),
		"sh", "-c", `printf 'sure? '; read x </dev/tty; echo so: $x; trap 'exit 0' INT; while :; do sleep 0.05; done`)
	if got, want := recorded(t, dir, "out"), "sure? yes\nso: yes\n"; got != want && got != want+"^C" {
		t.Errorf("recorded %q, want %q", got, want)
	}
}

func TestControlCWithStdinFromElsewhere(t *testing.T) {
	u := newUser(t)
	r, _ := u.run(func() {
		u.expect("up\r\n")
		u.typed("\x03")
	}, noInput(t), "sh", "-c", `echo up; sleep 1000`)
	if r.Signal != "SIGINT" {
		t.Errorf("result %+v", r)
	}
}

func TestQuietTerminal(t *testing.T) {
	u := newUser(t)
	_, dir := u.run(nil, func(c *exec.Cmd) { c.Env = append(c.Env, "CAPTURE_QUIET=1") }, "sh", "-c", "test -t 1 && echo yes")
	if got := recorded(t, dir, "out"); got != "yes\n" || u.seen() != "" {
		t.Errorf("recorded %q, the terminal has %q", got, u.seen())
	}
}

func TestTerminalGrandchildLivesOn(t *testing.T) {
	u := newUser(t)
	release := filepath.Join(t.TempDir(), "release")
	_, dir := u.run(nil, nil, "sh", "-c",
		`(while [ ! -e "$0" ]; do sleep 0.02; done; echo late; echo $? > "$0.status"; exec sleep 1000) & echo $! > "$0.pid"; echo hi`, release)
	if got := recorded(t, dir, "out"); got != "hi\n" {
		t.Errorf("recorded %q", got)
	}
	if err := os.WriteFile(release, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	u.expect("hi\r\nlate\r\n")
	pid := pidIn(t, filepath.Dir(release), "release.pid")
	await.That(t, "its status", func() bool { _, err := os.Stat(release + ".status"); return err == nil })
	if !running(pid) {
		t.Error("it was ended with the command")
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func TestTerminalCommandInheritsDescriptors(t *testing.T) {
	u := newUser(t)
	_, dir := u.run(nil, nil, "sh", "-c", "test -t 3 && ls /proc/self/fd") // 3: see user.start
	want, err := exec.Command("ls", "/proc/self/fd").Output()
	if err != nil {
		t.Fatal(err)
	}
	got, plain := strings.Fields(recorded(t, dir, "out")), strings.Fields(string(want))
	if len(got) != len(plain)+1 {
		t.Errorf("with 3 the command has %v, without us and 3 %v", got, plain)
	}
}

func TestKilledQMELeavesNothingBehind(t *testing.T) {
	u := newUser(t)
	before := u.settings()
	c, dir := qmeLike(t, "sh", "-c", `trap 'echo $$ > "$CAPTURE_DIR/hup"; exit' HUP; echo $PPID > "$CAPTURE_DIR/monitor"; echo up; while :; do sleep 0.05; done`)
	u.start(c)
	u.expect("up\r\n")
	child, monitor := pidIn(t, dir, "pid"), pidIn(t, dir, "monitor")
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	await.That(t, "the end of monitor and command", func() bool { return !running(monitor) && !running(child) })
	if recorded(t, dir, "hup") != strconv.Itoa(child)+"\n" {
		t.Error("the command did not get SIGHUP")
	}
	if u.settings() != before {
		t.Error("the terminal was left raw")
	}
}

func TestKilledMonitor(t *testing.T) {
	u := newUser(t)
	before := u.settings()
	c, _ := qmeLike(t, "sh", "-c", "echo monitor $PPID; sleep 1000")
	u.start(c)
	u.expect("monitor ")
	pid, err := strconv.Atoi(u.expect("\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	await.That(t, "a raw terminal", func() bool { return u.settings() != before })
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	if code := c.ProcessState.ExitCode(); code != 99 {
		t.Errorf("code %d, want an error", code)
	}
	u.expect("terminal monitor was killed")
	if u.settings() != before {
		t.Error("the terminal was left raw")
	}
}

func TestCancelInTerminalMode(t *testing.T) {
	u := newUser(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	dir := t.TempDir()
	var rec strings.Builder
	r, err := Run(ctx, Spec{
		Cmd: []string{"sh", "-c", `trap "echo term; exit 3" TERM
			sh -c 'trap "" TERM; echo $$ > stubborn; echo; while :; do sleep 0.05; done' &
			while :; do sleep 0.05; done`},
		Dir: dir, Stdin: u.tty, Stdout: u.tty, Stderr: u.tty, KillGrace: someGrace,
		Out: io.MultiWriter(&rec, calling(cancel)),
	})
	if err != nil || !r.Cancelled || r.ReturnCode != 3 || !strings.HasSuffix(rec.String(), "term\n") {
		t.Errorf("result %+v, %v; recorded %q", r, err, rec.String())
	}
	if pid := pidIn(t, dir, "stubborn"); running(pid) {
		t.Errorf("process %d lives on", pid)
	}
}
