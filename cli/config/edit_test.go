package config

import (
	"strings"
	"testing"

	"github.com/spf13/afero"

	"qme/record"
)

func content(t *testing.T, fsys afero.Fs) string {
	t.Helper()
	b, err := afero.ReadFile(fsys, File(home))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSet(t *testing.T) {
	tests := []struct{ name, before, key, value, after string }{
		{"first", "", "run.keep", "1GiB", "run.keep = \"1GiB\"\n"},
		{"bytes", "", "run.keep", "1000", "run.keep = 1000\n"},
		{"bytes that are no TOML integer", "", "run.keep", "0100", "run.keep = \"0100\"\n"},
		{"trimmed", "", "run.drain", " 1s ", "run.drain = \"1s\"\n"},
		{"list", "", "run.env", "A, B_*", "run.env = [\"A\", \"B_*\"]\n"},
		{"empty list", "", "run.env", "", "run.env = []\n"},
		{"quotes", "", "pager", `a "b" \n 'c' ü`, `pager = "a \"b\" \\n 'c' ü"` + "\n"},
		{"replace keeps the comment",
			"# mine\nrun.keep='1KiB'   # small\n\n# end", "run.keep", "2KiB",
			"# mine\nrun.keep=\"2KiB\"   # small\n\n# end"},
		{"replace a list over several lines",
			"[run]\nenv = [\n  'A', # a\n  'B',\n] # all\nkeep = 5\n", "run.env", "C",
			"[run]\nenv = [\"C\"] # all\nkeep = 5\n"},
		{"replace a multi-line string", "pager = '''\nless'''\ncolor='auto'", "pager", "more", "pager = \"more\"\ncolor='auto'"},
		{"replace in an inline table", "run = { git = 0, keep = 5 } # x\n", "run.keep", "6", "run = { git = 0, keep = 6 } # x\n"},
		{"replace under quoted keys", "[\"run\"]\n'keep' = 5\n", "run.keep", "6", "[\"run\"]\n'keep' = 6\n"},
		{"same value", "run.keep = 5", "run.keep", "5", "run.keep = 5"},
		{"repair", "run.keep = 'lots'\n", "run.keep", "5", "run.keep = 5\n"},
		{"mistakes elsewhere stay", "x = 5\n", "run.keep", "5", "x = 5\nrun.keep = 5\n"},
		{"beside its group", "run.git = 0\nrun.drain = '1s' # d\ncolor = 'auto'\n", "run.keep", "5",
			"run.git = 0\nrun.drain = '1s' # d\nrun.keep = 5\ncolor = 'auto'\n"},
		{"in its table", "[run]\ngit = 0\n\n[cancel]\ngrace = '1s'\n", "run.keep", "5",
			"[run]\ngit = 0\nkeep = 5\n\n[cancel]\ngrace = '1s'\n"},
		{"indented as its table is", "[run]\n\tgit = 0", "run.keep", "5", "[run]\n\tgit = 0\n\tkeep = 5\n"},
		{"in an empty table", "[run] # r\n[cancel]\n", "run.keep", "5", "[run] # r\nkeep = 5\n[cancel]\n"},
		{"in an empty table at the end", "[run]", "run.keep", "5", "[run]\nkeep = 5\n"},
		{"in an outer table", "[executor]\n# e\n", "executor.shell.shell", "zsh", "[executor]\nshell.shell = \"zsh\"\n# e\n"},
		{"in the innermost table", "[executor]\n[executor.shell]\n", "executor.shell.shell", "zsh",
			"[executor]\n[executor.shell]\nshell = \"zsh\"\n"},
		{"in an inline table", "run = { git = 0 }\n", "run.keep", "5", "run = { keep = 5, git = 0 }\n"},
		{"in a tight inline table", "run={git=0}\n", "run.keep", "5", "run={ keep = 5, git=0}\n"},
		{"in an empty inline table", "run = {}\n", "run.keep", "5", "run = { keep = 5 }\n"},
		{"in a nested inline table", "executor = { shell = { } }\n", "executor.shell.shell", "zsh",
			"executor = { shell = { shell = \"zsh\" } }\n"},
		{"in a table of its own", "[cancel]\ngrace = '1s'", "run.keep", "5", "[cancel]\ngrace = '1s'\n\n[run]\nkeep = 5\n"},
		{"at the top, above tables", "# all\n\n# of run\n[run]\nkeep = 5\n", "color", "never",
			"# all\n\ncolor = \"never\"\n\n# of run\n[run]\nkeep = 5\n"},
		{"at the top of all", "[run]\n", "color", "never", "color = \"never\"\n\n[run]\n"},
		{"at the top, below inline tables", "run = { git = 0 }\n\n[cancel]\n", "color", "never",
			"run = { git = 0 }\n\ncolor = \"never\"\n\n[cancel]\n"},
		{"beside inline tables only", "run = { git = 0 }", "color", "never", "run = { git = 0 }\ncolor = \"never\"\n"},
		{"inner table first", "[executor.shell]\n[executor]\n", "executor.shell.shell", "zsh",
			"[executor.shell]\nshell = \"zsh\"\n[executor]\n"},
		{"after comments only", "# all", "color", "never", "# all\ncolor = \"never\"\n"},
		{"line ends of Windows", "[run]\r\ngit = 0\r\n[cancel]\r\n", "run.keep", "5", "[run]\r\ngit = 0\r\nkeep = 5\r\n[cancel]\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fsys := fileWith(t, tt.before)
			if err := Set(fsys, home, tt.key, tt.value); err != nil {
				t.Fatal(err)
			}
			if got := content(t, fsys); got != tt.after {
				t.Errorf("the file is\n%s\nwant\n%s", got, tt.after)
			}
			wantOnlySettings(t, fsys)
		})
	}
}

// wantOnlySettings fails when the home holds anything but the settings.
func wantOnlySettings(t *testing.T, fsys afero.Fs) {
	t.Helper()
	entries, err := afero.ReadDir(fsys, home)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "config.toml" {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}

func TestUnset(t *testing.T) {
	tests := []struct{ name, before, key, after string }{
		{"line and its comment", "# mine\nrun.keep = 5 # k\ncolor = 'auto'\n", "run.keep", "# mine\ncolor = 'auto'\n"},
		{"last line", "color = 'auto'\n  run.keep = 5", "run.keep", "color = 'auto'\n"},
		{"in a table", "[run]\n# about keep\nkeep = 5\ngit = 0\n", "run.keep", "[run]\n# about keep\ngit = 0\n"},
		{"over several lines", "run.env = [\n'A', # a\n] # x\r\ncolor = 'auto'\n", "run.env", "color = 'auto'\n"},
		{"not there", "color = 'auto'", "run.keep", "color = 'auto'"},
		{"a mistake", "run.keeep = 5\ncolor = 'auto'\n", "run.keeep", "color = 'auto'\n"},
		{"a mistake in quotes", "'run.keep' = 5\ncolor = 'auto'\n", `"run.keep"`, "color = 'auto'\n"},
		{"a value for a group", "run = 5\n", "run", ""},
		{"first in an inline table", "run = { keep = 5, git = 0 }\n", "run.keep", "run = { git = 0 }\n"},
		{"middle of an inline table", "run = {git=0,keep=5,drain='1s'}\n", "run.keep", "run = {git=0,drain='1s'}\n"},
		{"last in an inline table", "run = { git = 0, keep = 5 }\n", "run.keep", "run = { git = 0 }\n"},
		{"all of an inline table", "run = { keep = 5 }\n", "run.keep", "run = { }\n"},
		{"trailing comma", "run = { keep = 5, }\n", "run.keep", "run = { }\n"},
		{"behind an inner table", "run = { x = { y = { z = 1 } }, keep = 5 }\n", "run.keep", "run = { x = { y = { z = 1 } } }\n"},
		{"comments in an inline table",
			"run = {\n  git = 0 # g\n  , # h\n  keep = 5 # k\n}\n", "run.keep",
			"run = {\n  git = 0 # g\n   # h\n # k\n}\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fsys := fileWith(t, tt.before)
			if err := Unset(fsys, home, tt.key); err != nil {
				t.Fatal(err)
			}
			if got := content(t, fsys); got != tt.after {
				t.Errorf("the file is\n%s\nwant\n%s", got, tt.after)
			}
			wantOnlySettings(t, fsys)
		})
	}
}

func TestRefusedEditsChangeNothing(t *testing.T) {
	set := func(key, value string) func(afero.Fs) error {
		return func(fsys afero.Fs) error { return Set(fsys, home, key, value) }
	}
	unset := func(key string) func(afero.Fs) error {
		return func(fsys afero.Fs) error { return Unset(fsys, home, key) }
	}
	tests := []struct {
		name, file string
		edit       func(afero.Fs) error
		says       []string
	}{
		{"unknown key", "", set("run.keeep", "5"), []string{"unknown setting run.keeep: did you mean run.keep?"}},
		{"empty key", "", set("", "5"), []string{"lists all"}},
		{"hostile key", "", set("\x1b[2J", "5"), []string{`"\x1b[2J"`}},
		{"group", "", set("run", "5"), []string{"run is a group of settings", "run.inline"}},
		{"executor", "", set("executor.pbs.shell", "x"), []string{"no executor pbs", "shell"}},
		{"value", "", set("run.keep", "lots"), []string{`run.keep: "lots" is not a size such as 64MiB`}},
		{"list", "", set("run.env", "A,,B"), []string{"run.env", "empty"}},
		{"line break", "", set("pager", "a\nb"), []string{"pager", `"a\nb"`}},
		{"database", "", set("database", "oracle"), []string{"sqlite:///PATH"}},
		{"password", "", set("database", "postgresql://u:geheim@h/d"), []string{"password", "QME_DATABASE_STRING"}},
		{"broken file", "a = 1\nb = [", set("color", "never"), []string{File(home) + " line 2 column"}},
		{"broken file, unset", "a = 1\nb = [", unset("color"), []string{File(home) + " line 2 column"}},
		{"value for a group", "\nrun = 5\n", set("run.keep", "5"), []string{"cannot set run.keep", "run in", "line 2", "write [run]"}},
		{"table for a setting", "[run.keep]\nx = 1", set("run.keep", "5"), []string{"run.keep in", "line 1", "not a group"}},
		{"list of tables", "[[run]]\nkeep = 5\n", set("run.keep", "6"), []string{"cannot set", "[run]"}},
		{"unset unknown", "color = 'auto'", unset("colour"), []string{"unknown setting colour: did you mean color?"}},
		{"unset group", "[run]\nkeep = 5", unset("run"), []string{"group"}},
		{"unset in a list of tables", "[[run]]\nkeep = 1\n", unset("run.keep"), []string{"line 2", "list of tables", "by hand"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fsys := fileWith(t, tt.file)
			wantError(t, tt.edit(fsys), record.ErrInvalid, tt.says...)
			if got := content(t, fsys); got != tt.file {
				t.Errorf("the file has become %q", got)
			}
			wantOnlySettings(t, fsys)
		})
	}
}

func TestEditsWithoutAFile(t *testing.T) {
	fsys := afero.NewMemMapFs()
	if err := Unset(fsys, home, "run.keep"); err != nil {
		t.Errorf("unset of what is not set: %v", err)
	}
	wantError(t, Unset(fsys, home, "run.keeep"), record.ErrInvalid, "run.keep?")
	wantError(t, Set(fsys, home, "run.keep", "lots"), record.ErrInvalid)
	if made, err := afero.Exists(fsys, home); err != nil || made {
		t.Errorf("the home exists: %v, %v", made, err)
	}
	if err := Set(fsys, home, "run.keep", "5"); err != nil {
		t.Fatal(err)
	}
	if got := content(t, fsys); got != "run.keep = 5\n" {
		t.Errorf("the file is %q", got)
	}
}

// What All lists, Set takes.
func TestSetTakesWhatAllLists(t *testing.T) {
	c := load(t, "", "QME_RUN_ENV=A,B", "QME_RUN_KEEP=7KB", "QME_PAGER=less 'x y'")
	fsys := afero.NewMemMapFs()
	for _, s := range c.All() {
		if err := Set(fsys, home, s.Name, s.Value); err != nil {
			t.Fatal(err)
		}
	}
	again, err := Load(fsys, home, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range again.All() {
		if s.Value != c.All()[i].Value || s.Source != FromFile {
			t.Errorf("%+v was %+v", s, c.All()[i])
		}
	}
}

// Splicing is meant to need no second look; it gets one all the same, before a
// file that people have written by hand is replaced.
func TestVerifyRefusesWrongResults(t *testing.T) {
	doc, err := parse([]byte("color = 'auto'\nrun.keep = 5\n"))
	if err != nil {
		t.Fatal(err)
	}
	s, _ := lookup("run.keep")
	want, err := s.parse("6")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ text, says string }{
		{"color = 'auto'\nrun.keep = 6\n", ""},
		{"color = 'auto'\nrun.keep = 5\n", "read as \"5\""},
		{"color = 'auto'\n", "no effect"},
		{"run.keep = 6\n", "other settings"},
		{"color = 'never'\nrun.keep = 6\n", "other settings"},
		{"color = 'auto'\npager = ''\nrun.keep = 6\n", "other settings"},
		{"color = 'auto'\nrun.keep = 6\nrun.keep = 6\n", "already defined"},
	} {
		err := doc.verify([]byte(tt.text), s.name, func(after *document) error { return after.holds(s, want) })
		if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%q: got error %v, want one that says %q", tt.text, err, tt.says)
		}
	}
	e, _ := doc.find("run.keep")
	if err := doc.lacks(e); err == nil {
		t.Error("a setting that is there is said to be gone")
	}
}
