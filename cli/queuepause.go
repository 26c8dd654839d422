package cli

import (
	"context"
	"slices"

	"github.com/urfave/cli/v3"

	"qme/queue"
)

// named returns the queue of the home, and the names of those that are meant.
func (cmd *queueCommand) named(ctx context.Context, c *cli.Command, o *queueOptions) (all *queue.Queue, names []string, err error) {
	if names, err = o.names(c); err != nil {
		return nil, nil, err
	}
	all, err = cmd.open(ctx)
	return all, names, err
}

// pause starts no further task.
func (cmd *queueCommand) pause(ctx context.Context, c *cli.Command, o *queueOptions, _ []string) error {
	all, names, err := cmd.named(ctx, c, o)
	if err != nil {
		return err
	}
	if _, err = all.Pause(ctx, names, o.running); err != nil {
		return err
	}
	stopped := ""
	if o.running {
		stopped = ", and what runs is stopped"
	}
	cmd.term.note("%s paused%s; %q goes on.", subjectOf(names), stopped, cmd.term.line(resumeLine(names)...))
	return cmd.noteEmpty(ctx, all, names)
}

// resume goes on after pause, or after a failure has paused a queue.
func (cmd *queueCommand) resume(ctx context.Context, c *cli.Command, o *queueOptions, _ []string) error {
	all, names, err := cmd.named(ctx, c, o)
	if err != nil {
		return err
	}
	if _, err = all.Resume(ctx, names); err != nil {
		return err
	}
	return cmd.noteEmpty(ctx, all, names)
}

// stop ends what runs, and starts no further task.
func (cmd *queueCommand) stop(ctx context.Context, c *cli.Command, o *queueOptions, _ []string) error {
	all, names, err := cmd.named(ctx, c, o)
	if err != nil {
		return err
	}
	told, err := all.Stop(ctx, names)
	for _, id := range told {
		cmd.term.note("Task %s is being cancelled.", id)
	}
	if err != nil {
		return err
	}
	cmd.term.note("%s paused; %q goes on.", subjectOf(names), cmd.term.line(resumeLine(names)...))
	return cmd.noteEmpty(ctx, all, names)
}

// noteEmpty says of queues with a name that no task is in them, since the name may be mistyped.
func (cmd *queueCommand) noteEmpty(ctx context.Context, all *queue.Queue, names []string) error {
	if cmd.term.quiet || len(names) == 0 || names[0] == "" {
		return nil
	}
	p, err := all.Reasons(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.ContainsFunc(p.Waiting, func(w queue.Wait) bool { return w.Queue == name }) && !slices.ContainsFunc(p.Running, func(r queue.Run) bool { return r.Queue == name }) {
			cmd.term.note("No task is in the queue %s.", name)
		}
	}
	return nil
}

// subjectOf begins a sentence about queues, all if none is named.
func subjectOf(names []string) string {
	if len(names) == 0 {
		return "The queue is"
	}
	return "The queue " + queue.Called(names[0]) + " is"
}

// resumeLine are the words of the command that goes on.
func resumeLine(names []string) []string {
	words := []string{"queue", "resume"}
	if len(names) > 0 {
		words = append(words, "--queue", queue.Called(names[0]))
	}
	return words
}
