package provenance

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestScripts finds the file that has the code of a command, whatever runs it.
func TestScripts(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"bin/python3.11", "bin/bash", "bin/Rscript", "bin/perl", "bin/node", "bin/tool", "bin/nice", "bin/env", "bin/timeout", "bin/time", "code/fit.py", "code/x.sh"} {
		script(t, at(name), "#!/bin/sh\n")
	}
	if err := os.Symlink(at("code/fit.py"), at("bin/fit")); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"python3.11 code/fit.py x":                  "code/fit.py",
		"python3.11 -u -W ignore code/fit.py":       "code/fit.py",
		"python3.11 -Wignore::Deprecated code/x.sh": "code/x.sh",
		"python3.11 -m pip code/fit.py":             "",
		"python3.11 -Bc pass code/fit.py":           "",
		"python3.11 missing.py code/fit.py":         "",
		"python3.11 code":                           "",
		"python3.11":                                "",
		"python3.11 -":                              "",
		"python3.11 -W":                             "",
		"bash -x -o pipefail code/x.sh":             "code/x.sh",
		"bash --rcfile code/fit.py code/x.sh":       "code/x.sh",
		"bash -- code/x.sh":                         "code/x.sh",
		"bash --":                                   "",
		"bash -ec code/x.sh a":                      "code/x.sh",
		"Rscript --vanilla code/x.sh":               "code/x.sh",
		"Rscript -e code/x.sh":                      "",
		"perl -I lib code/x.sh":                     "code/x.sh",
		"node -r code/fit.py code/x.sh":             "code/x.sh",
		"nice -n 5 env A=1 python3.11 code/fit.py":  "code/fit.py",
		"timeout 10 python3.11 code/fit.py":         "code/fit.py",
		"timeout -k 5 10 nice python3.11 code/x.sh": "code/x.sh",
		"time -f %e ./code/fit.py":                  "code/fit.py",
		"env -C code python3.11 fit.py":             "code/fit.py",
		"env -C code python3.11 code/fit.py":        "",
		"env PATH=/x fit":                           "",
		"timeout 10":                                "bin/timeout",
		"tool code/fit.py":                          "bin/tool",
		"./code/fit.py":                             "code/fit.py",
		"fit":                                       "code/fit.py",
		"missing code/fit.py":                       "",
		"env":                                       "bin/env",
	} {
		want := want
		if want != "" {
			want = at(want)
		}
		got := Scripts(Command{Dir: dir, Argv: strings.Fields(line), Env: []string{"PATH=" + at("bin")}})
		if strings.Join(got, " ") != want {
			t.Errorf("%s has %q, want %q", line, got, want)
		}
	}
	for line, want := range map[string][]string{
		"tool | python3.11 code/fit.py; echo x":         {at("bin/tool"), at("code/fit.py")},
		"cd code && bash x.sh; bash " + at("code/x.sh"): {at("code/x.sh")},
		"for x in 1 2; do ./code/x.sh $x; done":         {at("code/x.sh")},
		"bash $UNSET/x.sh":                              nil,
		"(":                                             nil,
	} {
		got := Scripts(Command{Dir: dir, Argv: []string{"sh", "-c", line}, Env: []string{"PATH=" + at("bin")}})
		if !slices.Equal(got, want) {
			t.Errorf("%s has %q, want %q", line, got, want)
		}
	}
}
