package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/afero"

	"qme/cli/config"
	"qme/cli/zone"
	"qme/executor"
	"qme/gitstore"
	"qme/gitstore/worktree"
	"qme/internal/account"
	"qme/internal/regular"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
	"qme/tasks/given"
	"qme/tasks/jobs"
	"qme/tasks/spool"
)

// An app is one invocation: its streams, its global flags, and what has been
// opened so far.
type app struct {
	in, out, err *os.File
	input        *os.File // what the command reads that is run, nil: in

	home, message, color    string
	absolute                string // home, once it is known
	quiet, noColor, noPager bool
	silent                  bool // nothing is written: neither messages nor what is disposable
	noZone                  bool // TZ is not understood, and that has not been said yet

	endedBy syscall.Signal // ended the command that was run, 0: none

	cfg          *config.Config
	toldMistakes bool // of the settings
	toldRefused  bool // which programs of them are not run
	set          *executor.Set
	store        *gitstore.Store
}

// say prints a line for people, on stderr.
func (a *app) say(format string, args ...any) {
	a.show(safe.Message(fmt.Sprintf(format, args...)) + "\n")
}

// show prints text as it is on stderr. When that fails there is nowhere to say so.
func (a *app) show(text string) { _, _ = a.err.WriteString(text) }

// note is say for what -q silences.
func (a *app) note(format string, args ...any) {
	if !a.quiet {
		a.say(format, args...)
	}
}

func (a *app) warn(format string, args ...any) {
	a.say("qme: %s", a.here(said(fmt.Sprintf(format, args...))))
}

func (a *app) close() error {
	if a.store == nil {
		return nil
	}
	return a.store.Close()
}

// homeDir returns the folder of tasks and settings, absolute.
func (a *app) homeDir() (string, error) {
	if a.absolute != "" {
		return a.absolute, nil
	}
	dir := a.home
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
	a.absolute = dir
	return dir, nil
}

var errHome = errors.New("HOME is not set, and this user has no home directory; set QME_HOME or give --home DIR")

// config returns the settings. What is wrong with them is said once, and is as if it were
// not set: a mistake must not keep the results of work from being seen. A file that cannot
// be read is an error. Where a setting matters, see sure.
func (a *app) config() (*config.Config, error) {
	if a.cfg != nil {
		return a.cfg, nil
	}
	cfg, err := a.readConfig()
	if err == nil {
		err = cfg.Unread()
	}
	if err != nil {
		return nil, err
	}
	a.cfg = cfg
	a.tellMistakes()
	return cfg, nil
}

// runConfig is config for commands that run something: nothing that is wrong with the
// settings must keep a night's work from starting.
func (a *app) runConfig() (*config.Config, error) {
	cfg, err := a.readConfig()
	if errors.Is(err, errHome) { // that it cannot be recorded is said at the end
		cfg, err = config.Read(afero.NewMemMapFs(), "", os.Environ()), nil
	}
	if err != nil {
		return nil, err
	}
	a.cfg = cfg
	a.tellMistakes()
	return cfg, nil
}

// tellMistakes says what is wrong with the settings, and what is left out of them, unless
// it has.
func (a *app) tellMistakes() {
	if a.toldMistakes {
		return
	}
	if refused := a.cfg.Refused(); refused != "" && !a.toldRefused {
		a.warn("%s", refused)
		a.toldRefused = true
	}
	if err := a.cfg.Mistakes(); err != nil {
		a.warn("%v\n%s", err, a.cfg.Instead())
		a.toldMistakes = true
	}
}

// readConfig is config in silence.
func (a *app) readConfig() (*config.Config, error) {
	home, err := a.homeDir()
	if err != nil {
		return nil, err
	}
	for name, meant := range config.Mistyped(os.Environ(), ownNames()...) {
		a.note("qme: there is no variable %s that qme knows: did you mean %s?", name, meant)
	}
	return config.Read(regular.NewFS(), home, os.Environ()), nil
}

// sure is config for commands that must not go by a default instead of what was meant:
// a mistake anywhere is an error.
func (a *app) sure() (*config.Config, error) {
	if a.cfg == nil {
		cfg, err := a.readConfig()
		if err != nil {
			return nil, err
		}
		a.cfg = cfg
	}
	return a.cfg, a.unlessTold(a.cfg.Mistakes())
}

// unlessTold returns mistakes in the settings as an error that does not say them again.
func (a *app) unlessTold(mistakes error) error {
	if mistakes != nil && a.toldMistakes {
		return errNoDefault
	}
	return settingError(mistakes)
}

var errNoDefault = &usageError{msg: "this goes by no default: the settings have to be right", help: "qme config --help"}

// openStore opens the history, which it makes at the first use.
func (a *app) openStore() (*gitstore.Store, error) {
	if a.store != nil {
		return a.store, nil
	}
	home, err := a.homeDir()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, err
	}
	dir := filepath.Join(home, "tasks.git")
	_, missing := os.Lstat(dir)
	a.store, err = gitstore.Open(regular.NewFS(), dir, gitstore.Options{
		Warn: func(msg string) { a.warn("%s", msg) },
	})
	if missing != nil && err == nil {
		a.warnIfOpen() // once
	}
	return a.store, err
}

// tasks returns the use cases of this home.
func (a *app) tasks() (*tasks.Service, error) {
	cfg, err := a.config()
	if err != nil {
		return nil, err
	}
	home, err := a.homeDir()
	fsys := regular.NewFS()
	if err != nil {
		fsys = noFs{afero.NewMemMapFs(), err} // a command can run all the same
	}
	return &tasks.Service{
		Store:     a.openStore,
		Home:      home,
		Usual:     executor.ShellName,
		Spool:     spool.New(fsys, filepath.Join(home, "running")),
		Given:     given.New(fsys, filepath.Join(home, given.Name)),
		Jobs:      jobs.New(fsys, filepath.Join(home, "jobs")),
		Tracker:   tracker(a.executors(cfg)),
		Remembers: remembers(a.executors(cfg)),
		Warn:      a.warn,
		Tell:      a.note,
		Sharing:   a.sharing,
		Following: a.following(cfg),
		Progress:  a.patientProgress,
		ReadOnly:  a.silent,
		Settings: tasks.Settings{
			Inline:   int(cfg.Size("run.inline")),
			Keep:     cfg.Size("run.keep"),
			Env:      func() []string { return allowedEnv(os.Environ(), cfg.List("run.env")) },
			GitState: func(dir string) *record.Git { return worktree.State(dir, cfg.Duration("run.git")) },
			Searched: cfg.Size("search.limit"),
			Host:     hostname(),
			User:     login(),
			Within:   os.Getenv(taskVariable),
			Stdin:    a.commandInput(), Stdout: a.out, Stderr: a.err,
			Drain: cfg.Duration("run.drain"), KillGrace: cfg.Duration("cancel.grace"),
		},
	}, nil
}

// history is tasks for commands that show what is there: it commits first what a
// crash has left in the spool, unless that would have to wait for somebody.
func (a *app) history(ctx context.Context) (*tasks.Service, error) {
	return a.recovered(ctx, (*tasks.Service).RecoverSoon)
}

// settled is history for commands that change something: it waits for a lock, as they
// will have to.
func (a *app) settled(ctx context.Context) (*tasks.Service, error) {
	return a.recovered(ctx, (*tasks.Service).Recover)
}

func (a *app) recovered(ctx context.Context, how func(*tasks.Service, context.Context) error) (*tasks.Service, error) {
	if _, err := a.homeDir(); err != nil {
		return nil, err
	}
	q, err := a.tasks()
	if err != nil {
		return nil, err
	}
	if err := how(q, ctx); errors.Is(err, syscall.ENOTDIR) {
		return nil, err // there is no spool: its place is taken
	} else if err != nil {
		a.warn("a run is still in the spool: %v", err)
	}
	return q, nil
}

// commandInput is what the command reads that is run.
func (a *app) commandInput() *os.File { return cmp.Or(a.input, a.in) }

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return name
}

// login returns the login name.
func login() string { return account.Login() }

// now is when the command began, from which ages and the days of a search are counted. It is
// in the reader's zone once localTime has been called.
var now = time.Now()

// localTime has times be in the zone that TZ says, also the one at which the command began;
// it reports whether TZ is understood.
func localTime() bool {
	ok := zone.Set()
	now = now.Local()
	return ok
}

var errPagerGone = errors.New("the pager has ended")
