package cli

import (
	"qme/cli/config"
	"qme/executor"
	"qme/executor/custom"
	"qme/executor/program"
)

// configured returns the executors that sections of the settings describe: those by
// configuration, then those by program, each in the order of the file. It warns of a
// section that is wrong, and leaves its executor out.
func (a *app) configured(cfg *config.Config, shell *executor.Shell) []executor.Executor {
	var byConfig, byProgram []executor.Executor
	for _, s := range cfg.Sections() {
		warn := func(err error) { a.warn("%v; executor %s is left out", err, s.Name) }
		if program.Is(s) {
			e, err := program.New(s, shell, func(err error) { a.warn("%v", err) })
			if err != nil {
				warn(err)
				continue
			}
			byProgram = append(byProgram, e)
			continue
		}
		e, err := custom.New(s, shell, warn)
		if err != nil {
			warn(err)
			continue
		}
		byConfig = append(byConfig, e)
	}
	return append(byConfig, byProgram...)
}

// checkExecutors warns of what is wrong with sections and comes to light only when they
// are used.
func (a *app) checkExecutors(cfg *config.Config) {
	for _, e := range a.executors(cfg).All() {
		if c, ok := e.(custom.Checker); ok {
			if err := c.Check(); err != nil {
				a.warn("%v", err)
			}
		}
	}
}
