package cli

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"qme/cli/config"
	"qme/internal/span"
	"qme/queue"
	"qme/record"
	"qme/tasks"
	"qme/tasks/waiting"
)

// none takes a condition of a waiting task away.
const none = "none"

// Bounds of what a task may ask for.
const (
	mostPriority = 1_000_000
	mostCPUs     = 65_536
	mostGPUs     = 256
)

// termOptions are the options of add and edit that say when a task may start, and what it gets.
type termOptions struct {
	queue, at, delay, limit, memory, host string
	priority, retry, cpus, gpus           int
	halt                                  bool
}

// afterOptions are the options that name other tasks.
var afterOptions = []struct {
	name, usage string
	on          waiting.On
}{
	{"after", "start when `TASK` has succeeded; commas separate several, and it may be repeated", waiting.OnSuccess},
	{"after-any", "start when `TASK` has ended, however", waiting.OnEnd},
	{"after-failed", "start when `TASK` has failed or was cancelled", waiting.OnFailure},
}

func (o *termOptions) flags() []cli.Flag {
	flags := []cli.Flag{&cli.StringFlag{Name: "queue", OnlyOnce: true, Usage: "put it into the queue `NAME`, such as gpu, which has slots of its own", Destination: &o.queue}}
	for _, a := range afterOptions {
		flags = append(flags, &cli.StringSliceFlag{Name: a.name, Usage: a.usage})
	}
	return append(flags,
		&cli.StringFlag{Name: "at", OnlyOnce: true, Usage: "start at a `TIME` or later, such as 22:00, +2h, 'tomorrow 8:00' or RFC 3339", Destination: &o.at},
		&cli.IntFlag{Name: "priority", Usage: "start before tasks with a smaller `N`, which is 0 otherwise", HideDefault: true, Destination: &o.priority},
		&cli.IntFlag{Name: "retry", Usage: "try again up to `N` times if it fails", HideDefault: true, Destination: &o.retry},
		&cli.StringFlag{Name: "delay", OnlyOnce: true, Usage: "with --retry: wait a `TIME` before each further try, such as 1m", Destination: &o.delay},
		&cli.StringFlag{Name: "timeout", OnlyOnce: true, Usage: "end the command after `TIME`, such as 2h: it has failed then", Destination: &o.limit},
		&cli.IntFlag{Name: "cpus", Usage: "set `N` processors aside for it", HideDefault: true, Destination: &o.cpus},
		&cli.StringFlag{Name: "mem", OnlyOnce: true, Usage: "set `SIZE` of memory aside for it, such as 8G", Destination: &o.memory},
		&cli.IntFlag{Name: "gpus", Usage: "give it `N` graphics processors that nothing else in the queue has", HideDefault: true, Destination: &o.gpus},
		&cli.StringFlag{Name: "host", OnlyOnce: true, Usage: "let a worker on `any` machine start it, not only on this one", Destination: &o.host},
		&cli.BoolFlag{Name: "halt-on-failure", Usage: "pause the queue when it has failed", Destination: &o.halt},
	)
}

// set reports whether a command line has one of the options.
func (o *termOptions) set(c *cli.Command) bool {
	return slices.ContainsFunc(o.flags(), func(f cli.Flag) bool { return c.IsSet(f.Names()[0]) })
}

// changed says what a command line has changed in the terms of a task, in the words of its options. Tasks and times are shown as
// they were understood.
func (o *termOptions) changed(c *cli.Command, t waiting.Terms) (texts []string) {
	after := false
	for _, f := range o.flags() {
		name := f.Names()[0]
		switch {
		case !c.IsSet(name):
		case strings.HasPrefix(name, "after"):
			after = true
		case name == "queue":
			texts = append(texts, "queue "+queue.Called(t.Queue))
		case name == "at" && !t.At.IsZero():
			texts = append(texts, "at "+clock(t.At.Time))
		case c.Value(name) == true:
			texts = append(texts, name)
		case c.Value(name) == false:
			texts = append(texts, name+" "+none)
		default:
			texts = append(texts, fmt.Sprint(name, " ", c.Value(name)))
		}
	}
	if after {
		texts = append(texts, afterTexts(t.After)...)
	}
	return texts
}

// afterTexts says for which tasks one waits, one text for each option that says so.
func afterTexts(list []waiting.After) (texts []string) {
	for _, a := range afterOptions {
		var ids []record.ID
		for _, one := range list {
			if one.On == a.on {
				ids = append(ids, one.Task)
			}
		}
		if len(ids) > 0 {
			texts = append(texts, a.name+" "+shortNames(ids, mostNamed))
		}
	}
	if len(texts) == 0 {
		return []string{"after " + none}
	}
	return texts
}

// A termsChange is what a command line changes in the terms of a task.
type termsChange func(*waiting.Terms)

// read reads the options of a command line, and returns how they change the terms of a task. Other tasks are
// found by find. The place "" is that of --host any.
func (o *termOptions) read(c *cli.Command, find func(ref string) (record.ID, error)) (termsChange, error) {
	var all []termsChange
	for _, option := range []struct {
		name string
		read func() (termsChange, error)
	}{
		{"queue", func() (termsChange, error) { return o.readQueue(c.Name == "edit") }}, {"at", o.readAt}, {"priority", o.readPriority}, {"retry", o.readRetry}, {"delay", o.readDelay}, {"timeout", o.readLimit},
		{"cpus", o.readCPUs}, {"mem", o.readMemory}, {"gpus", o.readGPUs}, {"host", o.readHost}, {"halt-on-failure", o.readHalt},
	} {
		if !c.IsSet(option.name) {
			continue
		}
		change, err := option.read()
		if err != nil {
			return nil, &usageError{msg: "--" + option.name + " " + err.Error(), help: "qme " + c.Name + " --help"}
		}
		all = append(all, change)
	}
	after, changed, err := readAfter(c, find)
	if err != nil {
		return nil, err
	}
	return func(t *waiting.Terms) {
		for _, change := range all {
			change(t)
		}
		if changed {
			t.After = after
		}
	}, nil
}

// readQueue reads the name of a queue. To edit, none means the default one, as none takes away other conditions.
func (o *termOptions) readQueue(edits bool) (termsChange, error) {
	switch {
	case o.queue == none && edits:
		return func(t *waiting.Terms) { t.Queue = "" }, nil
	case o.queue == none:
		return nil, errors.New("takes no queue called none: leave it out for the default one")
	}
	name, err := queueName(o.queue)
	return func(t *waiting.Terms) { t.Queue = name }, err
}

// queueName reads the name of a queue, "" for the default one.
func queueName(text string) (string, error) {
	name, err := queue.Name(text)
	if len(text) > record.LongestQueueName {
		return "", fmt.Errorf("takes a name of at most %d characters, not %s", record.LongestQueueName, quoted(text))
	}
	if err != nil || text == "" {
		return "", fmt.Errorf("takes small letters, digits, - and _, of which the first is a letter, such as gpu, not %s", quoted(text))
	}
	return name, nil
}

func (o *termOptions) readAt() (termsChange, error) {
	if o.at == none {
		return func(t *waiting.Terms) { t.At = record.Time{} }, nil
	}
	at, err := timeAt(o.at, now)
	return func(t *waiting.Terms) { t.At = record.Time{Time: at} }, err
}

func (o *termOptions) readPriority() (termsChange, error) {
	return func(t *waiting.Terms) { t.Priority = o.priority }, within(o.priority, -mostPriority, mostPriority)
}

// within returns an error if a number is out of range.
func within(n, least, most int) error {
	if n < least || n > most {
		return fmt.Errorf("takes a number from %d to %d, not %d", least, most, n)
	}
	return nil
}

func (o *termOptions) readRetry() (termsChange, error) {
	tries := o.retry + 1
	if o.retry == 0 {
		tries = 0
	}
	return func(t *waiting.Terms) { t.Tries = tries }, within(o.retry, 0, record.MostTries-1)
}

func (o *termOptions) readDelay() (termsChange, error) {
	d, err := length(o.delay)
	return func(t *waiting.Terms) { t.Delay = d }, err
}

// delayAlone is said of a time between tries of a task that is tried once.
const delayAlone = "--delay is the time between tries: say how many with --retry"

// checkDelay has a time between tries belong to a task that is tried again. One that a command line asks for is refused
// otherwise, and one from before goes with the further tries.
func (o *termOptions) checkDelay(c *cli.Command, t *waiting.Terms) error {
	if t.Tries > 1 || t.Delay == 0 {
		return nil
	}
	if c.IsSet("delay") {
		return &usageError{msg: delayAlone, help: "qme " + c.Name + " --help"}
	}
	t.Delay = 0
	return nil
}

func (o *termOptions) readLimit() (termsChange, error) {
	d, err := length(o.limit)
	return func(t *waiting.Terms) { t.Limit = d }, err
}

// length reads a length of time; none is 0.
func length(text string) (time.Duration, error) {
	if text == none {
		return 0, nil
	}
	d, err := span.Parse(text)
	if err != nil {
		return 0, fmt.Errorf("takes a time such as 90s, 2h30m, 1d or 1-00:00:00, not %s", quoted(text))
	}
	return d, nil
}

func (o *termOptions) readCPUs() (termsChange, error) {
	return func(t *waiting.Terms) { t.CPUs = o.cpus }, within(o.cpus, 0, mostCPUs)
}

func (o *termOptions) readGPUs() (termsChange, error) {
	return func(t *waiting.Terms) { t.GPUs = o.gpus }, within(o.gpus, 0, mostGPUs)
}

func (o *termOptions) readMemory() (termsChange, error) {
	size, err := memory(o.memory)
	return func(t *waiting.Terms) { t.Memory = size }, err
}

// memory reads an amount of memory, whose units are those of schedulers: 8G is 8 GiB. none is 0.
func memory(text string) (int64, error) {
	if text == none {
		return 0, nil
	}
	size := text
	if size != "" && strings.ContainsRune("KMGTkmgt", rune(size[len(size)-1])) {
		size += "iB"
	}
	n, err := config.ParseSize(size)
	if unit := strings.TrimLeft(size, "0123456789"); err != nil && unit != size {
		if _, uerr := config.ParseSize("1" + unit); uerr == nil {
			return 0, fmt.Errorf("takes at most %dT, not %s", int64(math.MaxInt64)>>40, quoted(text))
		}
	}
	if err != nil || strings.Trim(text, "0123456789") == "" && n > 0 { // schedulers do not agree on what 8 is
		return 0, fmt.Errorf("takes an amount such as 512M or 8G, not %s", quoted(text))
	}
	return n, nil
}

func (o *termOptions) readHost() (termsChange, error) {
	if o.host != "any" {
		return nil, fmt.Errorf("takes any, not %s: a task belongs to the machine on which it was added, or to all", quoted(o.host))
	}
	return func(t *waiting.Terms) { t.Place = "" }, nil
}

func (o *termOptions) readHalt() (termsChange, error) {
	return func(t *waiting.Terms) { t.Halt = o.halt }, nil
}

// errTwice means that a task is named in two ways.
var errTwice = errors.New("names a task that another option names: how does it have to end?")

// readAfter reads for which tasks a command line has one wait, and whether it says anything of them.
func readAfter(c *cli.Command, find func(ref string) (record.ID, error)) (list []waiting.After, set bool, err error) {
	for _, a := range afterOptions {
		if !c.IsSet(a.name) {
			continue
		}
		set = true
		for ref := range strings.SplitSeq(strings.Join(c.StringSlice(a.name), ","), ",") {
			if list, err = appendAfter(list, a.on, strings.TrimSpace(ref), find); err != nil {
				return nil, true, afterError(c, a.name, err)
			}
		}
	}
	if len(list) > record.MostAfter {
		return nil, true, afterError(c, "after", fmt.Errorf("takes at most %d tasks", record.MostAfter))
	}
	return list, set, nil
}

// appendAfter adds the task that ref names to a list, once.
func appendAfter(list []waiting.After, on waiting.On, ref string, find func(ref string) (record.ID, error)) ([]waiting.After, error) {
	switch {
	case ref == "":
		return nil, errors.New("needs a task, and was given nothing, as by a variable that is not set")
	case ref == none:
		return list, nil
	case strings.LastIndexByte(ref, '@') > 0:
		return nil, fmt.Errorf("takes a whole task, not the run %q", ref)
	}
	id, err := find(ref)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(list, func(a waiting.After) bool { return a.Task == id })
	switch {
	case i < 0:
		return append(list, waiting.After{Task: id, On: on}), nil
	case list[i].On != on:
		return nil, errTwice
	}
	return list, nil
}

// afterError says which option an error is about. Of a task that cannot be found it stays what it is.
func afterError(c *cli.Command, name string, err error) error {
	if codeOf(err) != exitFailure {
		return fmt.Errorf("--%s: %w", name, err)
	}
	return &usageError{msg: "--" + name + " " + err.Error(), help: "qme " + c.Name + " --help"}
}

// finder returns a function that finds the tasks that options name.
func finder(q *tasks.Service) func(ref string) (record.ID, error) {
	return func(ref string) (record.ID, error) {
		ids, err := q.IDs(ref)
		if err != nil {
			return "", err
		}
		return ids[0], nil
	}
}
