package tests

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// starting is a command that says that it runs and waits for a signal.
const starting = `sh -c 'echo >up; exec sleep 1000'`

// Ctrl-C and Ctrl-\ end what is around a command, or leave it, as they do without qme:
// QME stands for "qme run" and, to compare with, for "env". Each line is typed at a bash
// and prints at the end what came of it.
var around = map[string]struct {
	line, key string
	programs  []string
}{
	"loop in a script":   {line: `bash loop; echo "end:$?"`},
	"loop at the prompt": {line: `for i in 1 2 3; do echo turn:$i; QME ` + starting + `; done; echo LOOP-END`},
	"loop to a file":     {line: `bash -c "for i in 1 2 3; do echo turn:\$i; QME sh command >out; done"; echo "end:$?"`},
	"list, quit":         {line: `QME ` + starting + ` && echo AND || echo "or:$?"`, key: `C-\`},
	"list":               {line: `QME ` + starting + ` && echo AND || echo "or:$?"`},
	// How make itself ends depends on whether it or its command gets the signal first.
	"make":            {line: `make -s`, programs: []string{"make"}},
	"xargs":           {line: `printf 'a\nb\n' | xargs -n 1 QME sh command; echo "end:$?"`},
	"python":          {line: `python3 caller.py; echo "end:$?"`, programs: []string{"python3"}},
	"pipeline":        {line: `QME ` + starting + ` | cat; echo "end:${PIPESTATUS[*]}"`},
	"input of a pipe": {line: `cat /dev/tty | QME sh command; echo "end:${PIPESTATUS[*]}"`},
	"caught":          {line: `bash -c "QME sh catching; echo code:\$?"; echo "end:$?"`},
	"ignored":         {line: `bash -c "trap '' INT; QME sh -c 'echo >up; sleep 1; exit 4'; echo code:\$?"; echo "end:$?"`},
	"nested":          {line: `bash -c "for i in 1 2; do QME bash loop; done"; echo "end:$?"`},
	"quiet":           {line: `bash -c "for i in 1 2; do echo turn:\$i; QME -q sh command; done"; echo "end:$?"`},
}

func TestControlCAroundQme(t *testing.T) {
	t.Parallel()
	for name, test := range around {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPane(t, test.programs...)
			want := p.pressAround("env", test.line, test.key)
			if got := p.pressAround("qme run", test.line, test.key); got != want {
				t.Errorf("with qme:\n%s\nwithout:\n%s", got, want)
			}
		})
	}
}

// pressAround types a line, presses the key when the command runs, and returns the words
// that tell what came of it.
func (p *pane) pressAround(qme, line, key string) string {
	p.t.Helper()
	fill := strings.NewReplacer("QME -q", strings.Replace(qme, "qme run", "qme -q run", 1), "QME", qme)
	p.script("command", "echo >up; exec sleep 1000")
	p.script("loop", fill.Replace("for i in 1 2 3; do echo turn:$i; QME sh command; done; echo SCRIPT-END\n"))
	p.script("Makefile", fill.Replace("all: a b\na b:\n\t@echo turn:$@; QME sh command\n"))
	p.script("caller.py", fill.Replace(`import subprocess
try:
    subprocess.Popen("QME sh command".split()).wait()
    print("it ended")
except KeyboardInterrupt:
    print("python was interrupted")
`))
	p.script("catching", `trap 'echo caught; exit 6' INT; echo >up; while :; do sleep 0.05; done`)
	if err := os.Remove(filepath.Join(p.dir, "up")); err != nil && !os.IsNotExist(err) {
		p.t.Fatal(err)
	}
	p.shell("clear", 0)
	p.enter(fill.Replace(line))
	p.file("up")
	if key == "" {
		key = "C-c"
	}
	p.key(key)
	p.prompted()
	var told []string
	for _, row := range strings.Split(p.screen(), "\n")[1:] {
		for _, word := range []string{"turn:", "end:", "code:", "or:", "caught", "interrupted", "-END", "AND", "it ended"} {
			if strings.Contains(row, word) && !strings.Contains(row, "]$") && !strings.Contains(row, "[returncode:") {
				told = append(told, strings.TrimPrefix(strings.TrimSpace(row), "^C"))
				break
			}
		}
	}
	return strings.Join(told, "\n")
}

// Whoever waits for qme sees the signal that has ended the command, wherever it came from,
// and the record is there.
func TestSignalThatEndedTheCommand(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{
		syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGPIPE,
		syscall.SIGUSR1, syscall.Signal(40),
	} {
		h := newHome(t)
		cmd := h.command("run", "sh", "-c", "kill -"+strconv.Itoa(int(sig))+" $$")
		cmd.Dir = t.TempDir()
		_ = cmd.Run()
		if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); !ws.Signaled() || ws.Signal() != sig || ws.CoreDump() {
			t.Errorf("signal %d: qme ended with %v", sig, cmd.ProcessState)
		}
		if rec := h.records()[0]; *rec.Data.ReturnCode != 128+int(sig) || rec.Data.Signal == "" {
			t.Errorf("signal %d: recorded %d, %q", sig, *rec.Data.ReturnCode, rec.Data.Signal)
		}
	}
}

// Two commands at once on one terminal, as "make -j2" and scripts start them, both find it
// as the user has set it; Ctrl-C ends both; and the one that goes on has it when the other
// has ended.
func TestTwoAtOneTerminal(t *testing.T) {
	t.Parallel()
	p := newPane(t, "python3")
	p.script("two.py", `import subprocess, time, os
def wait(name):
    while not os.path.exists(name): time.sleep(0.02)
first = subprocess.Popen("qme run sh first".split())
wait("first.up")
second = subprocess.Popen("qme run sh second".split())
try:
    print("codes", first.wait(), second.wait())
except KeyboardInterrupt:
    print("codes", first.wait(), second.wait(), "interrupted")
`)
	p.script("first", `stty >first.stty; stty -a >first.all; echo >first.up; while [ ! -e end ]; do sleep 0.02; done; printf 'of first\n'`)
	p.script("second", `stty -a >second.all; printf 'A\nB\n'; echo >second.up; while [ ! -e first.gone ]; do sleep 0.02; done; printf 'name? '; read x; echo "<$x>"`)

	p.shell("clear", 0)
	p.enter("python3 two.py")
	p.file("second.up")
	if first, second := p.file("first.all"), p.file("second.all"); first != second {
		t.Errorf("the second command finds the terminal as\n%s\nthe first as\n%s", second, first)
	}
	p.sees("A\nB")
	p.touch("end")
	p.sees("of first")
	p.until("the first is recorded", func() bool {
		return len(p.must("ls", "--running")) > 0 && strings.Count(p.must("ls", "--running"), "\n") == 1
	})
	p.touch("first.gone")
	p.sees("name?")
	p.enter("me")
	p.wantCode(0)
	p.sees("<me>")
	p.sees("codes 0 0")
	before := p.settings()

	for _, name := range []string{"end", "first.gone", "first.up", "second.up"} {
		if err := os.Remove(filepath.Join(p.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	p.shell("clear", 0)
	p.enter("python3 two.py")
	p.file("second.up")
	p.key("C-c")
	p.wantCode(0)
	p.sees("codes -2 -2 interrupted")
	if after := p.settings(); after != before {
		t.Errorf("the terminal is left as\n%s\nit was\n%s", after, before)
	}
}
