package capture

import (
	"os"
	"strings"
	"testing"

	"qme/tests/await"
)

// All of this is typed at a real shell. Commands that are to stop do not start others
// at that moment: a process that waits in vfork(2) for a child that has just been stopped
// does not stop, with or without us.

func TestControlZAndForeground(t *testing.T) {
	u := newUser(t)
	dir := u.shell()
	before := u.settings()
	u.typed("$QME sh -c 'echo up; read x; echo read $x; exit 6'\n")
	u.expect("\nup\r\n")
	for range 2 {
		u.typed("\x1a")
		u.expect("Stopped")
		u.expect("> ")
		if u.settings() != before {
			t.Error("the terminal is not as the shell had it")
		}
		u.typed("echo shell $((1+1))\n")
		u.expect("shell 2\r\n")
		u.expect("> ")
		u.typed("fg\n")
		u.expect("exit 6'\r\n") // the shell repeats the command, and then gives it the terminal
		await.That(t, "the command in the foreground", func() bool { return u.settings() != before })
	}
	u.typed("word\n")
	u.expect("read word\r\n")
	u.expect("> ")
	u.typed("echo code $?\n")
	u.expect("code 6\r\n")
	u.expect("> ")
	if u.settings() != before {
		t.Error("the terminal is not as the shell had it")
	}
	if got := recorded(t, dir, "out"); !strings.HasSuffix(got, "read word\n") {
		t.Errorf("recorded %q", got)
	}
}

func TestBackgroundAndForeground(t *testing.T) {
	u := newUser(t)
	u.shell()
	u.typed("$QME sh -c 'echo up; read x; echo read $x'\n")
	u.expect("\nup\r\n")
	u.typed("\x1a")
	u.expect("Stopped")
	u.expect("> ")
	u.typed("bg\n")
	u.expect("> ")
	// In the background qme must leave the shell's input alone.
	u.typed("echo for the $((1)) shell\n")
	u.expect("for the 1 shell\r\n")
	u.typed("jobs\n")
	u.expect("Running")
	u.expect("> ")
	u.typed("fg\n")
	u.expect("read $x'\r\n")
	u.typed("word\n")
	u.expect("read word\r\n")
	u.expect("> ")
}

func TestStartedInTheBackground(t *testing.T) {
	u := newUser(t)
	u.shell()
	u.typed("$QME sh -c 'stty -a; echo up; read x; echo read $x' &\n")
	u.expect("\nup\r\n") // with line ends as they should be, though qme must not touch the terminal
	u.typed("\n")
	u.expect("> ")
	u.typed("echo for the $((1)) shell\n")
	u.expect("for the 1 shell\r\n")
	u.typed("fg\n")
	u.expect("read $x'\r\n")
	u.typed("word\n")
	u.expect("read word\r\n")
	u.expect("> ")
}

func TestControlZInAPipeline(t *testing.T) {
	u := newUser(t)
	u.shell()
	// "cont" says that the shell has given the terminal away.
	loop := "sleep 60 </dev/null >/dev/null 2>&1 & "
	u.typed("$QME sh -c 'trap \"echo cont >&2\" CONT; " + loop + "echo up >&2; while :; do wait; done' | cat\n")
	u.expect("\nup\r\n")
	u.typed("\x1a")
	u.expect("Stopped")
	u.expect("> ")
	u.typed("fg\n")
	u.expect("\ncont\r\n")
	u.typed("\x03")
	u.expect("> ")
	u.typed("echo ${PIPESTATUS[0]}\n")
	u.expect("130\r\n")
	u.expect("> ")
	// The other way round: standard output is the terminal, the input is not.
	u.typed("(trap \"\" INT; echo in; sleep 2) | $QME sh -c 'trap \"echo cont\" CONT; " + loop + "read l; echo $l; while :; do wait; done'\n")
	u.expect("\nin\r\n")
	u.typed("\x1a")
	u.expect("Stopped")
	u.expect("> ")
	u.typed("fg\n")
	u.expect("\ncont\r\n")
	u.typed("\x03") // the first part ignores it, else the input's end might come sooner
	u.expect("> ")
	u.typed("echo code $?\n")
	u.expect("code 130\r\n")
	u.expect("> ")
}

func TestShellInQME(t *testing.T) {
	u := newUser(t)
	u.shell()
	// A command with job control of its own.
	u.typed("PS1='inner> ' $QME bash --norc --noprofile --noediting -i\n")
	u.expect("\ninner> ")
	u.typed("sh -c 'echo up; exec sleep 1000'\n")
	u.expect("\nup\r\n")
	u.typed("\x1a")
	u.expect("Stopped")
	u.expect("inner> ")
	u.typed("kill -KILL %1\n")
	u.expect("inner> ")
	u.typed("while jobs -s | grep -q .; do sleep 0.05; done; exit 3\n")
	u.expect("\n> ")
	u.typed("echo code $?\n")
	u.expect("code 3\r\n")
}

func TestVim(t *testing.T) {
	need(t, "vim")
	u := newUser(t)
	dir := u.shell()
	before := u.settings()
	file := dir + "/text"
	u.typed("$QME vim -u NONE -N " + file + "\n")
	u.expect("[New]")
	u.typed("ihello\x1b")
	u.typed("\x1a")
	u.expect("Stopped")
	u.expect("> ")
	if u.settings() != before {
		t.Error("the terminal is not as the shell had it")
	}
	u.typed("fg\n")
	u.expect("hello") // it draws its screen anew
	u.typed("A world\x1b:wq\r")
	u.expect("written")
	u.expect("> ")
	if got := recorded(t, dir, "text"); got != "hello world\n" {
		t.Errorf("the file has %q", got)
	}
	if u.settings() != before {
		t.Error("the terminal is not as the shell had it")
	}
}

func TestPythonREPL(t *testing.T) {
	need(t, "python3")
	u := newUser(t)
	u.shell()
	u.typed("$QME python3 -q\n")
	u.expect(">>> ")
	u.typed("6*7\n")
	u.expect("42")
	u.expect(">>> ")
	u.typed("\x03")
	u.expect("KeyboardInterrupt")
	u.expect(">>> ") // before, Ctrl-D would be another thing
	u.typed("\x04")
	u.expect("\n> ")
}

func TestTypedAheadIsForTheShell(t *testing.T) {
	if b, err := os.ReadFile("/proc/sys/dev/tty/legacy_tiocsti"); err == nil && string(b) == "0\n" && os.Getuid() != 0 {
		t.Skip("this system does not allow it: dev.tty.legacy_tiocsti is 0")
	}
	u := newUser(t)
	u.shell()
	g := newGate(t)
	u.typed("$QME sh -c '" + strings.ReplaceAll(g.script("echo up; pass 1"), "'", `'\''`) + "'\n")
	u.expect("\nup\r\n")
	u.typed("echo a$((1))head\necho begi")
	u.expect("echo begi") // the command's terminal has it
	g.open("1")
	u.expect("> a1head\r\n") // it was echoed when it was typed
	u.typed("nning$((1))\n")
	u.expect("beginning1\r\n") // which nobody has typed, wherever the prompt stands
}

func TestControlZWithoutAShell(t *testing.T) {
	u := newUser(t)
	u.run(func() {
		u.expect("up\r\n")
		u.typed("\x1a") // nobody could continue the command, and so it must not stop
		u.expect("^Z")
		u.typed("word\r")
		u.expect("read word\r\n")
	}, nil, "sh", "-c", "echo up; read x; echo read $x")
}

func TestContinuedFromElsewhere(t *testing.T) {
	u := newUser(t)
	u.shell()
	u.typed("$QME sh -c 'trap \"echo ended; exit\" CONT; sleep 60 </dev/null >/dev/null 2>&1 & echo up; wait'\n")
	u.expect("\nup\r\n")
	u.typed("\x1a")
	u.expect("Stopped")
	u.expect("> ")
	u.typed("kill -CONT $(cat $CAPTURE_DIR/pid)\n")
	u.expect("ended\r\n")
	u.typed("wait; echo waited\n")
	u.expect("\nwaited\r\n")
}

func TestInterruptInTheBackground(t *testing.T) {
	u := newUser(t)
	u.shell()
	u.typed("$QME $BINARY count-signals >$CAPTURE_DIR/signals & pid=$!\n")
	u.typed("until grep -q ready $CAPTURE_DIR/signals; do sleep 0.05; done; kill -INT $pid; kill -TERM $pid\n")
	u.typed("until [ $(wc -l <$CAPTURE_DIR/signals) = 3 ]; do sleep 0.05; done; kill -USR2 $pid; wait; echo code $?\n")
	u.expect("\ncode 0\r\n")
	u.typed("sort $CAPTURE_DIR/signals | tr '\\n' ,\n")
	u.expect("end,interrupt,ready,terminated,user defined signal 2,")
}
