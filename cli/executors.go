package cli

import (
	"qme/cli/config"
	"qme/executor"
	"qme/queue"
)

// executors returns the executors of this home.
func (a *app) executors(cfg *config.Config) *executor.Set {
	return executor.NewSet(&executor.Shell{Program: cfg.String("executor.shell.shell")})
}

// tracker connects queue with the executors that follow jobs.
func tracker(set *executor.Set) func(name string) queue.Tracker {
	return func(name string) queue.Tracker {
		e, _ := set.Get(name)
		if t, ok := e.(executor.Tracker); ok {
			return t
		}
		return nil
	}
}
