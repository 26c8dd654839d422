package tests

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"qme/record"
)

// sweep submits a sweep, and returns the records of its tasks in the order of its settings.
func (s *slurmHome) sweep(args ...string) (recs []*record.Record) {
	s.t.Helper()
	out := s.must(append([]string{"sweep", "--on", "slurm", "--print-id"}, args...)...)
	for id := range strings.FieldsSeq(out) {
		recs = append(recs, s.get(id))
	}
	return recs
}

// TestSlurmSweep submits a sweep as one array, whose elements are tasks as any other.
func TestSlurmSweep(t *testing.T) {
	t.Parallel()
	s := newSlurmHome(t)
	values := []string{"; touch pwned", "$(touch pwned)", "a 'b' \"c\" \\ `id`", "*"}
	settings := `[{"v": "; touch pwned"}, {"v": "$(touch pwned)"}, {"v": "a 'b' \"c\" \\ ` + "`id`" + `"}, {"v": "*"}]`
	if err := os.WriteFile(filepath.Join(s.dir, "settings.json"), []byte(settings), 0o644); err != nil {
		t.Fatal(err)
	}
	s.env = append(s.env, "QUOTED=it's $HOME; \"x\"")
	words := s.sweep("--mem", "50", "--from", "settings.json", "--dir", "runs/{index}", "--", "sh", "-c", `printf '%s|' "$PWD" "$QME_TASK" "$QME_PARAM_v" "$QUOTED" "$@"; echo err $SLURM_ARRAY_TASK_ID >&2; test {index} != 3 || exit 5`, "sh", "{v}", "{id}")
	line := s.sweep("--mem", "50", "--name", "lines", "--from", "settings.json", "--", `printf '%s|' {v} "{v}" '{v}' "$QME_PARAM_v"`)
	if len(words) != len(values) || len(line) != len(values) {
		t.Fatalf("there are %d and %d tasks", len(words), len(line))
	}
	array, _, _ := strings.Cut(words[0].Data.Job.ID, "_")
	for i, rec := range words {
		if rec.Data.Job.ID != fmt.Sprint(array, "_", i+1) || rec.Executor != "slurm" || rec.Data.Status != record.Complete || *rec.Data.ReturnCode != 0 || rec.Data.Queue != nil || rec.Data.Group.Index != i+1 || len(rec.Data.Job.Elements) > 0 {
			t.Errorf("task %d is %+v, job %+v", i+1, rec.Data, rec.Data.Job)
		}
		if last := rec.Data.Cmd[len(rec.Data.Cmd)-1]; rec.Data.Cmd[0] != "sbatch" || !strings.HasPrefix(last, "--wrap=exec sh -c ") || strings.Contains(rec.Command, "--array") {
			t.Errorf("its command is %q", rec.Data.Cmd)
		}
	}
	if _, errs, code := s.run("wait", "--all"); code != 5 || !strings.Contains(errs, "7 of 8 ended with return code 0") {
		t.Errorf("to wait for all ended with %d: %s", code, errs)
	}
	for i, rec := range words {
		rec, code := s.get(string(rec.UID)), 0
		if i == 2 {
			code = 5
		}
		dir := filepath.Join(s.dir, "runs", fmt.Sprint(i+1))
		want := strings.Join([]string{dir, string(rec.UID), values[i], "it's $HOME; \"x\"", values[i], string(rec.UID), ""}, "|")
		s.has("the output", rec.Data.Job.Output, want)
		s.has("the error output", rec.Data.Job.Error, fmt.Sprintf("err %d\n", i+1))
		s.has("exec output", []string{s.must("exec", string(rec.UID), "output")}, want)
		if v, _ := rec.Data.Params.Get("v"); v != values[i] || *rec.Code() != code || rec.Data.PWD != dir || rec.Data.Job.OutputError != "" || rec.Data.Job.RequestedMemory != 50<<20 || rec.Data.Job.MaxRSS == 0 && rec.Data.Job.CPUTime == 0 && rec.Data.Job.Source != "sacct" {
			t.Errorf("task %d is %+v, job %+v", i+1, rec.Data, rec.Data.Job)
		}
		s.says(fmt.Sprintf(`"jobid": "%s_%d"`, array, i+1), "exec", string(rec.UID), "status")
	}
	for i, rec := range line {
		s.has("the output of a line", s.get(string(rec.UID)).Data.Job.Output, strings.Repeat(values[i]+"|", 4))
	}
	if _, err := os.Stat(filepath.Join(s.dir, "pwned")); !os.IsNotExist(err) {
		t.Errorf("a value was run: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(s.home.dir, "jobs", "arrays", "*")); err != nil || len(left) > 0 {
		t.Errorf("of the arrays %q is left: %v", left, err)
	}
	if out := s.must("queue", "--json"); !strings.Contains(out, `"waiting_count": 0`) {
		t.Errorf("in the queue: %s", out)
	}
	// One of them alone is run again as one job.
	again := s.ends(s.runAgain(words[2]), 5)
	if again.Data.Run != 2 || strings.Contains(again.Data.Job.ID, "_") || again.Data.Group.Index != 3 {
		t.Errorf("run again it is %+v, job %+v", again.Data, again.Data.Job)
	}
	s.has("its output then", again.Data.Job.Output, strings.Join([]string{filepath.Join(s.dir, "runs", "3"), string(again.UID), values[2], "it's $HOME; \"x\"", values[2], string(again.UID), ""}, "|"))
}

// TestSlurmSweepActions cancels elements of an array that wait and that run, one at a time.
func TestSlurmSweepActions(t *testing.T) {
	t.Parallel()
	s := newSlurmHome(t)
	recs := s.sweep("--mem", "50", "--partition", "never", "--slots", "2", "n=1..4", "--", "echo", "{n}")
	for _, rec := range recs {
		if job := rec.Data.Job; job.State != "PENDING" || job.Source != "scontrol" || job.Submitted == nil || !strings.HasPrefix(job.StdoutFile, s.home.dir) {
			t.Errorf("at first it is %+v", job)
		}
	}
	s.fails(9, "is PENDING", "exec", string(recs[0].UID), "output")
	s.must("exec", string(recs[1].UID), "cancel")
	rec := s.ends(recs[1], 1)
	if rec.Data.Job.State != "CANCELLED" || rec.Data.Job.StdoutFile == "" {
		t.Errorf("cancelled it is %+v", rec.Data.Job)
	}
	s.fails(5, "has ended (CANCELLED", "exec", string(rec.UID), "cancel")
	s.must("refresh")
	for _, i := range []int{0, 2, 3} {
		if job := s.get(string(recs[i].UID)).Data.Job; job.Final || job.State != "PENDING" {
			t.Errorf("element %d is %+v", i+1, job)
		}
	}
	s.must("cancel", string(recs[0].UID), string(recs[2].UID), string(recs[3].UID))
	for _, i := range []int{0, 2, 3} {
		s.ends(recs[i], 1)
	}

	recs = s.sweep("--mem", "50", "n=1..2", "--", "echo begun; test {n} = 2 || exec sleep 1000")
	one := s.until(recs[0], "RUNNING")
	s.must("exec", string(one.UID), "cancel")
	one = s.ends(one, 143)
	s.has("its output", one.Data.Job.Output[:1], "begun\n")
	if two := s.ends(recs[1], 0); two.Data.Job.State != "COMPLETED" {
		t.Errorf("the other one is %+v", two.Data.Job)
	}
	s.has("what is followed", []string{s.must("exec", string(recs[1].UID), "output", "--follow")}, "begun\n")
	if out := s.must("show", string(recs[1].UID)); strings.Contains(out, "cut off") {
		t.Errorf("it is shown as %s", out)
	}
	// What is to run is within an option of sbatch, and the output would go to the files of the other task.
	s.fails(2, "its command cannot be changed; submit it again", "rerun", "--set", "n=7", string(recs[1].UID))

	late := s.sweep("--mem", "50", "--time", "00:00:01", "n=1", "--", "echo begun; exec sleep 1000")
	if rec := s.ends(late[0], 143); rec.Data.Job.State != "TIMEOUT" || !strings.Contains(strings.Join(rec.Data.Job.Error, ""), "DUE TO TIME LIMIT") {
		t.Errorf("after its time: %+v", rec.Data.Job)
	}
}

// TestSlurmSweepRefused leaves nothing of a sweep that Slurm does not take.
func TestSlurmSweepRefused(t *testing.T) {
	t.Parallel()
	s := newSlurmHome(t)
	empty := func() {
		t.Helper()
		if out := s.must("ls", "--json"); out != "" {
			t.Errorf("there is %s", out)
		}
		if out := s.must("queue", "--json"); !strings.Contains(out, `"waiting_count": 0`) {
			t.Errorf("in the queue: %s", out)
		}
		if left, err := files(filepath.Join(s.home.dir, "jobs")); err != nil && !os.IsNotExist(err) || len(left) > 0 {
			t.Errorf("there is %q: %v", left, err)
		}
	}
	s.fails(1, "nothing was submitted: sbatch says: invalid partition", "sweep", "--on", "slurm", "--partition", "nowhere", "n=1..3", "--", "echo", "{n}")
	empty()
	s.fails(1, "scontrol show config | grep MaxArraySize", "sweep", "--on", "slurm", "--yes", "n=1..1001", "--", "echo", "{n}")
	empty()
	s.fails(2, "qme's own", "sweep", "--on", "slurm", "--option", "output=/tmp/x", "n=1..3", "--", "echo", "{n}")
	s.fails(2, "qme's own", "sweep", "--on", "slurm", "--option", "array=1-3", "n=1..3", "--", "echo", "{n}")
	s.fails(2, "qme's own", "sweep", "--on", "slurm", "--dry-run", "--option", "array=1-3", "n=1..3", "--", "echo", "{n}")
	s.fails(2, "{m} is no parameter", "sweep", "--on", "slurm", "--dir", "runs/{m}", "n=1..3", "--", "echo", "{n}")
	empty()
	s.env = append(s.env, "PATH="+t.TempDir())
	s.fails(127, "there is no program sbatch here", "sweep", "--on", "slurm", "n=1..3", "--", "echo", "{n}")
	empty()
}

// TestSlurmSweepSubmitting has no other process take a task that is just being submitted, also while sbatch runs of a qme that was killed; and a
// sbatch that may have started the job leaves the tasks there.
func TestSlurmSweepSubmitting(t *testing.T) {
	t.Parallel()
	for _, killed := range []bool{false, true} {
		s := newSlurmHome(t)
		s.script("sbatch", "touch submitting; until test -e go; do sleep 0.05; done", "")
		cmd := s.command("sweep", "--on", "slurm", "--mem", "50", "--name", "g", "n=1..2", "--", "echo", "{n}")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for _, err := os.Stat(filepath.Join(s.dir, "submitting")); err != nil; _, err = os.Stat(filepath.Join(s.dir, "submitting")) {
			time.Sleep(20 * time.Millisecond)
		}
		if killed {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			s.must("refresh")
		}
		for _, verb := range []string{"release", "cancel"} {
			s.fails(5, "is just being submitted", verb, "--query", "group:g")
		}
		if err := os.WriteFile(filepath.Join(s.dir, "go"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); !killed && err != nil {
			t.Errorf("the sweep: %v", err)
		}
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
			s.must("refresh")
			if strings.Contains(s.must("queue", "--json"), `"waiting_count": 0`) {
				break
			} else if time.Now().After(deadline) {
				t.Fatal("the tasks wait")
			}
		}
		s.must("wait", "--all")
		if out := s.must("ls", "--json"); strings.Count(out, `"executor":"slurm"`) != 2 {
			t.Errorf("there are %s", out)
		}
	}

	s := newSlurmHome(t)
	s.script("sbatch", "echo 'sbatch: error: Batch job submission failed: Socket timed out on send/recv operation' >&2; exit 1", "")
	s.fails(1, "whether the job array was started is not known", "sweep", "--on", "slurm", "--mem", "50", "n=1..2", "--", "echo", "{n}")
	if out := s.must("queue", "--json"); !strings.Contains(out, `"waiting_count": 2`) {
		t.Errorf("in the queue: %s", out)
	}
}

// TestSlurmSweepMany asks Slurm once about all elements of an array.
func TestSlurmSweepMany(t *testing.T) {
	s := newSlurmHome(t)
	const jobs = 40
	recs := s.sweep("--mem", "50", "--partition", "never", fmt.Sprint("n=1..", jobs), "--", "echo", "{n}")
	log := filepath.Join(t.TempDir(), "asked")
	for _, program := range []string{"sacct", "scontrol", "squeue"} {
		s.script(program, "echo "+program+" >>"+log, "")
	}
	deadline := time.Now().Add(time.Minute)
	for {
		if err := os.RemoveAll(log); err != nil {
			t.Fatal(err)
		}
		out := s.must("refresh", "--json")
		asked, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		programs := strings.Fields(string(asked))
		slices.Sort(programs)
		if len(slices.Compact(slices.Clone(programs))) != len(programs) {
			t.Fatalf("for one refresh it asked %q", programs)
		}
		if n := strings.Count(out, "\n"); n != jobs {
			t.Fatalf("%d answers:\n%s", n, out)
		}
		if strings.Count(out, `"source":"sacct"`) == jobs {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("sacct does not know all:\n%s", out)
		}
		time.Sleep(100 * time.Millisecond)
	}
	array, _, _ := strings.Cut(recs[0].Data.Job.ID, "_")
	s.slurm("scancel", array)
	if err := os.RemoveAll(log); err != nil {
		t.Fatal(err)
	}
	if _, _, code := s.run("wait", "--all", "--timeout", "3m"); code != 1 {
		t.Errorf("to wait for all ended with %d", code)
	}
	asked, err := os.ReadFile(log)
	if n := bytes.Count(asked, []byte("sacct")); err != nil || n >= jobs {
		t.Errorf("to wait for %d jobs it asked sacct %d times: %v", jobs, n, err)
	}
}
