package tests

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/creack/pty"

	"qme/record"
)

// leftAlone is why a pipe is left alone that this process can read from, too.
var leftAlone = map[bool]string{true: record.StdinShared, false: record.StdinUnknown}[runtime.GOOS == "linux"]

// A rerun of what has read from a pipe or a file does not wait at the keyboard for it.
func TestRerunOfWhatReadItsInput(t *testing.T) {
	t.Parallel()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer tty.Close()
	h := newHome(t)
	dir := t.TempDir()
	h.cwd = dir
	file := filepath.Join(dir, "data")
	if err := os.WriteFile(file, []byte("from the file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(input func() *os.File, args ...string) (string, int) {
		t.Helper()
		cmd := h.command(args...)
		cmd.Stdin = input()
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		_ = cmd.Run()
		return out.String(), codeOf(cmd.ProcessState)
	}
	keyboard := func() *os.File { return tty }
	ofFile := func() *os.File {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	ofPipe := func() *os.File {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.WriteString("from the pipe\n"); err != nil {
			t.Fatal(err)
		}
		w.Close()
		t.Cleanup(func() { r.Close() })
		return r
	}
	for kind, input := range map[string]func() *os.File{"pipe": ofPipe, "file": ofFile} {
		if out, code := run(input, "run", "cat"); code != 0 || !strings.Contains(out, "from the "+kind) {
			t.Fatalf("%s: code %d, %q", kind, code, out)
		}
		in := h.records()[0].Data.Stdin
		if want := (record.Stdin{Kind: kind, LeftAlone: leftAlone}); kind == "pipe" && (in == nil || *in != want) || kind == "file" && (in == nil || filepath.Base(in.Path) != "data" || in.Size != 14) {
			t.Errorf("recorded %+v", in)
		}
		out, code := run(keyboard, "rerun")
		if code != 5 || !strings.Contains(out, "its input came from") || !strings.Contains(out, "qme rerun --stdin "+map[string]string{"pipe": "FILE", "file": file}[kind]) {
			t.Errorf("%s: code %d, %q", kind, code, out)
		}
		if out, code := run(keyboard, "rerun", "--stdin", "data"); code != 0 || !strings.Contains(out, "from the file") {
			t.Errorf("%s, --stdin: code %d, %q", kind, code, out)
		}
		if out, code := run(ofPipe, "rerun"); code != 0 || !strings.Contains(out, "from the pipe") {
			t.Errorf("%s, input again: code %d, %q", kind, code, out)
		}
	}
	if out, code := run(keyboard, "rerun", "--stdin", "none"); code != 2 || !strings.Contains(out, "--stdin") {
		t.Errorf("no such file: code %d, %q", code, out)
	}
	run(keyboard, "run", "true")
	if out, code := run(keyboard, "rerun"); code != 0 {
		t.Errorf("of a run at the keyboard: code %d, %q", code, out)
	}
}

// A command that was not given in this home and has read its input is asked about at the
// keyboard also where its input is a file now, and each hint keeps what was given.
func TestForeignRerunOfWhatReadItsInput(t *testing.T) {
	t.Parallel()
	p, hub, from := newPane(t, "git"), newHub(t), newHome(t)
	cmd := from.command("-q", "run", "cat")
	cmd.Stdin = strings.NewReader("from the pipe\n")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	from.must("remote", hub.dir)
	from.must("push")
	p.must("clone", hub.dir)
	id := string(p.records()[0].UID)
	if err := os.WriteFile(filepath.Join(p.dir, "data"), []byte("from the file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"qme rerun @1":                    "qme rerun " + id + " <FILE, or qme rerun --stdin FILE " + id,
		"qme rerun --yes @1":              "qme rerun --yes " + id + " <FILE, or qme rerun --yes --stdin FILE " + id,
		"qme rerun --stdin data @1 <data": "qme rerun --yes --stdin data " + id,
		"qme rerun @1 <data":              "qme rerun --yes " + id,
		"qme --home $QME_HOME/. rerun @1": "qme rerun --stdin FILE " + id,
	} {
		p.shell(line+" 2>said", 5)
		if got := p.file("said"); !strings.Contains(got, want) {
			t.Errorf("%s says %q, want %q", line, got, want)
		}
	}
	for _, answer := range []struct {
		text string
		code int
	}{{"n", 5}, {"y", 0}} {
		p.enter("clear; qme rerun --stdin data @1")
		p.sees("Run it here, as you? [n]|y:")
		p.enter(answer.text)
		p.wantCode(answer.code)
	}
	p.sees("from the file")
}
