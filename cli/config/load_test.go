package config

import (
	"errors"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/record"
)

const home = "/home/user/.qme"

// fileWith returns a file system whose settings file holds text.
func fileWith(t *testing.T, text string) afero.Fs {
	t.Helper()
	fsys := afero.NewMemMapFs()
	if err := afero.WriteFile(fsys, File(home), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return fsys
}

func load(t *testing.T, text string, environ ...string) *Config {
	t.Helper()
	c, err := Load(fileWith(t, text), home, environ)
	if err != nil {
		t.Fatalf("Load of %q: %v", text, err)
	}
	return c
}

// wantError fails unless err is kind and says all of the parts.
func wantError(t *testing.T, err, kind error, parts ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("got error %v, want one that is %q", err, kind)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q does not say %q", err, p)
		}
	}
}

func TestDefaults(t *testing.T) {
	fsys := afero.NewMemMapFs()
	c, err := Load(fsys, home, []string{"HOME=/home/user", "QME_HOME=/x", "QME_UNHEARD_OF=1", "QME_RUN"})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Size("run.inline"); got != 64<<10 {
		t.Errorf("run.inline is %d", got)
	}
	if got := c.Duration("run.drain"); got != 200*time.Millisecond {
		t.Errorf("run.drain is %v", got)
	}
	if got := c.String("color"); got != "auto" {
		t.Errorf("color is %q", got)
	}
	if got := c.List("run.env"); len(got) != 15 || got[0] != "SLURM_JOB_ID" || got[14] != "SBATCH_ERROR" {
		t.Errorf("run.env is %q", got)
	}
	for _, s := range c.All() {
		if s.Source != FromDefault || s.Where != "" || s.Value != s.Default || s.Description == "" {
			t.Errorf("unset setting is listed as %+v", s)
		}
	}
	if made, err := afero.Exists(fsys, home); err != nil || made {
		t.Errorf("Load made the home: %v, %v", made, err)
	}
}

func TestValuesInTheFile(t *testing.T) {
	tests := []struct {
		file, key string
		want      any
	}{
		{"run.keep = '1KiB'", "run.keep", int64(1024)},
		{"[run]\nkeep = \"2 MB\"", "run.keep", int64(2_000_000)},
		{"run = { keep = 1_000 }", "run.keep", int64(1000)},
		{"'run' . \"keep\" = '3gib'", "run.keep", int64(3 << 30)},
		{"run.keep = '8388607TiB'", "run.keep", int64(8388607 << 40)},
		{"run.keep = 0", "run.keep", int64(0)},
		{"run.git = 0", "run.git", time.Duration(0)},
		{"run.git = '1m30s'", "run.git", 90 * time.Second},
		{"run.env = []", "run.env", []string{}},
		{"run.env = ['A*', # all\n \"B_?\",\n]", "run.env", []string{"A*", "B_?"}},
		{"color = 'never'", "color", "never"},
		{"pager = 'less -R \"x\"'", "pager", `less -R "x"`},
		{"database = 'filesystem'", "database", "filesystem"},
		{"[executor.shell]\nshell = '/bin/bash'", "executor.shell.shell", "/bin/bash"},
		{"[executor]\nshell = {shell = 'zsh'}", "executor.shell.shell", "zsh"},
		{"[run]\n[executor]\n[executor.shell]\n", "executor.shell.shell", "sh"},
		{"", "pager", ""},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			wantValue(t, load(t, tt.file), tt.key, tt.want)
		})
	}
}

func wantValue(t *testing.T, c *Config, key string, want any) {
	t.Helper()
	var same bool
	var got any
	switch want := want.(type) {
	case int64:
		got, same = c.Size(key), c.Size(key) == want
	case time.Duration:
		got, same = c.Duration(key), c.Duration(key) == want
	case []string:
		got, same = c.List(key), slices.Equal(c.List(key), want)
	case string:
		got, same = c.String(key), c.String(key) == want
	default:
		t.Fatalf("no getter for %T", want)
	}
	if !same {
		t.Errorf("%s is %v, want %v", key, got, want)
	}
}

func TestEnvironmentOverridesFile(t *testing.T) {
	file := "run.keep = '1KiB'\nrun.env = ['A']\npager = 'less'\ncolor = 'never'\n"
	c := load(t, file, "QME_RUN_KEEP= 2KiB ", "QME_RUN_ENV=B, C*", "QME_PAGER=", "QME_EXECUTOR_SHELL_SHELL=bash", "QME_HOME=/x")
	wantValue(t, c, "run.keep", int64(2048))
	wantValue(t, c, "run.env", []string{"B", "C*"})
	wantValue(t, c, "pager", "")
	wantValue(t, c, "color", "never")
	wantValue(t, c, "executor.shell.shell", "bash")
	wantValue(t, load(t, file, "QME_RUN_ENV="), "run.env", []string{})

	all := map[string]Setting{}
	var names []string
	for _, s := range c.All() {
		all[s.Name] = s
		names = append(names, s.Name)
	}
	if !slices.IsSorted(names) || len(names) != len(settings) {
		t.Errorf("All lists %q", names)
	}
	for name, want := range map[string]Setting{
		"run.keep":   {Value: "2KiB", Source: FromEnvironment, Where: "QME_RUN_KEEP", Default: "64MiB"},
		"run.env":    {Value: "B,C*", Source: FromEnvironment, Where: "QME_RUN_ENV", Default: defaultEnv},
		"color":      {Value: "never", Source: FromFile, Where: File(home), Default: "auto"},
		"run.inline": {Value: "64KiB", Source: FromDefault, Default: "64KiB"},
	} {
		got := all[name]
		want.Name, want.Description = name, got.Description
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is listed as %+v, want %+v", name, got, want)
		}
	}
}

// The command of notices is only from the file.
func TestEnvironmentSetsNoNotices(t *testing.T) {
	c := load(t, "notify.command = 'mine'", "QME_NOTIFY_COMMAND=theirs", "QME_NOTIFY_WHEN=never", "QME_NOTIFY_LONGER=x")
	wantValue(t, c, "notify.command", "mine")
	wantValue(t, c, "notify.when", []string{"all"})
	wantValue(t, load(t, "", "QME_NOTIFY_COMMAND=theirs"), "notify.command", "")
	for _, v := range Variables() {
		if strings.Contains(v.Name, "NOTIFY") {
			t.Errorf("there is a variable %s", v.Name)
		}
	}
}

func TestMistakesInTheFile(t *testing.T) {
	tests := map[string][]string{
		"\n\nrun.keeep = 5":                    {"unknown setting run.keeep in " + File(home) + " line 3: did you mean run.keep?"},
		"[run]\nkeeep = 5":                     {"unknown setting run.keeep in", "line 2", "run.keep?"},
		"run = {\n kep = 5}":                   {"unknown setting run.kep in", "line 2", "run.keep?"},
		"'run.keep' = 5":                       {`unknown setting "run.keep" in`, "run.keep?"},
		"'' = 5":                               {`unknown setting "" in`},
		"run.keep.x = 5":                       {"unknown setting run.keep.x", "run.keep?"},
		"[runn]":                               {"unknown setting runn in", "line 1"},
		"[run.keep]":                           {"run.keep in", "line 1 is a setting, not a group"},
		"run = 5":                              {"run in", "line 1 is a group of settings", "write [run]", "inline"},
		"executor.shell = 'bash'":              {"executor.shell in", "group", "such as shell"},
		"[[run]]\nkeep = 5":                    {"run in", "list of tables", "[run]"},
		"executor.shell.x = 1":                 {"unknown setting executor.shell.x", "executor.shell.shell?"},
		"run.keep = 'lots'":                    {"run.keep in " + File(home) + ` line 1: "lots" is not a size such as 64MiB`},
		"run.keep = '64M'":                     {`"64M" is not a size`},
		"run.keep = ''":                        {`"" is not a size`},
		"run.keep = '1.5MiB'":                  {`"1.5MiB" is not a size`},
		"run.keep = -1":                        {`"-1" is not a size`},
		"run.keep = '8388608TiB'":              {"too large"},
		"run.keep = '99999999999999999999999'": {"too large"},
		"run.keep = 1.5":                       {"1.5 is not a size"},
		"run.keep = true":                      {"true is not a size"},
		"run.keep = [1]":                       {"a list is not a size"},
		"run.keep = 1979-05-27":                {"1979-05-27 is not a size"},
		"run.drain = '5x'":                     {`"5x" is not a duration such as 5s`},
		"run.drain = -5":                       {`"-5" is not a duration such as 5s`},
		"run.drain = '-5s'":                    {`"-5s" is not a duration`},
		"run.env = 'A,B'":                      {`"A,B" is not a list such as`},
		"run.env = ['A', 5]":                   {"run.env in", "not text in quotes"},
		"run.env = ['A,B']":                    {`"A,B"`, "comma"},
		"run.env = ['A', '']":                  {`""`, "empty"},
		"run.env = ['A=B']":                    {`"A=B" is not the name of an environment variable`},
		"run.env = [\"A\\u0000\"]":             {"plain text"},
		"run.env = [{a = 1}]":                  {"not text in quotes"},
		"color = 'red'":                        {`color in`, `"red" is not one of auto, always, never`},
		"color = 5":                            {"5 is not text in quotes"},
		"color = true":                         {"true is not text in quotes"},
		"sync.auto = 'yes'":                    {`"yes" is not one of true, false`},
		"sync.auto = 1":                        {"1 is not one of true, false"},
		"pager = \"less\\u001b[2J\"":           {"control characters"},
		"database = 'oracle'":                  {"sqlite:///PATH", "filesystem"},
		"database = 'mysql://u:geheim@h/d'":    {"password", "QME_DATABASE_STRING"},
		"executor.shell.shell = ' '":           {"executor.shell.shell in", "empty"},
		"run.keep = 1\nrun.keep = 2":           {File(home) + " line 2 column 1:", "already defined"},
		"run.keep = ":                          {File(home) + " line 1 column"},
		"color = 'auto'\nrun.keep 5MiB":        {"line 2 column 10:"},
		"\"\\u001b[2J\" = 1":                   {`unknown setting "\x1b[2J"`},
		"\"\\u001b\" = 1\n\"\\u001b\"=2":       {"line 2 column", "key ? is already defined"},
		"color = '\xff'":                       {"line 1 column 10", "UTF-8"},
	}
	for _, file := range slices.Sorted(maps.Keys(tests)) {
		t.Run(file, func(t *testing.T) {
			c, err := Load(fileWith(t, file), home, nil)
			wantError(t, err, record.ErrInvalid, tests[file]...)
			if c != nil {
				t.Error("Load returned a Config beside its error")
			}
		})
	}
}

func TestMistakesInTheEnvironment(t *testing.T) {
	for pair, parts := range map[string][]string{
		"QME_RUN_KEEP=lots":         {"QME_RUN_KEEP", `"lots" is not a size such as 64MiB`},
		"QME_RUN_KEEP=":             {"QME_RUN_KEEP", `"" is not a size`},
		"QME_RUN_ENV=A,,B":          {"QME_RUN_ENV", "empty"},
		"QME_COLOR=\xff":            {"QME_COLOR", "UTF-8"},
		"QME_CANCEL_GRACE=5x":       {"QME_CANCEL_GRACE", "duration such as 5s"},
		"QME_DATABASE=postgres://x": {"QME_DATABASE", "ends with the name of the database"},
	} {
		_, err := Load(afero.NewMemMapFs(), home, []string{pair})
		wantError(t, err, record.ErrInvalid, parts...)
	}
}

// denied is a file system in which nothing can be opened.
type denied struct{ afero.Fs }

func (denied) Open(name string) (afero.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
}

func TestUnreadableFileIsNotAMissingOne(t *testing.T) {
	_, err := Load(denied{fileWith(t, "")}, home, nil)
	wantError(t, err, fs.ErrPermission, File(home))
}

func TestGettersPanicOnMistakesOfTheProgram(t *testing.T) {
	c := load(t, "")
	for name, get := range map[string]func(){
		"unknown":  func() { c.Size("run.keeep") },
		"mistyped": func() { c.String("run.keep") },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			get()
		})
	}
}

func TestListsBelongToTheCaller(t *testing.T) {
	c := load(t, "run.env = ['A']")
	c.List("run.env")[0] = "changed"
	wantValue(t, c, "run.env", []string{"A"})
}

// The table is data that people extend: what the rest relies on is checked here.
func TestTable(t *testing.T) {
	seen := map[string]string{"QME_HOME": "the home"}
	for _, s := range settings {
		if other, taken := seen[s.variable()]; taken {
			t.Errorf("%s and %s have the variable %s", s.name, other, s.variable())
		}
		seen[s.variable()] = s.name
		if spell(strings.Split(s.name, ".")) != s.name {
			t.Errorf("%s does not spell itself", s.name)
		}
		if firstOf(s.name) != "" {
			t.Errorf("%s is a setting and a group", s.name)
		}
	}
}

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{
		"run.keeep": "run.keep", "RUN.KEEP": "run.keep", "keep": "run.keep", "colour": "color",
		"grace": "cancel.grace", "databse": "database", "run.envs": "run.env", "executor.shell.sh": "executor.shell.shell",
		"remote": "", "verbose": "", "remote.origin": "",
	} {
		if got := nearest(name); got != want {
			t.Errorf("nearest to %s is %s, want %s", name, got, want)
		}
	}
}

func TestMistypedVariables(t *testing.T) {
	for name, want := range map[string]string{
		"QME_HOEM": "QME_HOME", "QME_HOM": "QME_HOME", "QME_COLOUR": "QME_COLOR", "QME_RUN_KEP": "QME_RUN_KEEP",
		"QME_EXECUTOR_SHELL_SHEL": "QME_EXECUTOR_SHELL_SHELL",
		"QME_HOME":                "", "QME_RUN_KEEP": "", "QME_TEST_REQUIRE": "", "QME_HOST": "", "QME_": "", "QME": "", "HOEM": "",
	} {
		got := ""
		for of, meant := range Mistyped([]string{name + "=x=y"}, "QME_HOME") {
			if got = meant; of != name {
				t.Errorf("%s is called %s", name, of)
			}
		}
		if got != want {
			t.Errorf("%s: meant is %q, want %q", name, got, want)
		}
	}
}
