package cli

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/afero"

	"qme/cli/config"
	"qme/cli/zone"
	"qme/gitstore"
	"qme/gitstore/worktree"
	"qme/internal/account"
	"qme/internal/regular"
	"qme/internal/signalled"
	"qme/record"
	"qme/tasks"
	"qme/tasks/given"
	"qme/tasks/jobs"
	"qme/tasks/spool"
)

// A home is the folder of tasks of an invocation, with its history once that is open.
type home struct {
	term     *terminal
	settings *settings
	store    *gitstore.Store
	input    *os.File // what the command reads that is run, nil: standard input
}

// openStore opens the history, which it makes at the first use.
func (h *home) openStore() (*gitstore.Store, error) {
	if h.store != nil {
		return h.store, nil
	}
	home, err := h.settings.homeDir()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, err
	}
	dir := filepath.Join(home, "tasks.git")
	_, missing := os.Lstat(dir)
	h.store, err = gitstore.Open(regular.NewFS(), dir, gitstore.Options{
		Warn: func(msg string) { h.term.warn("%s", msg) },
	})
	if missing != nil && err == nil {
		h.settings.warnIfOpen() // once
	}
	return h.store, err
}

// tasks returns the use cases of this home.
func (h *home) tasks() (*tasks.Service, error) {
	cfg, err := h.settings.config()
	if err != nil {
		return nil, err
	}
	home, err := h.settings.homeDir()
	fsys := regular.NewFS()
	if err != nil {
		fsys = noFs{afero.NewMemMapFs(), err} // a command can run all the same
	}
	return &tasks.Service{
		Store:     h.openStore,
		Home:      home,
		Spool:     spool.New(fsys, filepath.Join(home, "running")),
		Given:     given.New(fsys, filepath.Join(home, given.Name)),
		Jobs:      jobs.New(fsys, filepath.Join(home, "jobs")),
		Executors: h.settings.executors(cfg),
		Warn:      h.term.warn,
		Tell:      h.term.note,
		Sharing:   h.sharing,
		Following: h.following(cfg),
		Progress:  h.term.patientProgress,
		ReadOnly:  h.term.silent,
		Settings: tasks.Settings{
			Inline:   int(cfg.Size("run.inline")),
			Keep:     cfg.Size("run.keep"),
			Env:      func() []string { return allowedEnv(os.Environ(), cfg.List("run.env")) },
			GitState: func(dir string) *record.Git { return worktree.State(dir, cfg.Duration("run.git")) },
			Searched: cfg.Size("search.limit"),
			Host:     hostname(),
			User:     login(),
			Within:   os.Getenv(taskVariable),
			Stdin:    h.commandInput(), Stdout: h.term.out, Stderr: h.term.err,
			Drain: cfg.Duration("run.drain"), KillGrace: cfg.Duration("cancel.grace"),
		},
	}, nil
}

// history is tasks for commands that show what is there: it commits first what a
// crash has left in the spool, unless that would have to wait for somebody.
func (h *home) history(ctx context.Context) (*tasks.Service, error) {
	return h.recovered(ctx, (*tasks.Service).RecoverSoon)
}

// settled is history for commands that change something: it waits for a lock, as they
// will have to.
func (h *home) settled(ctx context.Context) (*tasks.Service, error) {
	return h.recovered(ctx, (*tasks.Service).Recover)
}

func (h *home) recovered(ctx context.Context, how func(*tasks.Service, context.Context) error) (*tasks.Service, error) {
	if _, err := h.settings.homeDir(); err != nil {
		return nil, err
	}
	q, err := h.tasks()
	if err != nil {
		return nil, err
	}
	if err := how(q, ctx); errors.Is(err, syscall.ENOTDIR) {
		return nil, err // there is no spool: its place is taken
	} else if err != nil {
		h.term.warn("a run is still in the spool: %v", err)
	}
	return q, nil
}

// commandInput is what the command reads that is run.
func (h *home) commandInput() *os.File { return cmp.Or(h.input, h.term.in) }

func (h *home) close() error {
	if h.store == nil {
		return nil
	}
	return h.store.Close()
}

// following says what follows a change in this home.
func (h *home) following(cfg *config.Config) tasks.Following {
	f := tasks.Following{Sync: cfg.Bool("sync.auto"), Mirror: h.settings.mirrorTarget}
	if !h.term.quiet {
		f.Behind = func(why string) {
			h.term.note("qme: the mirror is behind (the history is not): %s; %s", hereTime(why), h.term.here("\"qme mirror status\" says more"))
		}
	}
	return f
}

// follow has follow a change of the history what is to.
func (h *home) follow(q *tasks.Service, c tasks.Cause) {
	err := q.Follow(c)
	if err != nil && !errors.Is(err, errNoDefault) { // else the mistake has been said
		h.term.note("qme: %s", said(err.Error()))
	}
}

// background returns the use cases for a process that nobody waits for. Where there are none
// the reason is in a log, and q is nil.
func (h *home) background(log func(*tasks.Service) tasks.Log) (q *tasks.Service, err error) {
	h.term.quiet = true
	home, err := h.settings.homeDir()
	if err != nil {
		return nil, err
	}
	if q, err = h.tasks(); err != nil {
		return nil, log(&tasks.Service{Home: home}).Note(err)
	}
	return q, nil
}

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

// finishRun tells how a run went and ends with its return code, or as Main has it by the
// signal that has ended the command.
func (h *home) finishRun(q *tasks.Service, rep *tasks.Report) error {
	rc := *rep.Record.Data.ReturnCode
	if errors.Is(rep.Err, tasks.ErrNotRecorded) {
		h.term.say("qme: NOT RECORDED: %v", rep.Err)
		if hint := h.settings.homeHint(rep.Err); hint != "" {
			h.term.say("%s", hint)
		}
	} else {
		h.term.note("[%s][returncode: %d]%s", rep.Record.UID, rc, jobOf(rep.Record))
		h.follow(q, tasks.AfterRun)
	}
	switch {
	case rc == 0 && rep.PassErr != nil:
		// As the command would have ended, had it met the full disk itself.
		return &codeError{code: exitFailure}
	case rc == 0:
		return nil
	case rep.Record.Data.Signal != "":
		return &signalError{code: &codeError{code: rc}, signal: syscall.Signal(rc - 128)}
	}
	return &codeError{code: rc}
}

// act performs an action. What is asked for it ends with qme.
func (h *home) act(ctx context.Context, q *tasks.Service, v tasks.Version, doing tasks.Acting) error {
	ctx, stop := signalled.Until(ctx)
	defer stop()
	changed, err := q.Act(ctx, v, doing)
	if changed {
		h.follow(q, tasks.AfterRefresh)
	}
	return err
}

// cancel ends what is running of a task, and reports whether that was its job.
func (h *home) cancel(ctx context.Context, q *tasks.Service, v tasks.Version, how tasks.Acting) (job bool, err error) {
	ctx, stop := signalled.Until(ctx)
	defer stop()
	job, changed, err := q.Cancel(ctx, v, how)
	if changed {
		h.follow(q, tasks.AfterRefresh)
	}
	return job, err
}
