package dashboard

import (
	"context"
	"time"
)

// jobsEvery is how often schedulers are asked about open jobs while somebody is connected.
// They serve everybody on a cluster.
const jobsEvery = 30 * time.Second

// followJobs asks how open jobs go while somebody is connected, or reads tasks without that,
// until ctx ends. What comes of it shows as any other change of the history does.
func (s *Server) followJobs(ctx context.Context) {
	told := ""
	asked := time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.hub.reading:
			if s.hub.count() == 0 && time.Since(asked) >= jobsEvery {
				told, asked = s.askJobs(ctx, told), time.Now()
			}
			continue
		case <-s.hub.asking:
		}
		for s.hub.count() > 0 {
			told, asked = s.askJobs(ctx, told), time.Now()
			select {
			case <-ctx.Done():
				return
			case <-time.After(jobsEvery):
			}
		}
	}
}

// read notes that somebody reads tasks, whose jobs may have gone on.
func (h *hub) read() {
	select {
	case h.reading <- struct{}{}:
	default:
	}
}

// askJobs asks once. A failure is told when it is another one than the last, which it returns.
func (s *Server) askJobs(ctx context.Context, told string) string {
	err := safely(func() error { return s.tasks.Refresh(ctx) })
	if err == nil || ctx.Err() != nil {
		return ""
	}
	if err.Error() != told {
		s.o.Log("jobs: %v", err)
	}
	return err.Error()
}
