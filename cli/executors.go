package cli

import (
	"qme/cli/config"
	"qme/executor"
	"qme/executor/slurm"
	"qme/tasks"
)

// executors returns the executors of this home. The first time it warns of those whose
// section in the settings is wrong, and leaves them out.
func (a *app) executors(cfg *config.Config) *executor.Set {
	if a.set != nil {
		return a.set
	}
	shell := &executor.Shell{Program: cfg.String("executor.shell.shell")}
	others := append(a.configured(cfg, shell),
		slurm.New(slurm.Options{Shell: shell.Program, Format: cfg.String("executor.slurm.sacct_format"), Timeout: cfg.Duration("executor.slurm.timeout")}))
	a.set = executor.NewSet(shell, others...)
	return a.set
}

// tracker connects tasks with the executors that follow jobs.
func tracker(set *executor.Set) func(name string) tasks.Tracker {
	return func(name string) tasks.Tracker {
		e, _ := set.Get(name)
		if t, ok := e.(executor.Tracker); ok {
			return t
		}
		return nil
	}
}

// remembers tells tasks which executors have no tracker and are not the shell: their actions
// may use what their commands have printed.
func remembers(set *executor.Set) func(name string) bool {
	return func(name string) bool {
		e, ok := set.Get(name)
		if !ok || name == executor.ShellName {
			return false
		}
		_, tracks := e.(executor.Tracker)
		return !tracks
	}
}
