package capture

import (
	"os/exec"
	"strings"
	"testing"
)

// What is typed for a program that opens the terminal which a variable names must reach
// that program alone: no key may be echoed by the command's own terminal, or recorded.
func TestVariablesNameTheCommandsTerminal(t *testing.T) {
	u := newUser(t)
	outer := u.tty.Name()
	name := func(c *exec.Cmd) {
		c.Env = append(c.Env, "GPG_TTY="+outer, "SSH_TTY="+outer, "_P9K_TTY="+outer, "STDIN_TTY=/dev/stdin",
			"OTHER=/dev/null", "INSIDE=x"+outer, "TTY=/dev/tty")
	}
	script := `stty -echo <$GPG_TTY; echo ready; read p <$GPG_TTY; stty echo <$GPG_TTY; echo "got:$p"
		t=$(tty); for v in "$GPG_TTY" "$SSH_TTY" "$_P9K_TTY" "$STDIN_TTY"; do test "$v" = "$t" || echo "wrong: $v"; done
		echo "$OTHER $INSIDE $TTY"`
	r, dir := u.run(func() {
		u.expect("ready")
		for _, key := range "secret\n" {
			u.typed(string(key))
		}
		u.expect("got:secret")
	}, name, "sh", "-c", script)
	want := "ready\ngot:secret\n/dev/null x" + outer + " /dev/tty\n"
	if got := recorded(t, dir, "out"); got != want || r.ReturnCode != 0 {
		t.Errorf("code %d, recorded %q, want %q", r.ReturnCode, got, want)
	}
}

// A program that learnt the terminal's name otherwise, such as a gpg-agent that was
// started before, sets the terminal for itself. Its keys are none of ours, and those after
// it are again.
func TestKeysOfAnotherProgramAreLeftAlone(t *testing.T) {
	u := newUser(t)
	script := `exec 3<` + u.tty.Name() + `; old=$(stty -g <&3); stty -icanon -echo isig min 1 <&3
		kill -CONT $(ps -o ppid= -p $PPID); sleep 0.3; echo ready # qme looks at its terminal then
		p=$(dd bs=1 count=6 <&3 2>/dev/null); stty "$old" <&3; echo "got:$p"; read line; echo "line:$line"`
	r, dir := u.run(func() {
		u.expect("ready")
		for _, key := range "secret" {
			u.typed(string(key))
		}
		u.expect("got:secret")
		u.typed("next\n")
		u.expect("line:next")
	}, nil, "sh", "-c", script)
	got := recorded(t, dir, "out")
	if rest := strings.Replace(got, "got:secret", "", 1); strings.ContainsAny(rest, "s") || r.ReturnCode != 0 {
		t.Errorf("code %d, recorded %q", r.ReturnCode, got)
	}
}
