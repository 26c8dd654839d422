package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"qme/record"
)

// TestSlurmScript has the script of a batch job recorded, wherever sbatch takes it from.
func TestSlurmScript(t *testing.T) {
	t.Parallel()
	s := newSlurmHome(t)
	const script = "#!/bin/sh\n#SBATCH --time=5\necho from the script\n"
	file := filepath.Join(s.dir, "job.sh")
	if err := os.WriteFile(file, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, line := range map[string]string{
		"word":        "qme -q run sbatch -J named job.sh an-argument",
		"redirection": "qme -q run sbatch < job.sh",
		"line":        "qme -q run 'sbatch --parsable <job.sh'",
		"pipe":        "cat job.sh | qme -q run sbatch",
		"here":        "qme -q run sbatch <<'EOF'\n" + script + "EOF\n",
		"in a line":   "qme -q run \"sbatch <<'EOF'\n" + script + "EOF\n\"",
	} {
		t.Run(name, func(t *testing.T) {
			cmd := s.command()
			cmd.Path, cmd.Args = "/bin/bash", []string{"bash", "-c", `qme() { (exec -a qme "$0" "$@"); }; ` + line, cmd.Path}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			rec := s.get("")
			if got := s.must("get", string(rec.UID), "--part", "script"); got != script {
				t.Errorf("the script is %q", got)
			}
			if part := rec.Data.Parts[record.PartScript]; !part.Home {
				t.Errorf("%+v", part)
			}
			s.ends(rec, 0)
			if got := s.must("get", string(rec.UID), "--part", "script"); got != script {
				t.Errorf("after the end of the job the script is %q", got)
			}
			if out, errs, code := s.run("rerun", string(rec.UID)); code != 0 {
				t.Fatalf("the rerun ended with %d: %s%s", code, out, errs)
			}
			again := s.ends(s.get(string(rec.UID)), 0)
			if got := strings.Join(again.Data.Job.Output, ""); got != "from the script\n" {
				t.Errorf("the rerun printed %q", got)
			}
			if _, ok := again.Data.Parts[record.PartStdin]; ok || again.Data.Parts[record.PartScript] != rec.Data.Parts[record.PartScript] {
				t.Errorf("the rerun has the parts %+v", again.Data.Parts)
			}
		})
	}
	s.must("-q", "run", "sbatch", "job.sh")
	rec := s.ends(s.get(""), 0)
	if _, errs, code := s.run("rerun"); code != 0 || strings.Contains(errs, "Its script") {
		t.Errorf("an unchanged script: %d %s", code, errs)
	}
	s.ends(rec, 0)
	if err := os.WriteFile(file, []byte(script+"echo more\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := s.run("rerun"); code != 0 || !strings.Contains(errs, "Its script, "+file+", is not as it was") {
		t.Errorf("a changed script: %d %s", code, errs)
	}
	s.ends(rec, 0)
	if got := s.must("get", string(rec.UID)+"@2", "--part", "script"); got != script {
		t.Errorf("the second run had the script %q", got)
	}
	s.givenAgain(file)
	rec = s.submit("--wrap", "echo wrapped")
	if _, ok := rec.Data.Parts[record.PartScript]; ok || !strings.Contains(rec.Command, "echo wrapped") {
		t.Errorf("%s: %+v", rec.Command, rec.Data.Parts)
	}
}

// givenAgain has a rerun get another script than the one that was kept, and none where a secret in
// that is masked, or it is in another home.
func (s *slurmHome) givenAgain(file string) {
	s.t.Helper()
	const secret = "ghp_Planted0123456789"
	s.env = append(s.env, "GITHUB_TOKEN="+secret)
	submit := func(text string) *record.Record {
		s.t.Helper()
		cmd := s.command("-q", "run", "sbatch")
		cmd.Stdin = strings.NewReader("#!/bin/sh\n" + text)
		if out, err := cmd.CombinedOutput(); err != nil {
			s.t.Fatalf("%v\n%s", err, out)
		}
		return s.ends(s.get(""), 0)
	}
	rec := submit("echo " + secret + "\n")
	s.fails(5, "its script came from standard input, and in what was kept of it secrets are masked (GITHUB_TOKEN); give it again: ", "rerun", string(rec.UID))
	if err := os.WriteFile(file, []byte("#!/bin/sh\necho another\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.must("-q", "rerun", "--stdin", file, string(rec.UID))
	rec = s.ends(s.get(string(rec.UID)), 0)
	s.has("the output of another script", rec.Data.Job.Output, "another\n")
	rec = submit("echo shared\n")
	hub := filepath.Join(s.t.TempDir(), "hub.git")
	if out, err := exec.Command("git", "init", "-q", "--bare", "--initial-branch=main", "--object-format=sha1", hub).CombinedOutput(); err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
	s.must("remote", hub)
	s.must("push")
	other := newHome(s.t)
	other.env, other.cwd = s.env, s.cwd
	other.must("clone", hub)
	if out, errs, code := other.run("rerun", "--yes", string(rec.UID)); code != 5 || !strings.Contains(errs, "its input came from a pipe and was not kept") {
		s.t.Errorf("without the part: %d %s%s", code, out, errs)
	}
}
