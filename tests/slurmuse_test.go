package tests

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSlurmOnRequeued passes on what a job prints after a requeue, which truncates its file.
func TestSlurmOnRequeued(t *testing.T) {
	t.Parallel()
	s := newSlurmHome(t)
	cmd := s.command("run", "--on", "slurm", "--mem", "50", "--wait", "sh", "-c",
		`if [ -z "$SLURM_RESTART_COUNT" ]; then seq 1 100; exec sleep 1000; else echo second; fi`)
	var out, errs syncBuffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); !strings.Contains(out.String(), "\n100\n"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the job does not begin: %s", errs.String())
		}
	}
	rec := s.get("")
	s.slurm("scontrol", "requeue", rec.Data.Job.ID)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for waiting := true; waiting; {
		select {
		case err := <-ended:
			if waiting = false; err != nil {
				t.Errorf("it ended with %v", err)
			}
		case <-time.After(2 * time.Second):
			// It begins at once, and not after a delay.
			again := exec.Command("scontrol", "update", "JobId="+rec.Data.Job.ID, "StartTime=now")
			again.Env = append(os.Environ(), s.env...)
			_ = again.Run() // it has begun
		}
	}
	if got := out.String(); !strings.HasPrefix(got, "1\n2\n") || !strings.HasSuffix(got, "\n100\nsecond\n") || strings.Count(got, "\n100\n") != 1 {
		t.Errorf("it printed %q", got)
	}
	if !strings.Contains(errs.String(), "has begun its output anew") {
		t.Errorf("it said %q", errs.String())
	}
}

// TestSlurmWaits says why jobs wait as the controller knows it, and which never start.
func TestSlurmWaits(t *testing.T) {
	t.Parallel()
	s := newSlurmHome(t)
	first := s.submit("-o", "/dev/null", "--wrap", "exit 1")
	never := s.submit("-o", "/dev/null", "--dependency=afterok:"+first.Data.Job.ID, "--wrap", "true")
	held := s.submit("-o", "/dev/null", "-p", "never", "--wrap", "true")
	s.ends(first, 1)
	eventually(t, func() bool {
		return strings.Contains(s.must("refresh"), "PENDING (DependencyNeverSatisfied); it will never start")
	})
	s.fails(5, "is PENDING (DependencyNeverSatisfied) and will never start", "wait", string(never.UID))
	if out := s.must("ls"); !strings.Contains(out, "[DependencyNeverSatisfied] sbatch") {
		t.Errorf("ls shows\n%s", out)
	}
	// sacct knows the job by now, and nothing of what comes.
	eventually(t, func() bool { s.must("refresh"); return s.get(string(held.UID)).Data.Job.Source == "sacct" })
	s.slurm("scontrol", "hold", held.Data.Job.ID)
	if out := s.must("refresh", string(held.UID)); !strings.Contains(out, "PENDING (JobHeldAdmin)") {
		t.Errorf("refresh says %s", out)
	}
	if why := s.get(string(held.UID)).Data.Job.Reason; why != "JobHeldAdmin" {
		t.Errorf("the record says %q", why)
	}
	for _, rec := range []string{string(never.UID), string(held.UID)} {
		s.must("exec", rec, "cancel")
	}
}

// TestSlurmWrapped reads what programs print that greet first, or submit more.
func TestSlurmWrapped(t *testing.T) {
	s := newSlurmHome(t)
	for _, name := range []string{"sacct", "scontrol", "squeue"} {
		s.script(name, "echo '*** maintenance on Friday ***'", "echo bye")
	}
	rec := s.submit("--wrap", "echo out; exit 3")
	if rec = s.ends(rec, 3); rec.Data.Job.State != "FAILED" {
		t.Errorf("the job is %+v", rec.Data.Job)
	}
	s.says(`"state": "FAILED", "exitcode": "3:0"`, "exec", "status")
	real, err := exec.LookPath("sbatch")
	if err != nil {
		t.Fatal(err)
	}
	s.script("sbatch", "", "echo 77")
	one := s.submit("--parsable", "-o", "/dev/null", "--wrap", "true")
	if one.Data.Job.ID == "77" {
		t.Errorf("the number behind the id is taken: %+v", one.Data.Job)
	}
	s.ends(one, 0)
	s.script("sbatch", real+" -o /dev/null --mem=20 --wrap true", "")
	if _, errs, _ := s.run("run", "sbatch", "--mem=20", "-o", "/dev/null", "--wrap", "true"); !strings.Contains(errs, "alone is followed, and not") {
		t.Errorf("of two jobs it says %s", errs)
	}
}

// TestSlurmExitCodes shows exit codes above 127 as what they are.
func TestSlurmExitCodes(t *testing.T) {
	t.Parallel()
	s := newSlurmHome(t)
	array := s.ends(s.submit("-a", "0-1", "-o", "/dev/null", "--wrap", "test $SLURM_ARRAY_TASK_ID = 0 || exit 137"), 137)
	rec := s.ends(s.submit("-o", "/dev/null", "--wrap", "exit 200"), 200)
	killed := s.ends(s.submit("-o", "/dev/null", "--wrap", "kill -9 $$"), 137)
	show := func(say string) {
		t.Helper()
		for uid, want := range map[string]string{string(rec.UID): `"exitcode": "200:0"`, string(array.UID): `"exitcode": "137:0"`, string(killed.UID): `"exitcode": "0:9"`} {
			out, errs, code := s.run("exec", uid, "status")
			if code != 0 || !strings.Contains(out, want) {
				t.Errorf("%s: status is %d\n%s%s, want %s", say, code, out, errs, want)
			}
		}
	}
	show("with accounting")
	s.script("sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1", "")
	show("without")
}

// TestSlurmPatterns follows jobs whose output files have names that Slurm makes.
func TestSlurmPatterns(t *testing.T) {
	t.Parallel()
	s := newSlurmHome(t)
	for _, pattern := range []string{"b-%%j", "d-%5q-%j", `e\%j`, "f-%%A-%%a-%J", "g-%5%-%x"} {
		rec := s.ends(s.submit("-o", pattern, "--wrap", "echo kept"), 0)
		s.has("the output in "+pattern, rec.Data.Job.Output, "kept\n")
		if rec.Data.Job.OutputError != "" {
			files, _ := os.ReadDir(s.dir)
			t.Errorf("%s: %+v, and there are %v", pattern, rec.Data.Job, files)
		}
	}
}

// TestSlurmSilent bounds what a controller and a database that do not answer cost, and says
// what helps.
func TestSlurmSilent(t *testing.T) {
	s := newSlurmHome(t)
	s.submit("-o", "/dev/null", "--wrap", "true")
	s.script("sacct", `echo $$ >>"$PIDS"; sleep 1000 & wait`, "")
	s.script("scontrol", `echo $$ >>"$PIDS"; sleep 1000 & wait`, "")
	pids := filepath.Join(t.TempDir(), "pids")
	s.env = append(s.env, "PIDS="+pids, "QME_EXECUTOR_SLURM_TIMEOUT=1s")
	s.fails(8, "executor.slurm.timeout", "refresh")
	b, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	asked := strings.Fields(string(b))
	if len(asked) > 2 {
		t.Errorf("%d programs were started, after one had not answered", len(asked))
	}
	for _, pid := range asked {
		noGroup(t, pid)
	}
}

// noGroup checks that no process of a group is left.
func noGroup(t *testing.T, pid string) {
	t.Helper()
	out, err := exec.Command("ps", "-eo", "pgid=,pid=,args=").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(out) {
		if f := bytes.Fields(line); len(f) > 1 && string(f[0]) == pid && !bytes.Contains(line, []byte("<defunct>")) {
			t.Errorf("it is left: %s", line)
		}
	}
}

// TestProgramsAreEnded leaves nothing of programs that do not answer.
func TestProgramsAreEnded(t *testing.T) {
	t.Parallel()
	b := newBatch(t, `
[executor.hang]
program = true
match_program = "hsubmit"
[executor.slow]
match_program = "ssubmit"
capture = ['(?P<id>\d+)']
[executor.slow.refresh]
cmd = ["slowask", "{id}"]
capture = ['(?P<state>\w+)']
final = []
timeout = "1s"
[executor.well]
match_program = "wsubmit"
capture = ['(?P<id>\d+)']
[executor.well.refresh]
cmd = ["echo", "DONE"]
capture = ['(?P<state>\w+)']
final = ["DONE"]
`)
	hang := fmt.Sprintf("#!/bin/sh\necho $$ >>%s/pids\nsleep 1000 & wait\n", b.bin)
	for _, name := range []string{"qme-executor-hang", "slowask"} {
		b.write(filepath.Join(b.bin, name), hang, 0o755)
	}
	for _, name := range []string{"ssubmit", "wsubmit"} {
		b.write(filepath.Join(b.bin, name), "#!/bin/sh\necho 7\n", 0o755)
	}
	b.qme("exec", "hang")
	b.ok("run", "ssubmit")
	b.ok("run", "wsubmit")
	b.fails(8, "DONE", "refresh") // the others are answered
	text, err := os.ReadFile(filepath.Join(b.bin, "pids"))
	if err != nil {
		t.Fatal(err)
	}
	for pid := range strings.FieldsSeq(string(text)) {
		noGroup(t, pid)
	}
}

// TestSignalEndsPrograms leaves nothing of a program that is asked when a signal ends qme, in
// whichever place that waits for it.
func TestSignalEndsPrograms(t *testing.T) {
	t.Parallel()
	const hang = "#!/bin/sh\nsleep 1000 &\necho $$ $! >>%[1]s/pids\nwait\n"
	for name, place := range map[string]struct{ before, args []string }{
		"describe":  {nil, []string{"exec", "hang"}},
		"submitted": {nil, []string{"run", "hsubmit"}},
		"first":     {nil, []string{"run", "wsubmit"}},
		"refresh":   {[]string{"run", "wsubmit"}, []string{"refresh"}},
		"action":    {[]string{"run", "asubmit"}, []string{"exec", "look"}},
	} {
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
			t.Run(name+" "+sig.String(), func(t *testing.T) {
				b := newBatch(t, `
[executor.hang]
program = true
match_program = "hsubmit"
[executor.well]
match_program = "wsubmit"
capture = ['(?P<id>\d+)']
[executor.well.refresh]
cmd = ["slowask", "{id}"]
capture = ['(?P<state>\w+)']
final = []
[executor.able]
match_program = "asubmit"
[executor.able.actions]
look = { cmd = ["slowask"] }
`)
				for _, name := range []string{"hsubmit", "wsubmit", "asubmit"} {
					b.write(filepath.Join(b.bin, name), "#!/bin/sh\necho 7\n", 0o755)
				}
				b.write(filepath.Join(b.bin, "slowask"), "#!/bin/sh\necho RUNNING\n", 0o755)
				if place.before != nil {
					b.ok(place.before...)
				}
				for _, name := range []string{"qme-executor-hang", "slowask"} {
					b.write(filepath.Join(b.bin, name), fmt.Sprintf(hang, b.bin), 0o755)
				}
				cmd := b.command(place.args...)
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				var pids []byte
				eventually(t, func() bool {
					pids, _ = os.ReadFile(filepath.Join(b.bin, "pids")) // not there yet
					return bytes.HasSuffix(pids, []byte("\n"))
				})
				if err := cmd.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
				_ = cmd.Wait() // how it ends is each command's own
				for pid := range strings.FieldsSeq(string(pids)) {
					eventually(t, func() bool { return !lives(pid) })
				}
			})
		}
	}
}

// lives reports whether a process is there that has not ended.
func lives(pid string) bool {
	state, err := exec.Command("ps", "-o", "stat=", "-p", pid).Output()
	return err == nil && !bytes.HasPrefix(state, []byte("Z"))
}

// TestSlurmSharedFile keeps the output of one job out of the record of another that has printed
// to the same file.
func TestSlurmSharedFile(t *testing.T) {
	t.Parallel()
	s := newSlurmHome(t)
	// The accounting, which qme asks, may know of an end later than the controller, and of a job's steps
	// later than of the job.
	ended := func(id string) {
		t.Helper()
		eventually(t, func() bool {
			cmd := exec.Command("sacct", "--noheader", "--parsable2", "--format=state", "--jobs", id)
			cmd.Env = append(os.Environ(), s.env...)
			out, err := cmd.Output()
			states := strings.Fields(string(out))
			going := func(state string) bool { return state != "COMPLETED" && state != "FAILED" }
			return err == nil && len(states) > 1 && !slices.ContainsFunc(states, going)
		})
	}
	// The first one's output is brought before the second one begins.
	one := s.submit("-o", "log.txt", "--wrap", "echo job one; exit 1")
	ended(one.Data.Job.ID)
	two := s.submit("-o", "log.txt", "--wrap", "echo job two")
	if got := s.get(string(one.UID)).Data.Job; got.Final {
		s.has("the output of the first", got.Output, "job one\n")
	} else {
		t.Errorf("it was not asked about: %+v", got) // its steps may be late
	}
	s.ends(two, 0)
	s.has("the output of the second", s.get(string(two.UID)).Data.Job.Output, "job two\n")

	// So it is where the file is spelled otherwise, and where a link leads to it.
	if err := os.Symlink(".", filepath.Join(s.dir, "folder")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("link.txt", filepath.Join(s.dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, pair := range [][2]string{{"dot.txt", "./dot.txt"}, {"up.txt", "folder/../" + filepath.Base(s.dir) + "/up.txt"}, {"folder.txt", "folder/folder.txt"}, {"link.txt", "link"}} {
		one := s.submit("-o", pair[0], "--wrap", "echo job one; exit 1")
		ended(one.Data.Job.ID)
		two := s.submit("-o", pair[1], "--wrap", "echo job two")
		s.ends(two, 0)
		job := s.ends(one, 1).Data.Job
		if strings.Contains(strings.Join(job.Output, ""), "job two") || job.OutputError == "" && len(job.Output) == 0 {
			t.Errorf("%s: the first one's record has %q, %q", pair[1], job.Output, job.OutputError)
		}
	}

	// Of jobs that overlap, or that qme did not hear of in time, the record says so.
	one = s.submit("-o", "both.txt", "--wrap", "echo job one; exec sleep 3")
	two = s.submit("-o", "both.txt", "--wrap", "echo job two; exec sleep 3")
	ended(one.Data.Job.ID)
	ended(two.Data.Job.ID)
	s.ends(one, 0)
	s.ends(two, 0)
	job := s.get(string(one.UID)).Data.Job
	if strings.Contains(strings.Join(job.Output, ""), "job two") || !strings.Contains(job.OutputError, "job "+two.Data.Job.ID) {
		t.Errorf("the first one's record has %q, %q", job.Output, job.OutputError)
	}
	s.fails(3, "prints to", "exec", string(one.UID), "output")

	array := s.ends(s.submit("-a", "0-2", "-o", "array.txt", "--wrap", "echo element"), 0)
	if !strings.Contains(array.Data.Job.OutputError, "more than one element") {
		t.Errorf("the array's record has %q, %q", array.Data.Job.Output, array.Data.Job.OutputError)
	}
	for _, text := range []string{"first", "second"} {
		rec := s.ends(s.submit("-o", "appended.txt", "--open-mode=append", "--wrap", "echo "+text), 0)
		if !strings.Contains(rec.Data.Job.OutputError, "appends") || !strings.Contains(strings.Join(rec.Data.Job.Output, ""), text) {
			t.Errorf("a job that appends has %q, %q", rec.Data.Job.Output, rec.Data.Job.OutputError)
		}
	}
}

// TestSlurmElements prints some elements of an array, and counts those that were cancelled.
func TestSlurmElements(t *testing.T) {
	t.Parallel()
	s := newSlurmHome(t)
	rec := s.ends(s.submit("-a", "1-4", "--wrap", "echo I am $SLURM_ARRAY_TASK_ID"), 0)
	out := s.must("exec", string(rec.UID), "output", "--element", "2,4")
	if strings.Contains(out, "am 1") || !strings.Contains(out, "_2.out <==\nI am 2\n") || !strings.Contains(out, "_4.out <==\nI am 4\n") {
		t.Errorf("elements 2 and 4 have printed %s", out)
	}
	s.fails(5, "has no element 9", "exec", string(rec.UID), "output", "--element", "2,9")
	rec = s.submit("-p", "never", "-a", "1-4", "--wrap", "true")
	s.must("exec", string(rec.UID), "cancel")
	s.run("wait", string(rec.UID))
	if out := s.must("refresh", string(rec.UID)); !strings.Contains(out, "0 of 4 completed, 4 cancelled") || strings.Contains(out, "failed") {
		t.Errorf("refresh says %s", out)
	}
	out, errs, _ := s.run("run", "sh", "-c", "sbatch --mem=20 2>&1 <<'END'\n#!/bin/sh\n#SBATCH --test-only\ntrue\nEND\n")
	if strings.Contains(errs, "cannot be followed") {
		t.Errorf("a submission that is tried, with one stream, is said to be lost: %s%s", out, errs)
	}
	out, errs, _ = s.run("run", "sh", "-c", "sbatch --mem=20 <<'END'\n#!/bin/sh\n#SBATCH --test-only\ntrue\nEND\n")
	if strings.Contains(errs, "cannot be followed") {
		t.Errorf("a submission that is tried is said to be lost: %s%s", out, errs)
	}
}

// TestSlurmNoOutput says why there is no output, and that none will come.
func TestSlurmNoOutput(t *testing.T) {
	t.Parallel()
	s := newSlurmHome(t)
	rec := s.submit("-o", "nowhere/x-%j", "--wrap", "echo hi")
	s.run("wait", string(rec.UID))
	s.fails(3, "could not be opened", "exec", string(rec.UID), "output")
	rec = s.submit("-p", "never", "--wrap", "true")
	s.fails(9, "is PENDING", "exec", string(rec.UID), "output")
	s.must("exec", string(rec.UID), "cancel")
	s.run("wait", string(rec.UID))
	s.fails(3, "never started", "exec", string(rec.UID), "output")
	rec = s.submit("-o", "gone-%j", "--wrap", "rm gone-*")
	s.run("wait", string(rec.UID))
	s.fails(3, "was removed, or lies on a disk of", "exec", string(rec.UID), "output")
	rec = s.ends(s.submit("--wrap", "true"), 0)
	if out, errs, code := s.run("exec", string(rec.UID), "output"); code != 0 || out != "" {
		t.Errorf("the output of a job that prints nothing is %d, %q, %q", code, out, errs)
	}
}
