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
task has started, if its executor can. Ctrl-C ends the following, but neither the task
nor its job. It begins with the last 64 KiB of what was printed before. The default is
the task that you gave last.

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
	rec, err := q.PassOn(ctx, v, tasks.Passing{Out: cmd.term.out, Err: cmd.term.err, Whole: whole, Missed: func(name record.StreamName, bytes int64) {
		way := ""
		if !whole {
			way = "; --all shows what is kept"
		}
		cmd.term.note("qme: %s of %s are left out here%s", count(int(bytes), "byte"), name, way)
	}})
	if err != nil {
		return outputError(err)
	}
	if rec, err = cmd.job(ctx, q, rec); err != nil {
		return outputError(err)
	}
	return endAs(rec)
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
