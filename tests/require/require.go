// Package require decides whether a test may skip itself. A developer's machine
// need not have every program that the tests drive; the machine that judges a
// change must.
package require

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Variable names the environment variable with the components, separated by
// commas, that must be there: where one of them is missing, the tests that need
// it fail.
const Variable = "QME_TEST_REQUIRE"

// Component returns when all named components are there. Otherwise it ends the
// test: as failed when Variable names the missing component, else as skipped,
// with the reason. A component is a program in PATH ("git", "zsh"), "root",
// for which the test has to run with the effective user id 0, or "seccomp", for which the kernel has
// to tell of the calls of a program. Call it from the
// goroutine that runs the test.
func Component(t testing.TB, names ...string) {
	t.Helper()
	switch reason, fail := Check(names...); {
	case fail:
		t.Fatal(reason)
	case reason != "":
		t.Skip(reason)
	}
}

// Missing ends a test whose component turned out not to be there, as Component does: as
// failed when Variable names it, else as skipped. It is for what is no program, such as a
// package that a program fetches.
func Missing(t testing.TB, name, why string) {
	t.Helper()
	if required(name) {
		t.Fatalf("%s requires %s: %s", Variable, name, why)
	}
	t.Skipf("this test needs %s: %s", name, why)
}

// Alone skips a long test, in which nothing happens at once, where "go test -short" asks for that: as with -race, which takes several
// times as long and finds nothing there.
func Alone(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("nothing happens at once in this long test, and -short leaves it out")
	}
}

// Check is Component for tests that are not of the package testing: it returns
// why the test cannot run, "" when it can, and whether that is a failure.
func Check(names ...string) (reason string, fail bool) {
	for _, name := range names {
		why := missing(name)
		switch {
		case why == "":
		case required(name):
			return Variable + " requires " + name + ": " + why, true
		default:
			return "this test needs " + name + ": " + why, false
		}
	}
	return "", false
}

// missing says why the component cannot be used; it returns "" when it can.
func missing(name string) string {
	if name == "root" {
		if os.Geteuid() != 0 {
			return "the test does not run as root"
		}
		return ""
	}
	if name == "seccomp" {
		if b, err := os.ReadFile("/proc/sys/kernel/seccomp/actions_avail"); err != nil || !strings.Contains(string(b), "user_notif") {
			return "the kernel does not tell of calls"
		}
		return ""
	}
	if _, err := exec.LookPath(name); err != nil {
		return err.Error()
	}
	return ""
}

func required(name string) bool {
	for listed := range strings.SplitSeq(os.Getenv(Variable), ",") {
		if strings.TrimSpace(listed) == name {
			return true
		}
	}
	return false
}
