package account

import (
	"os"
	"path/filepath"
	"testing"
)

// fakeGetent puts a program in the place of getent.
func fakeGetent(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "getent"), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestLookup(t *testing.T) {
	const uid = "4215432"
	for name, test := range map[string]struct {
		uid, script string
		want        Entry
		ok          bool
	}{
		"of passwd":     {"0", "exit 1", Entry{"root", "/root"}, true},
		"of a server":   {uid, `test "$*" = "passwd 4215432" && echo 'ada:*:4215432:100:Ada, L.:/home/ada:/bin/sh'`, Entry{"ada", "/home/ada"}, true},
		"unknown":       {uid, "exit 2", Entry{}, false},
		"another":       {uid, "echo 'bob:x:1:1::/home/bob:/bin/sh'", Entry{}, false},
		"not a line":    {uid, "echo what", Entry{}, false},
		"no home in it": {uid, "echo 'ada:*:4215432:100:::'", Entry{"ada", ""}, true},
		"hangs":         {uid, "exec sleep 1000", Entry{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			fakeGetent(t, test.script)
			if got, ok := Lookup(test.uid); got != test.want || ok != test.ok {
				t.Errorf("%+v, %v; want %+v, %v", got, ok, test.want, test.ok)
			}
		})
	}
}

func TestLoginOfTheEnvironment(t *testing.T) {
	t.Setenv("USER", "")
	t.Setenv("LOGNAME", "eve")
	t.Setenv("HOME", "/somewhere")
	if Login() != "eve" || Home() != "/somewhere" {
		t.Errorf("%q, %q", Login(), Home())
	}
}
