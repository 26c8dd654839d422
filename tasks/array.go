package tasks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"

	"qme/executor"
	"qme/gitstore"
	"qme/internal/mask"
	"qme/record"
	"qme/tasks/jobs"
	"qme/tasks/waiting"
)

// submitting says of a task in the queue why it is held while it is submitted. If qme is killed before the scheduler has said that it
// has the job, the task stays so.
const submitting = "it is being submitted as a part of a job array, or qme was killed meanwhile (\"qme refresh\" records it if the job was started)"

// ArrayOptions are those of a job array.
type ArrayOptions struct {
	Shell   string            // runs command lines, such as "sh"
	Options map[string]string // of each job, as in executor.Submission
	Slots   int               // how many jobs may run at the same time; 0: all
}

// A Submitted is the result of SubmitAll.
type Submitted struct {
	Job string // the scheduler's id of the array
	// Tasks are those that are in the history.
	Tasks []record.ID
}

// A SubmissionError says that the command that should have started jobs has failed, and that there are none.
type SubmissionError struct {
	Code int // its exit code, as a shell has it; never 0
	Err  error
}

// Error implements error.
func (e *SubmissionError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *SubmissionError) Unwrap() error { return e.Err }

// SubmitAll runs the commands of tasks, which are their Words, as the elements of one job, and records each as Submit would record its
// submission alone, with its element as the job. The options are the same for all; of o.Terms the place alone counts.
//
// The tasks are in the queue before the job is started, and held, so that none is lost. They leave it for the history when the job has
// its id, also if this process is killed meanwhile: then Recover or Refresh does that. The error wraps record.ErrInvalid if an option does
// not fit, and is a *SubmissionError if the job was not started; nothing is recorded then. If it wraps ErrNotRecorded the job has
// started, and Recover or Refresh tries to record the rest.
func (q *Service) SubmitAll(ctx context.Context, s executor.ArraySubmitter, list []GroupTask, job ArrayOptions, o AddOptions) (*Submitted, error) {
	o.Terms = waiting.Terms{Place: o.Terms.Place, Held: true, Why: submitting}
	q = q.atOnce()
	q.looked.submits = true
	all, err := q.elements(s, list, job, o)
	if err != nil {
		return nil, err
	}
	c, script, err := s.SubmitArray(q.arrayOf(all, list, job))
	if err != nil {
		return nil, err
	}
	ids := make([]record.ID, len(all))
	for i, a := range all {
		ids[i] = a.Record.UID
	}
	added, err := q.Waiting.AddAll(func(yield func(waiting.Addition, error) bool) {
		for _, a := range all {
			if !yield(a, ctx.Err()) {
				return
			}
		}
	}, o.Env)
	var array *jobs.Array
	if err == nil {
		array, err = q.Jobs.BeginArray(ids, script)
	}
	if err != nil {
		return nil, &SubmissionError{Code: 1, Err: errors.Join(err, q.withdraw(ids[:added]))}
	}
	return q.submitArray(ctx, s, array, c.Argv)
}

// elements returns the tasks that are to wait, whose commands start each as a job of its own.
func (q *Service) elements(s executor.ArraySubmitter, list []GroupTask, job ArrayOptions, o AddOptions) (all []waiting.Addition, err error) {
	for _, t := range list {
		one := executor.Submission{Words: t.Words, Shell: job.Shell, Options: job.Options}
		one.Stdout, one.Stderr = q.jobFiles(t.ID)
		if t.Command, err = s.Submit(one); err != nil {
			return nil, err
		}
		a, err := q.addition(t.ID, t.Command, t.options(o))
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

// arrayOf returns the job that starts the commands of tasks, with the variables that each would have alone.
func (q *Service) arrayOf(all []waiting.Addition, list []GroupTask, job ArrayOptions) executor.ArraySubmission {
	a := executor.ArraySubmission{Shell: job.Shell, Options: job.Options, Slots: job.Slots, Folder: q.Jobs.ArrayDir(list[0].ID)}
	for i, t := range list {
		env := withParams([]string{Variable + "=" + string(t.ID), RunVariable + "=" + string(all[i].Record.Data.RunID)}, t.Params)
		a.Elements = append(a.Elements, executor.ArrayElement{Words: t.Words, Dir: t.Dir, Env: env})
	}
	return a
}

// submitArray starts an array whose tasks wait, and records them.
func (q *Service) submitArray(ctx context.Context, s executor.ArraySubmitter, array *jobs.Array, argv []string) (*Submitted, error) {
	code, err := startArray(ctx, array, argv)
	stdout, stderr, at, serr := array.Said()
	found, why := s.ArrayJobs(len(array.Tasks), stdout, stderr)
	switch {
	case found != nil:
		done, err := q.recordArray(ctx, s, array, found, at)
		return &Submitted{Job: wholeJob(found[0]), Tasks: done}, err
	case code == 0, serr != nil, errors.Is(why, executor.ErrMaybeStarted):
		return nil, errors.Join(fmt.Errorf("whether the job array was started is not known (%w), and its %d tasks are held in the queue: \"qme refresh\" records them if it was; if the scheduler does not have it, \"qme release TASK\" submits one alone, \"qme cancel TASK\" takes it out",
			inTurn(err, serr, why), len(array.Tasks)), array.Close())
	case err != nil:
		why = err
	}
	return nil, errors.Join(&SubmissionError{Code: max(code, 1), Err: why}, q.withdraw(array.Tasks), array.Abandon())
}

// inTurn joins errors in one line.
func inTurn(errs ...error) (all error) {
	for _, err := range errs {
		switch {
		case all == nil:
			all = err
		case err != nil:
			all = fmt.Errorf("%w, %w", all, err)
		}
	}
	return all
}

// The exit codes of a shell for a command that it cannot start.
const (
	codeNotExecutable = 126
	codeNoProgram     = 127
)

// startArray runs the command that starts an array, and returns its exit code. A code of 0 together with an error says that it is not known
// what the command has done. It outlives this process, whose end must not come between the job and its id.
func startArray(ctx context.Context, a *jobs.Array, argv []string) (code int, err error) {
	in, err := a.Script()
	if err != nil {
		return codeNotExecutable, err
	}
	defer in.Close()
	stdout, stderr, err := a.Printed()
	if err != nil {
		return codeNotExecutable, err
	}
	defer stdout.Close()
	defer stderr.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = in, stdout, stderr, OutsideRuns(os.Environ())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if lock := a.Lock(); lock != nil {
		cmd.ExtraFiles = []*os.File{lock}
	}
	switch err := cmd.Start(); {
	case errors.Is(err, exec.ErrNotFound):
		return codeNoProgram, fmt.Errorf("there is no program %s here, which submits jobs (on a cluster, \"module load\" may bring it)", argv[0])
	case err != nil:
		return codeNotExecutable, err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) }) // it may have ended just now
	defer stop()
	_ = cmd.Wait() // its state says all
	if state := cmd.ProcessState; !state.Exited() {
		return 0, fmt.Errorf("%s was ended: %s", argv[0], state)
	}
	return cmd.ProcessState.ExitCode(), nil
}

// wholeJob returns the id of the array of an element.
func wholeJob(job *record.Job) string {
	id, _, _ := strings.Cut(job.ID, "_")
	return id
}

// withdraw takes tasks out of the queue whose job was not started, and leaves no trace of them.
func (q *Service) withdraw(ids []record.ID) error {
	var errs []error
	for _, id := range ids {
		t, err := q.claim(id)
		if err == nil {
			err = q.leaveSubmitted(t)
		}
		if err != nil && !errors.Is(err, record.ErrNotFound) {
			errs = append(errs, fmt.Errorf("task %s stays in the queue, and is held: %w", id, err))
		}
	}
	return FirstErrors(errs)
}

// leaveSubmitted takes a task out of the queue that belongs to this process.
func (q *Service) leaveSubmitted(t *try) error {
	if err := q.Waiting.Drop(t.spooled.ID(), t.spooled.Queued()); err != nil {
		return errors.Join(err, t.spooled.Close())
	}
	return t.spooled.Remove()
}

// recordArray moves the tasks of an array that was started at a time from the queue to the history, and closes the array. It returns
// those that are in the history.
func (q *Service) recordArray(ctx context.Context, s executor.ArraySubmitter, array *jobs.Array, found []*record.Job, at record.Time) (done []record.ID, err error) {
	ctx = context.WithoutCancel(ctx) // the job has started
	m := q.masking()
	for i, id := range array.Tasks {
		found[i].StdoutFile, found[i].StderrFile = q.jobFiles(id)
	}
	q.firstAnswers(ctx, s, array.Tasks, found, at)
	left := 0
	for from := 0; from < len(found); from += keepAtOnce {
		b := &arrayBatch{q: q, at: at}
		to := min(from+keepAtOnce, len(found))
		for i, id := range array.Tasks[from:to] {
			m.job(found[from+i])
			if err := b.take(id, found[from+i]); err != nil {
				return done, errors.Join(b.leave(err), array.Close())
			}
		}
		if err := b.commit(ctx); err != nil {
			return done, errors.Join(b.leave(err), array.Close())
		}
		done = append(done, b.done...)
		left += b.left
	}
	if left > 0 { // which are in the spool, and come back or are recorded
		return done, array.Close()
	}
	return done, array.Done()
}

// firstAnswers asks the scheduler, once and not for long, how the jobs of tasks go that wait in the queue.
func (q *Service) firstAnswers(ctx context.Context, s executor.ArraySubmitter, ids []record.ID, found []*record.Job, at record.Time) {
	var recs []*record.Record
	var of []int
	for i, id := range ids {
		waits, err := q.Waiting.Record(id)
		if err != nil {
			continue // it is reported when it is recorded
		}
		recs, of = append(recs, asSubmitted(waits, found[i], at)), append(of, i)
	}
	if len(recs) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	for i, answer := range s.Refresh(ctx, recs) {
		if answer.Err == nil && !answer.Job.Final { // else "qme refresh" asks again, which brings the output
			answer.Job.Follow(found[of[i]])
			found[of[i]] = answer.Job
		}
	}
}

// asSubmitted returns the record of a task that has waited and was submitted at a time.
func asSubmitted(waits *record.Record, job *record.Job, at record.Time) *record.Record {
	rec := *waits
	d := &rec.Data
	d.Status, d.ReturnCode, d.Job, d.Queue = record.Complete, new(int), job, nil
	d.Finished = &record.Time{Time: at.Time}
	if d.Finished.Before(d.Timestamp.Time) { // by another clock
		d.Finished.Time = d.Timestamp.Time
	}
	d.Duration = inSeconds(d.Finished.Sub(d.Timestamp.Time))
	if d.Files != nil { // the command that was recorded has submitted the job, and makes no more of them
		files := *d.Files
		files.Incomplete = false
		d.Files = &files
	}
	return &rec
}

// CheckSubmitting returns an error that wraps record.ErrConflict if a task that waits is just being submitted as a part of a job array.
func (q *Service) CheckSubmitting(id record.ID) error {
	if q.Jobs == nil || !q.Jobs.Submitting(id) {
		return nil
	}
	return fmt.Errorf("task %s is just being submitted as a part of a job array: %w; try again in a moment", id, record.ErrConflict)
}

// An arrayBatch records some tasks of an array.
type arrayBatch struct {
	q    *Service
	at   record.Time
	try  []*try
	recs []*record.Record
	done []record.ID // in the history
	left int         // of tasks that another process has, or had when it was killed
}

// take makes this process the one that records a task.
func (b *arrayBatch) take(id record.ID, job *record.Job) error {
	t, err := b.q.claim(id)
	switch {
	case errors.Is(err, record.ErrNotFound), errors.Is(err, record.ErrConflict):
		if now, nerr := b.q.task(id); nerr == nil && now.Data.Job != nil && now.Data.Job.ID == job.ID {
			b.done = append(b.done, id) // before this process
			return nil
		}
		if b.q.Spool.QueuedOf(id) != "" {
			b.left++
			return nil
		}
		b.q.Warn("task %s was taken out of the queue while it was submitted; its job %s is not followed (\"scancel %s\" cancels it)", id, job.ID, job.ID)
		return nil
	case err != nil:
		return err
	}
	rec := asSubmitted(t.waits, job, b.at)
	rec.Data.RunID = t.entry.Run
	b.try, b.recs = append(b.try, t), append(b.recs, rec)
	b.q.addPatch(t, rec)
	return nil
}

// addPatch stores the difference of the working tree with a task that was submitted.
func (q *Service) addPatch(t *try, rec *record.Record) {
	git := rec.Data.Git
	if q.Settings.Patch <= 0 || git == nil || git.Dirty != nil && !*git.Dirty {
		return
	}
	taken := q.looked.patch(string(t.entry.Dir))
	switch {
	case taken == nil && git.Dirty == nil:
		return
	case taken == nil:
		git.PatchError = errNotStored.Error()
		return
	case taken.doubt != nil:
		taken.doubt.await()
	}
	m := q.masking()
	if m.set = m.set.ForCommand(allStrings(t.entry.Cmd)); m.set.Empty() {
		m.set = nil
	}
	if m.fields = maps.Clone(rec.Data.Masked); m.fields == nil {
		m.fields = mask.Counts{}
	}
	r := &run{q: q, rec: rec, entry: t.spooled, mask: m}
	taken.begin(r, git)
	taken.end(r, git)
	git.PatchError = m.text(git.PatchError)
	m.note(rec)
}

// noters is how many notes are written to the disk at the same time.
const noters = 32

// commit puts the tasks into the history.
func (b *arrayBatch) commit(ctx context.Context) error {
	var all errgroup.Group
	all.SetLimit(noters)
	for i, t := range b.try {
		all.Go(func() error { return errors.Join(t.spooled.Write(b.recs[i]), b.q.Jobs.Note(b.recs[i])) })
	}
	if err := all.Wait(); err != nil {
		return err
	}
	var changes []gitstore.Change
	for i, t := range b.try {
		c, err := b.change(t, b.recs[i])
		if err != nil {
			return err
		}
		changes = append(changes, c)
	}
	if len(changes) > 0 {
		ctx, cancel := context.WithTimeout(ctx, commitTime)
		defer cancel()
		if _, err := b.q.commitChanges(ctx, changes...); err != nil {
			return err
		}
	}
	b.q.noteGiven(b.recs...)
	for _, t := range b.try {
		b.done = append(b.done, t.spooled.ID())
		if err := b.q.leaveSubmitted(t); err != nil {
			b.q.Warn("the record is in the history, but the spool could not be cleaned: %v", err)
		}
	}
	return nil
}

func (b *arrayBatch) change(t *try, rec *record.Record) (gitstore.Change, error) {
	parts, err := t.spooled.Parts()
	if err != nil {
		return gitstore.Change{}, err
	}
	b.q.describeParts(rec, parts)
	b.q.noteCode(rec)
	return gitstore.Change{
		Verb: verbOf(rec), What: rec.Command, ID: rec.UID, Parts: parts,
		Build: func(current *record.Record, version string) (*record.Record, error) {
			return rebase(rec, current, version), nil
		},
	}, nil
}

// leave leaves the tasks to the next process.
func (b *arrayBatch) leave(why error) error {
	var errs []error
	for _, t := range b.try {
		errs = append(errs, t.spooled.Sync(), t.spooled.Close())
	}
	return fmt.Errorf("%w: %w; the jobs go on, and \"qme refresh\" tries again", ErrNotRecorded, errors.Join(append(errs, why)...))
}

// recordArrays records the arrays that a process has left that was killed when they had started. Those of which it is not known whether
// they have stay as long as one of their tasks waits in the queue.
func (q *Service) recordArrays(ctx context.Context) error {
	if q.Jobs == nil || q.Waiting == nil {
		return nil
	}
	left, err := q.Jobs.LeftArrays()
	errs := []error{err}
	for _, a := range left {
		errs = append(errs, q.recordLeft(ctx, a))
	}
	return errors.Join(errs...)
}

// recoverArrays is recordArrays, after the recovery of what the process had in the spool.
func (q *Service) recoverArrays(ctx context.Context) error {
	if q.Jobs == nil || !q.Jobs.AnyArray() {
		return nil
	}
	return q.Recover(ctx)
}

func (q *Service) recordLeft(ctx context.Context, a *jobs.Array) error {
	s, ok := q.executor(a.Tasks[0].Executor()).(executor.ArraySubmitter)
	if !ok || ctx.Err() != nil {
		return a.Close()
	}
	stdout, stderr, at, err := a.Said()
	if err != nil {
		return errors.Join(err, a.Close())
	}
	if found, _ := s.ArrayJobs(len(a.Tasks), stdout, stderr); found != nil {
		_, err := q.recordArray(ctx, s, a, found, at)
		return err
	}
	if slices.ContainsFunc(a.Tasks, q.Waiting.Has) {
		return a.Close() // the command may still run
	}
	return a.Forget()
}
