package tasks

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"qme/executor"
	"qme/internal/signalled"
	"qme/record"
	"qme/tasks/jobs"
)

// askTime limits how long a command that has started a job waits for the scheduler's first
// answer.
const askTime = 2 * time.Second

// track notes, before a command begins, that it may start a job. After a crash there may be a
// useless note, but never a job that is not tracked.
func (r *run) track() {
	r.tracker = r.q.tracker(r.rec.Executor)
	if r.tracker == nil || r.entry == nil {
		return
	}
	r.bringBefore()
	if err := r.q.Jobs.Open(r.rec); err != nil {
		r.q.Warn("\"qme refresh\" will ask about this task's job only when it is named: %v", err)
	}
}

// A printer is a tracker that knows in advance to which files the job of a command will print,
// except for names that depend on the job.
type printer interface {
	Prints(rec *record.Record) []string
}

// bringBefore collects the output of ended jobs that have printed to the files of the job that
// is about to start. It waits only a limited time.
func (r *run) bringBefore() {
	p, ok := r.tracker.(printer)
	if !ok {
		return
	}
	var open []string
	for _, path := range p.Prints(r.rec) {
		writers, err := r.q.Jobs.Writers(path)
		if err != nil {
			continue // reported when the job is noted
		}
		for _, id := range writers {
			if note, err := r.q.Jobs.Get(id); err == nil && note != nil && note.Data.Job != nil && id != r.rec.UID && !slices.Contains(open, string(id)) {
				open = append(open, string(id))
			}
		}
	}
	if len(open) == 0 {
		return
	}
	ctx, stop := signalled.Until(context.Background())
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	_, _ = r.q.Refresh(ctx, open...) // on failure, the record will say that the file was overwritten
}

// note notes a job as this home knows it.
func (q *Service) note(rec *record.Record) {
	if err := q.Jobs.Note(rec); err != nil {
		q.Warn("task %s: what is known of its job is not noted, and its output may not be brought: %v", rec.UID, err)
	}
	// Files chosen by qme are below the folder of the task and belong to one job.
	if job := rec.Data.Job; job == nil || strings.HasPrefix(job.StdoutFile, q.Jobs.Path(rec.UID)) {
		return
	}
	if err := q.Jobs.Prints(rec); err != nil {
		q.Warn("task %s: whether another job prints to its output file will not be known: %v", rec.UID, err)
	}
}

// noteAgain updates the noted job of this home with an answer. It keeps the rest of the note,
// because rec comes from the history.
func (q *Service) noteAgain(rec *record.Record) {
	if note, err := q.Jobs.Get(rec.UID); err == nil && jobs.Started(note, rec) {
		note.Data.Job = rec.Data.Job
		q.note(note)
	}
}

// submitted determines the job that the command has started.
func (r *run) submitted(ctx context.Context) {
	if r.tracker == nil {
		r.remember()
		return
	}
	if err := r.write(); err != nil { // before waiting for a program
		r.q.Warn("the end of the command is not in the spool: %v", err)
	}
	job, err := r.job(ctx)
	r.mask.job(job)
	switch r.rec.Data.Job = job; {
	case job != nil && job.Checked != nil:
		r.q.note(r.rec)
	case job == nil && !errors.Is(err, record.ErrUnavailable): // after ErrUnavailable, a later query may succeed
		if _, enough := r.tracker.(byID); !enough {
			r.keep()
		}
		r.q.closeJob(r.rec.UID)
	}
}

func (r *run) job(ctx context.Context) (*record.Job, error) {
	job, err := r.tracker.Submitted(r.rec)
	switch {
	case job != nil && err != nil:
		r.q.Warn("%v", err)
	case err != nil && *r.rec.Data.ReturnCode != 0:
		return nil, nil // it failed without starting a job
	case err != nil:
		r.q.Warn("its job cannot be followed: %v", err)
		return nil, err
	case job == nil:
		return nil, nil
	}
	r.mask.job(job)
	r.rec.Data.Job = job
	if err := r.write(); err != nil { // before waiting for the scheduler
		r.q.Warn("the job is not in the spool: %v", err)
	}
	r.q.note(r.rec)
	ctx, stop := signalled.Until(ctx)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	r.script.submitted(ctx, r, job)
	if answer := r.tracker.Refresh(ctx, []*record.Record{r.rec})[0]; answer.Err == nil && !answer.Job.Final {
		answer.Job.Follow(job)
		return answer.Job, nil
	} // no answer yet, or there is output to collect: "qme refresh" asks again
	return job, nil
}

// remember notes a run of an executor without a tracker, whose actions may use the command's
// output. Actions of the shell executor do not.
func (r *run) remember() {
	if name := r.rec.Executor; name != executor.ShellName && r.q.executor(name) != nil {
		r.keep()
	}
}

func (r *run) keep() {
	if err := r.q.Jobs.Keep(r.rec); err != nil {
		r.q.Warn("task %s is not noted as one of this home, so that its actions will know nothing of it: %v", r.rec.UID, err)
	}
}

// byID is a tracker whose actions need only the id of a job, if the job has no elements and its
// output is in the record.
type byID interface{ ByID() }

// endJob removes the note of an ended job. It keeps the values that actions may need.
func (q *Service) endJob(rec *record.Record) {
	job := rec.Data.Job
	_, enough := q.tracker(rec.Executor).(byID)
	enough = enough && job.Output != nil && job.OutputError == "" && len(job.Elements) == 0
	if note, err := q.Jobs.Get(rec.UID); err == nil && jobs.Started(note, rec) {
		note.Data.Job = rec.Data.Job
		keep := q.Jobs.Keep
		if enough {
			keep = q.Jobs.KeepForNow
		}
		if err := keep(note); err != nil {
			q.Warn("task %s: what is known of its job is not kept, so that its actions will know little of it: %v", rec.UID, err)
		}
	}
	q.closeJob(rec.UID)
}

// usable returns the values of a task's record that its tracker may use.
func (q *Service) usable(rec *record.Record) (*record.Record, error) {
	usable, _, err := q.Jobs.Usable(rec)
	return usable, err
}

// Usable returns the values of a run that actions may use; see jobs.Folder.Usable. An
// uncommitted run in this spool belongs to this home.
func (q *Service) Usable(v Version) (rec *record.Record, own bool, err error) {
	if v.Uncommitted() {
		return v.Record, true, nil
	}
	return q.Jobs.Usable(v.Record)
}

// closeJob removes the note of an open job. A note that remains only costs another query.
func (q *Service) closeJob(id record.ID) {
	if err := q.Jobs.Close(id); err != nil {
		q.Warn("the note of a job that has ended stays: %v", err)
	}
}
