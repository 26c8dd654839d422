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

// A Refreshed is what came of asking about one task's job.
type Refreshed struct {
	Record  *record.Record // as it is now
	Changed bool           // there is a new commit
	// Err says why nothing is known that was not known before.
	Err error
	// Never says why the job, which waits, will never start; "" for all others.
	Never string

	before *record.Job // what was known when it was asked
}

// Refresh asks how the jobs of tasks go and records what is new, one commit for each
// task that changed. Without refs it asks about all jobs that this home has started and
// that may still come to another state, in one question for each executor. The error is
// for what kept all from being asked; it wraps record.ErrConflict for a task without a job.
func (q *Service) Refresh(ctx context.Context, refs ...string) ([]Refreshed, error) {
	recs, err := q.withJobs(refs)
	if err != nil {
		return nil, err
	}
	var all []Refreshed
	if len(refs) == 0 {
		recs = slices.DeleteFunc(recs, func(rec *record.Record) bool {
			if rec.Data.Job.Final { // another home has asked; the output is to be brought
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

// askAll asks the executors of groups side by side, so that one that hangs holds up none of
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

// ask asks an executor about the jobs of its tasks, one answer for each. It is told what it
// may use of them.
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

// noJobOpen refuses a task whose job this home has started and has not seen at its end:
// nobody would follow it any more. The error wraps record.ErrConflict.
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

// byExecutor groups records, in the order in which each executor comes first.
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

// openJobs returns the records of the jobs that may still come to another state. Notes
// of those that cannot are removed.
func (q *Service) openJobs() ([]*record.Record, error) {
	ids, err := q.Jobs.IDs()
	if err != nil {
		return nil, err
	}
	var recs []*record.Record
	for _, id := range ids {
		rec, err := q.task(id)
		if err == nil && rec.Data.Status == record.Running {
			continue
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
			q.Warn("task %s: %v", id, err)
		default:
			recs = append(recs, rec)
		}
	}
	return recs, nil
}

// complete reports whether a job's output is in its record, or cannot be brought: what
// another home has recorded of its end has none.
func (q *Service) complete(rec *record.Record) bool {
	job := rec.Data.Job
	if job.Output != nil || job.Error != nil || job.OutputError != "" {
		return true
	}
	note, err := q.Jobs.Get(rec.UID)
	return err == nil && (!jobs.Started(note, rec) || note.Data.Job == nil || note.Data.Job.Final)
}

// findJob reports whether a task has a job that can be asked about. Where a crash came
// between the command's end and the note of its job, what the command printed says it.
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
		return rec.Data.Job != nil, nil // what another home's command has printed says nothing here
	}
	if note.Data.Job != nil {
		rec.Data.Job = jobs.Trusted(note, rec)
		return true, nil
	}
	job, err := q.submittedBefore(tracker, rec)
	if err != nil && (rec.Data.ReturnCode == nil || *rec.Data.ReturnCode != 0) {
		return false, nil // it started none, and failed itself
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

// submittedBefore returns the job that a command of this home has started, by what the
// history says that it has printed: where output is does not count there.
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

// refreshed joins a record with an answer.
func (q *Service) refreshed(ctx context.Context, rec *record.Record, answer record.JobAnswer) Refreshed {
	if answer.Err != nil {
		return Refreshed{Record: rec, Err: fmt.Errorf("task %s: job %s: %w", rec.UID, safe.Line(rec.Data.Job.ID), answer.Err)}
	}
	next := *rec
	next.Data.Job = answer.Job
	if answer.Job.Again(rec.Data.Job) {
		q.openAgain(&next)
	}
	return Refreshed{Record: &next, Changed: answer.Job.Follow(rec.Data.Job), Never: answer.Never, before: rec.Data.Job}
}

// openAgain notes that the job of a task of this home, which had ended, was started again, so
// that it is asked about and its output brought. What another home's job has printed is
// that one's to bring.
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

// A refreshing records the answers of schedulers, with the output of the jobs that have ended.
type refreshing struct {
	service *Service
	answers map[record.ID]*record.Job // those that are being recorded
}

// keepAtOnce bounds how many records share one flush, and so how many outputs lie twice
// on disk.
const keepAtOnce = 64

// keep commits what has changed. What it could not commit is marked as not changed, with
// the reason.
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

// overtaken reports whether another process has recorded an answer, current, since before was
// read, and next, which was asked for then, is no news any more: an end stays, with the output
// that was brought.
func overtaken(current, before, next *record.Job) bool {
	if current == nil || current.Checked == nil || before != nil && before.Checked != nil && current.Checked.Equal(before.Checked.Time) {
		return false
	}
	return current.Final || next.Checked == nil || !next.Checked.After(current.Checked.Time)
}

// collect brings the output of a job that has ended into its record. It does so only for
// jobs of this home: where the files of another one's lie is what that one says, and
// records are shared.
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
	own.Data.Job = job // the answer, which is made of nothing but the note
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
			err = f.service.collectStream(ctx, own, to, name)
		}
		if cerr := to.Close(rec, f.service.Settings.Inline); cerr != nil {
			return nil, done, fmt.Errorf("task %s: the output of job %s cannot be stored, and is brought by the next \"qme refresh\": %w", rec.UID, job.ID, cerr)
		}
		if ctx.Err() != nil {
			return nil, done, ctx.Err() // what was cut off is no output
		}
		if err != nil {
			failed = append(failed, err)
		}
	}
	if other != nil {
		failed = failed[:1] // it is the same for both
	}
	if job.OutputError = ""; len(failed) > 0 {
		job.OutputError = valid(errors.Join(failed...).Error())
	}
	streams, err = entry.Streams(rec, record.JobStdout, record.JobStderr)
	return streams, done, err
}

// overwritten says why the file of a job that has ended does not hold what that has printed
// any more, or not alone: another job of this home that prints there has begun since, or was
// not at its end when this one began.
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

// askedNow returns a task's job as it is known in this moment: one that may have started since
// it was asked about is asked about again.
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

// overlaps reports whether a job, as far as it is known, has written to a file after another
// one had begun to. Where it has not been asked about since, the time of the file tells.
func overlaps(other, job *record.Job, path string) bool {
	const slack = 2 * time.Second // Slurm counts in seconds
	switch {
	case job.Started == nil:
		return false
	case other.Started != nil && !other.Final:
		return true
	case other.Started != nil:
		return other.Ended == nil || other.Ended.After(job.Started.Time)
	case other.Final || job.Ended == nil:
		return false // it never began
	}
	info, err := os.Stat(path)
	return err == nil && info.ModTime().After(job.Ended.Add(slack))
}

func (q *Service) collectStream(ctx context.Context, rec *record.Record, to io.Writer, name record.StreamName) error {
	r, err := q.tracker(rec.Executor).Output(ctx, rec, name)
	if err != nil || r == nil {
		return err
	}
	_, err = io.Copy(to, r)
	return errors.Join(err, r.Close())
}
