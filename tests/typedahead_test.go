package tests

import (
	"encoding/json"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/creack/pty"

	"qme/record"
	"qme/tests/require"
)

// TestEndTypedAhead has an end of input that comes before the command reads, as script(1)
// sends where its own input has ended, be that, and nothing that is shown or recorded: a
// run at such a terminal compares to one without.
func TestEndTypedAhead(t *testing.T) {
	t.Parallel()
	require.Component(t, "cat")
	h := newHome(t)
	const line = "cat; echo result; echo warning >&2"
	h.must("-q", "run", line)
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	if _, err := master.Write([]byte{4}); err != nil {
		t.Fatal(err)
	}
	cmd := h.command("-q", "rerun")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := slave.Close(); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, master)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		t.Fatal("the command does not see the end of its input")
	}
	rec := new(record.Record)
	if err := json.Unmarshal([]byte(h.must("get")), rec); err != nil {
		t.Fatal(err)
	}
	if got := rec.Data.Output; !slices.Equal(got, []string{"result\n", "warning\n"}) || !rec.Data.Terminal.Has("stdin") {
		t.Errorf("%q, %+v", got, rec.Data.Terminal)
	}
	if text, errs, code := h.run("diff", "--exit-code"); code != 0 {
		t.Errorf("diff ended with %d\n%s%s", code, text, errs)
	}
}
