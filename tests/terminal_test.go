package tests

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"

	"qme/record"
	"qme/tests/await"
	"qme/tests/require"
)

// A pane is a terminal of tmux with a bash at its prompt, as somebody has who
// works with qme: what is typed goes through a real terminal, and what is looked
// at is what would be seen.
type pane struct {
	*home
	dir    string // the shell's directory
	socket string // of this test's own tmux server
	prompt int    // number of the prompt that has been seen last
}

// newPane opens a terminal of 100 by 24. It needs the given programs, too.
func newPane(t *testing.T, programs ...string) *pane {
	t.Helper()
	require.Component(t, append([]string{"tmux", "bash"}, programs...)...)
	// The path of a socket must be short, which that of t.TempDir need not be.
	short, err := os.MkdirTemp("", "qme")
	if err != nil {
		t.Fatal(err)
	}
	p := &pane{home: newHome(t), dir: sharedDir(t), socket: filepath.Join(short, "tmux")}
	t.Cleanup(func() {
		// A window that the test has closed was the server's last: an error is no news.
		_ = p.tmuxCommand("kill-server").Run()
		if err := os.RemoveAll(short); err != nil {
			t.Error(err)
		}
	})
	p.tmux("-f", os.DevNull, "new-session", "-d", "-x", "100", "-y", "24", "-c", p.dir,
		"bash", "--norc", "--noprofile", ";", "set", "-g", "status", "off", ";", "set", "-g", "window-size", "manual")
	p.resize(100, 24)
	p.prompted()
	return p
}

// tmuxCommand prepares tmux with the environment in which the shell is to run: the
// server hands on what its first command had.
func (p *pane) tmuxCommand(args ...string) *exec.Cmd {
	cmd := exec.Command("tmux", append([]string{"-S", p.socket}, args...)...)
	// The prompt says how many commands there were and how the last one ended.
	cmd.Env = append(p.command().Env, `PS1=[\#:$?]$ `, "PS2=", "HISTFILE=", "LC_ALL=C.UTF-8", "PAGER=less", "LESS=", "LS_COLORS=di=34", "TMUX=", "TERM=xterm-256color")
	return cmd
}

func (p *pane) tmux(args ...string) string {
	p.t.Helper()
	out, err := p.tmuxCommand(args...).CombinedOutput()
	if err != nil {
		p.t.Fatalf("tmux %q: %v\n%s", args, err, out)
	}
	return string(out)
}

func (p *pane) resize(cols, rows int) {
	p.t.Helper()
	p.tmux("resize-window", "-x", strconv.Itoa(cols), "-y", strconv.Itoa(rows))
}

// typed types text, key presses a key by tmux's name for it.
func (p *pane) typed(text string) {
	p.t.Helper()
	p.tmux("send-keys", "-l", "--", text)
}

func (p *pane) key(name string) {
	p.t.Helper()
	p.tmux("send-keys", name)
}

// enter types a command line.
func (p *pane) enter(line string) {
	p.t.Helper()
	p.typed(line)
	p.key("Enter")
}

// screen returns what is to be seen, without the empty rest.
func (p *pane) screen() string {
	p.t.Helper()
	return strings.TrimRight(p.tmux("capture-pane", "-p"), "\n ")
}

// sees waits until the screen shows text, which must not be in what was typed.
func (p *pane) sees(text string) {
	p.t.Helper()
	p.until("the screen shows "+strconv.Quote(text), func() bool { return strings.Contains(p.screen(), text) })
}

// until waits for what must come, and fails when it does not.
func (p *pane) until(what string, come func() bool) {
	p.t.Helper()
	if !await.Holds(come) {
		p.t.Fatalf("it never came that %s; the screen shows\n%s", what, p.screen())
	}
}

// promptPattern is the prompt at the end of the screen. A qme whose caller has not waited
// for it, such as xargs after Ctrl-C, may tell its end after the prompt.
var promptPattern = regexp.MustCompile(`\[(\d+):(\d+)\]\$(?: \[\S+\]\[returncode: \d+\])?$`)

// prompted waits until the shell asks for the next command, and returns the exit
// code of the last one.
func (p *pane) prompted() (code int) {
	p.t.Helper()
	p.until("the shell asks for a command", func() bool {
		m := promptPattern.FindStringSubmatch(p.screen())
		if m == nil {
			return false
		}
		number, err := strconv.Atoi(m[1])
		if err != nil || number <= p.prompt {
			return false
		}
		p.prompt = number
		code, err = strconv.Atoi(m[2])
		return err == nil
	})
	return code
}

// shell runs a command line to its end and expects the exit code.
func (p *pane) shell(line string, want int) {
	p.t.Helper()
	p.enter(line)
	p.wantCode(want)
}

func (p *pane) wantCode(want int) {
	p.t.Helper()
	if code := p.prompted(); code != want {
		p.t.Fatalf("the shell has the exit code %d, want %d; the screen shows\n%s", code, want, p.screen())
	}
}

// file waits for a file of the shell's directory that has a whole line, and
// returns it without the newline at its end.
func (p *pane) file(name string) string {
	p.t.Helper()
	var text string
	p.until(name+" is written", func() bool {
		b, err := os.ReadFile(filepath.Join(p.dir, name))
		text = string(b)
		return err == nil && strings.HasSuffix(text, "\n")
	})
	return strings.TrimSuffix(text, "\n")
}

// touch makes a file for which a command waits.
func (p *pane) touch(name string) {
	p.t.Helper()
	p.script(name, "")
}

// script writes a file to the shell's directory.
func (p *pane) script(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// latest returns the newest task and the bytes of its output.
func (p *pane) latest() (*record.Record, string) {
	p.t.Helper()
	return p.records()[0], p.must("get", "--stdout", "@1")
}

// number returns the number that a command has written to a file last.
func (p *pane) number(name string) int {
	p.t.Helper()
	lines := strings.Split(p.file(name), "\n")
	n, err := strconv.Atoi(lines[len(lines)-1])
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// state returns the state of a process as ps has it, "" when it has ended.
func (p *pane) state(pid int) string {
	p.t.Helper()
	out, err := exec.Command("ps", "-o", "state=", "-p", strconv.Itoa(pid)).Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	if s := strings.TrimSpace(string(out)); !strings.HasPrefix(s, "Z") {
		return s
	}
	return "" // nobody has asked yet how it ended
}

// settings returns those of the terminal as "stty -a" shows them.
func (p *pane) settings() string {
	p.t.Helper()
	tty, err := os.OpenFile(strings.TrimSpace(p.tmux("display-message", "-p", "#{pane_tty}")), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	defer tty.Close()
	cmd := exec.Command("stty", "-a")
	cmd.Stdin = tty
	out, err := cmd.Output()
	if err != nil {
		p.t.Fatal(err)
	}
	return string(out)
}

// atPrompt says whether the terminal belongs to the shell and not to a job.
func (p *pane) atPrompt() bool {
	p.t.Helper()
	shell := strings.TrimSpace(p.tmux("display-message", "-p", "#{pane_pid}"))
	out, err := exec.Command("ps", "-o", "tpgid=", "-p", shell).Output()
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.TrimSpace(string(out)) == shell
}

func TestTerminalForTheCommand(t *testing.T) {
	t.Parallel()
	p := newPane(t)
	p.shell(`qme run sh -c 'test -t 0 && test -t 1 && test -t 2 && stty size && ls --color=always -d / && ls --color=auto -d /'`, 0)
	_, out := p.latest()
	lines := strings.Split(out, "\n")
	if lines[0] != "24 100" || !strings.Contains(lines[1], "\x1b[") || lines[1] != lines[2] {
		t.Errorf("recorded %q, want the terminal's size and twice the same colours", out)
	}
	if s := p.tmux("capture-pane", "-p", "-e"); !strings.Contains(s, "\x1b[34m/") {
		t.Errorf("the screen has no colours:\n%q", s)
	}
	p.shell(`qme run ls --color=auto -d / | cat`, 0)
	if _, out := p.latest(); out != "/\n" {
		t.Errorf("in a pipe, recorded %q", out)
	}
}

func TestTerminalVim(t *testing.T) {
	t.Parallel()
	p := newPane(t, "vim")
	p.enter("qme run vim -u NONE -N text")
	p.sees("[New]")
	p.typed("ihello")
	p.sees("hello")
	p.resize(60, 15)
	p.key("Escape")
	p.until("vim has the new size", func() bool {
		p.enter(":echo 'size' &columns &lines")
		return strings.Contains(p.screen(), "size 60 15")
	})
	p.typed("A world")
	p.key("Escape")
	p.enter(":wq")
	p.wantCode(0)
	if got := p.file("text"); got != "hello world" {
		t.Errorf("the file has %q", got)
	}
	if strings.Contains(p.screen(), "hello world") {
		t.Errorf("vim's screen was not taken away:\n%s", p.screen())
	}
}

// counting is a program that counts SIGINT. Two that come together may look like
// one, to a shell always: hence Python, and several presses.
const counting = `import os, signal, sys, time
n = 0
def count(*_):
    global n
    n += 1
    print(n, file=open("count", "w"))
signal.signal(signal.SIGINT, count)
print(n, file=open("count", "w"))
print(file=open("ready", "w"))
while not os.path.exists("go"):
    time.sleep(0.02)
print("total", n)
sys.exit(9)
`

// One press of Ctrl-C is one signal, where the command has a terminal and where its
// output goes to a file.
func TestTerminalControlC(t *testing.T) {
	t.Parallel()
	for name, redirect := range map[string]string{"terminal": "", "file": " >out", "stderr": " 2>err", "stdin": " </dev/null"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPane(t, "python3")
			p.script("counting", counting)
			p.enter("qme run python3 counting" + redirect)
			p.file("ready")
			for press := 1; press <= 5; press++ {
				p.key("C-c")
				p.until("the signal arrives", func() bool { return p.number("count") >= press })
			}
			p.touch("go")
			p.wantCode(9)
			if _, out := p.latest(); !strings.HasSuffix(out, "total 5\n") {
				t.Errorf("recorded %q", out)
			}
		})
	}
}

func TestTerminalControlBackslashAndD(t *testing.T) {
	t.Parallel()
	p := newPane(t)
	p.enter("qme run sh -c 'echo >up; exec sleep 1000'")
	p.file("up")
	p.key(`C-\`)
	p.wantCode(128 + int(syscall.SIGQUIT))
	if rec, _ := p.latest(); rec.Data.Signal != "SIGQUIT" {
		t.Errorf("recorded the signal %q", rec.Data.Signal)
	}
	p.enter("qme run sh -c 'echo >reading; exec cat >copy'")
	p.file("reading")
	p.enter("a line")
	p.key("C-d")
	p.wantCode(0)
	if got := p.file("copy"); got != "a line" {
		t.Errorf("cat got %q", got)
	}
}

// ticking is a script that says which process it is and counts in a file. It starts
// no child: a shell is not seen to stop while its child is, between fork and exec.
const ticking = `mkfifo never; exec 3<>never; i=0; echo $$ >pid
while :; do i=$((i+1)); echo $i >>count; read -t 0.02 -u 3; done`

func TestTerminalControlZ(t *testing.T) {
	t.Parallel()
	for name, redirect := range map[string]string{"terminal": "", "file": " >out"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPane(t)
			p.script("ticking", ticking)
			p.enter("qme run bash ticking" + redirect)
			pid := p.number("pid")
			for _, resume := range []string{"fg", "bg"} {
				p.file("count")
				p.key("C-z")
				p.wantCode(128 + int(syscall.SIGTSTP))
				p.until("the command stops", func() bool { return strings.HasPrefix(p.state(pid), "T") })
				before := p.number("count")
				p.enter(resume)
				p.until("it goes on after "+resume, func() bool { return p.number("count") > before })
			}
			p.wantCode(0) // of bg
			p.shell("echo the shell has the keys >keys", 0)
			if p.file("keys") != "the shell has the keys" {
				t.Error("what was typed for the shell went elsewhere")
			}
			p.enter("fg")
			p.until("qme is in the foreground", func() bool { return !p.atPrompt() })
			p.key("C-c")
			p.wantCode(128 + int(syscall.SIGINT))
			if rec, _ := p.latest(); rec.Data.Signal != "SIGINT" {
				t.Errorf("recorded the signal %q", rec.Data.Signal)
			}
		})
	}
}

func TestTerminalBackground(t *testing.T) {
	t.Parallel()
	p := newPane(t)
	p.script("waiting", "while [ ! -e go ]; do sleep 0.02; done; echo from behind")
	p.shell("qme run sh waiting & true", 0)
	p.shell("echo $((6*7)) >answer", 0)
	if got := p.file("answer"); got != "42" {
		t.Errorf("the shell got %q", got)
	}
	p.touch("go")
	p.shell("wait", 0)
	p.sees("from behind")
}

func TestTerminalResize(t *testing.T) {
	t.Parallel()
	p := newPane(t)
	p.enter(`qme run bash -c 'trap "stty size" WINCH; echo >ready; while [ ! -e go ]; do read -t 0.02; done; exit 5'`)
	p.file("ready")
	p.resize(70, 20)
	p.sees("20 70")
	p.resize(90, 22)
	p.sees("22 90")
	p.touch("go")
	p.wantCode(5)
}

func TestTerminalIsLeftAsItWas(t *testing.T) {
	t.Parallel()
	for name, command := range map[string]struct {
		line string
		code int
	}{
		"ended":     {`qme run sh -c "stty raw -echo; exit 3"`, 3},
		"killed":    {`qme run sh -c "stty raw -echo; kill -9 \$\$"`, 137},
		"not found": {"qme run no-such-command", 127},
		// The shell is the monitor's child, and that is qme's.
		"qme killed": {`qme run sh -c "stty raw -echo; kill -9 \$(ps -o ppid= -p \$PPID); sleep 1000"`, 137},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPane(t)
			// In one job, since the interactive shell sets the terminal back by itself.
			// The monitor may set it back a moment after qme was killed.
			p.shell(`sh -c 'stty -g >before; `+command.line+`; c=$?; n=0
				until stty -g >after; cmp -s before after || [ $n = 100 ]; do n=$((n+1)); sleep 0.05; done; exit $c'`, command.code)
			if before, after := p.file("before"), p.file("after"); before != after {
				t.Errorf("the terminal was %s, is %s", before, after)
			}
		})
	}
}

func TestTerminalPassword(t *testing.T) {
	t.Parallel()
	for name, stdin := range map[string]string{"terminal": "", "pipe": "echo data | "} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPane(t)
			p.enter(stdin + `qme run bash -c 'read -rs -p "$((1))st word: " x </dev/tty; echo; echo ${#x} letters'`)
			p.sees("1st word:")
			p.until("the terminal shows no keys", func() bool { return strings.Contains(p.settings(), " -echo ") })
			p.enter("xyzzy")
			p.wantCode(0)
			if _, out := p.latest(); out != "1st word: \n5 letters\n" {
				t.Errorf("recorded %q", out)
			}
			if strings.Contains(p.screen(), "xyzzy") {
				t.Errorf("the password is on the screen:\n%s", p.screen())
			}
		})
	}
}

// A password is typed the moment its prompt is to be seen, sooner than tmux or a hand
// could: by then the terminal must have stopped to show keys.
func TestTerminalPasswordAtOnce(t *testing.T) {
	t.Parallel()
	require.Component(t, "bash")
	for name, apart := range map[string]bool{"terminal": false, "stderr elsewhere": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 50 {
				newHome(t).typePassword(apart)
			}
		})
	}
}

// typePassword runs a command on a terminal of its own that asks for a password there,
// while its standard input comes from elsewhere. The prompt is on the terminal, or apart
// on a pipe.
func (h *home) typePassword(apart bool) {
	h.t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		h.t.Fatal(err)
	}
	defer master.Close()
	defer tty.Close()
	cmd := h.command("run", "bash", "-c", `read -rs -p PW: x </dev/tty; echo; echo ${#x} letters`)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("data\n"), tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 1}
	asks, want := io.Reader(master), "PW:\r\n5 letters\r\n"
	if apart {
		cmd.Stderr, want = nil, "\r\n5 letters\r\n"
		if asks, err = cmd.StderrPipe(); err != nil {
			h.t.Fatal(err)
		}
	}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	tty.Close() // else the terminal would not end with the command
	seen := ""
	for buf := make([]byte, 4096); !strings.Contains(seen, "PW:"); {
		n, err := asks.Read(buf)
		if seen += string(buf[:n]); err != nil {
			h.t.Fatalf("no prompt but %q: %v", seen, err)
		}
	}
	if _, err := io.WriteString(master, "xyzzy\n"); err != nil {
		h.t.Fatal(err)
	}
	rest, _ := io.ReadAll(master) // EIO says that nobody has the terminal any more
	if apart {
		seen = ""
	}
	seen += string(rest)
	if err := cmd.Wait(); err != nil || !strings.HasPrefix(seen, want) {
		h.t.Fatalf("%v; the terminal has %q", err, seen)
	}
}

func TestTerminalPipelines(t *testing.T) {
	t.Parallel()
	p := newPane(t, "less")
	p.enter("qme run yes | less")
	p.until("less shows a page", func() bool { return strings.HasSuffix(p.screen(), "y\n:") })
	p.key("q")
	p.wantCode(0)
	if rec, _ := p.latest(); rec.Data.Signal != "SIGPIPE" || *rec.Data.ReturnCode != 128+int(syscall.SIGPIPE) {
		t.Errorf("recorded signal %q, return code %d", rec.Data.Signal, *rec.Data.ReturnCode)
	}
	// The other way round: less has the keys although its input is a pipe.
	p.enter("seq 10001 10500 | qme run less")
	p.until("less shows a page", func() bool { return strings.HasSuffix(p.screen(), "\n10023\n:") })
	p.typed("G")
	p.sees("10500")
	p.key("q")
	p.wantCode(0)
}

func TestTerminalShell(t *testing.T) {
	t.Parallel()
	p := newPane(t)
	p.enter("PS1='inner> ' qme run bash --norc --noprofile")
	p.sees("inner>")
	p.enter("sh -c 'echo $$ >up; exec sleep 1000'")
	pid := p.number("up")
	p.key("C-z")
	p.sees("Stopped")
	p.enter("fg")
	p.until("the inner shell's job goes on", func() bool { return strings.HasPrefix(p.state(pid), "S") })
	p.key("C-c")
	p.until("the job ends", func() bool { return p.state(pid) == "" })
	p.enter("exit 4")
	p.wantCode(4)
}

// Closing the window ends what runs in it, and the record says so.
func TestTerminalWindowClosed(t *testing.T) {
	t.Parallel()
	for name, redirect := range map[string]string{"terminal": "", "file": " >out"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPane(t)
			p.enter("qme run sh -c 'echo before; echo $$ >pid; exec sleep 1000'" + redirect)
			pid := p.number("pid")
			p.tmux("kill-window")
			await.That(t, "the command's end", func() bool { return p.state(pid) == "" })
			await.That(t, "the record", func() bool {
				return slices.ContainsFunc(p.records(), func(r *record.Record) bool { return r.Data.Status != record.Running })
			})
			rec, out := p.latest()
			if out != "before\n" || rec.Data.Signal != "SIGHUP" && rec.Data.Status != record.Cancelled {
				t.Errorf("recorded status %q, signal %q, output %q", rec.Data.Status, rec.Data.Signal, out)
			}
			await.That(t, "an empty spool", func() bool { return len(p.spool()) == 0 })
			p.verify()
		})
	}
}

// spool returns the uncommitted runs.
func (p *pane) spool() []os.DirEntry {
	p.t.Helper()
	list, err := os.ReadDir(filepath.Join(p.home.dir, "running"))
	if err != nil {
		p.t.Fatal(err)
	}
	return list
}

// A listing takes one line a task whatever is in the commands, and a pager when it
// is longer than the screen.
func TestTerminalListing(t *testing.T) {
	t.Parallel()
	p := newPane(t, "less")
	p.must("-q", "run", "echo", "last in the list")
	p.must("-q", "run", "echo", strings.Repeat("日本語 ", 30))
	p.must("-q", "run", "echo", "red\x1b[31m\a\r\n\tend\u202e")
	for range 9 {
		p.must("-q", "run", "true")
	}
	p.resize(60, 8)
	p.enter("qme ls")
	p.until("the pager shows a page", func() bool {
		return strings.HasSuffix(p.screen(), "true\n:") && strings.Count(p.screen(), "\n") == 7
	})
	p.typed("G")
	p.sees("echo 'last in")
	if s := p.screen(); !strings.Contains(s, `'red\x1b[31m\x07\r\n\tend\…`) || !strings.Contains(s, "echo '日本") || len(regexp.MustCompile(`(?m)^[0-9a-f]{8}-[0-9a-f]{4} `).FindAllString(s, -1)) != 7 {
		t.Errorf("the screen shows\n%s", s)
	}
	p.key("q")
	p.wantCode(0)
}
