package tasks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"qme/executor"
	"qme/gitstore"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks/jobs"
)

// A Refreshed is the result of asking about one task's job.
type Refreshed struct {
	Record  *record.Record // the present record
	Changed bool           // a commit was made
	// Err says why there is no new answer.
	Err error
	// Never says why a waiting job will never start, or is "".
	Never string

	before *record.Job // the job before it was asked about
}

// Refresh asks about the jobs of tasks and records changes, one commit for each changed task.
// Without refs it asks about all open jobs of this home, with one query per executor. The error
// is for failures that affect all jobs; it wraps record.ErrConflict for a task without a job.
func (q *Service) Refresh(ctx context.Context, refs ...string) ([]Refreshed, error) {
	if len(refs) == 0 {
		if err := q.recoverArrays(ctx); err != nil {
			q.Warn("%v", err)
		}
	}
	recs, err := q.withJobs(refs)
	if err != nil {
		return nil, err
	}
	var all []Refreshed
	if len(refs) == 0 {
		recs = slices.DeleteFunc(recs, func(rec *record.Record) bool {
			if rec.Data.Job.Final { // another home has recorded the end; the output is still missing
				all = append(all, Refreshed{Record: rec, before: rec.Data.Job})
			}
			return rec.Data.Job.Final
		})
	}
	groups := byExecutor(recs)
	for i, answers := range q.askAll(ctx, groups) {
		for j, rec := range groups[i] {
			all = append(all, q.refreshed(ctx, rec, answers[j]))
		}
	}
	f := &refreshing{service: q, answers: make(map[record.ID]*record.Job, len(all))}
	for _, r := range all {
		f.answers[r.Record.UID] = r.Record.Data.Job
	}
	return all, errors.Join(ctx.Err(), f.keep(ctx, all))
}

// askAll queries the executors of groups concurrently, so that one that hangs does not delay
// the others.
func (q *Service) askAll(ctx context.Context, groups [][]*record.Record) [][]record.JobAnswer {
	answers := make([][]record.JobAnswer, len(groups))
	var all sync.WaitGroup
	for i, group := range groups {
		tracker := q.tracker(group[0].Executor)
		all.Go(func() { answers[i] = q.ask(ctx, tracker, group) })
	}
	all.Wait()
	return answers
}

// ask asks an executor about the jobs of its tasks, and returns one answer for each. The
// executor gets only the usable values of the records.
func (q *Service) ask(ctx context.Context, tracker executor.Tracker, recs []*record.Record) []record.JobAnswer {
	answers := make([]record.JobAnswer, len(recs))
	var asked []*record.Record
	var at []int
	for i, rec := range recs {
		usable, err := q.usable(rec)
		if answers[i].Err = err; err == nil {
			asked, at = append(asked, usable), append(at, i)
		}
	}
	if len(asked) == 0 {
		return answers
	}
	for i, a := range tracker.Refresh(ctx, asked) {
		answers[at[i]] = a
	}
	return answers
}

// noJobOpen returns an error if this home has started the task's job and has not seen its end,
// because nothing would track the job after a rerun. The error wraps record.ErrConflict.
func (q *Service) noJobOpen(ctx context.Context, rec *record.Record) error {
	note, err := q.Jobs.Get(rec.UID)
	if err != nil || note == nil || q.tracker(rec.Executor) == nil {
		return err
	}
	if rec.Data.Job == nil || rec.Data.Job.Final && q.complete(rec) {
		return nil
	}
	all, err := q.Refresh(ctx, string(rec.UID))
	if err == nil {
		err = all[0].Err
	}
	switch {
	case err != nil:
		return fmt.Errorf("task %s: whether its job has ended is not known: %w: %w", rec.UID, err, record.ErrConflict)
	case !all[0].Record.Data.Job.Final:
		return jobOpen(all[0].Record)
	}
	return nil
}

func jobOpen(rec *record.Record) error {
	return fmt.Errorf("task %s: its job %s has not ended, as far as is known: %w (\"qme exec %s cancel\" ends it, \"qme refresh\" asks how it goes)",
		rec.UID, safe.Line(rec.Data.Job.ID), record.ErrConflict, rec.UID)
}

// byExecutor groups records by executor, in the order in which the executors first occur.
func byExecutor(recs []*record.Record) [][]*record.Record {
	var groups [][]*record.Record
	at := map[string]int{}
	for _, rec := range recs {
		i, ok := at[rec.Executor]
		if !ok {
			i = len(groups)
			at[rec.Executor] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], rec)
	}
	return groups
}

// withJobs returns the records that refs name, or those of all open jobs.
func (q *Service) withJobs(refs []string) ([]*record.Record, error) {
	if len(refs) == 0 {
		return q.openJobs()
	}
	var recs []*record.Record
	for _, ref := range refs {
		rec, err := q.resolveRecord(ref)
		if err != nil {
			return nil, err
		}
		if rec.Data.Status == record.Running {
			return nil, fmt.Errorf("task %s is running: its command has not ended: %w", rec.UID, record.ErrConflict)
		}
		has, err := q.findJob(rec)
		if err != nil {
			return nil, err
		}
		if !has {
			return nil, fmt.Errorf("task %s has started no job: %w", rec.UID, record.ErrConflict)
		}
		recs = append(recs, rec)
	}
	return recs, nil
}

// openJobs returns the records of all open jobs of this home. It removes the notes of jobs that
// are complete.
func (q *Service) openJobs() ([]*record.Record, error) {
	ids, err := q.Jobs.IDs()
	if err != nil {
		return nil, err
	}
	var recs []*record.Record
	for _, id := range ids {
		rec, err := q.task(id)
		if err == nil && (rec.Data.Status == record.Running || rec.IsQueued()) {
			continue // its command has not ended, or its job is just being submitted: see SubmitAll
		}
		has := false
		if err == nil {
			has, err = q.findJob(rec)
		}
		switch {
		case errors.Is(err, record.ErrNotFound), err == nil && !has:
			q.closeJob(id)
		case err == nil && rec.Data.Job.Final && q.complete(rec):
			q.endJob(rec)
		case err != nil:
			q.Warn("%v", err)
		default:
			recs = append(recs, rec)
		}
	}
	return recs, nil
}

// complete reports whether a job's output is in its record or cannot be collected. An end
// recorded by another home comes without output.
func (q *Service) complete(rec *record.Record) bool {
	job := rec.Data.Job
	if job.Output != nil || job.Error != nil || job.OutputError != "" {
		return true
	}
	note, err := q.Jobs.Get(rec.UID)
	return err == nil && (!jobs.Started(note, rec) || note.Data.Job == nil || note.Data.Job.Final)
}

// findJob reports whether a task has a job that can be tracked, and sets it in rec. If a crash
// came between the command's end and the note of its job, findJob takes the job from the
// command's output.
func (q *Service) findJob(rec *record.Record) (bool, error) {
	tracker := q.tracker(rec.Executor)
	if tracker == nil {
		if rec.Data.Job != nil {
			return false, fmt.Errorf("task %s: there is no executor %q here that follows its job: %w", rec.UID, rec.Executor, record.ErrConflict)
		}
		return false, nil
	}
	note, err := q.Jobs.Get(rec.UID)
	if err != nil {
		return false, err
	}
	if !jobs.Started(note, rec) {
		return rec.Data.Job != nil, nil // the output of another home's command is not trusted
	}
	if note.Data.Job != nil {
		rec.Data.Job = jobs.Trusted(note, rec)
		return true, nil
	}
	job, err := q.submittedBefore(tracker, rec)
	if err != nil && (rec.Data.ReturnCode == nil || *rec.Data.ReturnCode != 0) {
		return false, nil // it failed without starting a job
	}
	if err != nil {
		return false, fmt.Errorf("task %s: its job cannot be followed: %w: %w", rec.UID, err, record.ErrConflict)
	}
	if rec.Data.Job = job; job != nil {
		note.Data.Job = job
		q.note(note)
	}
	return job != nil, nil
}

// submittedBefore returns the job that a command of this home has started, according to its
// output in the history. It drops the paths of output files, which are not trusted there.
func (q *Service) submittedBefore(tracker executor.Tracker, rec *record.Record) (*record.Job, error) {
	own, err := q.usable(rec)
	if err != nil {
		return nil, err
	}
	job, err := tracker.Submitted(own)
	if job == nil {
		return nil, err
	}
	job.StdoutFile, job.StderrFile = "", ""
	return job, nil
}

// refreshed applies an answer to a copy of a record.
func (q *Service) refreshed(ctx context.Context, rec *record.Record, answer record.JobAnswer) Refreshed {
	if answer.Err != nil {
		return Refreshed{Record: rec, Err: fmt.Errorf("task %s: job %s: %w", rec.UID, safe.Line(rec.Data.Job.ID), answer.Err)}
	}
	next := *rec
	q.masking().job(answer.Job)
	next.Data.Job = answer.Job
	if answer.Job.Again(rec.Data.Job) {
		q.openAgain(&next)
	}
	return Refreshed{Record: &next, Changed: answer.Job.Follow(rec.Data.Job), Never: answer.Never, before: rec.Data.Job}
}

// openAgain notes that a job of this home was started again after its end, so that it is
// tracked and its output collected. It ignores jobs of other homes, which collect their own
// output.
func (q *Service) openAgain(rec *record.Record) {
	note, err := q.Jobs.Own(rec.UID)
	if err != nil {
		q.Warn("task %s: its job was started again, and its output is not brought: %v", rec.UID, err)
		return
	}
	if !jobs.Started(note, rec) {
		return
	}
	job := *rec.Data.Job
	job.Final = false
	note.Data.Job = &job
	q.note(note)
}

// A refreshing records the answers of schedulers, with the output of ended jobs.
type refreshing struct {
	service *Service
	answers map[record.ID]*record.Job // the answers that are being recorded
}

// keepAtOnce limits the records per flush, and so the outputs that are on disk twice.
const keepAtOnce = 64

// keep commits the changed records. If a record cannot be committed, it clears its Changed and
// sets its Err.
func (f *refreshing) keep(ctx context.Context, all []Refreshed) error {
	for batch := range slices.Chunk(all, keepAtOnce) {
		if err := f.keepBatch(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

func (f *refreshing) keepBatch(ctx context.Context, batch []Refreshed) error {
	var changes []gitstore.Change
	for i := range batch {
		r := &batch[i]
		if r.Err != nil {
			continue
		}
		before := r.Record.Data.Job.Output
		streams, done, err := f.collect(ctx, r.Record)
		defer done()
		if r.Err = err; err != nil {
			r.Changed = false
			continue
		}
		brought := before == nil && r.Record.Data.Job.Output != nil
		if !r.Changed && !brought {
			continue
		}
		r.Changed = true
		changes = append(changes, refreshChange(r, streams))
	}
	if len(changes) > 0 {
		if _, err := f.service.commitChanges(ctx, changes...); err != nil {
			return err
		}
	}
	for _, r := range batch {
		switch {
		case r.Err != nil:
		case r.Record.Data.Job.Final && f.service.complete(r.Record):
			f.service.endJob(r.Record)
		case r.Changed:
			f.service.noteAgain(r.Record)
		}
	}
	return nil
}

func refreshChange(r *Refreshed, streams map[record.StreamName]gitstore.Blob) gitstore.Change {
	rec := r.Record
	return gitstore.Change{
		Verb: "refresh", What: rec.Command, ID: rec.UID, Streams: streams,
		Build: func(current *record.Record, _ string) (*record.Record, error) {
			switch {
			case current == nil || !record.SameRun(current, rec):
				r.Changed, r.Err = false, fmt.Errorf("task %s was cleared or run again meanwhile: %w", rec.UID, record.ErrConflict)
				return nil, nil
			case overtaken(current.Data.Job, r.before, rec.Data.Job):
				r.Record, r.Changed = current, false
				return nil, nil
			}
			return rec, nil
		},
	}
}

// overtaken reports whether another process has recorded an answer, current, after before was
// read, and next must not replace it: current is final and so has the collected output, or next
// is no newer.
func overtaken(current, before, next *record.Job) bool {
	if current == nil || current.Checked == nil || before != nil && before.Checked != nil && current.Checked.Equal(before.Checked.Time) {
		return false
	}
	return current.Final || next.Checked == nil || !next.Checked.After(current.Checked.Time)
}

// collect stores the output of an ended job in its record. It skips jobs of other homes,
// because records are shared and the paths of their output files are not trusted. done must be
// called after the commit.
func (f *refreshing) collect(ctx context.Context, rec *record.Record) (streams map[record.StreamName]gitstore.Blob, done func(), err error) {
	job, done := rec.Data.Job, func() {}
	if !job.Final || job.Output != nil {
		return nil, done, nil
	}
	if note, err := f.service.Jobs.Get(rec.UID); err != nil || !jobs.Started(note, rec) {
		return nil, done, err
	}
	own, err := f.service.usable(rec)
	if err != nil {
		return nil, done, err
	}
	own.Data.Job = job // the answer, which was made only from the note
	entry, err := f.service.Spool.Scratch(rec)
	if err != nil {
		return nil, done, err
	}
	done = func() {
		if err := entry.Remove(); err != nil {
			f.service.Warn("%v", err)
		}
	}
	other, err := f.overwritten(ctx, own)
	if err != nil {
		return nil, done, err
	}
	var failed []error
	for _, name := range []record.StreamName{record.JobStdout, record.JobStderr} {
		to := entry.Recorder(name, f.service.Settings.Keep)
		err := other
		if err == nil {
			err = f.service.collectMasked(ctx, own, rec, to, name)
		}
		if cerr := to.Close(rec, f.service.Settings.Inline); cerr != nil {
			return nil, done, fmt.Errorf("task %s: the output of job %s cannot be stored, and is brought by the next \"qme refresh\": %w", rec.UID, job.ID, cerr)
		}
		if ctx.Err() != nil {
			return nil, done, ctx.Err() // the output was cut off
		}
		if err != nil {
			failed = append(failed, err)
		}
	}
	if other != nil {
		failed = failed[:1] // the same for both
	}
	if job.OutputError = ""; len(failed) > 0 {
		job.OutputError = valid(errors.Join(failed...).Error())
	}
	streams, err = entry.Streams(rec, record.JobStdout, record.JobStderr)
	return streams, done, err
}

// overwritten returns why the output file of an ended job may contain output of another job:
// another job of this home that prints to it has started since, or had not ended when this one
// started. It returns nil if there is no such job.
func (f *refreshing) overwritten(ctx context.Context, rec *record.Record) (why, err error) {
	job := rec.Data.Job
	for _, path := range jobs.Files(job) {
		writers, err := f.service.Jobs.Writers(path)
		if err != nil {
			return nil, err
		}
		for _, id := range slices.Backward(writers) {
			if id == rec.UID {
				continue
			}
			other, err := f.service.task(id)
			if errors.Is(err, record.ErrNotFound) {
				continue
			} else if err != nil {
				return nil, err
			}
			if j := f.askedNow(ctx, other); j != nil && overlaps(j, job, path) {
				return fmt.Errorf("job %s of task %s prints to %s, too, and so this is not what job %s has printed", j.ID, id, path, job.ID), nil
			}
		}
	}
	return nil, nil
}

// askedNow returns the latest known state of a task's job. It asks again about a job that may
// have started since the last answer.
func (f *refreshing) askedNow(ctx context.Context, rec *record.Record) *record.Job {
	if now := f.answers[rec.UID]; now != nil {
		return now
	}
	tracker := f.service.tracker(rec.Executor)
	if has, err := f.service.findJob(rec); err != nil || !has || rec.Data.Job.Final || rec.Data.Job.Started != nil || tracker == nil {
		return rec.Data.Job
	}
	answer := f.service.ask(ctx, tracker, []*record.Record{rec})[0]
	if answer.Err != nil {
		return rec.Data.Job
	}
	answer.Job.Follow(rec.Data.Job)
	return answer.Job
}

// overlaps reports whether other has written to the file at path after job started to. If other
// has not been asked about since, the modification time of the file decides.
func overlaps(other, job *record.Job, path string) bool {
	const slack = 2 * time.Second // Slurm's times are in whole seconds
	switch {
	case job.Started == nil:
		return false
	case other.Started != nil && !other.Final:
		return true
	case other.Started != nil:
		return other.Ended == nil || other.Ended.After(job.Started.Time)
	case other.Final || job.Ended == nil:
		return false // it never started
	}
	info, err := os.Stat(path)
	return err == nil && info.ModTime().After(job.Ended.Add(slack))
}

// collectMasked collects a stream with its secrets masked, as far as the environment of this
// process has them, and adds to the counts of rec. own is what may be used of it.
func (q *Service) collectMasked(ctx context.Context, own, rec *record.Record, to io.Writer, name record.StreamName) error {
	masked := q.masking().set.Writer(to)
	if masked == nil {
		return q.collectStream(ctx, own, to, name)
	}
	err := q.collectStream(ctx, own, masked, name)
	err = errors.Join(err, masked.Close())
	if counts := masked.Counts(); len(counts) > 0 {
		counts.Add(rec.Data.Masked)
		rec.Data.Masked = counts
	}
	return err
}

func (q *Service) collectStream(ctx context.Context, rec *record.Record, to io.Writer, name record.StreamName) error {
	r, err := q.tracker(rec.Executor).Output(ctx, rec, name)
	if err != nil || r == nil {
		return err
	}
	_, err = io.Copy(to, r)
	return errors.Join(err, r.Close())
}
