package cli

import (
	"qme/cli/config"
	"qme/executor"
	"qme/executor/slurm"
	"qme/queue"
)

// executors returns the executors of this home.
func (a *app) executors(cfg *config.Config) *executor.Set {
	shell := &executor.Shell{Program: cfg.String("executor.shell.shell")}
	return executor.NewSet(shell,
		slurm.New(slurm.Options{Shell: shell.Program, Format: cfg.String("executor.slurm.sacct_format"), Timeout: cfg.Duration("executor.slurm.timeout")}),
	)
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
