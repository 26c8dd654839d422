// Package await has tests wait for what must happen, but may take its time on a busy machine.
package await

import (
	"testing"
	"time"
)

// patience is how long something is waited for, and pause how long between two looks.
const (
	patience = time.Minute
	pause    = 5 * time.Millisecond
)

// That returns when holds does for the first time with true, and fails the test if that does not come. what says
// for what it waits. Call it from the goroutine that runs the test.
func That(t testing.TB, what string, holds func() bool) {
	t.Helper()
	if !Holds(holds) {
		t.Fatalf("waited for %s in vain: %s", patience, what)
	}
}

// Holds is That for tests that have more to say: it reports whether it has come.
func Holds(holds func() bool) bool {
	for end := time.Now().Add(patience); !holds(); time.Sleep(pause) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}
