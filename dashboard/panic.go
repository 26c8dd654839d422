package dashboard

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
)

// A panicError is a panic, of this program or of a library, that would have ended the server: what
// the server shows comes from others, and no list of what that may hold is complete.
type panicError struct {
	value any
	where string
}

// Error implements error.
func (p *panicError) Error() string {
	return fmt.Sprintf("a mistake in qme, which is best reported: %v (%s)", p.value, p.where)
}

// safely returns the error of f, or a *panicError if f panics. http.ErrAbortHandler passes through.
func safely(f func() error) (err error) {
	defer func() {
		v := recover()
		if is, ok := v.(error); ok && errors.Is(is, http.ErrAbortHandler) {
			panic(v)
		}
		if v != nil {
			err = &panicError{v, panickedAt()}
		}
	}()
	return f()
}

// panickedAt names the function of the panic that is being recovered from, with its line.
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
