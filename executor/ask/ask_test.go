package ask

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
	"syscall"
	"testing"
	"time"

	"qme/record"
)

func streamOf(t *testing.T, script string, idle time.Duration, ended func(Answer) error) io.ReadCloser {
	t.Helper()
	r, err := Stream(context.Background(), Question{Argv: []string{"sh", "-c", script}, Stdin: []byte("in")}, idle, ended)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestStream(t *testing.T) {
	r := streamOf(t, "cat; echo why >&2; exit 3", time.Minute, func(a Answer) error {
		if a.Code != 3 || a.Because() != ": why" {
			t.Errorf("it ended with %d%s", a.Code, a.Because())
		}
		return record.ErrNotYet
	})
	if b, err := io.ReadAll(r); string(b) != "in" || !errors.Is(err, record.ErrNotYet) {
		t.Errorf("read %q, %v", b, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// A program that falls silent ends the stream behind what it has printed, and one that is
// not read to its end goes when the stream is closed.
func TestStreamEnds(t *testing.T) {
	never := func(a Answer) error { t.Errorf("it ended by itself, with %d", a.Code); return nil }
	r := streamOf(t, "echo a; exec sleep 1000", 100*time.Millisecond, never)
	if b, err := io.ReadAll(r); string(b) != "a\n" || !errors.Is(err, record.ErrUnavailable) || !strings.Contains(err.Error(), "printed nothing") {
		t.Errorf("read %q, %v", b, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	r = streamOf(t, "exec cat /dev/zero", time.Minute, never)
	if _, err := io.ReadFull(r, make([]byte, 100)); err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Stream(context.Background(), Question{Argv: []string{"/no/such"}}, time.Minute, never); !errors.Is(err, record.ErrUnavailable) {
		t.Errorf("of a program that is not there: %v", err)
	}
}

// Messages are shown line by line, the last of a failure but kept as the reason.
func TestShow(t *testing.T) {
	var out, messages bytes.Buffer
	a, err := Show(context.Background(), Question{Argv: []string{"sh", "-c", "echo 1 >&2; echo 2 >&2; echo out; echo 3 >&2; exit 1"}}, &out, &messages)
	if err != nil || a.Code != 1 || a.Because() != ": 3" || out.String() != "out\n" || messages.String() != "1\n2\n" {
		t.Errorf("%d%s, %v, %q, %q", a.Code, a.Because(), err, out.String(), messages.String())
	}
	messages.Reset()
	a, err = Show(context.Background(), Question{Argv: []string{"sh", "-c", "printf 'a\\nb' >&2"}}, &out, &messages)
	if err != nil || a.Code != 0 || messages.String() != "a\nb" {
		t.Errorf("%d, %v, %q", a.Code, err, messages.String())
	}
}

// A reason is one line that is safe to show.
func TestBecause(t *testing.T) {
	a := Answer{Stderr: []byte("first\n\x1b[2Jlast " + strings.Repeat("é", 200) + "\n\n")}
	if got := a.Because(); !strings.HasPrefix(got, `: \x1b[2Jlast é`) || !strings.HasSuffix(got, "é…") || len(got) > 320 {
		t.Errorf("because%s", got)
	}
}

func TestRun(t *testing.T) {
	for _, c := range []struct {
		name, script string
		q            Question
		out, errs    string
		code         int
		is           error
		message      string
	}{
		{"answers", "cat; echo $WORD; echo why >&2; exit 3", Question{Stdin: []byte("in "), Env: []string{"WORD=a", "PATH=" + os.Getenv("PATH")}}, "in a\n", "why\n", 3, nil, ""},
		{"leaves a process with its output", "sleep 100 & echo out", Question{}, "out\n", "", 0, nil, ""},
		{"dies", "echo why >&2; kill -KILL $$", Question{}, "", "why\n", -1, record.ErrUnavailable, "sh has died (signal: killed): why: "},
		{"prints too much", "exec cat /dev/zero", Question{Most: 2 << 20}, "", "", -1, record.ErrUnavailable, "sh has printed more than 2 MiB: "},
		{"complains too much", "exec cat /dev/zero >&2", Question{Most: 1 << 20}, "", "", -1, record.ErrUnavailable, "sh has printed more than 1 MiB: "},
		{"hangs", "sleep 100 & wait", Question{Limit: 50 * time.Millisecond}, "", "", -1, ErrLate, "sh has not answered in time: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.q.Argv = []string{"sh", "-c", c.script}
			a, err := Run(context.Background(), c.q)
			if !errors.Is(err, c.is) || err != nil && (!errors.Is(err, record.ErrUnavailable) || !strings.HasPrefix(err.Error(), c.message)) {
				t.Errorf("it ended with %v, want %q", err, c.message)
			}
			if c.q.Most == 0 && (string(a.Stdout) != c.out || string(a.Stderr) != c.errs) || a.Code != c.code || len(a.Stdout)+len(a.Stderr) > 2<<20 {
				t.Errorf("it said %d, %.20q and %.20q", a.Code, a.Stdout, a.Stderr)
			}
		})
	}
	if _, err := Run(context.Background(), Question{Argv: []string{"/no/such"}}); !errors.Is(err, record.ErrUnavailable) || !strings.HasPrefix(err.Error(), "/no/such cannot be run: ") {
		t.Errorf("a program that is not there: %v", err)
	}
}

// A program that is not awaited any more ends, with all that it has started.
func TestRunCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	file := filepath.Join(t.TempDir(), "pids")
	go func() {
		for {
			if b, err := os.ReadFile(file); err == nil && bytes.Count(b, []byte("\n")) == 2 {
				cancel()
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	_, err := Run(ctx, Question{Argv: []string{"sh", "-c", `sleep 1000 & echo $! >>"$1"; echo $$ >>"$1"; wait`, "sh", file}})
	if !errors.Is(err, context.Canceled) || !errors.Is(err, record.ErrUnavailable) {
		t.Errorf("it ended with %v", err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for pid := range strings.FieldsSeq(string(b)) {
		gone(t, pid)
	}
}

// gone checks that a process has ended, or is about to.
func gone(t *testing.T, pid string) {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); syscall.Kill(n, 0) == nil && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if state, err := exec.Command("ps", "-o", "stat=", "-p", pid).Output(); err == nil && bytes.HasPrefix(state, []byte("Z")) {
			return
		}
	}
	if syscall.Kill(n, 0) == nil {
		t.Errorf("process %d goes on", n)
	}
}
