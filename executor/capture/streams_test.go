package capture

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"qme/record"
	"qme/tests/await"
)

// alternating writes lines to both streams in turn.
const alternating = `i=0; while [ $i -lt 100 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done`

func inTurn() string {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, "out %d\nerr %d\n", i, i)
	}
	return b.String()
}

// Where both streams are one to the caller, what is written to them comes in its order.
func TestOneStreamKeepsItsOrder(t *testing.T) {
	for name, shell := range map[string]string{
		"file":                `exec >log 2>&1`,
		"file, opened before": `exec 3>log; exec >&3 2>&3`,
		"appended":            `exec >>log 2>>log`,
		"pipe":                `exec 3>&1; { exec "$0" as-qme sh -c "$script" 2>&1; } | cat >log; exit`,
		"named pipe":          `mkfifo p; cat p >log & exec >p 2>p`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := exec.Command("sh", "-c", shell+`; "$0" as-qme sh -c "$script"`, os.Args[0])
			c.Dir, c.Env = dir, append(os.Environ(), "script="+alternating, "CAPTURE_DIR="+dir)
			if out, err := c.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			await.That(t, "all of the log", func() bool { return len(recorded(t, dir, "log")) >= len(inTurn()) })
			if log := recorded(t, dir, "log"); log != inTurn() {
				t.Errorf("the log has\n%s", log)
			}
			if out := recorded(t, dir, "out"); out != inTurn() || recorded(t, dir, "err") != "" || !resultOf(t, dir).Merged {
				t.Errorf("recorded\n%s", out)
			}
		})
	}
}

// Else each has its own: two files, one file that was opened twice, a device.
func TestTwoStreamsStayApart(t *testing.T) {
	for name, shell := range map[string]string{
		"files":  `exec >log 2>other`,
		"twice":  `exec >log 2>log`,
		"null":   `exec >/dev/null 2>&1`,
		"quiet":  `export CAPTURE_QUIET=1; exec >log 2>&1`,
		"pipes":  `{ "$0" as-qme sh -c "$script" 2>&3 | cat; } 3>other; exit`,
		"closed": `exec >log 2>&-`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := exec.Command("sh", "-c", shell+`; "$0" as-qme sh -c "$script"`, os.Args[0])
			c.Dir, c.Env = dir, append(os.Environ(), "script="+alternating, "CAPTURE_DIR="+dir)
			if out, err := c.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			out, errs := recorded(t, dir, "out"), recorded(t, dir, "err")
			if strings.Contains(out, "err") || strings.Contains(errs, "out") || strings.Count(out+errs, "\n") != 200 || resultOf(t, dir).Merged {
				t.Errorf("recorded %q and %q", out, errs)
			}
		})
	}
}

func TestStdinIsDescribed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a file")
	if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	open := func(path string) *os.File {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	gone := open(path)
	if err := os.Rename(path, path+"2"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path + "2"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	_, tty := newTerminal(t)
	for name, test := range map[string]struct {
		f    *os.File
		want record.Stdin
	}{
		"file":     {open(path), record.Stdin{Kind: "file", Path: real, Size: 5}},
		"removed":  {gone, record.Stdin{Kind: "file", Size: 5}},
		"null":     {open(os.DevNull), record.Stdin{Kind: "null"}},
		"nil":      {nil, record.Stdin{Kind: "null"}},
		"zero":     {open("/dev/zero"), record.Stdin{Kind: "other"}},
		"folder":   {open(dir), record.Stdin{Kind: "other"}},
		"pipe":     {r, record.Stdin{Kind: "pipe"}},
		"terminal": {tty, record.Stdin{Kind: "terminal"}},
		"socket":   {aSocket(t), record.Stdin{Kind: "socket"}},
	} {
		if got := Stdin(test.f); *got != test.want {
			t.Errorf("%s: %+v, want %+v", name, *got, test.want)
		}
	}
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	if got := Terminals(r, tty, nil); len(got.Streams) != 1 || got.Streams[0] != "stdout" || got.Columns != 80 || got.Rows != 24 || got.Name != os.Getenv("TERM") {
		t.Errorf("terminals %+v", got)
	}
	if got := Terminals(r, nil, nil); len(got.Streams) > 0 || got.Columns+got.Rows > 0 || got.Name != "" {
		t.Errorf("no terminal is %+v", got)
	}
}

func aSocket(t *testing.T) *os.File {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[0]), "socket")
	t.Cleanup(func() { f.Close(); unix.Close(fds[1]) })
	return f
}

// The memory of a small command cannot be told from that of its starter; that of a large
// one can.
func TestMemoryIsTheCommands(t *testing.T) {
	const large = `x=$(head -c 80000000 /dev/zero | tr '\0' x); exit ${#x}`
	if got := runPiped(t, nil, "sh", "-c", large); got.Usage.MaxRSS < 80e6 {
		t.Errorf("usage %+v of a large command", got.Usage)
	}
	if got := runPiped(t, nil, "true"); got.Usage.MaxRSS != 0 {
		t.Errorf("usage %+v of a small command", got.Usage)
	}
	if r, _ := newUser(t).run(nil, nil, "sh", "-c", large); r.Usage.MaxRSS < 80e6 {
		t.Errorf("usage %+v of a large command at a terminal", r.Usage)
	}
	// What this process needs later is not the command's either.
	big := make([]byte, 200<<20)
	for i := 0; i < len(big); i += 4096 {
		big[i] = 1
	}
	if got := runPiped(t, nil, "true"); got.Usage.MaxRSS != 0 {
		t.Errorf("usage %+v of a small command in a large process", got.Usage)
	}
	_ = big[len(big)-1]
}

// How much a command and its children have read and written is told of longer runs.
func TestBytesOfLongerRuns(t *testing.T) {
	const script = `head -c 3000000 /dev/zero | cat >/dev/null; sleep 1`
	if got := runPiped(t, nil, "sh", "-c", script); runtime.GOOS == "linux" && (got.Usage.Read < 6e6 || got.Usage.Written < 6e6) {
		t.Errorf("usage %+v", got.Usage)
	}
	if r, _ := newUser(t).run(nil, nil, "sh", "-c", script); runtime.GOOS == "linux" && (r.Usage.Read < 6e6 || r.Usage.Written < 6e6) {
		t.Errorf("usage %+v at a terminal", r.Usage)
	}
	if got := runPiped(t, nil, "sh", "-c", "head -c 3000000 /dev/zero"); got.Usage.Read != 0 || got.Usage.Written != 0 {
		t.Errorf("usage %+v of a short run", got.Usage)
	}
}
