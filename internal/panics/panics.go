// Package panics turns panics into errors.
package panics

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
)

// An Error is a panic of this program or a library that would have ended the program.
// Code that draws or parses the data of other programs cannot foresee all of its forms.
type Error struct {
	value any
	where string
}

// Error implements error.
func (p *Error) Error() string {
	return fmt.Sprintf("a mistake in qme, which is best reported: %v (%s)", p.value, p.where)
}

// Catch returns the error of f, or an *Error if f panics. It does not catch
// http.ErrAbortHandler.
func Catch(f func() error) (err error) {
	defer func() {
		v := recover()
		if is, ok := v.(error); ok && errors.Is(is, http.ErrAbortHandler) {
			panic(v)
		}
		if v != nil {
			err = &Error{v, panickedAt()}
		}
	}()
	return f()
}

// panickedAt returns the function and line of the panic being recovered.
func panickedAt() string {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	where := ""
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "runtime.") {
			return fmt.Sprintf("%s:%d", f.Function, f.Line)
		}
		if where = f.Function; !more {
			return where
		}
	}
}
