package cli

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"qme/cli/config"
	"qme/cli/zone"
	"qme/gitstore"
	"qme/gitstore/worktree"
	"qme/internal/account"
	"qme/internal/mask"
	"qme/internal/regular"
	"qme/internal/signalled"
	"qme/provenance"
	"qme/provenance/aside"
	"qme/queue"
	"qme/record"
	"qme/tasks"
	"qme/tasks/given"
	"qme/tasks/jobs"
	"qme/tasks/spool"
	"qme/tasks/waiting"
)

// hashWait is how long a run waits after its command for the hashes of files.
const hashWait = time.Second

// packagesWait is the same for the lists of packages.
const packagesWait = 300 * time.Millisecond

// A home is the folder of tasks used by an invocation, with its history once that is
// open.
type home struct {
	term       *terminal
	settings   *settings
	store      *gitstore.Store
	masked     *mask.Set // the secrets that records must not show; valid if masksKnown
	masksKnown bool
	misplaced  bool     // it was looked for files in the place of folders
	input      *os.File // the input of the command to run; nil: standard input
}

// openStore opens the history and creates it at the first use.
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
	hashes, packages := filepath.Join(home, "hashes"), filepath.Join(home, "packages")
	if err != nil {
		fsys, hashes, packages = noFs{afero.NewMemMapFs(), err}, "", "" // a command can still run
	}
	metrics, err := metricsOfSettings(cfg)
	if err != nil {
		h.term.warn("the setting run.metrics: %v", err)
	}
	q := &tasks.Service{
		Store:     h.openStore,
		Home:      home,
		Spool:     spool.New(fsys, filepath.Join(home, "running")),
		Waiting:   waiting.New(fsys, filepath.Join(home, "queue")),
		Given:     given.New(fsys, filepath.Join(home, given.Name)),
		Names:     given.NewNames(fsys, filepath.Join(home, given.NamesName)),
		Accepted:  given.NewAccepted(fsys, filepath.Join(home, given.AcceptedName)),
		Jobs:      jobs.New(fsys, filepath.Join(home, "jobs")),
		Executors: h.settings.executors(cfg),
		Warn:      h.term.warn,
		Tell:      h.term.note,
		Sharing:   h.sharing,
		Following: h.following(cfg),
		Progress:  h.term.patientProgress,
		ReadOnly:  h.term.silent,
		Settings: tasks.Settings{
			Inline:    int(cfg.Size("run.inline")),
			Keep:      cfg.Size("run.keep"),
			Env:       func() []string { return allowedEnv(os.Environ(), cfg.List("run.env")) },
			Mask:      func() *mask.Set { return h.masks(cfg) },
			GitState:  func(dir string) (*record.Git, worktree.Finding) { return worktree.Look(dir, cfg.Duration("run.git")) },
			Searched:  cfg.Size("search.limit"),
			Files:     cfg.Bool("run.files"),
			Hashes:    provenance.Limits{File: cfg.Size("run.hash"), Run: cfg.Size("run.hash_total"), Wait: hashWait, Cache: hashes},
			KeepFiles: cfg.Size("run.keep_files"),
			Patch:     cfg.Size("run.patch"),
			Shared:    cfg.List("share.parts"),
			Software:  cfg.Bool("run.software"),
			Packages:  provenance.SoftwareLimits{Wait: packagesWait, Cache: packages, Git: func(dir string) *record.Git { return worktree.State(dir, cfg.Duration("run.git")) }},
			Usage:     cfg.Duration("run.usage"),
			Metrics:   metrics,
			Host:      hostname(),
			User:      login(),
			Within:    os.Getenv(taskVariable),
			WithinRun: os.Getenv(runVariable),
			Stdin:     h.commandInput(), Stdout: h.term.out, Stderr: h.term.err,
			HashStdin: cfg.Bool("run.stdin_hash"), KeepStdin: cfg.Size("run.stdin"),
			Drain: cfg.Duration("run.drain"), KillGrace: cfg.Duration("cancel.grace"),
		},
	}
	q.Reasons = h.waitReasons(q)
	queue.New(q, queue.Options{}) // any command may record a run that was cut off, whose failure pauses a queue, and of which the user is told
	return q, nil
}

// queue returns the queue of a home.
func (h *home) queue(q *tasks.Service) *queue.Queue {
	o := queue.Options{Say: h.term.note}
	if cfg, err := h.settings.config(); err == nil { // it has been said before otherwise
		o.Notices = queue.Notices{Command: cfg.String("notify.command"), When: cfg.List("notify.when"), Longer: cfg.Duration("notify.longer")}
	}
	return queue.New(q, o)
}

// masks returns what is masked in records.
func (h *home) masks(cfg *config.Config) *mask.Set {
	if !h.masksKnown {
		set, err := mask.New(mask.Options{Environ: os.Environ(), Names: cfg.List("mask.env"), Patterns: cfg.List("mask.patterns")})
		if err != nil { // the settings have refused such a pattern
			h.term.warn("secrets are not masked: %v", err)
		}
		h.masked, h.masksKnown = set, true
	}
	return h.masked
}

// history is tasks for commands that only read. It first commits the runs that a crash
// has left in the spool, unless it would have to wait for a lock.
func (h *home) history(ctx context.Context) (*tasks.Service, error) {
	return h.recovered(ctx, (*tasks.Service).RecoverSoon)
}

// find returns the use cases for commands that only read, and the run that ref names.
func (h *home) find(ctx context.Context, ref string) (*tasks.Service, tasks.Version, error) {
	q, err := h.history(ctx)
	if err != nil {
		return nil, tasks.Version{}, err
	}
	v, err := q.Find(ref)
	return q, v, err
}

// settled is history for commands that change something. It waits for a lock, as the
// command will have to anyway.
func (h *home) settled(ctx context.Context) (*tasks.Service, error) {
	q, err := h.recovered(ctx, (*tasks.Service).Recover)
	if err == nil {
		q.Changing = true
	}
	return q, err
}

// writable returns an error if the user may not write in the home, as in that of another user: one message in place of those of all
// that a command would try.
func (h *home) writable() error {
	home, err := h.settings.homeDir()
	if err != nil {
		return err
	}
	if err := unix.Access(home, unix.R_OK|unix.W_OK|unix.X_OK); errors.Is(err, fs.ErrPermission) {
		return &fs.PathError{Op: "write in", Path: home, Err: err}
	}
	return nil
}

// changing is settled for commands that change the queue. Errors are also those of writable.
func (h *home) changing(ctx context.Context) (*tasks.Service, error) {
	if err := h.writable(); err != nil {
		return nil, err
	}
	return h.settled(ctx)
}

// take returns the use cases for commands that change something, and the run that ref names. It prints
// which task that is if the user did not type its id.
func (h *home) take(ctx context.Context, ref string) (*tasks.Service, tasks.Version, error) {
	q, err := h.settled(ctx)
	if err != nil {
		return nil, tasks.Version{}, err
	}
	v, err := q.Find(ref)
	if err == nil {
		taken(h.term, ref, v.Record)
	}
	return q, v, err
}

func (h *home) recovered(ctx context.Context, how func(*tasks.Service, context.Context) error) (*tasks.Service, error) {
	if _, err := h.settings.homeDir(); err != nil {
		return nil, err
	}
	q, err := h.tasks()
	if err != nil {
		return nil, err
	}
	if err := how(q, ctx); errors.Is(err, syscall.ENOTDIR) && h.noFolder() {
		return nil, err
	} else if err != nil {
		h.term.warn("a run is still in the spool: %v", err)
	}
	h.warnMisplaced(q)
	return q, nil
}

// noFolder reports whether the home is no folder.
func (h *home) noFolder() bool {
	dir, err := h.settings.homeDir()
	if err != nil {
		return true
	}
	info, err := os.Stat(dir)
	return err != nil || !info.IsDir()
}

// warnMisplaced warns of files that are in the place of folders of the home, once.
func (h *home) warnMisplaced(q *tasks.Service) {
	if h.misplaced {
		return
	}
	h.misplaced = true
	for _, err := range q.Misplaced() {
		h.term.warn("%v", err)
	}
}

// putBack puts back the files that checks have set aside which were cut off, whatever the command does. Where
// there are none it costs a look at one folder, which is not there.
func (h *home) putBack(ctx context.Context) {
	dir, err := h.settings.homeDir()
	if err != nil {
		return
	}
	if pending, err := aside.Pending(dir); err == nil && len(pending) == 0 {
		return
	}
	q, err := h.tasks()
	if err == nil {
		err = q.RecoverSoon(ctx)
	}
	if err != nil && !errors.Is(err, record.ErrBusy) && !errors.Is(err, fs.ErrPermission) { // the command says that the home is another user's
		h.term.warn("files that a check has set aside may not be back yet: %v", err)
	}
}

// commandInput returns the input of the command to run.
func (h *home) commandInput() *os.File { return cmp.Or(h.input, h.term.in) }

func (h *home) close() error {
	if h.store == nil {
		return nil
	}
	return h.store.Close()
}

// following returns the work to be done after a change in this home.
func (h *home) following(cfg *config.Config) tasks.Following {
	f := tasks.Following{Sync: cfg.Bool("sync.auto"), Mirror: h.settings.mirrorTarget}
	if !h.term.quiet {
		f.Behind = func(why string) {
			h.term.note("qme: the mirror is behind (the history is not): %s; %s", hereTime(why), h.term.here("\"qme mirror status\" says more"))
		}
	}
	return f
}

// follow starts the work to be done after a change of the history. ended is the task of which a run has ended, if that is
// all that has changed.
func (h *home) follow(q *tasks.Service, c tasks.Cause, ended ...record.ID) {
	h.warnMisplaced(q)
	err := q.Follow(c)
	if err != nil && !errors.Is(err, errNoDefault) { // errNoDefault has been reported before
		h.term.note("qme: %s", said(err.Error()))
	}
	if c != tasks.AfterChange && q.Waiting.Any() { // a waiting task may depend on what has ended
		wake := h.queue(q).Wake
		if len(ended) == 1 {
			wake = func(ctx context.Context, _ ...record.ID) error { return h.queue(q).RunEnded(ctx, ended[0]) }
		}
		if err := wake(context.Background()); err != nil {
			h.term.warn("the queue: %v", err)
		}
	}
}

// background returns the use cases for a background process. If the home cannot be
// opened, the error is logged and q is nil.
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

// now is the start time of the command; ages and the days of a search are counted from
// it. It is in the user's time zone once localTime has been called.
var now = time.Now()

// localTime sets the time zone from TZ, also for now. It reports whether TZ is valid.
func localTime() bool {
	ok := zone.Set()
	now = now.Local()
	return ok
}

// finishRun reports the end of a run. It returns an error with the return code of the
// command, or a signalError if a signal ended it.
func (h *home) finishRun(q *tasks.Service, rep *tasks.Report) error {
	rc := *rep.Record.Data.ReturnCode
	if errors.Is(rep.Err, tasks.ErrNotRecorded) {
		h.term.say("qme: NOT RECORDED: %v", rep.Err)
		if hint := h.settings.homeHint(rep.Err); hint != "" {
			h.term.say("%s", hint)
		}
	} else {
		h.term.beside("[%s][returncode: %d]%s", rep.Record.UID, rc, jobOf(rep.Record))
		h.follow(q, tasks.AfterRun, rep.Record.UID)
	}
	switch {
	case rc == 0 && rep.PassErr != nil:
		// As if the command itself had met the full disk.
		return &codeError{code: exitFailure}
	case rc == 0:
		return nil
	case rep.Record.Data.Signal != "":
		return &signalError{code: &codeError{code: rc}, signal: syscall.Signal(rc - 128)}
	}
	return &codeError{code: rc}
}

// act performs an action. Programs started for it end with qme.
func (h *home) act(ctx context.Context, q *tasks.Service, v tasks.Version, doing tasks.Acting) error {
	ctx, stop := signalled.Until(ctx)
	defer stop()
	changed, err := q.Act(ctx, v, doing)
	if changed {
		h.follow(q, tasks.AfterRefresh)
	}
	return err
}

// cancel ends the running command or job of a task, and reports whether it was the job.
func (h *home) cancel(ctx context.Context, q *tasks.Service, v tasks.Version, how tasks.Acting) (job bool, err error) {
	ctx, stop := signalled.Until(ctx)
	defer stop()
	job, changed, err := q.Cancel(ctx, v, how)
	if changed {
		h.follow(q, tasks.AfterRefresh)
	}
	return job, err
}
