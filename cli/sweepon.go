package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v3"

	"qme/executor"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

// A sweepJob is the job array that a sweep becomes with --on.
type sweepJob struct {
	submitter executor.ArraySubmitter
	options   tasks.ArrayOptions
}

// jobFlags are the options of jobs.
func (o *sweepOptions) jobFlags() []cli.Flag {
	slots := &cli.IntFlag{Name: "slots", Usage: "with --on: run at most `N` of them at the same time", HideDefault: true, Destination: &o.slots}
	return append(jobFlags(&o.job, "run them as one job array of `EXECUTOR`, such as slurm", o.terms.flags()...), slots)
}

// ofBoth are the options of the queue that a job has, too.
var ofBoth = []string{"cpus", "mem", "gpus"}

// ofRuns are options that look at a command which runs here.
var ofRuns = []string{"in", "out", "hash", "trace", "metric", "metric-file"}

// readOn reads where the commands of a sweep run, nil for the queue.
func (cmd *sweepCommand) readOn(c *cli.Command, o *sweepOptions, set *executor.Set, shell string) (*sweepJob, error) {
	job := &o.job
	if !c.IsSet("on") {
		for _, f := range o.jobFlags() {
			if name := f.Names()[0]; c.IsSet(name) {
				return nil, sweepUsage("--%s is for jobs: name what runs them, as in --on slurm", name)
			}
		}
		return nil, nil
	}
	if c.IsSet("slots") && o.slots < 1 {
		return nil, sweepUsage("--slots takes a number from 1, not %d", o.slots)
	}
	for _, f := range (&termOptions{}).flags() {
		if name := f.Names()[0]; c.IsSet(name) && !slices.Contains(ofBoth, name) {
			return nil, ofQueue(name, job.on)
		}
	}
	for _, name := range []string{"hold", "snapshot", "stdin"} {
		if c.IsSet(name) {
			return nil, ofQueue(name, job.on)
		}
	}
	for _, name := range ofRuns {
		if c.IsSet(name) {
			return nil, sweepUsage("--%s is about a command that runs here, and not about a job of %s: leave it out", name, quoted(job.on))
		}
	}
	if err := job.read(c); err != nil {
		return nil, err
	}
	e, err := job.executorOf("sweep", set)
	if err != nil {
		return nil, err
	}
	s, ok := e.(executor.ArraySubmitter)
	if !ok {
		return nil, sweepUsage("the executor %s has no job arrays: leave out --on, so that the tasks go to the queue", e.Name())
	}
	return &sweepJob{s, tasks.ArrayOptions{Shell: shell, Options: job.resources, Slots: o.slots}}, noInput(cmd.term.in, "sweep", e.Name())
}

func ofQueue(option, executor string) error {
	return sweepUsage("--%s is for the queue of qme, and not for a job of %s: leave it out, or leave out --on", option, quoted(executor))
}

// check returns an error if a task cannot be submitted, for what only shows the commands.
func (j *sweepJob) check(t tasks.GroupTask) error {
	_, err := j.submitter.Submit(executor.Submission{Words: t.Words, Shell: j.options.Shell, Options: j.options.Options})
	if errors.Is(err, record.ErrInvalid) {
		return sweepUsage("%s", said(err.Error()))
	}
	return err
}

// submit submits the tasks as a job array, and says that.
func (cmd *sweepCommand) submit(ctx context.Context, q *tasks.Service, s *sweeping, list []tasks.GroupTask, opts tasks.AddOptions, o sweepOptions) error {
	if err := makeFolders(list); err != nil {
		return err
	}
	cmd.warnOfElsewhere(s, list[0], opts)
	done, err := q.SubmitAll(ctx, s.on.submitter, list, s.on.options, opts)
	var failed *tasks.SubmissionError
	group := list[0].Group.Name
	switch {
	case errors.As(err, &failed):
		return &codeError{failed.Code, fmt.Errorf("nothing was submitted: %w", err)}
	case errors.Is(err, record.ErrInvalid):
		return sweepUsage("%s", said(err.Error()))
	case done == nil:
		return err
	}
	if err != nil {
		err = fmt.Errorf("of the %d tasks of the job array %s, the group %s, %d are recorded: %w", len(list), safe.Line(done.Job), group, len(done.Tasks), err)
	}
	if len(done.Tasks) > 0 {
		cmd.home.follow(q, tasks.AfterRun)
	}
	if o.printID {
		return errors.Join(err, cmd.printIDs(list, group))
	}
	if err == nil {
		cmd.term.note("Submitted %s as the job array %s, the group %s.%s", count(len(done.Tasks), "task"), safe.Line(done.Job), group, s.seedText())
	}
	return err
}
