package tasks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"qme/executor/capture"
	"qme/internal/regular"
	"qme/provenance"
	"qme/record"
	"qme/tasks/spool"
	"qme/tasks/waiting"
)

// SuperviseOptions are the options of Supervise.
type SuperviseOptions struct {
	// Assign, if not nil, is called with the entry when the task belongs to this process. It returns
	// variables for the command, as NAME=value, and the GPUs that were set aside for it. If it returns an
	// error, the task waits again as before, and Supervise returns the error.
	Assign func(e *waiting.Entry) (env, gpus []string, err error)
	// Left, if not nil, is called when the run is in the history and the task has left the queue, so that it is
	// not tried again.
	Left func(rec *record.Record)
}

// A try is a run of a task of the queue that is about to start, or runs.
type try struct {
	entry   *waiting.Entry
	waits   *record.Record // as it waited
	spooled *spool.Entry
	gpus    []string
	runs    bool // the command has started
}

// Supervise starts a task of the queue if it still waits and is not held, and records the run. It must be
// called in a process of its own, which becomes that of the command: its directory, umask and
// environment change. The environment has to be that of the task (see waiting.Folder.Environment), but
// for Variable and RunVariable, which are taken from there: a process that has these is taken for one of
// the run that they name.
//
// The error wraps record.ErrNotFound if the task does not wait any more, and record.ErrConflict if it
// is running, is held, or could not be started, in which case it waits again and is held: its entry
// says why.
func (q *Service) Supervise(ctx context.Context, id record.ID, o SuperviseOptions) (*Report, error) {
	t, err := q.claim(id)
	if err != nil {
		return nil, err
	}
	if t.entry.Cancelled { // when its last run had just ended
		rec, err := q.takeOut(ctx, t)
		return &Report{Record: rec, Err: err}, err
	}
	if t.entry.Held {
		return nil, errors.Join(fmt.Errorf("task %s is held: %w", id, record.ErrConflict), q.returnAsItWas(t))
	}
	own, spec, err := q.prepare(t, o)
	if err != nil {
		return nil, errors.Join(err, q.giveBack(t, err))
	}
	if in := own.Settings.Stdin; in != nil {
		defer in.Close()
	}
	own.TryLeft = func(rec *record.Record) {
		switch {
		case rec.UID == id && o.Left != nil:
			o.Left(rec)
		case rec.UID != id && q.TryLeft != nil: // another one was recovered beside it
			q.TryLeft(rec)
		}
	}
	e := t.entry
	opts := RunOptions{Hash: e.Hash, Trace: e.Trace, Params: e.Params, Metrics: own.metricsIn(e), Declared: provenance.Declared{In: allStrings(e.In), Out: allStrings(e.Out)}, try: t}
	rec := &record.Record{Executor: id.Executor(), UID: id, Command: valid(string(e.Line)), Data: record.Data{
		PWD: spec.Dir, Cmd: spec.Cmd, Message: t.waits.Data.Message, Declared: declaration(opts.Declared), Run: own.runNumber(t),
		Params: e.Params, Group: t.waits.Data.Group, Origin: t.waits.Data.Origin,
	}}
	rep, err := own.execute(ctx, rec, spec, own.masking(), verbOf(rec), opts)
	if err != nil && !t.runs {
		why := &notStartedError{err}
		return nil, errors.Join(why, q.giveBack(t, why))
	}
	return rep, err
}

// claim makes this process the one that runs a waiting task.
func (q *Service) claim(id record.ID) (*try, error) {
	e, err := q.Waiting.Entry(id)
	if err != nil {
		return nil, err
	}
	rec, err := q.Waiting.Record(id)
	if err != nil {
		return nil, err
	}
	spooled, err := q.Spool.Begin(provisional(rec, e))
	if err != nil {
		return nil, err
	}
	if err := q.Waiting.Claim(id, spooled.Queued()); err != nil {
		return nil, errors.Join(err, spooled.Remove())
	}
	t := &try{spooled: spooled}
	if t.entry, err = q.Waiting.EntryIn(spooled.Queued(), id); err == nil { // it may have been edited meanwhile
		t.waits, err = q.Waiting.RecordIn(spooled.Queued(), id)
	}
	if err != nil {
		return nil, errors.Join(err, q.returnAsItWas(t))
	}
	return t, nil
}

// provisional returns the record of a try whose command has not started.
func provisional(waits *record.Record, e *waiting.Entry) *record.Record {
	rec := *waits
	rec.Data.Status, rec.Data.RunID, rec.Data.Timestamp = record.Running, e.Run, record.Now()
	rec.Data.Queue = e.Described()
	return &rec
}

// A notStartedError says that the command of a try was not started, for a reason that lies outside of it. It is a
// record.ErrConflict.
type notStartedError struct{ err error }

// Error implements error.
func (e *notStartedError) Error() string { return e.err.Error() }

// Is makes the error a record.ErrConflict.
func (e *notStartedError) Is(target error) bool { return target == record.ErrConflict }

// Unwrap returns the reason.
func (e *notStartedError) Unwrap() error { return e.err }

// withoutPath returns the cause of an error of the file system, for a sentence that names the path.
func withoutPath(err error) error {
	var at *fs.PathError
	switch {
	case errors.As(err, &at):
		return at.Err
	case errors.Is(err, regular.ErrNot):
		return regular.ErrNot
	}
	return err
}

// prepare makes this process one in which the command of a try can start.
func (q *Service) prepare(t *try, o SuperviseOptions) (own *Service, spec capture.Spec, err error) {
	e := t.entry
	spec = capture.Spec{Cmd: allStrings(e.Cmd), Dir: string(e.Dir), Limit: e.Limit}
	cannot := func(err error) (*Service, capture.Spec, error) {
		return nil, spec, &notStartedError{err}
	}
	if q.Executors != nil && q.executor(e.Executor) == nil {
		return cannot(fmt.Errorf("the executor %s is not there any more", e.Executor))
	}
	unix.Umask(e.Umask)
	if err := os.Chdir(spec.Dir); err != nil {
		return cannot(fmt.Errorf("its directory %s cannot be entered (%w)", spec.Dir, withoutPath(err)))
	}
	in, err := openInput(string(e.Stdin))
	if err != nil {
		return cannot(fmt.Errorf("its input %s cannot be read (%w)", e.Stdin, withoutPath(err)))
	}
	if err := q.inherit(t, o); err != nil {
		return nil, spec, errors.Join(err, in.Close())
	}
	own = q.apart(in)
	if own.Settings.Within, own.Settings.WithinRun, err = q.within(t); err != nil {
		return nil, spec, errors.Join(err, in.Close())
	}
	return own, spec, nil
}

// openInput opens the standard input of a command, which is a file or nothing.
func openInput(path string) (*os.File, error) {
	if path == "" {
		return os.Open(os.DevNull)
	}
	return regular.OpenIf(path, func(st *unix.Stat_t) bool { return st.Mode&unix.S_IFMT == unix.S_IFREG })
}

// inherit asks for what is set aside for a try, and puts it into the environment of the command.
func (q *Service) inherit(t *try, o SuperviseOptions) error {
	if o.Assign == nil {
		return nil
	}
	env, gpus, err := o.Assign(t.entry)
	if err != nil {
		return err
	}
	t.gpus = gpus
	return putEnv(env)
}

func putEnv(env []string) error {
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("the variable %q: %w", name, err)
		}
	}
	return nil
}

// within returns the task in whose command a task was added, and the run of that.
func (q *Service) within(t *try) (task, run string, err error) {
	env, err := q.Waiting.EnvironmentIn(t.spooled.Queued(), t.waits.UID)
	for _, kv := range env {
		switch name, value, _ := strings.Cut(kv, "="); name {
		case Variable:
			task = value
		case RunVariable:
			run = value
		}
	}
	return task, run, err
}

// runNumber returns the number that the run of a try will probably have.
func (q *Service) runNumber(t *try) int {
	if t.entry.Try <= 1 {
		return 1
	}
	store, err := q.Store()
	if err != nil {
		return 1 // the commit numbers it, if there is one
	}
	current, err := store.Get("", t.waits.UID)
	if err != nil {
		return 1 // it was cleared
	}
	return record.NextRun(current.Data.Run)
}

// giveBack has the task of a try wait again whose command was not started. If the reason lies in what
// the task needs, it is held until the user releases it.
func (q *Service) giveBack(t *try, why error) error {
	var failed *notStartedError
	if errors.As(why, &failed) {
		return q.putBackTry(t, func(e *waiting.Entry, _ *record.Record) { e.Held, e.Why = true, valid(failed.Error()) })
	}
	return q.returnAsItWas(t)
}
