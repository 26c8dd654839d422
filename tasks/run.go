package tasks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"qme/gitstore"
	"qme/record"
	"qme/tasks/spool"
)

// A Command is what is to be run, as an executor has recognised it.
type Command struct {
	Executor string
	Cmd      []string // what is executed
	Line     string   // for people, quoted as a shell would read it
	// Build, if it is set, returns the other two once it is known where the files of
	// the task's job may be.
	Build func(jobDir string) (cmd []string, line string, err error)
}

// RunOptions belong to one run.
type RunOptions struct {
	Message string
	Quiet   bool
	// Confirm, if it is set, is called by Rerun with the record that would be run again;
	// own says whether this user has given that command in this home. An error keeps it
	// from running and is what Rerun returns.
	Confirm func(rec *record.Record, own bool) error
}

// A Report is what came of a run.
type Report struct {
	Record *record.Record
	// PassErr says why a part of the output did not reach the caller's streams.
	PassErr error
	// Err says why the record could not be committed, and where it is kept.
	Err error
}

// ErrNotRecorded says that a command has run, and that its record is not in the
// history. Its text says where it is instead.
var ErrNotRecorded = errors.New("the run is not in the history")

// RunNew runs a command as a new task in the current directory. The error is for
// a command that could not be tried; one whose record could not be committed is
// in Report.Err and wraps ErrNotRecorded.
func (q *Service) RunNew(ctx context.Context, c Command, opts RunOptions) (*Report, error) {
	id, err := record.NewID(c.Executor)
	if err != nil {
		return nil, err
	}
	if c.Build != nil {
		if c.Cmd, c.Line, err = c.Build(q.Jobs.Path(id)); err != nil {
			return nil, err
		}
	}
	dir, err := os.Getwd()
	if err != nil { // it was removed; the command may not need it
		dir = os.Getenv("PWD")
	}
	rec := &record.Record{Executor: c.Executor, UID: id, Command: valid(c.Line), Data: record.Data{PWD: dir, Cmd: c.Cmd, Message: valid(opts.Message), Run: 1}}
	return q.execute(ctx, rec, c.Cmd, "run", opts.Quiet)
}

// Rerun runs a task again: the same command in the same directory under the same
// id. The error wraps record.ErrConflict when it is running, its directory is gone, or
// its input is to be given again; nothing is changed then.
func (q *Service) Rerun(ctx context.Context, ref string, opts RunOptions) (*Report, error) {
	// An earlier run that is still in the spool would look like one in flight. The
	// command waits for it, so not for long; what is left gets its turn beside it.
	soon, cancel := context.WithTimeout(ctx, patience)
	left := q.Recover(soon)
	cancel()
	old, err := q.resolveRecord(ref)
	if err == nil {
		if err := q.landed(old.UID, left); err != nil {
			return nil, err
		}
	}
	if left != nil && !errors.Is(left, record.ErrBusy) {
		q.Warn("an earlier run is still in the spool: %v", left)
	}
	if err != nil {
		return nil, err
	}
	if old.Data.Status == record.Running && errors.Is(left, record.ErrBusy) {
		return nil, fmt.Errorf("task %s: %w: it is running, or its last run is not in the history yet: %w", old.UID, record.ErrConflict, left)
	}
	if old.Data.Status == record.Running {
		return nil, fmt.Errorf("task %s is running: %w", old.UID, record.ErrConflict)
	}
	if err := q.noJobOpen(ctx, old); err != nil {
		return nil, err
	}
	if len(old.Data.Cmd) == 0 {
		return nil, fmt.Errorf("task %s has no command: %w", old.UID, record.ErrInvalid)
	}
	if slices.ContainsFunc(append([]string{old.Data.PWD}, old.Data.Cmd...), func(s string) bool { return strings.ContainsRune(s, '\uFFFD') }) {
		return nil, fmt.Errorf("task %s has an argument or a directory that was not UTF-8, and so is not recorded exactly: %w", old.UID, record.ErrConflict)
	}
	if err := q.inputAgain(old); err != nil {
		return nil, err
	}
	if err := q.confirm(old, opts); err != nil {
		return nil, err
	}
	if err := os.Chdir(old.Data.PWD); err != nil {
		return nil, fmt.Errorf("task %s ran in %s, which cannot be entered (%w): %w", old.UID, old.Data.PWD, cause(err), record.ErrConflict)
	}
	rec := &record.Record{Executor: old.Executor, UID: old.UID, Command: old.Command, Extra: old.Extra, Data: record.Data{
		PWD: old.Data.PWD, Cmd: old.Data.Cmd, Message: old.Data.Message, Run: record.NextRun(old.Data.Run), Extra: old.Data.Extra}}
	if opts.Message != "" {
		rec.Data.Message = valid(opts.Message)
	}
	return q.execute(ctx, rec, old.Data.Cmd, "rerun", opts.Quiet)
}

// landed is an error where a run of the task has ended and is still in the spool, where it
// has the place that the next one needs. why says what keeps it from the history, nil: not
// known.
func (q *Service) landed(id record.ID, why error) error {
	rec, err := q.Spool.Get(id, 0)
	switch {
	case errors.Is(err, record.ErrNotFound):
		return nil
	case err != nil:
		return err
	case rec.Data.Status == record.Running:
		return nil
	case why == nil:
		return fmt.Errorf("task %s: its last run has ended and is just being recorded; try again in a moment: %w", id, record.ErrConflict)
	}
	return fmt.Errorf("task %s: its last run has ended and is not in the history yet; mend the reason, then rerun (%w): %w", id, why, record.ErrConflict)
}

func cause(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// valid makes text fit for JSON, byte for byte where it is UTF-8.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func validAll(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = valid(s)
	}
	return out
}

// execute runs cmd and records it in rec, which has what is known beforehand.
func (q *Service) execute(ctx context.Context, rec *record.Record, cmd []string, verb string, quiet bool) (*Report, error) {
	q.fill(rec)
	entry, begun := q.Spool.Begin(rec)
	if errors.Is(begun, record.ErrConflict) {
		return nil, begun
	}
	if begun == nil {
		q.noteGiven(rec)
	}
	run := &flight{q: q, rec: rec, entry: entry, verb: verb}
	run.track()
	beside := q.recoverBeside(ctx) // while the command runs, so that it costs no time
	out, err := run.start(ctx, Execution{ID: rec.UID, Cmd: cmd, Quiet: quiet})
	beside.pause()
	// From here on other processes may hold the history. Its own record goes first, and
	// the user waits once for all.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), landing)
	defer cancel()
	rep, err := run.end(ctx, out, begun, err)
	own := err
	if rep != nil {
		own = rep.Err
	}
	if left := beside.finish(ctx, own); left != nil && begun == nil {
		q.Warn("an earlier run is still in the spool: %v", left)
	}
	return rep, err
}

// end brings a run that was started, or could not be, to its end.
func (f *flight) end(ctx context.Context, out *Outcome, begun, err error) (*Report, error) {
	if err != nil {
		return nil, errors.Join(err, f.giveUp(ctx))
	}
	if begun != nil {
		return &Report{Record: f.finish(out), PassErr: out.PassErr, Err: fmt.Errorf("%w, nor can it be: %w", ErrNotRecorded, begun)}, nil
	}
	return f.land(ctx, out), nil
}

// fill captures what is known when a run begins.
func (q *Service) fill(rec *record.Record) {
	d := &rec.Data
	d.Git = q.Settings.GitState(d.PWD)
	d.PWD, d.Cmd = valid(d.PWD), validAll(d.Cmd)
	d.User, d.Host = valid(q.Settings.User), valid(q.Settings.Host)
	d.Status, d.Output, d.Error = record.Running, []string{}, []string{}
	for _, kv := range q.Settings.Env() {
		name, value, _ := strings.Cut(kv, "=")
		if d.Env == nil {
			d.Env = map[string]string{}
		}
		d.Env[valid(name)] = valid(value)
	}
	if q.Settings.Streams != nil {
		d.Terminal, d.Stdin = q.Settings.Streams()
	}
	if d.Stdin != nil {
		d.Stdin.Path = valid(d.Stdin.Path)
	}
	d.RunID, d.Timestamp = record.NewRunID(), record.Now()
}

// A flight is a run between its start and its commit.
type flight struct {
	q        *Service
	rec      *record.Record
	entry    *spool.Entry // nil when nothing can be recorded
	verb     string
	out, err *spool.Recorder
	tracker  Tracker // nil for commands that start no jobs
}

func (f *flight) start(ctx context.Context, e Execution) (*Outcome, error) {
	if f.entry == nil {
		return f.q.Run(ctx, e)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := f.entry.Listen(cancel)
	defer stop()
	f.out, f.err = f.entry.Recorder(record.Stdout, f.q.Settings.Keep), f.entry.Recorder(record.Stderr, f.q.Settings.Keep)
	e.Out, e.Err = f.out, f.err
	e.OnStart = func(pid int) {
		f.rec.Data.PID = pid
		if err := f.entry.Write(f.rec); err != nil {
			f.q.Warn("the process id is not in the spool: %v", err)
		}
	}
	return f.q.Run(ctx, e)
}

// giveUp ends a run of which nobody knows how it went. Where the command had been
// started, what arrived of its output is kept, as of a run that was cut off.
func (f *flight) giveUp(ctx context.Context) error {
	switch {
	case f.entry == nil:
		return nil
	case f.rec.Data.PID == 0:
		return f.entry.Remove()
	}
	err := errors.Join(f.out.Close(f.rec, f.q.Settings.Inline), f.err.Close(f.rec, f.q.Settings.Inline))
	f.rec.Data.Status = record.Cancelled
	return errors.Join(err, f.entry.Write(f.rec), f.q.commit(ctx, f.entry, f.rec, f.verb))
}

// finish completes the record with how the run ended.
func (f *flight) finish(out *Outcome) *record.Record {
	d := &f.rec.Data
	d.PID, d.Signal, d.Usage, d.Merged = out.PID, out.Signal, out.Usage, out.Merged
	d.ReturnCode = &out.ReturnCode
	d.Duration = float64(out.Duration.Round(time.Microsecond)) / float64(time.Second)
	d.Finished = &record.Time{Time: d.Timestamp.Add(out.Duration).Truncate(time.Microsecond)}
	d.Status = record.Complete
	if out.Cancelled {
		d.Status = record.Cancelled
	}
	return f.rec
}

// land brings the record of a run that has ended into the history.
func (f *flight) land(ctx context.Context, out *Outcome) *Report {
	rec := f.finish(out)
	if err := f.entry.End(rec); err != nil {
		f.q.Warn("the end of the command is not in the spool yet: %v", err)
	}
	if err := f.close(out.RecordErr); err != nil {
		f.q.Warn("a part of the output is not recorded: %v", err)
	}
	f.submitted(ctx)
	return &Report{Record: rec, PassErr: out.PassErr, Err: f.record(ctx)}
}

// close puts the streams into the record.
func (f *flight) close(recordErr error) error {
	inline := f.q.Settings.Inline
	return errors.Join(recordErr, f.out.Close(f.rec, inline), f.err.Close(f.rec, inline))
}

// record commits the completed record. It does so also when the spool, which only
// keeps it in between, cannot be written.
func (f *flight) record(ctx context.Context) error {
	werr := f.entry.Write(f.rec)
	err := f.q.commit(ctx, f.entry, f.rec, f.verb)
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w; it is kept in %s, and the next qme command tries again",
		ErrNotRecorded, errors.Join(werr, err, f.entry.Sync(), f.entry.Close()), f.q.Spool.Dir())
}

// commit commits the record of an entry and removes the entry.
func (q *Service) commit(ctx context.Context, entry *spool.Entry, rec *record.Record, verb string) error {
	store, err := q.Store()
	if err != nil {
		return err
	}
	streams, err := entry.Streams(rec)
	if err != nil {
		return err
	}
	_, err = store.Commit(ctx, gitstore.Change{
		Verb: verb, What: rec.Command, ID: rec.UID, Streams: streams,
		Build: func(current *record.Record, version string) (*record.Record, error) {
			return upon(rec, current, version), nil
		},
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", errBusy, err)
	}
	if err != nil {
		return err
	}
	if err := entry.Remove(); err != nil {
		q.Warn("the record is in the history, but the spool could not be cleaned: %v", err)
	}
	return nil
}

// upon makes rec the run that follows current. It is nil when current is that run
// already: a process committed it and died before it had cleaned the spool.
func upon(rec, current *record.Record, version string) *record.Record {
	rec.Data.Run, rec.Data.Previous = 1, ""
	if current == nil {
		return rec
	}
	if record.SameRun(current, rec) {
		if current.Data.ReturnCode != nil || rec.Data.ReturnCode == nil {
			return nil
		}
		// Another process took this run for cut off and recorded what it saw of
		// it. How it really ended replaces that, and is no further run.
		rec.Data.Run, rec.Data.Previous = current.Data.Run, current.Data.Previous
		return rec
	}
	rec.Data.Run, rec.Data.Previous = record.NextRun(current.Data.Run), version
	return rec
}

var _ io.Writer = (*spool.Recorder)(nil)
