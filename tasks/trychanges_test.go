package tasks

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qme/record"
	"qme/tasks/waiting"
	"qme/tests/require"
)

// TestCodeChanged says what of the code of a task was another when it started than when it was added.
func TestCodeChanged(t *testing.T) {
	require.Component(t, "git")
	for name, c := range map[string]struct {
		change string // shell commands, between add and start
		want   []string
	}{
		"nothing":         {"touch fit.sh; echo 2 >data", nil},
		"script":          {"echo true >>fit.sh", []string{"script fit.sh"}},
		"script is gone":  {"rm fit.sh", []string{"script fit.sh"}},
		"library":         {"echo 2 >lib.py", []string{"code lib.py"}},
		"dirty library":   {"echo 3 >dirty.py", []string{"code dirty.py"}},
		"clean again":     {"git checkout -q dirty.py", []string{"code dirty.py"}},
		"commit":          {"git commit -qam more", []string{"code ."}},
		"program":         {"echo true >>prog", []string{"script prog"}},
		"its own changes": {"echo 'echo x >lib.py; echo true >>fit.sh' >own", nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := newQueued(t)
			recordAll(b.Service)
			dir := t.TempDir()
			b.sh(dir, `echo 'test ! -e own || . ./own' >fit.sh; printf '#!/bin/sh\n' >prog; chmod +x prog; echo 1 >data; echo 1 >lib.py; echo 1 >dirty.py
				git init -q; git add .; git -c user.name=a -c user.email=a@b commit -qm one; git config user.name a; git config user.email a@b; echo 2 >dirty.py`)
			line := "./prog; sh fit.sh data"
			rec, err := b.Add(t.Context(), shell(line),
				AddOptions{Terms: waiting.Terms{}, Env: []string{"PATH=" + os.Getenv("PATH"), wholeVariable + "=1", "HOME=" + b.Home}, Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			b.sh(dir, c.change)
			b.supervise(rec.UID)
			var got []string
			for _, one := range b.runs(rec.UID)[0].Data.Queue.Changed {
				name, err := filepath.Rel(dir, one.Name)
				if err != nil {
					t.Error(err)
				}
				got = append(got, one.Kind+" "+name)
				if one.Kind == string(KindScript) && !strings.Contains(one.From, "sha256") {
					t.Errorf("%+v", one)
				}
			}
			if slices.Sort(got); !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
			if waits := rec.Data; waits.Git == nil || waits.Git.PatchError != "" || waits.Status != record.None {
				t.Errorf("%+v", waits)
			}
		})
	}
}
