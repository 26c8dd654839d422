package tests

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"qme/internal/procfs"
	"qme/record"
	"qme/tests/await"
	"qme/tests/require"
)

// aQueue is a home for tests of the queue, whose tasks run in the folder cwd.
func aQueue(t *testing.T) *chaos {
	t.Helper()
	c := &chaos{newHome(t), t, sharedDir(t), map[string]record.ID{}, map[string]int{}}
	c.cwd = c.logs
	t.Cleanup(c.endAll)
	return c
}

// addLine adds a task and returns its id.
func (c *chaos) addLine(args ...string) record.ID {
	c.t.Helper()
	return record.ID(strings.TrimSpace(c.must(append([]string{"add", "--print-id"}, args...)...)))
}

// file waits for a file of the folder that has content, and returns it.
func (c *chaos) file(name string) string {
	c.t.Helper()
	var b []byte
	var err error
	if !await.Holds(func() bool {
		b, err = os.ReadFile(filepath.Join(c.logs, name))
		return err == nil && bytes.HasSuffix(b, []byte("\n"))
	}) {
		c.t.Fatalf("there is no %s: %v\n%s", name, err, c.must("queue"))
	}
	return strings.TrimSpace(string(b))
}

func (c *chaos) write(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.logs, name), []byte(text), 0o700); err != nil {
		c.t.Fatal(err)
	}
}

// crash kills the workers and supervisors, and then the process pid.
func (c *chaos) crash(pid string) {
	c.t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		c.t.Fatal(err)
	}
	c.endAll()
	if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
		c.t.Fatal(err)
	}
}

// rebooted has the lock of a running task name another start of the machine.
func (c *chaos) rebooted(id record.ID) {
	c.t.Helper()
	path := filepath.Join(c.dir, "running", string(id), "lock")
	b, err := os.ReadFile(path)
	if err != nil {
		c.t.Fatal(err)
	}
	line, rest := b[:1024], b[1024:]
	owner := map[string]any{}
	if err := json.Unmarshal(line, &owner); err != nil {
		c.t.Fatal(err)
	}
	owner["boot"] = "00000000-1111-2222-3333-444444444444"
	text, err := json.Marshal(owner)
	if err != nil {
		c.t.Fatal(err)
	}
	line = append(text, bytes.Repeat([]byte(" "), 1023-len(text))...)
	if err := os.WriteFile(path, append(append(line, '\n'), rest...), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// After a reboot what ran is cancelled, and runs again only if it is to be tried again.
func TestQueueReboot(t *testing.T) {
	t.Parallel()
	c := aQueue(t)
	c.must("queue", "slots", "2")
	c.write("task", "#!/bin/sh\necho $$ >$1.$(ls $1.* 2>/dev/null | wc -l)\ntest -e done && exit 0\nexec sleep 1000\n")
	once, again := c.addLine("./task", "once"), c.addLine("--retry", "2", "--delay", "0", "./task", "again")
	first, second := c.file("once.0"), c.file("again.0")
	c.crash(first)
	c.crash(second)
	c.rebooted(once)
	c.rebooted(again)
	c.write("done", "\n")
	c.finish()
	c.file("again.1")
	if runs := c.runsOf(once); len(runs) != 1 || runs[0].Outcome() != record.Stopped {
		t.Errorf("without further tries there are %d runs, the first one is %s", len(runs), runs[0].Outcome())
	}
	runs := c.runsOf(again)
	if len(runs) != 2 || runs[0].Outcome() != record.Stopped || runs[1].Outcome() != record.OK || runs[1].Data.Queue.Try != 2 {
		t.Errorf("with further tries there are %d runs: %s, and at last %s", len(runs), runs[0].Outcome(), runs[len(runs)-1].Outcome())
	}
	c.verify()
}

// A try whose supervisor was killed goes on, has its slot, and is not tried again before its processes have
// ended.
func TestQueueUnsupervised(t *testing.T) {
	t.Parallel()
	c := aQueue(t)
	id := c.addLine("--retry", "1", "--delay", "0", "echo $$ >pid; test -e second && exit 0; : >second; until [ -e go ]; do sleep 0.02; done; echo first >>log")
	next := c.addLine("echo next >>log")
	pid := c.file("pid")
	c.endAll()
	for range 3 {
		if out := c.must("queue"); !strings.Contains(out, "unsupervised") {
			t.Errorf("the queue says\n%s", out)
		}
		if n := len(c.runsOf(id)); n > 1 {
			t.Errorf("it has %d runs", n)
		}
	}
	if now := c.file("pid"); now != pid {
		t.Errorf("it was started again, as %s", now)
	}
	if _, err := os.Stat(filepath.Join(c.logs, "log")); err == nil {
		t.Error("the next task has started, although its slot is taken")
	}
	c.write("go", "")
	c.finish()
	if log := c.file("log"); log != "first\nnext" && log != "first" {
		t.Errorf("the tasks have said %q", log)
	}
	runs := c.runsOf(id)
	if len(runs) != 2 || runs[0].Outcome() != record.Stopped || runs[1].Outcome() != record.OK {
		t.Errorf("it has %d runs, and is %s at last", len(runs), runs[len(runs)-1].Outcome())
	}
	if r := c.runsOf(next); len(r) != 1 || r[0].Outcome() != record.OK {
		t.Errorf("the next task is %s", r[0].Outcome())
	}
	c.verify()
}

// What was stopped and has lost its supervisor goes on when the queue is resumed, can be stopped again, and can be
// cancelled while it stands still. It is in a session of its own: another one gets SIGHUP and SIGCONT from the kernel.
func TestQueueStoppedUnsupervised(t *testing.T) {
	t.Parallel()
	c := aQueue(t)
	require.Component(t, "setsid")
	c.must("queue", "slots", "2")
	c.write("task", "#!/bin/sh\necho $$ >$1\nuntil [ -e go ]; do sleep 0.02; done\necho over >$1.over\n")
	goes, ends := c.addLine("setsid", "--wait", "./task", "goes"), c.addLine("setsid", "--wait", "./task", "ends")
	pids := []string{c.file("goes"), c.file("ends")}
	stand := func(want bool) {
		t.Helper()
		for _, pid := range pids {
			n, err := strconv.Atoi(pid)
			if err != nil {
				t.Fatal(err)
			}
			if !await.Holds(func() bool { s, ok := new(procfs.Reader).Stat(n); return ok && (s.State == 'T') == want }) {
				t.Fatalf("process %d stands still is not %v\n%s", n, want, c.must("queue"))
			}
		}
	}
	c.must("queue", "pause", "--running")
	stand(true)
	c.endAll()
	if out := c.must("queue"); strings.Count(out, "stopped, unsupervised") != 2 {
		t.Errorf("the queue says\n%s", out)
	}
	if out := c.must("check"); strings.Count(out, "stands still, and the process that recorded it was killed") != 2 {
		t.Errorf("the check says\n%s", out)
	}
	c.must("queue", "resume")
	stand(false)
	if out := c.must("queue"); strings.Count(out, "running, unsupervised") != 2 {
		t.Errorf("the queue says\n%s", out)
	}
	c.must("queue", "pause", "--running")
	stand(true)
	c.must("cancel", string(ends))
	if r := c.runsOf(ends); len(r) != 1 || r[0].Outcome() != record.Stopped {
		t.Errorf("what was cancelled is %s", r[len(r)-1].Outcome())
	}
	c.write("go", "")
	c.must("queue", "resume")
	c.file("goes.over")
	c.finish()
	if r := c.runsOf(goes); len(r) != 1 || r[0].Outcome() != record.Stopped {
		t.Errorf("what went on is %s", r[len(r)-1].Outcome())
	}
	if _, err := os.Stat(filepath.Join(c.logs, "ends.over")); err == nil {
		t.Error("what was cancelled went on")
	}
	// "queue stop" ends what no process supervises, too, and it is not tried again.
	last := c.addLine("--retry", "3", "echo $$ >last; exec sleep 1000")
	c.file("last")
	c.endAll()
	c.must("queue", "stop")
	if r := c.runsOf(last); len(r) != 1 || r[0].Outcome() != record.Stopped {
		t.Errorf("what was stopped is %s", r[len(r)-1].Outcome())
	}
	c.finish()
	c.verify()
}

// What "queue stop" has asked to end is not tried again, also if the process that was asked is killed before it does so.
func TestQueueStopLost(t *testing.T) {
	t.Parallel()
	c := aQueue(t)
	id := c.addLine("--retry", "3", "--delay", "0", "echo $$ >pid; exec sleep 1000")
	pid, err := strconv.Atoi(c.file("pid"))
	if err != nil {
		t.Fatal(err)
	}
	_, supervisors := c.processes()
	if len(supervisors) != 1 {
		t.Fatalf("the supervisors are %v", supervisors)
	}
	send := func(pid int, sig syscall.Signal) {
		t.Helper()
		if err := syscall.Kill(pid, sig); err != nil {
			t.Fatal(err)
		}
	}
	send(supervisors[0], syscall.SIGSTOP)
	c.must("queue", "stop")
	send(supervisors[0], syscall.SIGKILL)
	send(pid, syscall.SIGKILL)
	c.must("queue", "resume")
	c.finish()
	if r := c.runsOf(id); len(r) != 1 || r[0].Outcome() != record.Stopped {
		t.Errorf("there are %d runs, the last one is %s", len(r), r[len(r)-1].Outcome())
	}
	c.verify()
}

// What has changed of the code while a task waited is in its record.
func TestQueueChangedScript(t *testing.T) {
	t.Parallel()
	c := aQueue(t)
	c.write("work.sh", "#!/bin/sh\necho as it was\n")
	c.must("queue", "pause")
	changed := c.addLine("./work.sh")
	same := c.addLine("echo same")
	c.write("work.sh", "#!/bin/sh\necho as it is\n")
	c.must("queue", "resume")
	c.finish()
	rec := c.runsOf(changed)[0]
	list := rec.Data.Queue.Changed
	if len(list) == 0 || !strings.HasSuffix(list[0].Name, "work.sh") || strings.Join(rec.Data.Output, "") != "as it is\n" {
		t.Errorf("the record names %+v, and has the output %q", list, rec.Data.Output)
	}
	if out := c.must("show", string(changed)); !strings.Contains(out, "work.sh") {
		t.Errorf("it is not shown:\n%s", out)
	}
	if list := c.runsOf(same)[0].Data.Queue.Changed; len(list) != 0 {
		t.Errorf("of a task without a script %+v has changed", list)
	}
}

// To wait for what will not start without the user ends with 5, and names it.
func TestQueueWaitBlocked(t *testing.T) {
	t.Parallel()
	c := aQueue(t)
	failed := c.addLine("exit 3")
	blocked := c.addLine("--after", string(failed), "true")
	well := c.addLine("true")
	_, errs, code := c.run("wait", "--all")
	if code != 5 || !strings.Contains(errs, string(blocked)[len("shell-"):][:13]) {
		t.Errorf("it ends with %d, and says %s", code, errs)
	}
	if r := c.runsOf(well)[0]; r.Outcome() != record.OK {
		t.Errorf("the last task is %s", r.Outcome())
	}
	// When the other one succeeds, it goes on.
	c.write("ok", "")
	c.must("cancel", string(blocked))
}
