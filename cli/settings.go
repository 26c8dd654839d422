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

// settings are the settings of an invocation, from the home, the environment and the
// options of all commands.
type settings struct {
	term     *terminal
	message  string // --message
	absolute string // the folder of the home, once known
	cfg      *config.Config

	toldMistakes bool // the mistakes in cfg have been printed
	toldRefused  bool // the programs refused by cfg have been printed
	set          *executor.Set
}

// use sets the settings of the invocation and of its terminal.
func (s *settings) use(cfg *config.Config) {
	s.cfg = cfg
	s.term.colorSetting, s.term.pagerSetting, s.term.summarySetting = cfg.String("color"), cfg.String("pager"), cfg.String("run.summary")
}

// homeDir returns the absolute path of the folder of tasks and settings.
func (s *settings) homeDir() (string, error) {
	if s.absolute != "" {
		return s.absolute, nil
	}
	dir := s.term.homeFlag
	if dir == "" {
		home := account.Home() // works in a job without an environment, too
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

// config returns the settings. Invalid settings are reported once and then count as
// unset: a mistake must not prevent users from seeing results. A file that cannot be read
// is an error. Where a setting matters, use sure.
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

// runConfig is config for commands that run a command: a mistake in the settings must
// never prevent the start of a run.
func (s *settings) runConfig() (*config.Config, error) {
	cfg, err := s.readConfig()
	if errors.Is(err, errHome) { // reported after the run
		cfg, err = config.Read(afero.NewMemMapFs(), "", os.Environ()), nil
	}
	if err != nil {
		return nil, err
	}
	s.use(cfg)
	s.tellMistakes()
	return cfg, nil
}

// tellMistakes prints the mistakes in the settings and the programs refused, once.
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

// readConfig reads the settings and reports only mistyped variables.
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

// sure is config for commands that must not replace an invalid setting by its default:
// any mistake is an error.
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

// unlessTold returns mistakes in the settings as an error. If they have been printed
// before, the error does not repeat them.
func (s *settings) unlessTold(mistakes error) error {
	if mistakes != nil && s.toldMistakes {
		return errNoDefault
	}
	return settingError(mistakes)
}

var errHome = errors.New("HOME is not set, and this user has no home directory; set QME_HOME or give --home DIR")

var errNoDefault = &usageError{msg: "this command does not run with the default settings", help: "qme config --help"}

// mirrorTarget returns the database of the settings, nil if there is none.
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
