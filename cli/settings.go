package cli

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/afero"

	"qme/cli/config"
	"qme/executor"
	"qme/internal/account"
	"qme/internal/regular"
	"qme/mirror/target"
)

// The settings of an invocation: of the home, the environment and the options of all commands.
type settings struct {
	term     *terminal
	message  string // --message
	absolute string // the home's folder, once it is known
	cfg      *config.Config

	toldMistakes bool // of cfg
	toldRefused  bool // which programs of them are not run
	set          *executor.Set
}

// use has cfg be the settings, also of the terminal.
func (s *settings) use(cfg *config.Config) {
	s.cfg = cfg
	s.term.colorSetting, s.term.pagerSetting = cfg.String("color"), cfg.String("pager")
}

// homeDir returns the folder of tasks and settings, absolute.
func (s *settings) homeDir() (string, error) {
	if s.absolute != "" {
		return s.absolute, nil
	}
	dir := s.term.homeFlag
	if dir == "" {
		home := account.Home() // also in a job without an environment
		if home == "" {
			return "", errHome
		}
		dir = filepath.Join(home, ".qme")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	s.absolute = dir
	return dir, nil
}

// config returns the settings. What is wrong with them is said once, and is as if it were
// not set: a mistake must not keep the results of work from being seen. A file that cannot
// be read is an error. Where a setting matters, see sure.
func (s *settings) config() (*config.Config, error) {
	if s.cfg != nil {
		return s.cfg, nil
	}
	cfg, err := s.readConfig()
	if err == nil {
		err = cfg.Unread()
	}
	if err != nil {
		return nil, err
	}
	s.use(cfg)
	s.tellMistakes()
	return cfg, nil
}

// runConfig is config for commands that run something: nothing that is wrong with the
// settings must keep a night's work from starting.
func (s *settings) runConfig() (*config.Config, error) {
	cfg, err := s.readConfig()
	if errors.Is(err, errHome) { // that it cannot be recorded is said at the end
		cfg, err = config.Read(afero.NewMemMapFs(), "", os.Environ()), nil
	}
	if err != nil {
		return nil, err
	}
	s.use(cfg)
	s.tellMistakes()
	return cfg, nil
}

// tellMistakes says what is wrong with the settings, and what is left out of them, unless
// it has.
func (s *settings) tellMistakes() {
	if s.toldMistakes {
		return
	}
	if refused := s.cfg.Refused(); refused != "" && !s.toldRefused {
		s.term.warn("%s", refused)
		s.toldRefused = true
	}
	if err := s.cfg.Mistakes(); err != nil {
		s.term.warn("%v\n%s", err, s.cfg.Instead())
		s.toldMistakes = true
	}
}

// readConfig is config in silence.
func (s *settings) readConfig() (*config.Config, error) {
	home, err := s.homeDir()
	if err != nil {
		return nil, err
	}
	for name, meant := range config.Mistyped(os.Environ(), ownNames()...) {
		s.term.note("qme: there is no variable %s that qme knows: did you mean %s?", name, meant)
	}
	return config.Read(regular.NewFS(), home, os.Environ()), nil
}

// sure is config for commands that must not go by a default instead of what was meant:
// a mistake anywhere is an error.
func (s *settings) sure() (*config.Config, error) {
	if s.cfg == nil {
		cfg, err := s.readConfig()
		if err != nil {
			return nil, err
		}
		s.use(cfg)
	}
	return s.cfg, s.unlessTold(s.cfg.Mistakes())
}

// unlessTold returns mistakes in the settings as an error that does not say them again.
func (s *settings) unlessTold(mistakes error) error {
	if mistakes != nil && s.toldMistakes {
		return errNoDefault
	}
	return settingError(mistakes)
}

var errHome = errors.New("HOME is not set, and this user has no home directory; set QME_HOME or give --home DIR")

var errNoDefault = &usageError{msg: "this goes by no default: the settings have to be right", help: "qme config --help"}

// mirrorTarget returns the database that the settings name, nil when there is none.
func (s *settings) mirrorTarget() (*target.Target, error) {
	cfg, err := s.config()
	if err != nil {
		return nil, err
	}
	if err := cfg.Wrong("database"); err != nil {
		return nil, s.unlessTold(err)
	}
	home, err := s.homeDir()
	if err != nil {
		return nil, err
	}
	t, err := target.Parse(cfg.String("database"), os.Getenv(target.ConnectionVariable), home)
	return t, settingError(err)
}
