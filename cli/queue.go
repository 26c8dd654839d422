package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"qme/queue"
)

type queueCommand struct {
	term     *terminal
	settings *settings
	home     *home
}

// queueOptions are the flags of queue.
type queueOptions struct {
	queue            string
	limit            int
	json             bool
	cpus             int
	memory, gpus     string
	running, install bool
	host             string
}

// A queueAction is what a word behind "qme queue" does.
type queueAction struct {
	name    string
	about   string   // for completion
	most    int      // how many further words it takes
	options []string // that it takes
	hidden  bool     // qme alone starts it
	run     func(ctx context.Context, c *cli.Command, o *queueOptions, words []string) error
}

func (cmd *queueCommand) command() *cli.Command {
	o := new(queueOptions)
	return &cli.Command{
		Name:      "queue",
		Usage:     "show what runs and waits in the queue, and why; set its slots, pause it",
		ArgsUsage: "[slots [N|auto] | pause | resume | stop | enable | release --host NAME]",
		Description: `Without a word it shows what runs, what waits and for what, and what has ended today.

  slots N      let N tasks run at the same time, from 1 to 10000 (auto: half as many as
               there are processors); without N it shows how many. --cpus, --mem and --gpus
               narrow what all tasks may have together
  pause        start no further task; with --running also stop what runs, until resume
  resume       go on
  stop         cancel what runs, and pause
  enable       start the worker, as after a reboot; with --install also write a unit for
               your systemd that does so at each start of the machine, and print the lines
               that enable it
  release      with --host NAME: let this machine start what was added on NAME, which
               will not come back

A queue with a name (qme add --queue NAME) has slots of its own; --queue says which one
is meant.

Examples:
  qme queue
  qme queue slots 4
  qme queue slots auto --queue gpu
  qme queue slots --cpus 12 --mem 48G --gpus 0,1
  qme queue pause --running
  qme queue resume
  qme queue --json | jq '.waiting[].reason'`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "queue", OnlyOnce: true, Usage: "only the queue `NAME`", Destination: &o.queue},
			&cli.IntFlag{Name: "limit", Aliases: []string{"n"}, Usage: "show at most `N` tasks of each kind", Value: mostQueueTasks, Destination: &o.limit},
			&cli.BoolFlag{Name: "json", Usage: "print as JSON", Destination: &o.json},
			&cli.IntFlag{Name: "cpus", Usage: "with slots: give all tasks together `N` processors at most, 0 for all", HideDefault: true, Destination: &o.cpus},
			&cli.StringFlag{Name: "mem", OnlyOnce: true, Usage: "with slots: give all tasks together `SIZE` of memory at most, such as 48G, 0 for all", Destination: &o.memory},
			&cli.StringFlag{Name: "gpus", OnlyOnce: true, Usage: "with slots: give tasks these graphics processors, a `LIST` such as 0,1, none, or all", Destination: &o.gpus},
			&cli.BoolFlag{Name: "running", Usage: "with pause: stop what runs, too", Destination: &o.running},
			&cli.BoolFlag{Name: "install", Usage: "with enable: write a unit for systemd", Destination: &o.install},
			&cli.StringFlag{Name: "host", OnlyOnce: true, Usage: "with release: the machine `NAME`", Destination: &o.host},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			words := c.Args().Slice()
			if err := atMost(c, len(words)); err != nil { // an empty one
				return err
			}
			action, err := cmd.action(words)
			if err != nil {
				return err
			}
			if len(words) > 0 {
				words = words[1:]
			}
			if err := action.takes(c, words); err != nil {
				return err
			}
			return action.run(ctx, c, o, words)
		},
	}
}

// mostQueueTasks is how many tasks of each kind queue shows.
const mostQueueTasks = 20

func queueUsage(format string, args ...any) error {
	return &usageError{msg: fmt.Sprintf(format, args...), help: "qme queue --help"}
}

// actions are what the words behind "qme queue" do; the first is for none.
func (cmd *queueCommand) actions() []queueAction {
	return []queueAction{
		{name: "", options: []string{"queue", "limit", "json"}, run: cmd.show},
		{name: "slots", about: "how many tasks run at once", most: 1, options: []string{"queue", "cpus", "mem", "gpus", "json"}, run: cmd.slots},
		{name: "pause", about: "start no further task", options: []string{"queue", "running"}, run: cmd.pause},
		{name: "resume", about: "go on", options: []string{"queue"}, run: cmd.resume},
		{name: "stop", about: "cancel what runs, and pause", options: []string{"queue"}, run: cmd.stop},
		{name: "enable", about: "start the worker; --install writes a unit that does", options: []string{"install"}, run: cmd.enable},
		{name: "release", about: "start here what was added on another machine", options: []string{"host"}, run: cmd.releaseHost},
		{name: "work", hidden: true, run: cmd.work},
		{name: "supervise", most: mostGPUs + 2, hidden: true, run: cmd.supervise},
		{name: queue.TellWord, most: 1, hidden: true, run: cmd.tell},
	}
}

// action returns what the words of a command line ask for.
func (cmd *queueCommand) action(words []string) (queueAction, error) {
	all := cmd.actions()
	if len(words) == 0 {
		return all[0], nil
	}
	var names []string
	for _, a := range all[1:] {
		if a.name == words[0] {
			return a, nil
		}
		if !a.hidden {
			names = append(names, a.name)
		}
	}
	hint := ""
	if way := queueWays[words[0]]; way != "" {
		hint = "; did you mean " + way + "?"
	}
	return queueAction{}, queueUsage("queue takes %s, not %q%s", strings.Join(names, ", "), words[0], hint)
}

// takes returns an error if a command line has words or options that mean nothing to the action.
func (a queueAction) takes(c *cli.Command, words []string) error {
	if len(words) > a.most {
		return queueUsage("%s takes no argument %q", strings.TrimSpace("queue "+a.name), words[a.most])
	}
	for _, f := range c.Flags {
		name := f.Names()[0]
		if c.IsSet(name) && !slices.Contains(a.options, name) {
			return queueUsage("--%s means nothing to %q", name, strings.TrimSpace("qme queue "+a.name))
		}
	}
	return nil
}
