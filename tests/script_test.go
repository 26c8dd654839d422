// Package tests holds the end-to-end tests: what a user types and sees.
package tests

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"qme/cli"
	"qme/tasks"
	"qme/tests/require"
)

func TestMain(m *testing.M) {
	tasks.Helper() // does not return in a helper process
	testscript.Main(m, map[string]func(){
		"qme": func() { os.Exit(cli.Main()) },
	})
}

// TestScript runs tests/script/*.txtar.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir+"/home")
			env.Setenv("QME_HOME", env.WorkDir+"/home/.qme")
			env.Setenv("USER", "tester")
			env.Setenv("LANG", "C.UTF-8")
			env.Setenv("GIT_CONFIG_NOSYSTEM", "1")
			env.Setenv("QME_RUN_SUMMARY", "always") // standard error is a pipe
			env.Values[testKey{}] = env.T()
			return os.MkdirAll(env.WorkDir+"/home", 0o755)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"requires": requires,
			"exits":    exits,
		},
	})
}

// requires skips a script whose programs are missing: requires NAME…
func requires(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: requires NAME…")
	}
	reason, fail := require.Check(args...)
	switch {
	case fail:
		ts.Fatalf("%s", reason)
	case reason != "":
		ts.Value(testKey{}).(testscript.T).Skip(reason)
	}
}

// testKey is under which Setup keeps the script's test.
type testKey struct{}

// signals are the words for how a program was ended, with the code that shells make of it.
var signals = map[string]string{"interrupt": "130", "quit": "131", "killed": "137", "terminated": "143"}

// exits runs a program and compares its exit code, as a shell sees it: exits CODE PROGRAM [ARG…]
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARG…]")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if name, ok := strings.CutPrefix(fmt.Sprint(err), "signal: "); ok {
		got = signals[strings.TrimSuffix(name, " (core dumped)")]
	} else if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("%s ended with %s, want %s", strings.Join(args[1:], " "), got, args[0])
	}
}
