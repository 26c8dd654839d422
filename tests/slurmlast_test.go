package tests

import (
	"strings"
	"testing"
)

// TestSlurmLastTask refreshes two jobs and cancels the last: that is the one that was given
// last, whichever job's state was recorded last.
func TestSlurmLastTask(t *testing.T) {
	t.Parallel()
	s := newSlurmHome(t)
	older := s.submit("-o", "/dev/null", "-J", "older", "--wrap", "sleep 300")
	newest := s.submit("-o", "/dev/null", "-J", "newest", "--wrap", "sleep 300")
	s.until(newest, "RUNNING")
	s.until(older, "RUNNING") // its commit is the newest one
	if got := s.get("").UID; got != newest.UID {
		t.Errorf("qme get shows %s, want the task given last, %s", got, newest.UID)
	}
	out, errs, code := s.run("exec", "status")
	if code != 0 || !strings.Contains(out, newest.Data.Job.ID) {
		t.Errorf("exec status ended with %d, of another job than %s:\n%s%s", code, newest.Data.Job.ID, out, errs)
	}
	out, errs, code = s.run("exec", "cancel")
	if code != 0 || !strings.Contains(errs, "Task "+string(newest.UID)+": sbatch ") || !strings.Contains(errs, "Job "+newest.Data.Job.ID+" is being cancelled") {
		t.Errorf("exec cancel ended with %d:\n%s%s", code, out, errs)
	}
	s.until(newest, "CANCELLED")
	found, listed := s.must("search", "--ids", "status:cancelled"), s.must("ls", "--failed", "--json")
	if !strings.Contains(found, string(newest.UID)) || strings.Contains(listed, string(newest.UID)) {
		t.Errorf("a cancelled job counts as failed: search status:cancelled finds %q, ls --failed lists %q", found, listed)
	}
	if now := s.until(older, "RUNNING"); now.Data.Job.Final {
		t.Errorf("the older job is %s", now.Data.Job.State)
	}
	_, errs, code = s.run("exec", "@2", "cancel")
	if code != 0 || !strings.Contains(errs, "Task "+string(older.UID)+": sbatch ") {
		t.Errorf("exec @2 cancel ended with %d:\n%s", code, errs)
	}
	_, errs, code = s.run("exec", string(older.UID), "cancel")
	if strings.Contains(errs, "Task "+string(older.UID)+": ") {
		t.Errorf("exec of a whole id names the task (%d):\n%s", code, errs)
	}
}
