package dashboard

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
)

// A mistake is one of this program or of a library, which would have ended the server: what it
// shows comes from others, and nobody knows all that there may be. It is an error.
type mistake struct {
	value any
	where string
}

// Error implements error.
func (m *mistake) Error() string {
	return fmt.Sprintf("a mistake in qme, which is best reported: %v (%s)", m.value, m.where)
}

// safely runs something and returns its error, or a mistake in the place of a panic.
func safely(run func() error) (err error) {
	defer func() {
		v := recover()
		if is, ok := v.(error); ok && errors.Is(is, http.ErrAbortHandler) {
			panic(v) // the way to end an answer
		}
		if v != nil {
			err = &mistake{v, panickedAt()}
		}
	}()
	return run()
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

// guarded runs a part of the server that has no caller to tell of a mistake, and reports whether it
// came to its end.
func (s *Server) guarded(run func()) bool {
	err := safely(func() error {
		run()
		return nil
	})
	if err != nil {
		s.o.Log("%v", err)
	}
	return err == nil
}
