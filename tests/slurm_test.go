package tests

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"qme/record"
	"qme/tests/services"
)

// A slurmHome is a home whose commands find the cluster, and a folder for scripts and
// output, in which they run.
type slurmHome struct {
	*home
	cluster *services.Cluster
	dir     string
}

func newSlurmHome(t *testing.T) *slurmHome {
	t.Helper()
	c := services.Slurm(t)
	s := &slurmHome{newHome(t), c, t.TempDir()}
	s.env = c.Env()
	s.cwd = s.dir
	return s
}

// submit runs sbatch and returns the record. A job takes a part of the node, so that
// several run at once.
func (s *slurmHome) submit(args ...string) *record.Record {
	s.t.Helper()
	s.must(append([]string{"run", "sbatch", "--mem=50"}, args...)...)
	rec := s.get("")
	if rec.Data.Job == nil {
		s.t.Fatalf("sbatch %q: no job in %+v", args, rec.Data)
	}
	return rec
}

func (s *slurmHome) get(ref string) *record.Record {
	s.t.Helper()
	args := []string{"get"}
	if ref != "" {
		args = append(args, ref)
	}
	r := new(record.Record)
	if err := json.Unmarshal([]byte(s.must(args...)), r); err != nil {
		s.t.Fatal(err)
	}
	return r
}

// ends waits for a task, whose job has to end with a return code, and returns it.
func (s *slurmHome) ends(rec *record.Record, code int) *record.Record {
	s.t.Helper()
	out, errs, got := s.run("wait", "--timeout", "4m", string(rec.UID))
	if got != code {
		s.t.Fatalf("job %s: wait ended with %d, want %d\n%s%s\n%s", rec.Data.Job.ID, got, code, out, errs, s.must("get", string(rec.UID)))
	}
	return s.get(string(rec.UID))
}

// until refreshes a task until its job is in a state.
func (s *slurmHome) until(rec *record.Record, state string) *record.Record {
	s.t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		_, errs, _ := s.run("refresh", string(rec.UID))
		if rec = s.get(string(rec.UID)); rec.Data.Job.State == state {
			return rec
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("job %s is %s, want %s\n%s", rec.Data.Job.ID, rec.Data.Job.State, state, errs)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// slurm runs a program of Slurm.
func (s *slurmHome) slurm(name string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), s.env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

func (s *slurmHome) fails(code int, want string, args ...string) {
	s.t.Helper()
	out, errs, got := s.run(args...)
	if got != code || !strings.Contains(errs, want) {
		s.t.Errorf("qme %q ended with %d, want %d and %q\n%s%s", args, got, code, want, out, errs)
	}
}

// has checks a stream of a job.
func (s *slurmHome) has(what string, lines []string, want string) {
	s.t.Helper()
	if got := strings.Join(lines, ""); got != want {
		s.t.Errorf("%s is %q, want %q", what, got, want)
	}
}

func states(job *record.Job) []string {
	var list []string
	for _, h := range job.History {
		list = append(list, h.State)
	}
	return list
}

// script puts a program of that name before all others, which does something and then is
// the real one.
func (s *slurmHome) script(name, before, after string) {
	s.t.Helper()
	real, err := exec.LookPath(name)
	if err != nil {
		s.t.Fatal(err)
	}
	bin := s.t.TempDir()
	for _, kv := range s.env {
		if path, ok := strings.CutPrefix(kv, "PATH="); ok {
			s.t.Setenv("PATH", path)
		}
	}
	text := fmt.Sprintf("#!/bin/sh\n%s\n%s \"$@\"\nrc=$?\n%s\nexit $rc\n", before, real, after)
	if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755); err != nil {
		s.t.Fatal(err)
	}
	s.env = append(s.env, "PATH="+bin+":"+os.Getenv("PATH"))
}

func TestSlurmJob(t *testing.T) {
	t.Parallel()
	s := newSlurmHome(t)
	rec := s.submit("-J", "night", "-o", "out-%x-%N-%j.txt", "--error=err-%4j", "-t", "7", "--mem", "50M", "--wrap", "echo out; echo err >&2; i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done")
	rec = s.ends(rec, 0)
	job := rec.Data.Job
	s.has("the output", job.Output, "out\n")
	s.has("the error output", job.Error, "err\n")
	if job.State != "COMPLETED" || job.Name != "night" || job.Partition != "debug" || job.Submitted == nil || job.Started == nil || job.Ended == nil || job.Nodes == "" || job.OutputError != "" {
		t.Errorf("the job is %+v", job)
	}
	if job.TimeLimit != 420 || job.RequestedMemory != 50<<20 || job.CPUTime <= 0 {
		t.Errorf("it asked for %v s and %d bytes, and used %v s", job.TimeLimit, job.RequestedMemory, job.CPUTime)
	}
	if !strings.HasPrefix(job.StdoutFile, s.dir+"/out-night-"+job.Nodes+"-") {
		t.Errorf("its output is %s", job.StdoutFile)
	}
	if err := os.Remove(job.StdoutFile); err != nil {
		t.Fatal(err)
	}
	s.has("exec output", []string{s.must("exec", "output")}, "out\n")
	s.has("exec error", []string{s.must("exec", "error")}, "err\n")
	want := fmt.Sprintf("{\"jobid\": \"%s\", \"jobname\": \"night\", \"partition\": \"debug\", \"alloccpus\": \"1\", \"elapsed\": \"00:00:0", job.ID)
	s.says(want, "exec", "status")
	s.env = append(s.env, "QME_SLURM_SACCT_FORMAT=JobID%5,State")
	s.has("a status of other fields", []string{s.must("exec", "status")}, "{\"jobid\": \""+job.ID+"\", \"state\": \"COMPLETED\"}\n")
	s.says("\""+job.ID+".batch\"", "exec", "status", "--all")
	s.fails(5, "has ended (COMPLETED)", "exec", "cancel")
	s.fails(5, "is no array", "exec", "output", "--element", "3")
	s.has("another file", []string{s.must("exec", "output", "--out", job.StderrFile)}, "err\n")
	again := s.runAgain(rec)
	if s.ends(again, 0); again.Data.Job.ID == job.ID || again.Data.Run != 2 {
		t.Errorf("run again it is job %s, run %d", again.Data.Job.ID, again.Data.Run)
	}
}

// says runs qme until it prints a text: sacct hears of everything seconds later.
func (s *slurmHome) says(want string, args ...string) {
	s.t.Helper()
	text := ""
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if text = s.must(args...); strings.Contains(text, want) {
			return
		}
	}
	s.t.Errorf("qme %q says %s, want %s", args, text, want)
}

func (s *slurmHome) runAgain(rec *record.Record) *record.Record {
	s.t.Helper()
	s.must("rerun", string(rec.UID))
	return s.get(string(rec.UID))
}

func TestSlurmCodes(t *testing.T) {
	t.Parallel()
	s := newSlurmHome(t)
	timeout := s.submit("-t", "00:00:01", "--wrap", "echo begun; exec sleep 1000")
	for command, code := range map[string]int{"exit 3": 3, "exit 200": 200, "kill -9 $$": 137} {
		rec := s.ends(s.submit("--parsable", "--wrap", command), code)
		if rec.Data.Job.State != "FAILED" || *rec.Data.ReturnCode != 0 || !rec.Failed() {
			t.Errorf("%s: %+v", command, rec.Data.Job)
		}
	}
	if out := s.must("ls", "--failed"); strings.Count(out, "\n") != 3 {
		t.Errorf("ls --failed shows %s", out)
	}
	rec := s.ends(s.submit("-o", "missing/out", "--wrap", "true"), 1)
	if !strings.Contains(rec.Data.Job.Reason, "could not be opened") || rec.Data.Job.OutputError == "" {
		t.Errorf("without a folder for its output: %+v", rec.Data.Job)
	}
	_, errs, code := s.run("run", "sbatch", "--mem=50", "--wait", "--wrap", "exit 4")
	if rec := s.get(""); code != 4 || rec.Data.Job == nil {
		t.Errorf("sbatch --wait: %d, %s, job %+v", code, errs, rec.Data.Job)
	} else if s.ends(rec, 4); true {
		s.must("refresh") // asks about no job of it any more
	}
	_, errs, code = s.run("run", "sbatch", "--mem=50", "--quiet", "--wrap", "true")
	if rec := s.get(""); code != 0 || !strings.Contains(errs, "leave out --quiet") || rec.Data.Job != nil || rec.Executor != "slurm" {
		t.Errorf("sbatch --quiet: %d, %s, %+v", code, errs, rec.Data)
	}
	_, errs, code = s.run("run", "sbatch", "-p", "nosuch", "--wrap", "true")
	if rec := s.get(""); code != 1 || strings.Contains(errs, "cannot be followed") || rec.Data.Job != nil {
		t.Errorf("a refused sbatch: %d, %s, %+v", code, errs, rec.Data)
	}
	rec = s.ends(timeout, 143)
	if s.has("its output", rec.Data.Job.Output[:1], "begun\n"); rec.Data.Job.State != "TIMEOUT" {
		t.Errorf("after its time: %+v", rec.Data.Job)
	}
}

func TestSlurmArray(t *testing.T) {
	t.Parallel()
	s := newSlurmHome(t)
	rec := s.submit("-a", "0-3%2", "-o", "a-%A-%a-%j", "--wrap", "echo I am $SLURM_ARRAY_TASK_ID; test $SLURM_ARRAY_TASK_ID != 2 || exit 5")
	if len(rec.Data.Job.Elements) != 4 {
		t.Errorf("at first: %+v", rec.Data.Job)
	}
	rec = s.ends(rec, 5)
	if summary := s.must("refresh", string(rec.UID)); !strings.Contains(summary, "FAILED, 3 of 4 completed, 1 failed, returncode 5") {
		t.Errorf("refresh says %s", summary)
	}
	var want string
	for i, el := range rec.Data.Job.Elements {
		if i > 0 {
			want += "\n"
		}
		want += fmt.Sprintf("==> %s <==\nI am %d\n", el.StdoutFile, i)
	}
	s.has("the output of all", rec.Data.Job.Output, want)
	s.has("exec output", []string{s.must("exec", "output")}, want)
	s.has("the output of one", []string{s.must("exec", "output", "--element", "2")}, "I am 2\n")
	s.fails(5, "has no element 9", "exec", "output", "--element", "9")
	s.says(`"state": "FAILED", "exitcode": "5:0"`, "exec", "status", "--element", "2")
	if status := s.must("exec", "status", "--element", "2"); strings.Count(status, "\n") != 1 {
		t.Errorf("the status of element 2: %s", status)
	}
}

func TestSlurmCancel(t *testing.T) {
	t.Parallel()
	s := newSlurmHome(t)
	pending := s.submit("-p", "never", "--wrap", "true")
	s.must("refresh")
	if out := s.must("ls", "--queued"); !strings.Contains(out, "pending") {
		t.Errorf("ls --queued shows %s", out)
	}
	s.fails(9, "is PENDING", "exec", "output")
	s.must("exec", "cancel")
	s.ends(pending, 1)
	s.fails(5, "has ended (CANCELLED", "exec", "cancel")

	running := s.until(s.submit("--wrap", "echo begun; exec sleep 1000"), "RUNNING")
	if out := s.must("ls", "--running"); !strings.Contains(out, "running") {
		t.Errorf("ls --running shows %s", out)
	}
	s.must("exec", "cancel")
	rec := s.ends(running, 143)
	s.has("its output", rec.Data.Job.Output[:1], "begun\n")
	// Between the two its processes are being ended, which a busy machine shows.
	seen := slices.Compact(slices.DeleteFunc(states(rec.Data.Job), func(state string) bool { return state == "COMPLETING" }))
	if len(seen) < 2 || !slices.Equal(seen[len(seen)-2:], []string{"RUNNING", "CANCELLED"}) {
		t.Errorf("its states: %q", states(rec.Data.Job))
	}

	array := s.submit("-p", "never", "-a", "0-4", "--wrap", "true")
	s.must("exec", "cancel", "--element", "1-2")
	deadline := time.Now().Add(time.Minute)
	for {
		s.must("refresh", string(array.UID))
		els := s.get("").Data.Job.Elements
		if len(els) == 5 && els[1].Final && els[2].Final && !els[0].Final && !els[3].Final {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("elements %+v", els)
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.must("exec", "cancel")
	s.ends(array, 1)
	if err := os.WriteFile(filepath.Join(s.dir, "het.sh"), []byte("#!/bin/sh\n#SBATCH -n1 -p never\n#SBATCH hetjob\n#SBATCH -n1 -p never\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	het := s.submit("het.sh")
	if len(het.Data.Job.Elements) != 2 || het.Data.Job.Elements[1].ID != het.Data.Job.ID+"+1" {
		t.Errorf("a heterogeneous job: %+v", het.Data.Job)
	}
	s.must("exec", "cancel")
	s.ends(het, 1)
}

func TestSlurmFollow(t *testing.T) {
	t.Parallel()
	s := newSlurmHome(t)
	s.submit("--wrap", "for i in 1 2 3; do echo $i; sleep 0.5; done")
	s.has("what is followed", []string{s.must("exec", "output", "--follow")}, "1\n2\n3\n")
}

func TestSlurmRequeue(t *testing.T) {
	t.Parallel()
	s := newSlurmHome(t)
	rec := s.until(s.submit("--wrap", `test -n "$SLURM_RESTART_COUNT" || exec sleep 1000; echo again`), "RUNNING")
	s.slurm("scontrol", "requeue", rec.Data.Job.ID)
	s.slurm("scontrol", "update", "JobId="+rec.Data.Job.ID, "StartTime=now")
	rec = s.ends(rec, 0)
	s.has("its output", rec.Data.Job.Output, "again\n")
	if !slices.Contains(states(rec.Data.Job), "REQUEUED") {
		t.Errorf("its states: %q", states(rec.Data.Job))
	}
}

// TestSlurmRequeuedAfterEnd starts a job again that had ended, and was recorded so: nothing of
// its first run stays in the record of the second.
func TestSlurmRequeuedAfterEnd(t *testing.T) {
	t.Parallel()
	s := newSlurmHome(t)
	for _, ends := range [][2]int{{0, 3}, {3, 0}} {
		script := fmt.Sprintf(`if test -n "$SLURM_RESTART_COUNT"; then echo second; sleep 3; exit %d; fi; echo first; exit %d`, ends[1], ends[0])
		rec := s.ends(s.submit("--wrap", script), ends[0])
		s.has("the first output", rec.Data.Job.Output, "first\n")
		s.slurm("scontrol", "requeue", rec.Data.Job.ID)
		s.slurm("scontrol", "update", "JobId="+rec.Data.Job.ID, "StartTime=now")
		eventually(t, func() bool {
			s.must("refresh", string(rec.UID))
			job := s.get(string(rec.UID)).Data.Job
			return !job.Final || job.ReturnCode != nil && *job.ReturnCode == ends[1]
		})
		rec = s.ends(rec, ends[1])
		if job := rec.Data.Job; !slices.Equal(job.Output, []string{"second\n"}) || job.OutputError != "" || *job.ReturnCode != ends[1] || (job.State == "COMPLETED") != (ends[1] == 0) {
			t.Errorf("after %v it is %s, %d, with %q, %q", ends, job.State, *job.ReturnCode, job.Output, job.OutputError)
		}
	}
}

// TestSlurmMany asks about many jobs at once.
func TestSlurmMany(t *testing.T) {
	s := newSlurmHome(t)
	const jobs = 12
	for range jobs {
		s.submit("-p", "never", "-o", "/dev/null", "--wrap", "true")
	}
	log := filepath.Join(t.TempDir(), "asked")
	s.script("sacct", "echo sacct >>"+log, "")
	others := filepath.Join(t.TempDir(), "scontrol")
	s.script("scontrol", "echo scontrol >>"+others, "")
	deadline := time.Now().Add(time.Minute)
	for { // sacct knows jobs after seconds
		if err := os.RemoveAll(log); err != nil {
			t.Fatal(err)
		}
		out := s.must("refresh", "--json")
		asked, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		controller, err := os.ReadFile(others) // where sacct does not know them yet
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if n, m := bytes.Count(asked, []byte("\n")), bytes.Count(controller, []byte("\n")); n != 1 || m > 10 { // a few are asked about one by one
			t.Fatalf("sacct was asked %d times, scontrol %d times", n, m)
		}
		if err := os.RemoveAll(others); err != nil {
			t.Fatal(err)
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
	for _, rec := range s.records() {
		s.must("exec", string(rec.UID), "cancel")
	}
}

// TestSlurmKilled kills qme once its command has submitted a job.
func TestSlurmKilled(t *testing.T) {
	for _, when := range []struct{ program, before, after string }{
		{"scontrol", "kill -9 $PPID", ""}, // sbatch has ended, and qme asks about the job
		{"sbatch", "", "exec sleep 1000"},
	} {
		t.Run(when.program, func(t *testing.T) {
			s := newSlurmHome(t)
			env := s.env
			s.script(when.program, when.before, when.after)
			cmd := s.command("run", "sbatch", "--mem=50", "--wrap", "echo lived")
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if when.program == "sbatch" {
				// What the user has seen is recorded; what is still in the pipe from sbatch is lost.
				if line, err := bufio.NewReader(out).ReadString('\n'); !strings.HasPrefix(line, "Submitted batch job ") {
					t.Errorf("sbatch said %q, %v", line, err)
				}
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			_ = cmd.Wait() // it was killed
			s.env = env
			deadline := time.Now().Add(time.Minute)
			for {
				s.must("refresh")
				rec := s.get("")
				if rec.Data.Job != nil && rec.Data.Job.Final {
					s.has("its output", rec.Data.Job.Output, "lived\n")
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("the job is not followed: %+v", rec.Data)
				}
				time.Sleep(200 * time.Millisecond)
			}
		})
	}
}

func TestSlurmWithoutAccounting(t *testing.T) {
	s := newSlurmHome(t)
	s.cluster.StopAccounting(t)
	rec := s.ends(s.submit("--wrap", "echo done; exit 6"), 6)
	if s.has("its output", rec.Data.Job.Output, "done\n"); rec.Data.Job.Source != "scontrol" {
		t.Errorf("who said so: %q", rec.Data.Job.Source)
	}
	out, errs, code := s.run("exec", "status")
	if code != 0 || !strings.Contains(out, `"state": "FAILED", "exitcode": "6:0"`) || !strings.Contains(errs, "from scontrol: sacct says:") {
		t.Errorf("exec status: %d\n%s%s", code, out, errs)
	}
	s.script("sacct", "exec sleep 1000", "")
	s.env = append(s.env, "QME_EXECUTOR_SLURM_TIMEOUT=1s")
	if rec := s.ends(s.submit("--wrap", "exit 7"), 7); rec.Data.Job.Source != "scontrol" {
		t.Errorf("who said so, where sacct does not answer: %q", rec.Data.Job.Source)
	}
}

func TestSlurmWithoutController(t *testing.T) {
	s := newSlurmHome(t)
	rec := s.submit("-p", "never", "--wrap", "true")
	s.cluster.StopAccounting(t)
	s.cluster.StopController(t)
	before := s.must("get", string(rec.UID))
	s.env = append(s.env, "QME_EXECUTOR_SLURM_TIMEOUT=3s")
	s.fails(8, "did not answer in time", "refresh")
	s.fails(8, "job "+rec.Data.Job.ID, "exec", "cancel")
	s.fails(124, "asking again", "wait", "--timeout", "5s")
	if after := s.must("get", string(rec.UID)); after != before {
		t.Errorf("the record has changed to %s", after)
	}
	_, errs, code := s.run("run", "sbatch", "--wrap", "true")
	if last := s.get(""); code == 0 || *last.Data.ReturnCode != code || last.Data.Job != nil {
		t.Errorf("sbatch ended with %d: %s%+v", code, errs, last.Data)
	}
	s.cluster.StartController(t)
	s.must("exec", string(rec.UID), "cancel")
	s.ends(rec, 1)
}
