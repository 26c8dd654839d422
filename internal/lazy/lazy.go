// Package lazy makes values when they are first used. Each start of qme, so each run, pays
// for those that are made when a package is initialised.
package lazy

import (
	"regexp"
	"sync"
)

// Regexp returns a function that compiles expr when it is first called, and panics where
// regexp.MustCompile does. It may be called by several goroutines.
func Regexp(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
