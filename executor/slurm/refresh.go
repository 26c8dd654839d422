package slurm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"qme/record"
)

// Refresh implements executor.Tracker: sacct is asked once for all jobs of a cluster,
// and once more for the memory of those that have ended. scontrol is asked about a job
// that is new, for it knows where output goes, and where sacct does not answer.
func (e *Executor) Refresh(ctx context.Context, recs []*record.Record) []record.JobAnswer {
	answers := make([]record.JobAnswer, len(recs))
	clusters := map[string]*inquiry{}
	for i, rec := range recs {
		if answers[i].Err = identity(rec.Data.Job); answers[i].Err != nil {
			continue
		}
		q := clusters[rec.Data.Job.Cluster]
		if q == nil {
			q = &inquiry{e: e, cluster: rec.Data.Job.Cluster}
			clusters[rec.Data.Job.Cluster] = q
		}
		q.subjects = append(q.subjects, &subject{rec: rec, answer: &answers[i]})
	}
	ctx, cancel := context.WithTimeout(ctx, totalTimes*e.timeout)
	defer cancel()
	var all sync.WaitGroup
	for _, q := range clusters {
		all.Go(func() {
			q.run(ctx)
			q.explain(ctx)
		})
	}
	all.Wait()
	return answers
}

// totalTimes is how many times as long as one question may take all of them may.
const totalTimes = 3

// An inquiry asks about the jobs of one cluster.
type inquiry struct {
	e        *Executor
	cluster  string
	subjects []*subject
	silent   map[string]error // by program: the error of one that was late, and is not asked again
}

// ask asks a program, unless it was late before.
func (q *inquiry) ask(ctx context.Context, program string, args ...string) ([]byte, error) {
	if err := q.silent[program]; err != nil {
		return nil, err
	}
	out, err := q.e.ask(ctx, program, args...)
	if errors.Is(err, errLate) {
		if q.silent == nil {
			q.silent = map[string]error{}
		}
		q.silent[program] = err
	}
	return out, err
}

// A subject is a job that is asked about.
type subject struct {
	rec    *record.Record
	answer *record.JobAnswer
	done   bool
	other  bool // the id is another job's
	among  bool // it is an element of an array of which others are known
	// The answers of the controller and the accounting about the job's parts; nil where they
	// were not asked, or have not answered.
	controller, accounting map[string][]row
}

func (s *subject) id() string { return s.rec.Data.Job.ID }

// ids returns about which jobs is asked. Those of the elements of an array are one.
func ids(subjects []*subject) []string {
	var list []string
	listed := map[string]bool{}
	for _, s := range subjects {
		if id := whole(s.id()); !listed[id] {
			listed[id] = true
			list = append(list, id)
		}
	}
	return list
}

func (q *inquiry) open(want func(*subject) bool) []*subject {
	var list []*subject
	for _, s := range q.subjects {
		if !s.done && want(s) {
			list = append(list, s)
		}
	}
	return list
}

func (q *inquiry) run(ctx context.Context) {
	fresh := q.open(func(s *subject) bool { return s.rec.Data.Job.State == "" })
	// Where this fails, sacct may answer.
	_ = q.askController(ctx, fresh, "", func(job *record.Job) bool { return !job.Final })
	var accounting error
	if left := q.open(always); len(left) > 0 {
		accounting = q.askAccounting(ctx, left)
	}
	left := q.open(always)
	vanished := ""
	if unaccounted(accounting) {
		vanished = unknownState
	}
	err := q.askController(ctx, left, vanished, func(*record.Job) bool { return true })
	for _, s := range q.open(always) {
		s.answer.Job, s.answer.Err = s.unanswered(accounting, err)
	}
}

func always(*subject) bool { return true }

// askController asks scontrol, unless it has been asked, and answers where accept says
// that its answer is enough. vanished is as for keepElements.
func (q *inquiry) askController(ctx context.Context, subjects []*subject, vanished string, accept func(*record.Job) bool) error {
	err := q.consult(ctx, subjects)
	for _, s := range subjects {
		if len(s.controller) == 0 {
			continue
		}
		job := build(s.rec, s.controller, "scontrol")
		keepElements(job, s.rec.Data.Job, vanished)
		if accept(job) {
			s.end(job, s.controller)
		}
	}
	return err
}

// consult notes the answers of scontrol about jobs for which it was not asked before.
func (q *inquiry) consult(ctx context.Context, subjects []*subject) error {
	unasked := slices.DeleteFunc(slices.Clone(subjects), func(s *subject) bool { return s.controller != nil })
	if len(unasked) == 0 {
		return nil
	}
	rows, err := controller(ctx, q, q.cluster, ids(unasked))
	if err != nil {
		return err
	}
	all := byJob(rows)
	for _, s := range unasked {
		s.controller = s.own(all)
	}
	return nil
}

// own returns the parts of the subject's job among all rows.
func (s *subject) own(all groups) map[string][]row {
	rows := all.of(s.id())
	parts := chains(rows, s.rec)
	s.other = s.other || len(parts) == 0 && len(rows) > 0
	if len(rows) == 0 && !s.among {
		s.among = slices.ContainsFunc(all[base(s.id())], func(r row) bool { return r.isOf(s.rec) })
	}
	return parts
}

// end is the answer for a job.
func (s *subject) end(job *record.Job, parts map[string][]row) {
	locate(job, s.rec, parts)
	now := record.Now()
	job.Checked = &now
	s.answer.Job, s.done = job, true
}

// askAccounting asks sacct.
func (q *inquiry) askAccounting(ctx context.Context, subjects []*subject) error {
	rows, err := accounting(ctx, q, q.cluster, ids(subjects))
	if err != nil {
		return err
	}
	all := byJob(rows)
	var found []*subject
	for _, s := range subjects {
		if s.accounting = s.own(all); len(s.accounting) > 0 {
			found = append(found, s)
		}
	}
	doubtful := slices.DeleteFunc(slices.Clone(found), func(s *subject) bool { return !s.doubtful() })
	// scontrol knows more than sacct. Without its answer that of sacct has to do.
	_ = q.consult(ctx, doubtful)
	jobs := make([]*record.Job, len(found))
	var ending []*subject
	for i, s := range found {
		if jobs[i] = s.merged(); anyFinal(jobs[i]) {
			ending = append(ending, s)
		}
	}
	if len(ending) > 0 {
		steps, err := steps(ctx, q, q.cluster, ids(ending))
		if err != nil {
			return err // they are asked about again, so that nothing is left out
		}
		for i, s := range found {
			apply(jobs[i], s.rec.Data.Job, steps)
		}
	}
	for i, s := range found {
		s.end(jobs[i], preferring(s.controller, s.accounting))
	}
	return nil
}

func anyFinal(job *record.Job) bool {
	return job.Final || slices.ContainsFunc(job.Elements, func(el record.JobElement) bool { return el.Final })
}

// doubtful reports whether the answer of sacct may be out of date or wrong. It comes late, so
// that a job that runs may be said to wait, and elements of an array that start are in no
// row for some seconds; and it drops the highest bit of exit codes.
func (s *subject) doubtful() bool {
	before := s.rec.Data.Job
	job := build(s.rec, s.accounting, "")
	if missing := absent(job, before); len(missing) > 0 {
		return true
	}
	if len(job.Elements) == 0 {
		return !before.Final && differs(job.State, job.Final, job.ReturnCode, before.State)
	}
	known := byID(before.Elements)
	return slices.ContainsFunc(job.Elements, func(el record.JobElement) bool {
		return !known[el.ID].Final && differs(el.State, el.Final, el.ReturnCode, known[el.ID].State)
	})
}

// differs reports whether an answer is worth a second question: a job that goes on in
// another state than before, or has failed.
func differs(state string, final bool, rc *int, before string) bool {
	if final {
		return rc != nil && *rc != 0
	}
	return state != before
}

// merged makes the job from the answers of both.
func (s *subject) merged() *record.Job {
	before := s.rec.Data.Job
	parts := maps.Clone(s.accounting)
	for id, runs := range s.controller {
		parts[id] = corrected(parts[id], runs) // several drops duplicates
	}
	job := build(s.rec, parts, "sacct")
	keepProgress(job, before, parts)
	vanished := ""
	if s.controller != nil {
		vanished = "CANCELLED" // an element that is cancelled before it starts leaves no trace
	}
	keepElements(job, before, vanished)
	return job
}

// corrected returns the runs of a part as sacct has them, corrected by the controller, which
// was asked later: it knows that the job is not at its end, because processes are still being
// ended or it was requeued, and how it ended.
func corrected(accounting, controller []row) []row {
	if len(accounting) == 0 {
		return controller
	}
	runs := slices.Clone(accounting)
	last, now := &runs[len(runs)-1], controller[len(controller)-1]
	status, _ := exitCode(now.exit)
	switch {
	case !isFinal(last.state) && isFinal(now.state): // sacct will say so, with the memory
	case !isFinal(now.state) && compareTimes(last.submit, now.submit) != 0:
		runs = append(runs, now)
	case !isFinal(now.state):
		*last = now
	case status > 127, last.exit == "0:0":
		last.exit = now.exit
	}
	return runs
}

// preferring returns the parts of a, and those of b that a does not have.
func preferring(a, b map[string][]row) map[string][]row {
	both := maps.Clone(b)
	maps.Copy(both, a)
	return both
}

// forgets is how long a job is awaited that Slurm does not know: with accounting the
// controller's notes may come late; without, the controller knows every job for some minutes
// after its end (MinJobAge).
const (
	forgets            = 24 * time.Hour
	forgetsUnaccounted = 10 * time.Minute
)

// unknownState is the state of a job that Slurm has forgotten; squeue(1) has no word for it.
const unknownState = "UNKNOWN"

// unaccounted reports whether sacct says that there is no accounting at all.
func unaccounted(err error) bool { return refused(err, "accounting storage is disabled") }

// unanswered is the answer for a job about which neither program has said anything.
func (s *subject) unanswered(accounting, controller error) (*record.Job, error) {
	job := s.rec.Data.Job
	disabled := unaccounted(accounting)
	switch {
	case s.among && s.controller != nil && s.accounting != nil && !ran(job):
		return cancelledJob(job), nil
	case s.other && job.Submitted != nil:
		return unknownJob(job, "its number is that of another job now"), nil
	case s.other:
		return nil, fmt.Errorf("the job of that number was not submitted when the task ran: it is another one, or the clocks of the machines differ by minutes: %w", record.ErrConflict)
	case refused(controller, "munge ") && refused(accounting, "munge "):
		return nil, controller // it is the same for both
	case controller != nil && accounting != nil && !disabled:
		return nil, fmt.Errorf("%w (and %w)", controller, accounting)
	case controller != nil:
		return nil, controller
	case accounting != nil && !disabled:
		return nil, accounting
	}
	limit := forgets
	if disabled {
		limit = forgetsUnaccounted
	}
	if disabled && job.State != "" || time.Since(s.rec.Data.Timestamp.Time) > limit {
		return unknownJob(job, "Slurm does not know this job any more"), nil
	}
	return nil, fmt.Errorf("it is not known to Slurm so far: %w", record.ErrNotYet)
}

// ran reports whether an element has started, as far as is known.
func ran(job *record.Job) bool {
	return job.Nodes != "" || slices.Contains(started, stateWord(job.State))
}

// cancelledJob is the answer for an element that is not there any more although others of its array are: one that is
// cancelled before it starts leaves no trace.
func cancelledJob(before *record.Job) *record.Job {
	job, now := *before, record.Now()
	job.State, job.Final, job.ReturnCode, job.Reason = "CANCELLED", true, new(int), listedNoMore
	*job.ReturnCode = 1
	job.Checked, job.Source = &now, "scontrol"
	return &job
}

// unknownJob is the answer for a job that can never be asked about again.
func unknownJob(job *record.Job, reason string) *record.Job {
	now := record.Now()
	return &record.Job{ID: job.ID, State: unknownState, Final: true, Reason: reason, Checked: &now, Source: "scontrol"}
}
