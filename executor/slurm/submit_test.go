package slurm

import (
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"qme/executor"
	"qme/record"
)

func TestSubmit(t *testing.T) {
	c, err := submit(executor.Submission{
		Words: []string{"./train.py", "--lr=3e-4", "a b"}, Shell: "sh", Stdout: "/h/100%/stdout", Stderr: "/h/100%/stderr",
		Options: map[string]string{"cpus": "4", "mem": "8G", "time": "1:00:00", "gres": "gpu:1,shard:2", "exclusive": ""},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"sbatch", "--parsable", "--export=ALL", "--job-name=train.py", "--output=/h/100%%/stdout", "--error=/h/100%%/stderr",
		"--cpus-per-task=4", "--exclusive", "--gres=gpu:1,shard:2", "--mem=8G", "--time=1:00:00", "--wrap=exec ./train.py --lr=3e-4 'a b'"}
	if !slices.Equal(c.Argv, want) {
		t.Errorf("got  %q\nwant %q", c.Argv, want)
	}
	for option, says := range map[string]string{"output": "qme's own", "wrap": "qme's own", "a b": "not the name", "": "not the name", "-x": "not the name", "x;y": "not the name"} {
		_, err := submit(executor.Submission{Words: []string{"true"}, Options: map[string]string{option: "1"}})
		if !errors.Is(err, record.ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("option %q: %v", option, err)
		}
	}
	for program, name := range map[string]string{" ": "qme", "/": "qme", "./a%j": "aj", "a | b": "a", "\n": "qme", "--x": "--x"} {
		if got := jobName([]string{program, "x"}); got != name {
			t.Errorf("the job of %q is called %q, want %q", program, got, name)
		}
	}
	if _, err := submit(executor.Submission{Words: []string{"true"}, Stdout: `/a\b`}); !errors.Is(err, record.ErrInvalid) {
		t.Errorf("a path with a backslash: %v", err)
	}
}

// FuzzSubmit has a real shell read the script: it must run the words as they are.
func FuzzSubmit(f *testing.F) {
	f.Add("a b", "'")
	f.Add("#SBATCH --array=1-9", "\n#SBATCH -o /tmp/x")
	f.Add("$HOME", "\xff;&")
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.ContainsRune(a+b, 0) {
			t.Skip("no argument of a program holds a NUL")
		}
		c, err := submit(executor.Submission{Words: []string{"printf", `%s\000`, a, b}, Shell: "sh"})
		if err != nil {
			t.Fatal(err)
		}
		script, ok := strings.CutPrefix(c.Argv[len(c.Argv)-1], "--wrap=")
		if !ok {
			t.Fatalf("the last word is %q", c.Argv[len(c.Argv)-1])
		}
		// As sbatch makes it; it reads #SBATCH lines up to the first command.
		out, err := exec.Command("sh", "-c", "#!/bin/sh\n# This script was created by sbatch --wrap.\n\n"+script+"\n").Output()
		if err != nil || string(out) != a+"\x00"+b+"\x00" {
			t.Errorf("the script %q prints %q: %v", script, out, err)
		}
	})
}

func TestSubmitNoArray(t *testing.T) {
	t.Setenv("SBATCH_ARRAY_INX", "1-3")
	if _, err := submit(executor.Submission{Words: []string{"true"}, Shell: "sh", Stdout: "/o", Stderr: "/e"}); !errors.Is(err, record.ErrInvalid) {
		t.Errorf("an array by the environment is no error: %v", err)
	}
}
