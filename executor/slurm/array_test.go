package slurm

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qme/executor"
	"qme/record"
)

func TestSubmitArray(t *testing.T) {
	e := New(Options{Shell: "sh"})
	c, script, err := e.SubmitArray(executor.ArraySubmission{Shell: "sh", Folder: "/h/50%", Options: map[string]string{"mem": "1G"}, Slots: 4,
		Elements: []executor.ArrayElement{{Words: []string{"./a", "x y"}, Dir: "/d e", Env: []string{"QME_PARAM_v=$(id)"}}, {Words: []string{"echo $X"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"sbatch", "--parsable", "--export=ALL", "--job-name=a", "--output=/h/50%%/%a/stdout", "--error=/h/50%%/%a/stderr", "--mem=1G", "--array=1-2%4"}; !slices.Equal(c.Argv, want) {
		t.Errorf("got  %q\nwant %q", c.Argv, want)
	}
	want := "#!/bin/sh\ncase $SLURM_ARRAY_TASK_ID in\n1)\ncd '/d e' || exit\nexport QME_PARAM_v='$(id)'\nexec ./a 'x y';;\n2)\nexec sh -c 'echo $X';;\n*) echo \"there is no element $SLURM_ARRAY_TASK_ID\" >&2; exit 1;;\nesac\n"
	if string(script) != want {
		t.Errorf("got  %s\nwant %s", script, want)
	}
	if _, _, err := e.SubmitArray(executor.ArraySubmission{Options: map[string]string{"array": "1-9"}, Elements: []executor.ArrayElement{{Words: []string{"true"}}}}); !errors.Is(err, record.ErrInvalid) {
		t.Errorf("with the option array: %v", err)
	}
	many := slices.Repeat([]executor.ArrayElement{{Words: []string{strings.Repeat("x", 1<<10)}}}, 5000)
	if _, _, err := e.SubmitArray(executor.ArraySubmission{Elements: many}); !errors.Is(err, record.ErrInvalid) || !strings.Contains(err.Error(), "4.9 MiB") {
		t.Errorf("a script that is too long: %v", err)
	}
}

// FuzzArray has a real shell read the script: each element must run its words as they are, in its folder, with its variables.
func FuzzArray(f *testing.F) {
	f.Add("a b", "'")
	f.Add(";;\nesac\n", "2) echo \"$(id)\"")
	f.Add("#SBATCH --array=1-9", "\xff`id`\\")
	dir := filepath.Join(f.TempDir(), "a $(b)' c")
	if err := os.Mkdir(dir, 0o700); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.ContainsRune(a+b, 0) {
			t.Skip("no argument of a program holds a NUL")
		}
		var els []executor.ArrayElement
		for i := range 3 {
			els = append(els, executor.ArrayElement{Words: []string{"sh", "-c", `printf '%s\0' "$PWD" "$QME_PARAM_v" "$@"`, "sh", a, fmt.Sprint(i)}, Dir: dir, Env: []string{"QME_PARAM_v=" + b, "N=1"}})
		}
		script := arrayScript(executor.ArraySubmission{Elements: els, Shell: "sh"})
		for i := range els {
			cmd := exec.Command("sh", "-s")
			cmd.Env, cmd.Stdin = append(os.Environ(), fmt.Sprint("SLURM_ARRAY_TASK_ID=", i+1)), strings.NewReader(string(script))
			out, err := cmd.Output()
			if want := strings.Join([]string{dir, b, a, fmt.Sprint(i), ""}, "\x00"); err != nil || string(out) != want {
				t.Errorf("element %d of %q prints %q, want %q: %v", i+1, script, out, want, err)
			}
		}
	})
}

func TestArrayJobs(t *testing.T) {
	e := New(Options{})
	jobs, err := e.ArrayJobs(2, []byte("a site's greeting\n907484;big\n"), nil)
	if err != nil || len(jobs) != 2 || jobs[0].ID != "907484_1" || jobs[1].ID != "907484_2" || jobs[1].Cluster != "big" {
		t.Errorf("%+v, %v", jobs, err)
	}
	for stderr, says := range map[string]string{
		"": "does not say why",
		"sbatch: error: Batch job submission failed: Invalid job array specification\n": "MaxArraySize",
		"sbatch: error: invalid partition specified: x\n":                               "sbatch says: invalid partition specified: x",
	} {
		if jobs, err := e.ArrayJobs(2, nil, []byte(stderr)); jobs != nil || err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, %v", stderr, jobs, err)
		}
	}
}

func TestHolds(t *testing.T) {
	for _, tt := range []struct {
		id, index string
		want      bool
	}{
		{"12_[1-15%4]", "1", true}, {"12_[1-15%4]", "15", true}, {"12_[1-15%4]", "16", false}, {"12_[1-15%4]", "4", true}, {"12_[1-15%4]", "0", false},
		{"12_[1,3,7-9]", "3", true}, {"12_[1,3,7-9]", "8", true}, {"12_[1,3,7-9]", "2", false}, {"12_[1,3,7-9]", "", false},
		{"12_[1-9:4]", "5", true}, {"12_[1-9:4]", "4", false}, {"12_[1-9:0]", "4", true}, {"12_[1-4000000]", "3999999", true}, {"12_[9-1]", "5", false},
		{"12_[]", "1", false}, {"12_[x]", "1", false}, {"12_[-1]", "1", false}, {"12_5", "5", false}, {"12", "12", false},
	} {
		if got := holds(tt.id, tt.index); got != tt.want {
			t.Errorf("holds(%q, %q) = %v", tt.id, tt.index, got)
		}
	}
}
