package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"qme/record"
	"qme/tests/await"
)

// TestQueueInAllocation adds tasks in an allocation of Slurm. They run there, beside those outside, by a
// worker, and end with the allocation, also if that worker was killed; what has not run then waits, and can be released.
func TestQueueInAllocation(t *testing.T) {
	t.Parallel()
	s := newSlurmHome(t)
	c := aQueue(t)
	c.env = s.env
	outside := c.addLine("until [ -e go ]; do sleep 0.05; done; echo ${SLURM_JOB_ID-none} >outside")
	next := c.addLine("echo ${SLURM_JOB_ID-none} >next")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c.write("job", `#!/bin/bash
qme() { (exec -a qme `+exe+` "$@"); }
echo $SLURM_JOB_ID >job.id
id=$(qme add --print-id 'echo ${SLURM_JOB_ID-none} >inside')
qme wait $id >waited 2>&1; echo $? >code
qme add --print-id 'echo $$ >cut.pid; exec sleep 1000' >cut
qme add --print-id 'echo ${SLURM_JOB_ID-none} >late' >late.id
until [ -s cut.pid ]; do sleep 0.05; done
until [ -e end ]; do sleep 0.05; done
`)
	cmd := exec.Command("sbatch", "--mem=50", "--output="+filepath.Join(c.logs, "job.out"), filepath.Join(c.logs, "job"))
	cmd.Dir, cmd.Env = c.logs, c.command().Env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	job := c.file("job.id")
	if inside := c.file("inside"); inside != job {
		t.Errorf("a task of the allocation %s has run in %s", job, inside)
	}
	if code := c.file("code"); code != "0" {
		t.Errorf("to wait for it ended with %s", code)
	}
	cut, late := record.ID(c.file("cut")), record.ID(c.file("late.id"))
	c.file("cut.pid")
	workers, _ := c.processes()
	if len(workers) != 2 {
		t.Errorf("the workers are %v, one outside and one inside", workers)
	}
	for _, pid := range workers { // what runs in the allocation ends without its worker
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	c.write("end", "")
	await.That(t, "the end of what runs in the allocation", func() bool { _, supervisors := c.processes(); return len(supervisors) == 1 })
	// It was cut off with its allocation, and what waits there stays.
	c.must("queue")
	if r := c.runsOf(cut); len(r) != 1 || r[0].Outcome() != record.Stopped {
		t.Errorf("what ran in the allocation is %s", r[len(r)-1].Outcome())
	}
	if out := c.must("queue"); !strings.Contains(out, "in the allocation "+job+", where no worker is at work") {
		t.Errorf("it does not say that a task belongs to an allocation that has ended:\n%s", out)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	place := host + ":slurm-" + job
	if _, out, code := c.run("wait", string(late)); code != 5 || !strings.Contains(out, "queue release --host "+place) {
		t.Errorf("to wait for it ends with %d, and does not say what to do:\n%s", code, out)
	}
	c.write("go", "")
	if where := c.file("outside"); where != "none" {
		t.Errorf("a task from outside ran in %s", where)
	}
	if where := c.file("next"); where != "none" {
		t.Errorf("another one from outside ran in %s", where)
	}
	if _, err := os.Stat(filepath.Join(c.logs, "late")); err == nil {
		t.Error("a task of the allocation ran outside")
	}
	c.must("queue", "release", "--host", place)
	if where := c.file("late"); where != "none" {
		t.Errorf("outside, what was released has the allocation %s", where)
	}
	c.finish()
	for _, id := range []record.ID{outside, next, late} {
		if r := c.runsOf(id); len(r) != 1 || r[0].Outcome() != record.OK {
			t.Errorf("%s is %s", id, r[0].Outcome())
		}
	}
	c.verify()
}

// TestQueueAfterJob has tasks wait for jobs: they start when the job has ended, not when sbatch has.
func TestQueueAfterJob(t *testing.T) {
	t.Parallel()
	s := newSlurmHome(t)
	c := aQueue(t)
	c.env = s.env
	job := c.addLine("sbatch", "--mem=50", "--output=/dev/null", "--wrap", "until [ -e "+filepath.Join(c.logs, "go")+" ]; do sleep 0.1; done")
	next := c.addLine("--after", string(job), "echo next >next")
	fails := c.addLine("sbatch", "--mem=50", "--output=/dev/null", "--wrap", "exit 3")
	blocked := c.addLine("--after", string(fails), "true")
	regardless := c.addLine("--after-any", string(fails), "echo any >any")
	c.file("any") // the other job has ended by now
	await.That(t, "the reason that the failed job blocks a task", func() bool {
		return strings.Contains(c.must("show", string(blocked)), "blocked: "+string(fails)[len("slurm-"):][:13])
	})
	if _, err := os.Stat(filepath.Join(c.logs, "next")); err == nil {
		t.Error("a task has started before the end of the job on which it depends")
	}
	if out := c.must("show", string(next)); !strings.Contains(out, "after: "+string(job)[len("slurm-"):][:13]) {
		t.Errorf("it does not say that it waits for the job:\n%s", out)
	}
	c.write("go", "")
	c.file("next")
	c.must("cancel", string(blocked))
	c.finish()
	for _, id := range []record.ID{next, regardless} {
		if r := c.runsOf(id); len(r) != 1 || r[0].Outcome() != record.OK {
			t.Errorf("%s is %s", id, r[0].Outcome())
		}
	}
	c.verify()
}
