package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"qme/record"
)

// The worker goes on where its program was removed, as it is for a moment by some updates.
func TestQueueProgramRemoved(t *testing.T) {
	t.Parallel()
	c := aQueue(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(c.logs, "program")
	if out, err := exec.Command("cp", self, exe).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := c.command("add", "until [ -e go ]; do sleep 0.02; done")
	cmd.Path = exe
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	next := c.addLine("echo next >next")
	if err := os.Remove(exe); err != nil {
		t.Fatal(err)
	}
	c.write("go", "")
	c.file("next")
	c.finish()
	if r := c.runsOf(next); len(r) != 1 || r[0].Outcome() != record.OK {
		t.Errorf("there are %d runs, the last one is %s", len(r), r[len(r)-1].Outcome())
	}
	c.verify()
}
