package custom

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"qme/executor/ask"
	"qme/internal/safe"
	"qme/record"
)

// The states of a job that was seen and that its scheduler does not know any more: at
// first, and when that stays so.
const (
	unseen = "UNKNOWN"
	gone   = "GONE"
)

// anyState stands for all states in a section.
const anyState = "*"

// atOnce is how many jobs are asked about at a time.
const atOnce = 8

// Refresh implements executor.Tracker: one command for each job, some at a time.
func (t *tracker) Refresh(ctx context.Context, recs []*record.Record) []record.JobAnswer {
	answers := make([]record.JobAnswer, len(recs))
	c, err := t.compiled()
	if err != nil {
		for i := range answers {
			answers[i].Err = err
		}
		return answers
	}
	var all sync.WaitGroup
	turns := make(chan struct{}, atOnce)
	for i, rec := range recs {
		turns <- struct{}{}
		all.Go(func() {
			answers[i].Job, answers[i].Err = c.refresh(ctx, rec)
			<-turns
		})
	}
	all.Wait()
	return answers
}

// refresh asks about one job until a question finds its state.
func (c *compiled) refresh(ctx context.Context, rec *record.Record) (*record.Job, error) {
	var unknown error
	for _, a := range c.asked {
		job, err := a.ask(ctx, rec, c.values(rec))
		if job != nil || !errors.Is(err, errUnknown) && err != nil {
			return job, err
		}
		unknown = err
	}
	if rec.Data.Job.State == "" {
		return nil, fmt.Errorf("%w: %w", unknown, record.ErrNotYet)
	}
	return c.forgotten(rec.Data.Job), nil
}

// forgotten returns the next state of a job that was seen and is not known any more. It may
// be on its way from one program's list to another's, so it is not gone at once.
func (c *compiled) forgotten(before *record.Job) *record.Job {
	now, job := record.Now(), *before
	job.Checked = &now
	if before.Final {
		return &job
	}
	job.State = unseen
	if h := before.History; len(h) > 0 && h[len(h)-1].State == unseen && now.Sub(h[len(h)-1].At.Time) > c.asked[0].forget {
		job.State, job.Final = gone, true
	}
	return &job
}

// errUnknown says that the scheduler does not know a job.
var errUnknown = errors.New("the scheduler does not know it")

// ask asks one question. The error is errUnknown, or wraps record.ErrUnavailable or
// record.ErrInvalid.
func (a *asked) ask(ctx context.Context, rec *record.Record, values func(string) (string, error)) (*record.Job, error) {
	argv, err := fill(a.cmd, values)
	if err != nil {
		return nil, err
	}
	said, err := ask.Run(ctx, ask.Question{Argv: argv, Limit: a.limit})
	if err != nil {
		return nil, err
	}
	text := string(said.Stdout)
	if a.join != nil {
		text = a.join.ReplaceAllString(text, "")
	}
	found := a.captures.find(text, rec.Data.Job.ID)
	if found["state"] != "" {
		return a.job(rec.Data.Job, found), nil
	}
	switch {
	case a.saysUnknown(text, said):
		return nil, errUnknown
	case said.Code != 0:
		return nil, fmt.Errorf("%w: %w", ended(argv, said), record.ErrUnavailable)
	}
	return nil, fmt.Errorf("%s has printed no state that capture finds: %w", safe.Line(argv[0]), record.ErrUnavailable)
}

// saysUnknown reports whether an answer says that there is no such job. That a program
// which failed has printed nothing does not.
func (a *asked) saysUnknown(text string, said ask.Answer) bool {
	if a.unknown == nil {
		return false
	}
	blank := func(b string) bool { return strings.TrimSpace(b) == "" }
	return (said.Code == 0 || !blank(text)) && a.unknown.MatchString(text) ||
		!blank(string(said.Stderr)) && a.unknown.Match(said.Stderr)
}

// job makes a job of the fields that were found.
func (a *asked) job(before *record.Job, found answer) *record.Job {
	now := record.Now()
	job := &record.Job{Fields: before.Fields, Source: filepath.Base(a.cmd[0]), Checked: &now}
	raw := found["state"]
	found.fill(job)
	job.State = raw
	if word, ok := a.states[raw]; ok {
		job.State = word
	}
	job.Final = slices.Contains(a.final, raw) || slices.Contains(a.final, anyState)
	if !job.Final {
		job.ReturnCode = nil // some have 0 while it runs
		return job
	}
	for _, state := range []string{raw, anyState} {
		if code, ok := a.codes[state]; ok && job.ReturnCode == nil {
			job.ReturnCode = &code
		}
	}
	keepLast(job, before)
	return job
}

// keepLast keeps the fields of a job that has ended which the last answer, maybe of another
// program, does not have.
func keepLast(job, before *record.Job) {
	if job.Started == nil {
		job.Started = before.Started
	}
	if job.CPUs == 0 {
		job.CPUs = before.CPUs
	}
	if job.MaxRSS == 0 {
		job.MaxRSS = before.MaxRSS
	}
	switch {
	case job.Elapsed != 0:
	case job.Started != nil && job.Ended != nil && job.Ended.After(job.Started.Time):
		job.Elapsed = job.Ended.Sub(job.Started.Time).Seconds()
	default:
		job.Elapsed = before.Elapsed
	}
}
