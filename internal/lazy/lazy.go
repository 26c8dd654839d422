// Package lazy creates values at their first use. Values that are created when a package
// is initialised slow down each start of qme, and so each run.
package lazy

import (
	"regexp"
	"sync"
)

// Regexp returns a function that compiles expr at its first call, and panics where
// regexp.MustCompile does. It is safe for concurrent use.
func Regexp(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
