package cli

import (
	"cmp"
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"qme/executor"
	"qme/internal/signalled"
	"qme/record"
	"qme/tasks"
)

type followCommand struct {
	term     *terminal
	settings *settings
	home     *home
}

func (cmd *followCommand) command() *cli.Command {
	var whole bool
	return &cli.Command{
		Name:      "follow",
		Usage:     "show the output of a running task as it comes",
		ArgsUsage: "[TASK]",
		Description: `It ends when the task has ended, with its return code, and follows the job that the
task has started, if its executor can. It waits for the start of a task that is in the
queue, also of one that you have to release or resume, and goes on with its next try
after one that has failed. Ctrl-C ends the following, but neither the task nor its job. It
begins with the last 64 KiB of what was printed before. The default is the task that you
gave last.

Examples:
  qme follow
  qme follow @1
  qme follow 019aaf3c --all | grep loss`,
		Flags: []cli.Flag{&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "begin with all that was printed before", Destination: &whole}},
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := oneTask(c); err != nil {
				return err
			}
			return cmd.run(ctx, c.Args().First(), whole)
		},
	}
}

func (cmd *followCommand) run(ctx context.Context, ref string, whole bool) error {
	ctx, stop := signalled.Until(ctx)
	defer stop()
	q, v, err := cmd.home.find(ctx, ref)
	if err != nil {
		return err
	}
	taken(cmd.term, ref, v.Record)
	to := tasks.Passing{Out: cmd.term.out, Err: cmd.term.err, Whole: whole, Stuck: func(why error) { cmd.term.warn("%v; waiting", why) }}
	to.Missed = func(name record.StreamName, bytes int64) {
		way := ""
		if !whole {
			way = "; --all shows what is kept"
		}
		cmd.term.note("qme: %s of %s are left out here%s", count(int(bytes), "byte"), name, way)
	}
	to.Again = func(ended, next *record.Record) { cmd.noteAgain(ctx, q, ended, next) }
	rec, err := q.PassOn(ctx, v, to)
	if err != nil {
		return outputError(err)
	}
	if rec, err = cmd.job(ctx, q, rec); err != nil {
		return outputError(err)
	}
	return endAs(rec)
}

// noteAgain says that a try has ended and which one is followed now.
func (cmd *followCommand) noteAgain(ctx context.Context, q *tasks.Service, ended, next *record.Record) {
	end := "was cut off"
	if code := ended.Code(); code != nil {
		end = fmt.Sprintf("has ended with return code %d", *code)
	}
	waits := ""
	if why, err := q.WhyWaits(ctx, next); err == nil && why != nil { // otherwise it is about to start
		waits = " (" + why.String() + ")"
	}
	cmd.term.note("Task %s: %s %s; going on with try %d%s.", ended.UID, triesText(ended.Data.Queue), end, next.Data.Queue.Try, waits)
}

// job follows the job of a run, if it has one that goes on, and returns the record after its end.
func (cmd *followCommand) job(ctx context.Context, q *tasks.Service, rec *record.Record) (*record.Record, error) {
	if rec.Data.Job == nil || rec.Data.Job.Final {
		return rec, nil
	}
	err := cmd.output(ctx, q, rec)
	if err != nil {
		return nil, err
	}
	ended, err := q.Wait(ctx, string(rec.UID), nil)
	if err != nil {
		return nil, err
	}
	cmd.home.follow(q, tasks.AfterRefresh)
	return ended, nil
}

// output follows the output of a job by the action for that.
func (cmd *followCommand) output(ctx context.Context, q *tasks.Service, rec *record.Record) error {
	v, err := q.Find(string(rec.UID))
	if err != nil {
		return err
	}
	cfg, err := cmd.settings.config()
	if err != nil {
		return err
	}
	e, ok := cmd.settings.executors(cfg).Get(rec.Executor)
	if !ok {
		return fmt.Errorf("task %s: there is no executor %q here: %w", rec.UID, rec.Executor, record.ErrNotFound)
	}
	act, err := executor.Find(e, "output")
	if _, follows := act.Takes("follow"); err != nil || !follows {
		cmd.term.note("The executor %s cannot follow the output of job %s; waiting for its end.", rec.Executor, cmp.Or(rec.Data.Job.ID, "?"))
		return nil
	}
	return cmd.home.act(ctx, q, v, tasks.Acting{Executor: e, Action: act, Options: map[string]string{"follow": "true"}, Out: cmd.term.out, Err: notesTo{cmd.term}})
}
