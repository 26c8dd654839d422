package dashboard

import (
	"context"
	"sync"
	"time"

	"qme/internal/panics"
)

// A logFunc writes one line to the server's log. It may be called from several goroutines.
type logFunc func(format string, args ...any)

// A background runs functions that outlive a request. A panic in one is logged and does
// not affect the others. It is safe for concurrent use.
type background struct {
	ctx     context.Context // ends with the server
	log     logFunc
	running sync.WaitGroup
}

// try calls f, logs a panic in it, and reports whether f returned.
func (b *background) try(f func()) bool {
	err := panics.Catch(func() error {
		f()
		return nil
	})
	if err != nil {
		b.log("%v", err)
	}
	return err == nil
}

// start calls f in a goroutine of its own.
func (b *background) start(f func(context.Context)) {
	b.running.Go(func() { b.try(func() { f(b.ctx) }) })
}

// restartDelay is the time between a panic and the restart.
const restartDelay = time.Second

// keep is like start for a part of the server that must run until the end: it restarts
// after a panic.
func (b *background) keep(part func(context.Context)) {
	b.running.Go(func() {
		for !b.try(func() { part(b.ctx) }) {
			select {
			case <-b.ctx.Done():
				return
			case <-time.After(restartDelay):
			}
		}
	})
}
