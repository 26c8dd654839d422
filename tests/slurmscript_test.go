package tests

import (
	"os"
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
	rec = s.submit("--wrap", "echo wrapped")
	if _, ok := rec.Data.Parts[record.PartScript]; ok || !strings.Contains(rec.Command, "echo wrapped") {
		t.Errorf("%s: %+v", rec.Command, rec.Data.Parts)
	}
}
