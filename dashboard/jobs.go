package dashboard

import (
	"context"
	"time"

	"qme/internal/panics"
)

// jobsEvery is the interval at which schedulers are queried about open jobs while a
// client is connected. A scheduler serves all users of a cluster.
const jobsEvery = 30 * time.Second

// jobs queries schedulers about open jobs. Changes are committed to the history and
// appear like any other change.
type jobs struct {
	home     home
	hub      *hub
	log      logFunc
	arrivals <-chan struct{}
	reads    chan struct{}
}

func newJobs(h home, hub *hub, log logFunc) *jobs {
	return &jobs{h, hub, log, hub.arrivals(), make(chan struct{}, 1)}
}

// tasksRead notes that a program reads tasks whose jobs may have changed. It does not
// block.
func (j *jobs) tasksRead() { signal(j.reads) }

// follow queries schedulers while a client is connected to the websocket, and when a
// program without a connection reads tasks, until ctx ends.
func (j *jobs) follow(ctx context.Context) {
	last := ""
	asked := time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-j.reads:
			if j.hub.count() == 0 && time.Since(asked) >= jobsEvery {
				last, asked = j.ask(ctx, last), time.Now()
			}
			continue
		case <-j.arrivals:
		}
		for j.hub.count() > 0 {
			last, asked = j.ask(ctx, last), time.Now()
			select {
			case <-ctx.Done():
				return
			case <-time.After(jobsEvery):
			}
		}
	}
}

// ask queries the schedulers once and returns the text of the error. It logs an error
// that differs from last.
func (j *jobs) ask(ctx context.Context, last string) string {
	err := panics.Catch(func() error { return j.home.Refresh(ctx) })
	if err == nil || ctx.Err() != nil {
		return ""
	}
	if err.Error() != last {
		j.log("jobs: %v", err)
	}
	return err.Error()
}
