package tests

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/mattn/go-runewidth"

	"qme/tests/require"
)

// silent listens on a port, and never answers who connects.
func silent(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var all []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				break
			}
			all = append(all, c)
		}
		for _, c := range all {
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}

// TestStatusOfSilence has a database and a remote that take connections and say nothing.
func TestStatusOfSilence(t *testing.T) {
	t.Parallel()
	address := silent(t)
	for _, scheme := range []string{"postgresql", "mysql"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			h.must("run", "true")
			h.must("-q", "remote", "http://"+address+"/tasks.git")
			h.env = append(h.env, "QME_DATABASE="+scheme+"://me@"+address+"/mirror")
			page := h.inTime("status")
			for _, want := range []string{"mirror: cannot be asked: the database does not answer within 2s\n", "origin: 1 task not pushed; never exchanged\n", "running: none\n"} {
				if !strings.Contains(page, want) {
					t.Errorf("the page lacks %q:\n%s", want, page)
				}
			}
			var st struct {
				Mirror struct {
					Reached bool
					Error   string
				}
			}
			if err := json.Unmarshal([]byte(h.inTime("status", "--json")), &st); err != nil || st.Mirror.Reached || !strings.Contains(st.Mirror.Error, "does not answer") {
				t.Errorf("as JSON the mirror is %+v: %v", st.Mirror, err)
			}
		})
	}
}

// inTime is must for what must not wait for anybody.
func (h *home) inTime(args ...string) string {
	h.t.Helper()
	cmd := h.command(args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			h.t.Errorf("%q: %v", args, err)
		}
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		<-ended
		h.t.Fatalf("%q has not ended", args)
	}
	return out.String()
}

// TestStatusOnTerminal shows the page at widths that people have.
func TestStatusOnTerminal(t *testing.T) {
	t.Parallel()
	require.Component(t, "sh")
	h := newHome(t)
	h.run("run", "sh", "-c", "exit 3", "日本語 "+strings.Repeat("and a long line ", 20))
	for _, width := range []uint16{40, 60, 80, 120, 200} {
		master, slave, err := pty.Open()
		if err == nil {
			err = pty.Setsize(slave, &pty.Winsize{Cols: width, Rows: 24})
		}
		if err != nil {
			t.Fatal(err)
		}
		cmd := h.command("status")
		cmd.Stdout = slave
		cmd.Env = append(cmd.Env, "TERM=xterm", "NO_COLOR=1")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if err := slave.Close(); err != nil {
			t.Fatal(err)
		}
		var page bytes.Buffer
		_, _ = io.Copy(&page, master) // ends with an error when the terminal is closed
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		_ = master.Close()
		for line := range strings.Lines(page.String()) {
			row := strings.TrimRight(line, "\r\n")
			if strings.HasPrefix(row, "  ") && (runewidth.StringWidth(row) > int(width) || !strings.HasSuffix(row, "…")) {
				t.Errorf("%d columns: %q", width, row)
			}
		}
		if !strings.Contains(page.String(), "failed, of the latest 1: 1 task\r\n  0") {
			t.Errorf("%d columns:\n%s", width, page.String())
		}
	}
}
