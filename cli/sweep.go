package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v3"

	"qme/executor"
	"qme/executor/capture"
	"qme/internal/safe"
	"qme/internal/signalled"
	"qme/queue"
	"qme/record"
	"qme/tasks"
	"qme/tasks/sweep"
	"qme/tasks/waiting"
)

// sweepCommand adds many commands to the queue, as addCommand adds one.
type sweepCommand struct{ addCommand }

// sweepOptions are the flags of sweep: those of add, and its own.
type sweepOptions struct {
	addOptions
	space             spaceOptions
	job               onOptions
	slots             int
	name, placeholder string
	folder            string
	yes, dry          bool
}

func (cmd *sweepCommand) command() *cli.Command {
	var o sweepOptions
	return &cli.Command{
		Name:      "sweep",
		Usage:     "put a command into the queue for each setting of its parameters",
		ArgsUsage: "[NAME=VALUES…] -- CMD [ARG…]",
		Description: `VALUES are a list (0.1,0.01), in which there may be ranges of whole numbers (1..5). There
is one task for each value of one parameter with each of the others, or, with --zip, for
the first values, the second ones, and so on. --from reads settings from a file, and
--random N chooses some of them.

In the command {NAME} is replaced by the value, in any word and also within one. {id},
{group} and {index} are the task, its group and its number in that. All else in braces
stays as it is. A command that is one word, a line for the shell, has the values quoted,
so that the shell takes each as it is. The command also finds them in QME_PARAM_NAME.

The tasks are one group. "qme table" compares them, and "qme search group:NAME" finds
them. Other options say when they start, as of "qme add".

With --on slurm the tasks are one job array, in place of the queue, and each is followed as
a job of its own. --cpus, --mem and --gpus are those of one of them then.

Examples:
  qme sweep lr=0.1,0.01,0.001 seed=1..5 -- python3 train.py --lr {lr} --seed {seed}
  qme sweep --name scan --from params.csv -- ./simulate {n} {beta}
  qme sweep --zip n=10,20,30 file=a.dat,b.dat,c.dat -- ./fit -n {n} {file}
  qme sweep --random 20 --seed 7 a=1..100 b=1..100 -- ./try {a} {b}
  qme sweep k=1..9 -- 'grep -c {k} data.txt | tee count-{k}.txt'
  qme sweep --dir 'runs/{id}' n=1..3 -- "$PWD/simulate" {n}
  qme sweep --dry-run n=1..3 -- ./simulate {n}
  qme sweep --on slurm --mem 8G --time 1:00:00 lr=0.1,0.01 seed=1..5 -- ./train {lr} {seed}
  qme sweep --placeholder '%%' n=1,2 -- awk 'NR > %n% {print}' data.txt`,
		Flags: slices.Concat(o.space.flags(), []cli.Flag{
			&cli.StringFlag{Name: "name", OnlyOnce: true, Usage: "call the group `NAME`", Destination: &o.name},
			&cli.StringFlag{Name: "dir", OnlyOnce: true, Usage: "run each command in the `FOLDER`, such as 'runs/{id}', which is made", Destination: &o.folder},
			&cli.StringFlag{Name: "placeholder", OnlyOnce: true, Usage: "write names as by `TEXT`, one half before and one after: '%%' for %NAME%", Value: sweep.Braces.String(), HideDefault: true, Destination: &o.placeholder},
			&cli.BoolFlag{Name: "dry-run", Usage: "print the commands, and add none", Destination: &o.dry},
			&cli.BoolFlag{Name: "yes", Usage: "do not ask about more than 1,000 tasks", Destination: &o.yes},
		}, o.flags("them", "the ids of the tasks, one a line"), o.jobFlags()),
		// A comma in a pattern of --in belongs to the pattern.
		DisableSliceFlagSeparator: true,
		Action: func(ctx context.Context, c *cli.Command) error {
			s, err := cmd.read(c, &o)
			if err != nil {
				return err
			}
			if o.dry {
				return cmd.printAll(s)
			}
			return cmd.run(ctx, c, s, o)
		},
	}
}

// A sweeping is a sweep that is to be added.
type sweeping struct {
	*settingsOf
	words       []string // of the command, with placeholders
	placeholder sweep.Placeholder
	group       string   // its name; "" if it has none of its own
	folder      string   // with placeholders, absolute; "" for this directory
	unused      []string // parameters that the command finds in its environment alone
	executors   *executor.Set
	on          *sweepJob // nil for the queue
}

// read reads a command line.
func (cmd *sweepCommand) read(c *cli.Command, o *sweepOptions) (*sweeping, error) {
	words := c.Args().Slice()
	before, dashes := c.Metadata[beforeDashes].(int)
	switch {
	case !dashes && len(words) == 0:
		return nil, sweepUsage("there is no command: it comes after --, as in qme sweep n=1..3 -- ./simulate {n}")
	case !dashes:
		return nil, sweepUsage("the command comes after --, as in qme sweep n=1..3 -- ./simulate {n}")
	case before == len(words):
		return nil, sweepUsage("there is no command after --")
	}
	s := &sweeping{words: words[before:], group: o.name}
	var err error
	if s.placeholder, err = sweep.ParsePlaceholder(o.placeholder); err != nil {
		return nil, sweepUsage("--placeholder: %s", said(err.Error()))
	}
	if s.settingsOf, err = o.space.read(c, cmd.term.in, words[:before]); err != nil {
		return nil, err
	}
	if len(s.space.Names()) > record.MostParams {
		return nil, sweepUsage("there are %d parameters, of at most %d", len(s.space.Names()), record.MostParams)
	}
	if c.IsSet("name") {
		if err := record.CheckGroupName(o.name); err != nil {
			return nil, sweepUsage("--name takes at most %d letters, digits, -, _ and ., and no - or . first, not %s", record.LongestGroup, quoted(o.name))
		}
	}
	if c.IsSet("dir") && o.folder == "" {
		return nil, sweepUsage("--dir needs a folder, and was given nothing, as by a variable that is not set")
	}
	if o.folder != "" {
		if s.folder, err = filepath.Abs(o.folder); err != nil {
			return nil, err
		}
		if others := s.placeholder.Others([]string{o.folder}, s.known()); len(others) > 0 {
			return nil, sweepUsage("--dir: %s is no parameter; there are %s", safe.Bounded(s.placeholder.Text(others[0])), strings.Join(s.known(), ", "))
		}
	}
	cfg, err := cmd.settings.runConfig()
	if err != nil {
		return nil, err
	}
	s.executors = cmd.settings.executors(cfg)
	if s.on, err = cmd.readOn(c, o, s.executors, cfg.String("executor.shell.shell")); err != nil {
		return nil, err
	}
	if err := cmd.addCommand.read(c, &o.addOptions, s.words); err != nil {
		return nil, err
	}
	s.unused = notUsed(s.placeholder, s.words, s.space.Names())
	for _, name := range notUsed(s.placeholder, append(slices.Clone(s.words), s.folder), s.space.Names()) {
		cmd.term.note("The command has no %s, and finds the value of %s in QME_PARAM_%s.", s.placeholder.Text(name), name, name)
	}
	cmd.noteMistyped(s)
	return s, nil
}

// known returns the names that have placeholders.
func (s *sweeping) known() []string { return append(s.space.Names(), sweep.Reserved...) }

// noteMistyped names, for each placeholder of the command that belongs to no parameter, the parameter that the user probably meant.
func (cmd *sweepCommand) noteMistyped(s *sweeping) {
	known := s.known()
	for _, name := range s.placeholder.Others(s.words, known) {
		if meant := nearest(name, known); meant != "" {
			cmd.term.note("%s is no parameter, and stays as it is; did you mean %s?", safe.Bounded(s.placeholder.Text(name)), s.placeholder.Text(meant))
		}
	}
}

// task returns one of the tasks, from 0 on.
func (s *sweeping) task(i int, id record.ID, group string) (t tasks.GroupTask, err error) {
	p := s.at(i)
	values := sweep.Values(p, string(id), group, i+1)
	words, err := s.placeholder.Fill(s.words, values)
	if err != nil {
		return t, sweepUsage("%s", said(err.Error()))
	}
	command, err := s.executors.Recognise(words)
	if err != nil {
		return t, err
	}
	if s.on == nil && command.Executor != id.Executor() {
		return t, sweepUsage("%s is for the executor %s, and others of the sweep for %s", safe.Bounded(executor.Quote(words)), command.Executor, id.Executor())
	}
	t = tasks.GroupTask{ID: id, Command: command, Words: words, Params: p, Group: &record.Group{
		Name: group, Index: i + 1, Size: s.count(), Seed: s.seed, Template: textsOf(s.words), Placeholder: s.placeholder.String(),
	}}
	if s.folder != "" {
		t.Group.Folder = strings.ToValidUTF8(s.folder, "\uFFFD")
		if t.Dir, err = s.placeholder.Folder(s.folder, values); err != nil {
			return t, sweepUsage("--dir: %s", said(err.Error()))
		}
	}
	return t, nil
}

// textsOf returns words as JSON can have them.
func textsOf(words []string) (texts []string) {
	for _, w := range words {
		texts = append(texts, strings.ToValidUTF8(w, "\uFFFD"))
	}
	return texts
}

// each yields the tasks, or an error, which ends them.
func (s *sweeping) each() iter.Seq2[tasks.GroupTask, error] {
	return func(yield func(tasks.GroupTask, error) bool) {
		name, err := s.executorName()
		group := s.group
		for i := 0; err == nil && i < s.count(); i++ {
			var id record.ID
			if id, err = record.NewID(name); err != nil {
				break
			}
			group = cmp.Or(group, id.Short(groupLen))
			var t tasks.GroupTask
			if t, err = s.task(i, id, group); err == nil && !yield(t, nil) {
				return
			}
		}
		if err != nil {
			yield(tasks.GroupTask{}, err)
		}
	}
}

// executorName returns the name of the executor that the first of the commands is for.
func (s *sweeping) executorName() (string, error) {
	if s.on != nil {
		return s.on.submitter.Name(), nil
	}
	first, err := s.placeholder.Fill(s.words, sweep.Values(s.at(0), "id", "group", 1))
	if err != nil {
		return "", sweepUsage("%s", said(err.Error()))
	}
	what, err := s.executors.Recognise(first)
	return what.Executor, err
}

// all returns all tasks.
func (s *sweeping) all() (list []tasks.GroupTask, err error) {
	for t, err := range s.each() {
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, nil
}

// groupLen is how much of the id of its first task is the name of a group: more than the millisecond.
const groupLen = 14

// askedFrom is above how many tasks a sweep asks.
const askedFrom = 1000

// printAll prints the commands as they would run.
func (cmd *sweepCommand) printAll(s *sweeping) error {
	out := bufio.NewWriter(cmd.term.out)
	for t, err := range s.each() {
		if err == nil && s.on != nil && t.Group.Index == 1 {
			err = s.on.check(t)
		}
		if err != nil {
			return errors.Join(out.Flush(), err)
		}
		at := variablesText(only(t.Params, s.unused))
		if t.Dir != "" {
			at = "cd " + executor.Quote([]string{t.Dir}) + " && " + at
		}
		if _, err := out.WriteString(safe.Line(at+t.Command.Line) + "\n"); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	what := "adds " + count(s.count(), "task")
	if s.on != nil {
		what = "submits " + count(s.count(), "task") + " as a job array of " + s.on.submitter.Name()
	}
	cmd.term.note("Without --dry-run this %s.%s", what, s.seedText())
	return nil
}

// seedText says which seed has chosen the settings, for --seed.
func (s *sweeping) seedText() string {
	if s.seed == "" {
		return ""
	}
	return " The random choice has the seed " + s.seed + "."
}

func (cmd *sweepCommand) run(ctx context.Context, c *cli.Command, s *sweeping, o sweepOptions) error {
	if err := cmd.askAbout(ctx, s, o); err != nil {
		return err
	}
	opts, err := cmd.here(c, o.addOptions)
	if err != nil {
		return err
	}
	list, err := s.all()
	if err != nil {
		return err
	}
	q, err := cmd.home.settled(ctx)
	if err != nil {
		return err
	}
	var all *queue.Queue
	if s.on != nil {
		all = cmd.fill(q, &opts, o.addOptions, func(*waiting.Terms) {})
	} else if all, err = cmd.complete(c, q, &opts, o.addOptions); err != nil {
		return err
	}
	if err := cmd.noteGroup(q, s.group); err != nil {
		return err
	}
	// A signal does not leave tasks that were added without a word, or that no process starts.
	held, got, stop := signalled.Hold(ctx)
	defer stop()
	if s.on != nil {
		err = cmd.submit(held, q, s, list, opts, o)
	} else {
		err = cmd.enqueue(held, all, s, list, opts, o)
	}
	if caught, is := got().(syscall.Signal); is {
		return &signalError{code: &codeError{128 + int(caught), err}, signal: caught}
	}
	return err
}

// noteGroup says that a group has tasks already.
func (cmd *sweepCommand) noteGroup(q *tasks.Service, name string) error {
	if name == "" {
		return nil
	}
	what, err := parseQuery("group:"+name, false)
	if err != nil {
		return err
	}
	ended, active, err := q.Repeatable(what)
	if n := len(ended) + len(active); n > 0 && err == nil {
		cmd.term.note("The group %s has %s already, and gets these, too.", name, count(n, "task"))
	}
	return err
}

// askAbout asks before very many tasks are added.
func (cmd *sweepCommand) askAbout(ctx context.Context, s *sweeping, o sweepOptions) error {
	n := s.count()
	if n <= askedFrom || o.yes {
		return nil
	}
	if !isTerminal(cmd.term.in) || !isTerminal(cmd.term.err) {
		return &codeError{exitConflict, fmt.Errorf("nothing was added; without a terminal --yes adds %d tasks, and --dry-run prints them", n)}
	}
	return cmd.term.ask(ctx, fmt.Sprintf("This will add %d tasks, are you sure", n), codeError{exitConflict, errors.New("nothing was added")}, "")
}

// enqueue adds the tasks, has them start, and says that.
func (cmd *sweepCommand) enqueue(ctx context.Context, all *queue.Queue, s *sweeping, list []tasks.GroupTask, opts tasks.AddOptions, o sweepOptions) (err error) {
	if err := makeFolders(list); err != nil {
		return err
	}
	if o.snapshot {
		if err := cmd.snapshots(ctx, all.Service, list, &opts); err != nil {
			return err
		}
	}
	cmd.warnOfMissing(s, list[0], opts)
	show, done := cmd.term.progress()
	n, err := all.Service.AddAll(ctx, list, opts, func(n int) {
		if show != nil {
			show("tasks", n, len(list))
		}
	})
	done()
	for _, t := range list[n:] {
		if t.Snapshot != nil {
			err = errors.Join(err, all.Service.RemoveSnapshot(t.Snapshot.Folder))
		}
	}
	group := list[0].Group.Name
	switch {
	case n == 0:
		return fmt.Errorf("nothing was added: %w", err)
	case err != nil:
		err = fmt.Errorf("of the group %s only the first %d of %s are in the queue: %w", group, n, count(len(list), "task"), err)
	}
	err = errors.Join(err, all.Wake(ctx))
	if o.printID {
		return errors.Join(err, cmd.printIDs(list[:n], group))
	}
	cmd.term.note("Added %s as the group %s%s.%s", count(n, "task"), group, cmd.heldText(o), s.seedText())
	return err
}

// heldText says that tasks are held.
func (cmd *sweepCommand) heldText(o sweepOptions) string {
	if o.hold {
		return ", held until \"qme release\""
	}
	return ""
}

func (cmd *sweepCommand) printIDs(list []tasks.GroupTask, group string) error {
	var b strings.Builder
	for _, t := range list {
		b.WriteString(string(t.ID) + "\n")
	}
	if _, err := cmd.term.out.WriteString(b.String()); err != nil {
		return fmt.Errorf("the tasks of the group %s are there, but their ids could not be printed: %w", group, err)
	}
	return nil
}

// snapshots has each task run in a copy of the working tree of its directory.
func (cmd *sweepCommand) snapshots(ctx context.Context, q *tasks.Service, list []tasks.GroupTask, opts *tasks.AddOptions) error {
	show, done := cmd.term.progress()
	defer done()
	for i := range list {
		one := *opts
		if list[i].Dir != "" {
			one.Dir = list[i].Dir
		}
		if err := snapshot(ctx, q, &one); err != nil {
			for _, t := range list[:i] {
				err = errors.Join(err, q.RemoveSnapshot(t.Snapshot.Folder))
			}
			return err
		}
		list[i].Snapshot, list[i].Dir = one.Snapshot, one.Dir
		if show != nil {
			show("snapshots", i+1, len(list))
		}
	}
	return nil
}

// warnOfMissing says that a program is not there now, and what warnOfElsewhere says.
func (cmd *sweepCommand) warnOfMissing(s *sweeping, first tasks.GroupTask, opts tasks.AddOptions) {
	dir := first.Dir
	if dir == "" {
		dir = opts.Dir
	}
	if why := capture.Missing(first.Command.Argv, opts.Env, dir); why != "" {
		cmd.term.warn("as things are now, the tasks will fail: %s", why)
		return
	}
	cmd.warnOfElsewhere(s, first, opts)
}

// warnOfElsewhere says that a file of this directory is named from another one.
func (cmd *sweepCommand) warnOfElsewhere(s *sweeping, first tasks.GroupTask, opts tasks.AddOptions) {
	dir := first.Dir
	if dir == "" || dir == opts.Dir {
		return
	}
	for _, word := range s.words {
		if missingThere(word, dir) {
			cmd.term.warn("%s is here, and not in %s, where the command runs; name it by its whole path", safe.Bounded(executor.Quote([]string{word})), safe.Bounded(dir))
		}
	}
}
