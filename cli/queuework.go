package cli

import (
	"context"
	"errors"

	"github.com/urfave/cli/v3"

	"qme/internal/signalled"
	"qme/queue"
	"qme/record"
	"qme/tasks"
)

// work is the worker of the queue, which add and others start in the background.
func (cmd *queueCommand) work(ctx context.Context, _ *cli.Command, _ *queueOptions, _ []string) error {
	q, err := cmd.home.background(queueLog)
	if q == nil {
		return err
	}
	ctx, stop := signalled.Until(ctx)
	defer stop()
	all := cmd.home.queue(q)
	if err := all.Work(ctx); err != nil && ctx.Err() == nil {
		return all.Log().Note(err)
	}
	return nil
}

// supervise runs one task of the queue. The worker has given this process the environment in which the task was added.
func (cmd *queueCommand) supervise(ctx context.Context, _ *cli.Command, _ *queueOptions, words []string) error {
	if len(words) < 2 {
		return queueUsage("supervise takes a task, a place, and GPUs")
	}
	all, id, err := cmd.ofTask(words[0])
	if all == nil {
		return err
	}
	rep, err := all.Supervise(ctx, id, words[1], words[2:])
	if errors.Is(err, record.ErrNotFound) {
		err = nil
	}
	if rep != nil { // as after "qme run"
		err = errors.Join(err, all.Service.Follow(tasks.AfterRun))
	}
	if err != nil {
		return all.Log().Note(err)
	}
	return nil
}

// tell tells the user of the end of a task, of which a command has recorded a run that was cut off.
func (cmd *queueCommand) tell(ctx context.Context, _ *cli.Command, _ *queueOptions, words []string) error {
	if len(words) != 1 {
		return queueUsage("tell takes a task")
	}
	all, id, err := cmd.ofTask(words[0])
	if all == nil {
		return err
	}
	if err := all.Tell(ctx, id); err != nil {
		return all.Log().Note(err)
	}
	return nil
}

// ofTask returns the queue for a command in the background, and the task of which that is. The queue is nil if there is
// nothing to do.
func (cmd *queueCommand) ofTask(word string) (*queue.Queue, record.ID, error) {
	id, err := record.ParseID(word)
	if err != nil {
		return nil, "", err
	}
	q, err := cmd.home.background(queueLog)
	if q == nil {
		return nil, "", err
	}
	return cmd.home.queue(q), id, nil
}

func queueLog(q *tasks.Service) tasks.Log { return queue.LogOf(q) }
