// Package repeat does something again and again beside other work.
package repeat

import "time"

// Every calls do once each interval, first after one, in a goroutine of its own, until it
// fails or stop is called. stop waits for a call that goes on, and returns the error that
// ended the calls. It may be called once.
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
