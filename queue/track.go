package queue

import (
	"context"
	"time"

	"qme/record"
)

// askTime bounds how long a command that has started a job waits for the scheduler's
// first answer.
const askTime = 2 * time.Second

func (q *Queue) tracker(executor string) Tracker {
	if q.Tracker == nil {
		return nil
	}
	return q.Tracker(executor)
}

// track notes, before a command begins, that it may start a job: a crash from here on
// leaves a note too many, and never a job that nobody asks about.
func (f *flight) track() {
	f.tracker = f.q.tracker(f.rec.Executor)
	if f.tracker == nil || f.entry == nil {
		return
	}
	if err := f.q.Jobs.Open(f.rec.UID); err != nil {
		f.q.Warn("\"qme refresh\" will ask about this task's job only when it is named: %v", err)
	}
}

// submitted finds out which job the command has started.
func (f *flight) submitted(ctx context.Context) {
	if f.tracker == nil {
		return
	}
	if err := f.entry.Write(f.rec); err != nil { // before a program is waited for
		f.q.Warn("the end of the command is not in the spool: %v", err)
	}
	job := f.job(ctx)
	if job == nil {
		f.q.closeJob(f.rec.UID)
	}
	f.rec.Data.Job = job
}

func (f *flight) job(ctx context.Context) *record.Job {
	job, err := f.tracker.Submitted(f.rec)
	if err != nil && *f.rec.Data.ReturnCode != 0 {
		return nil // it started none, and failed itself
	}
	if err != nil {
		f.q.Warn("its job cannot be followed: %v", err)
		return nil
	}
	if job == nil {
		return nil
	}
	f.rec.Data.Job = job
	if err := f.entry.Write(f.rec); err != nil { // before anybody is waited for
		f.q.Warn("the job is not in the spool: %v", err)
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	if answer := f.tracker.Refresh(ctx, []*record.Record{f.rec})[0]; answer.Err == nil && !answer.Job.Final {
		answer.Job.Follow(job)
		return answer.Job
	} // nobody answers yet, or there is output to be brought: "qme refresh" asks again
	return job
}

// closeJob removes the note of an open job. One that stays costs a question more.
func (q *Queue) closeJob(id record.ID) {
	if err := q.Jobs.Close(id); err != nil {
		q.Warn("the note of a job that has ended stays: %v", err)
	}
}
