// Package repeat calls a function periodically in the background.
package repeat

import "time"

// Every calls do after each interval, in a goroutine of its own, until do fails or stop
// is called. stop waits for a running call and returns the error of do that ended the
// calls. It must be called only once.
func Every(interval time.Duration, do func() error) (stop func() error) {
	end, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-end:
				ended <- nil
				return
			case <-tick.C:
			}
			if err := do(); err != nil {
				ended <- err
				return
			}
		}
	}()
	return func() error {
		close(end)
		return <-ended
	}
}
