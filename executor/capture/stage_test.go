package capture

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// enterStage writes a word to the descriptor of a stage.
func enterStage(fd int) error { return writeAll(fd, []byte("entered\n")) }

// TestStage runs commands in a stage: what they print and how they end is as without one.
func TestStage(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	binary := filepath.Join(dir, "binary")
	for path, content := range map[string]string{script: "echo script $1 $$\n", binary: "\x00\x01\x02"} {
		if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, cmd := range [][]string{
		{"sh", "-c", "echo out; echo err >&2; exit 3"},
		{"sh", "-c", "kill -TERM $$"},
		{"sh", "-c", "ls /proc/self/fd | wc -l; trap; kill -l"},
		{script, "a"}, {binary}, {dir}, {"./none"}, {"no-such-command"}, {"cd", "x"}, {"echo", "a\x00b"},
	} {
		var got [2]result
		for i, staged := range []bool{false, true} {
			got[i] = runIn(t, cmd, staged)
		}
		if got[0] != got[1] {
			t.Errorf("%q: with a stage %+v, without one %+v", cmd, got[1], got[0])
		}
	}
}

type result struct {
	code             int
	signal, out, err string
}

func runIn(t *testing.T, cmd []string, staged bool) result {
	t.Helper()
	var out, errs bytes.Buffer
	s := Spec{Cmd: cmd, Out: &out, Err: &errs}
	if staged {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		s.Stage = w
		defer func() {
			w.Close()
			if word, err := io.ReadAll(r); err != nil || string(word) != "entered\n" && cmd[len(cmd)-1] != "a\x00b" {
				t.Errorf("%q: the stage wrote %q, %v", cmd, word, err)
			}
		}()
	}
	res, err := Run(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if res.PID != 0 {
		text = string(bytes.ReplaceAll(out.Bytes(), []byte(strconv.Itoa(res.PID)), []byte("PID")))
	}
	return result{res.ReturnCode, res.Signal, text, errs.String()}
}
