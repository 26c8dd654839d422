package queue

import (
	"context"
	"errors"
	"slices"
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
	if err := f.q.Jobs.Open(f.rec); err != nil {
		f.q.Warn("\"qme refresh\" will ask about this task's job only when it is named: %v", err)
	}
}

// note notes a job as this home knows it.
func (q *Queue) note(rec *record.Record) {
	if err := q.Jobs.Open(rec); err != nil {
		q.Warn("task %s: what is known of its job is not noted, and its output may not be brought: %v", rec.UID, err)
	}
}

// noteAgain notes an answer about a job that this home has started.
func (q *Queue) noteAgain(rec *record.Record) {
	if note, err := q.Jobs.Get(rec.UID); err == nil && started(note, rec) {
		q.note(rec)
	}
}

// started reports whether a note of this home is of the job of a task's last run.
func started(note, rec *record.Record) bool {
	if note == nil || !sameRun(note, rec) || note.Data.PWD != rec.Data.PWD || !slices.Equal(note.Data.Cmd, rec.Data.Cmd) {
		return false
	}
	job, mine := rec.Data.Job, note.Data.Job
	if mine == nil {
		// A crash came between the command's end and the note: what the spool has kept
		// has no answer of a scheduler.
		return job == nil || job.Checked == nil
	}
	return job == nil || mine.ID == job.ID && mine.Cluster == job.Cluster
}

// trust puts into the record of a task what this home has noted of the job that it has
// started. Records are shared, so where the job is and prints may be somebody else's word
// there, and files are read by it.
func trust(rec, note *record.Record) {
	if note.Data.Job == nil {
		return
	}
	job := *note.Data.Job
	if told := rec.Data.Job; told != nil {
		job.History, job.Extra = told.History, told.Extra
		if told.Final {
			settle(&job, told)
		}
	}
	rec.Data.Job = &job
}

// settle takes over from what another home has recorded how a job has ended.
func settle(job, told *record.Job) {
	where := *job
	*job = *told
	job.Fields, job.StdoutFile, job.StderrFile = where.Fields, where.StdoutFile, where.StderrFile
	job.Name, job.Partition = where.Name, where.Partition
	job.Elements = slices.Clone(told.Elements)
	for i := range job.Elements {
		el := &job.Elements[i]
		el.StdoutFile, el.StderrFile = "", ""
		if at := slices.IndexFunc(where.Elements, func(e record.JobElement) bool { return e.ID == el.ID }); at >= 0 {
			el.StdoutFile, el.StderrFile = where.Elements[at].StdoutFile, where.Elements[at].StderrFile
		}
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
	job, err := f.job(ctx)
	switch f.rec.Data.Job = job; {
	case job != nil && job.Checked != nil:
		f.q.note(f.rec)
	case job == nil && !errors.Is(err, record.ErrUnavailable): // who did not answer may later
		f.q.closeJob(f.rec.UID)
	}
}

func (f *flight) job(ctx context.Context) (*record.Job, error) {
	job, err := f.tracker.Submitted(f.rec)
	if err != nil && *f.rec.Data.ReturnCode != 0 {
		return nil, nil // it started none, and failed itself
	}
	if err != nil {
		f.q.Warn("its job cannot be followed: %v", err)
		return nil, err
	}
	if job == nil {
		return nil, nil
	}
	f.rec.Data.Job = job
	if err := f.entry.Write(f.rec); err != nil { // before anybody is waited for
		f.q.Warn("the job is not in the spool: %v", err)
	}
	f.q.note(f.rec)
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	if answer := f.tracker.Refresh(ctx, []*record.Record{f.rec})[0]; answer.Err == nil && !answer.Job.Final {
		answer.Job.Follow(job)
		return answer.Job, nil
	} // nobody answers yet, or there is output to be brought: "qme refresh" asks again
	return job, nil
}

// closeJob removes the note of an open job. One that stays costs a question more.
func (q *Queue) closeJob(id record.ID) {
	if err := q.Jobs.Close(id); err != nil {
		q.Warn("the note of a job that has ended stays: %v", err)
	}
}
