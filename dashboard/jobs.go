package dashboard

import (
	"context"
	"time"

	"qme/internal/panics"
)

// jobsEvery is the interval at which schedulers are asked about open jobs while a client is
// connected. A scheduler serves all users of a cluster.
const jobsEvery = 30 * time.Second

// jobs asks schedulers about open jobs. Their changes show as any other change of the history does.
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

// tasksRead notes that a program reads tasks, whose jobs may have gone on. It does not wait.
func (j *jobs) tasksRead() { signal(j.reads) }

// follow asks while a client is connected to the websocket, and when a program reads tasks without
// that, until ctx ends.
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

// ask asks once and returns the text of its error, which it logs if it differs from the last one.
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
