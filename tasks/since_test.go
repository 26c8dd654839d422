package tasks

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"qme/executor"
	"qme/provenance"
	"qme/record"
	"qme/tests/files"
	"qme/tests/require"
)

// newRecorder returns a bench that runs commands and records with what they ran, in a directory that is
// the current one.
func newRecorder(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, 0)
	b.Run = nil
	recordAll(b.Service)
	b.Settings.Env = func() []string { return []string{"SEED=" + os.Getenv("SEED")} }
	b.Settings.Host, b.Settings.User = "here", "me"
	t.Chdir(t.TempDir())
	return b
}

// shell returns a command line as the command that it is.
func shell(line string) executor.Command {
	return executor.Command{Executor: "shell", Argv: []string{"sh", "-c", line}, Line: line}
}

func (b *bench) line(t *testing.T, line string, o RunOptions) Version {
	t.Helper()
	rep, err := b.RunNew(t.Context(), shell(line), o)
	if err == nil {
		err = rep.Err
	}
	if err != nil {
		t.Fatal(err)
	}
	v, err := b.Find(string(rep.Record.UID))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// since returns what is different since a run, each in a word.
func (b *bench) since(t *testing.T, v Version, o SinceOptions) []string {
	t.Helper()
	all, err := b.Since(t.Context(), v, o)
	if err != nil {
		t.Fatal(err)
	}
	told := []string{}
	for _, one := range all {
		text := fmt.Sprintf("%s %s %s", one.Kind, one.State, one.Name)
		if len(one.Files) > 0 {
			text += " " + strings.Join(one.Files, ",")
		}
		if one.Own {
			text += " own"
		}
		told = append(told, strings.TrimSpace(text))
	}
	return told
}

// TestSinceNamesWhatDiffers changes one thing after the other: each is named, and only that.
func TestSinceNamesWhatDiffers(t *testing.T) {
	require.Component(t, "git")
	b := newRecorder(t)
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-c", "user.name=A", "-c", "user.email=a@example.org"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	was := map[string]string{"data.csv": "1\n", "fit.sh": "cat $1 helper.sh\n", "helper.sh": "x\n", "README": "a\n", "tool": "#!/bin/sh\necho tool\n"}
	files.Write(t, "", was)
	git("init", "--quiet")
	git("add", ".")
	git("commit", "--quiet", "-m", "first")
	t.Setenv("SEED", "1")
	v := b.line(t, "./tool >tool.txt; sh fit.sh data.csv >out.txt", RunOptions{})
	for _, c := range []struct {
		name   string
		change func()
		want   []string
	}{
		{"nothing", func() {}, []string{}},
		{"the data", func() { files.Write(t, "", map[string]string{"data.csv": "2\n"}) }, []string{"inputs changed data.csv"}},
		{"the size of the data", func() { files.Write(t, "", map[string]string{"data.csv": "22\n"}) }, []string{"inputs changed data.csv"}},
		{"no data", func() { os.Remove("data.csv") }, []string{"inputs missing data.csv"}},
		{"the script", func() { files.Write(t, "", map[string]string{"fit.sh": "cat $1 helper.sh # x\n"}) }, []string{"script changed fit.sh"}},
		{"no script", func() { os.Remove("fit.sh") }, []string{"script missing fit.sh"}},
		{"an own program", func() { files.Write(t, "", map[string]string{"tool": "#!/bin/sh\necho loot\n"}) }, []string{"script changed tool"}},
		{"another file", func() { files.Write(t, "", map[string]string{"helper.sh": "y\n"}) }, []string{"code changed git helper.sh"}},
		{"another commit", func() {
			files.Write(t, "", map[string]string{"README": "b\n"})
			git("commit", "--quiet", "-am", "second")
		}, []string{"code changed git README"}},
		{"the same in another commit", func() {
			files.Write(t, "", was)
			git("commit", "--quiet", "-am", "third")
		}, []string{}},
		{"a variable", func() { t.Setenv("SEED", "2") }, []string{"environment changed SEED"}},
		{"the host", func() { b.Settings.Host = "there" }, []string{"host changed host"}},
		{"an output", func() { files.Write(t, "", map[string]string{"out.txt": "changed"}) }, []string{}},
	} {
		files.Write(t, "", was)
		b.Settings.Host = "here"
		t.Setenv("SEED", "1")
		c.change()
		if got := b.since(t, v, SinceOptions{}); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestSinceOwnInput is a command that changes its own input: nobody else has.
func TestSinceOwnInput(t *testing.T) {
	b := newRecorder(t)
	files.Write(t, "", map[string]string{"list": "b\na\n"})
	v := b.line(t, "sort -o list list", RunOptions{})
	inputs := SinceOptions{Kinds: []Kind{KindInputs}}
	// Whether it was hashed before sort had changed it is chance.
	if got := b.since(t, v, inputs); !slices.Equal(got, []string{"inputs changed list own"}) && !slices.Equal(got, []string{"inputs unknown list own"}) {
		t.Errorf("after the run: %q", got)
	}
	files.Write(t, "", map[string]string{"list": "c\na\nb\n"})
	if got := b.since(t, v, inputs); !slices.Equal(got, []string{"inputs changed list"}) {
		t.Errorf("after another change: %q", got)
	}
}

// TestSinceDeclared finds a file that a declared pattern matches now.
func TestSinceDeclared(t *testing.T) {
	b := newRecorder(t)
	files.Write(t, "", map[string]string{"data/a.csv": "1\n"})
	v := b.line(t, "cat data/*.csv >all.txt", RunOptions{Declared: provenance.Declared{In: []string{"data/*.csv"}}})
	files.Write(t, "", map[string]string{"data/b.csv": "2\n"})
	if got := b.since(t, v, SinceOptions{Kinds: []Kind{KindInputs}}); !slices.Equal(got, []string{"inputs new data/b.csv"}) {
		t.Errorf("%q", got)
	}
}

// TestSinceForeign looks at nothing that the record of somebody else names, unless the user has agreed,
// and then opens no FIFO.
func TestSinceForeign(t *testing.T) {
	b := newRecorder(t)
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo("fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	id, err := record.NewID("shell")
	if err != nil {
		t.Fatal(err)
	}
	sum := strings.Repeat("0", 64)
	v := Version{service: b.Service, Record: &record.Record{UID: id, Executor: "shell", Data: record.Data{PWD: dir, Cmd: []string{"cat", "fifo"}, Masked: map[string]int{"TOKEN": 1}, Machine: provenance.Machine(),
		Files: &record.Files{In: []record.File{{Path: "fifo", By: "word", SHA256: sum}, {Path: "/dev/zero", By: "word", SHA256: sum}, {Path: "[masked:TOKEN]", By: "word", SHA256: sum}, {Path: "/proc/self/environ", By: "word", SHA256: sum}}}}}}
	var foreign *ForeignError
	if _, err := b.Since(t.Context(), v, SinceOptions{}); !errors.As(err, &foreign) {
		t.Errorf("without agreement: %v", err)
	}
	inputs := SinceOptions{Kinds: []Kind{KindInputs}, Agreed: true, Hash: true}
	want := []string{"inputs unknown [masked:TOKEN]", "inputs changed fifo", "inputs changed /dev/zero", "inputs changed /proc/self/environ"}
	if got := b.since(t, v, inputs); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
