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
// with the reason. A component is a program in PATH ("git", "zsh") or "root",
// for which the test has to run with the effective user id 0. Call it from the
// goroutine that runs the test.
func Component(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		reason := missing(name)
		if reason == "" {
			continue
		}
		if required(name) {
			t.Fatalf("%s requires %s: %s", Variable, name, reason)
		}
		t.Skipf("this test needs %s: %s", name, reason)
	}
}

// missing says why the component cannot be used; it returns "" when it can.
func missing(name string) string {
	if name == "root" {
		if os.Geteuid() != 0 {
			return "the test does not run as root"
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
