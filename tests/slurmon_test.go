package tests

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A syncBuffer may be read while a command writes to it.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestSlurmOn runs commands on the cluster that know nothing of it.
func TestSlurmOn(t *testing.T) {
	t.Parallel()
	s := newSlurmHome(t)
	s.env = append(s.env, "QUOTED=it's $HOME; \"x\"")
	out, errs, code := s.run("run", "--on", "slurm", "--mem", "50", "--wait", "sh", "-c", `pwd; printf '%s|' "$QUOTED" "$@"; echo err >&2; exit 3`, "sh", "a b", "$(id)", "")
	if want := s.dir + "\nit's $HOME; \"x\"|a b|$(id)||"; out != want || code != 3 {
		t.Errorf("it printed %q and ended with %d, want %q and 3", out, code, want)
	}
	if !strings.Contains(errs, "err\n") || strings.Contains(out, "err") {
		t.Errorf("its error output is in %q", errs)
	}
	rec := s.get("")
	s.has("the output in the record", rec.Data.Job.Output, out)
	s.has("the error output in the record", rec.Data.Job.Error, "err\n")
	if !strings.Contains(errs, "[returncode: 3] job "+rec.Data.Job.ID+" has ended") {
		t.Errorf("the code of the job is not said: %q", errs)
	}
	if code := rec.Code(); code == nil || *code != 3 {
		t.Errorf("the record has the return code %v, want 3", code)
	}
	s.has("exec output", []string{s.must("exec", "output")}, out)
	if left, err := filepath.Glob(filepath.Join(s.dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("the job left %q: %v", left, err)
	}
	if _, err := os.Stat(filepath.Join(s.home.dir, "jobs", string(rec.UID))); !os.IsNotExist(err) {
		t.Errorf("its folder is left: %v", err)
	}
	// What is left is the note for a job that is started again.
	note := filepath.Join(s.home.dir, "jobs", "last", string(rec.UID)+".json")
	if left, err := files(filepath.Join(s.home.dir, "jobs")); err != nil || !slices.Equal(left, []string{note}) {
		t.Errorf("its files are not removed: %v, %v", left, err)
	}
	if out, errs, code := s.run("run", "--no-output", "--on", "slurm", "--mem", "50", "--wait", "echo out; echo err >&2; exit 3"); out != "" || strings.Contains(errs, "err\n") || code != 3 {
		t.Errorf("with --no-output it printed %q and %q, and ended with %d", out, errs, code)
	}
	s.has("the output that was not shown", s.get("").Data.Job.Output, "out\n")
	again := s.runAgain(rec)
	again = s.ends(again, 3)
	s.has("the output of the rerun", again.Data.Job.Output, out)
}

// TestSlurmOnResources asks for what a job needs, and leaves it alone.
func TestSlurmOnResources(t *testing.T) {
	t.Parallel()
	s := newSlurmHome(t)
	s.must("run", "--on", "slurm", "--cpus", "2", "--mem", "60", "--time", "5", "--partition", "debug", "--option", "comment=a,b c", "echo $SLURM_CPUS_PER_TASK; sleep 0.5; echo done")
	rec := s.get("")
	if rec = s.ends(rec, 0); rec.Data.Job.CPUs != 2 || rec.Data.Job.Partition != "debug" {
		t.Errorf("the job is %+v", rec.Data.Job)
	}
	s.has("the output", rec.Data.Job.Output, "2\ndone\n")
	s.fails(2, "qme's own", "run", "--on", "slurm", "--option", "output=/tmp/x", "true")
	s.fails(2, "needs a value", "run", "--on", "slurm", "--cpus", "", "true")
	before := s.must("ls", "--json")
	s.fails(1, "invalid partition", "run", "--on", "slurm", "--wait", "--partition", "nowhere", "true")
	if s.must("ls", "--json") == before {
		t.Error("a submission that failed is not recorded")
	}
}

// TestSlurmOnInterrupted ends the job when the command in its place is ended.
func TestSlurmOnInterrupted(t *testing.T) {
	t.Parallel()
	s := newSlurmHome(t)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd := s.command("run", "--on", "slurm", "--mem", "50", "--wait", "sh", "-c", "echo begun; sleep 600")
		var out, errs syncBuffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Minute); !strings.Contains(out.String(), "begun"); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the job does not begin: %s", errs.String())
			}
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 128+int(sig) || strings.Count(errs.String(), "is being cancelled") != 1 {
			t.Errorf("%v: it ended with %d: %s", sig, code, errs.String())
		}
		if rec := s.until(s.get(""), "CANCELLED"); rec.Data.Job.ReturnCode == nil || *rec.Data.Job.ReturnCode == 0 {
			t.Errorf("%v: the job is %+v", sig, rec.Data.Job)
		}
	}
}

// TestSlurmOnLong passes on output while it comes, and all of it.
func TestSlurmOnLong(t *testing.T) {
	t.Parallel()
	s := newSlurmHome(t)
	out, _, code := s.run("-q", "run", "--on", "slurm", "--mem", "50", "--wait", "seq 1 300000; sleep 1; seq 1 300000 | tr -d '\\n' | md5sum")
	if lines := strings.Count(out, "\n"); code != 0 || lines != 300001 {
		t.Errorf("it printed %d lines and ended with %d", lines, code)
	}
	if rec := s.get(""); rec.Data.Job.Stdout == nil || rec.Data.Job.Stdout.Size != int64(len(out)) {
		t.Errorf("the record describes %+v, want %d bytes", rec.Data.Job.Stdout, len(out))
	}
	s.has("exec output", []string{s.must("exec", "output")}, out)
}

// files returns all below a folder that are not folders.
func files(dir string) (list []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			list = append(list, path)
		}
		return err
	})
	return list, err
}
