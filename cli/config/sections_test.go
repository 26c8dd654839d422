package config

import (
	"strings"
	"testing"

	"qme/record"
)

// Sections of executors are handed on as they are, in order, with where they stand.
func TestSections(t *testing.T) {
	c := load(t, `run.keep = "3MiB"
[executor.shell]
shell = "bash"
[executor.zeta.actions.x]
cmd = ["a",
  "b"]
[executor]
inline = { match = 'x{1,2}', n = 1 }
[executor.alpha]
bad = 1979-05-27
[executor.zeta]
match = "z"
[executor.zeta.codes]
"*" = 1
`)
	if c.Size("run.keep") != 3<<20 || c.String("executor.shell.shell") != "bash" {
		t.Error("the settings around are not read")
	}
	var names []string
	for _, s := range c.Sections() {
		names = append(names, s.Name)
	}
	if got := strings.Join(names, " "); got != "zeta inline alpha" {
		t.Fatalf("sections %q", got)
	}
	zeta := c.Sections()[0]
	for path, line := range map[string]string{"": "4", "match": "12", "actions x cmd": "5", "codes *": "14", "codes nothing": "13", "nothing": "4"} {
		if got := zeta.Where(strings.Fields(path)...); got != " in "+File(home)+" line "+line {
			t.Errorf("%q stands%s, want line %s", path, got, line)
		}
	}
	for name, value := range map[string]string{"executor.zeta.actions.x.cmd": `["a", "b"]`, "executor.inline.match": "x{1,2}", `executor.zeta.codes."*"`: "1"} {
		if s, err := c.Lookup(name); err != nil || s.Value != value || s.Source != FromFile {
			t.Errorf("%s is %q from %s, %v; want %q", name, s.Value, s.Source, err, value)
		}
	}
}

// What is in a section is changed in the file; the rest of the file can be set around it.
func TestSetBesideSections(t *testing.T) {
	const file = "[executor.pbs]\nmatch = 'qsub' # mine\n\n[[executor.odd]]\nx = 1\n"
	fsys := fileWith(t, file)
	wantError(t, Set(fsys, home, "executor.pbs.match", "x"), record.ErrInvalid, "edited in the file")
	if err := Set(fsys, home, "run.keep", "1MiB"); err != nil {
		t.Fatal(err)
	}
	if got := content(t, fsys); !strings.Contains(got, file) {
		t.Errorf("the file is now %q", got)
	}
	if err := Unset(fsys, home, "executor.pbs.match"); err != nil {
		t.Fatal(err)
	}
}
