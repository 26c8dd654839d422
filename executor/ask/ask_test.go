package ask

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
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

// An answer is waited for until its time is over, also when another process still holds
// the output.
func TestRunLimit(t *testing.T) {
	_, err := Run(context.Background(), Question{Argv: []string{"sh", "-c", "sleep 5 & echo $! >&2; wait"}, Limit: 50 * time.Millisecond})
	if !errors.Is(err, record.ErrUnavailable) || !strings.Contains(err.Error(), "not answered in time") {
		t.Errorf("got %v", err)
	}
}
