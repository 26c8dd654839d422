package tests

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestSlurmDiff compares jobs of a real scheduler, and not what sbatch printed of them.
func TestSlurmDiff(t *testing.T) {
	t.Parallel()
	s := newSlurmHome(t)
	first := s.ends(s.submit("--wrap", "echo result"), 0)
	same := s.ends(s.submit("--wrap", "echo result"), 0)
	failed := s.ends(s.submit("--wrap", "echo other; exit 3"), 3)
	s.must("rerun", string(first.UID))
	s.ends(s.get(string(first.UID)), 0)
	if text, errs, code := s.run("diff", "--exit-code", string(first.UID)); code != 0 || strings.Contains(text, "Submitted") || !strings.Contains(text, "are the same") {
		t.Errorf("two runs of one task: %d\n%s%s", code, text, errs)
	}
	if text, errs, code := s.run("diff", "--exit-code", string(first.UID), string(same.UID)); code != 0 || strings.Contains(text, "duration") {
		t.Errorf("two tasks: %d\n%s%s", code, text, errs)
	}
	out, errs, code := s.run("diff", "--json", "--exit-code", string(same.UID), string(failed.UID))
	var d diffed
	if err := json.Unmarshal([]byte(out), &d); err != nil || code != 1 || d.Same {
		t.Fatalf("%d, %v\n%s%s", code, err, out, errs)
	}
	if d.field("job.state") != "COMPLETED -> FAILED" || d.field("job.returncode") != "0 -> 3" || !strings.Contains(d.Stdout.Diff, "-result\n+other\n") {
		t.Errorf("%+v", d)
	}
}
