package cli

import (
	"qme/cli/config"
	"qme/executor"
	"qme/executor/custom"
	"qme/executor/program"
	"qme/executor/slurm"
)

// executors returns the executors of this home. The first call warns of invalid sections
// in the settings and leaves their executors out.
func (s *settings) executors(cfg *config.Config) *executor.Set {
	if s.set != nil {
		return s.set
	}
	shell := &executor.Shell{Program: cfg.String("executor.shell.shell")}
	others := append(s.configured(cfg, shell),
		slurm.New(slurm.Options{Shell: shell.Program, Format: cfg.String("executor.slurm.sacct_format"), Timeout: cfg.Duration("executor.slurm.timeout")}))
	s.set = executor.NewSet(shell, others...)
	return s.set
}

// configured returns the executors described by sections of the settings: first those by
// configuration, then those by program, each in the order of the file. It warns of an
// invalid section and leaves its executor out.
func (s *settings) configured(cfg *config.Config, shell *executor.Shell) []executor.Executor {
	var byConfig, byProgram []executor.Executor
	for _, section := range cfg.Sections() {
		warn := func(err error) { s.term.warn("%v; executor %s is left out", err, section.Name) }
		if program.Is(section) {
			e, err := program.New(section, shell, func(err error) { s.term.warn("%v", err) })
			if err != nil {
				warn(err)
				continue
			}
			byProgram = append(byProgram, e)
			continue
		}
		e, err := custom.New(section, shell, warn)
		if err != nil {
			warn(err)
			continue
		}
		byConfig = append(byConfig, e)
	}
	return append(byConfig, byProgram...)
}

// checkExecutors warns of mistakes in sections that otherwise show only in use.
func (s *settings) checkExecutors(cfg *config.Config) {
	for _, e := range s.executors(cfg).All() {
		if c, ok := e.(custom.Checker); ok {
			if err := c.Check(); err != nil {
				s.term.warn("%v", err)
			}
		}
	}
}
