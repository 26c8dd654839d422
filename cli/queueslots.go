package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v3"

	"qme/queue"
	"qme/record"
)

// autoSlots has a queue take half of the processors.
const autoSlots = "auto"

// slots shows or sets how many tasks run at once, and what they may have together.
func (cmd *queueCommand) slots(ctx context.Context, c *cli.Command, o *queueOptions, words []string) error {
	name, err := o.name(c)
	if err != nil {
		return err
	}
	change, err := o.slotsChange(c, words)
	if err != nil {
		return err
	}
	if change == (queue.SlotsChange{}) {
		return cmd.showSlots(ctx, c, o, name)
	}
	all, err := cmd.open(ctx)
	if err != nil {
		return err
	}
	_, err = all.Slots(ctx, name, change)
	if errors.Is(err, record.ErrInvalid) {
		return queueUsage("%s", said(err.Error()))
	} else if err != nil {
		return err
	}
	if len(words) > 0 {
		cmd.term.note("The queue %s has %s.", queue.Called(name), slotsText(words[0]))
	}
	together := change.CPUs != nil || change.Memory != nil || change.GPUs != nil || change.FindGPUs
	if !o.json && (!together || cmd.term.quiet) {
		return nil
	}
	p, err := all.Reasons(ctx)
	if err != nil {
		return err
	}
	if together {
		cmd.term.note("All queues together have %s.", machineText(p.Machine))
	}
	if o.json {
		return cmd.term.printJSON(slotsJSONOf(p, slotsOf(p, c.IsSet("queue"), name)))
	}
	return nil
}

func slotsText(word string) string {
	if n, err := strconv.Atoi(word); err == nil {
		return count(n, "slot")
	}
	return "half as many slots as there are processors"
}

// name reads the name of the queue that is meant, "" for the default one.
func (o *queueOptions) name(c *cli.Command) (string, error) {
	if !c.IsSet("queue") {
		return "", nil
	}
	name, err := queueName(o.queue)
	if err != nil {
		return "", queueUsage("--queue %v", err)
	}
	return name, nil
}

// names returns the queue that is meant as a list, which is empty for all.
func (o *queueOptions) names(c *cli.Command) ([]string, error) {
	name, err := o.name(c)
	if err != nil || !c.IsSet("queue") {
		return nil, err
	}
	return []string{name}, nil
}

// slotsChange reads what a command line changes.
func (o *queueOptions) slotsChange(c *cli.Command, words []string) (change queue.SlotsChange, err error) {
	for _, option := range []string{"cpus", "mem", "gpus"} {
		if c.IsSet(option) && c.IsSet("queue") {
			return change, queueUsage("--%s narrows what all queues have together, not one of them: leave out --queue, or give it slots of its own, as in \"qme queue slots 2 --queue gpu\"", option)
		}
	}
	if len(words) > 0 {
		n, err := strconv.Atoi(words[0])
		if words[0] != autoSlots && (err != nil || n < 1 || n > queue.MostSlots) {
			return change, queueUsage("slots takes a number from 1 to %d, or auto, not %q; \"qme queue pause\" starts no further task", queue.MostSlots, words[0])
		}
		change.Slots = &n // 0 for auto
	}
	if c.IsSet("cpus") {
		if err := within(o.cpus, 0, mostCPUs); err != nil {
			return change, queueUsage("--cpus %v", err)
		}
		change.CPUs = &o.cpus
	}
	if c.IsSet("mem") {
		size, err := memory(o.memory)
		if err != nil {
			return change, queueUsage("--mem %v", err)
		}
		change.Memory = &size
	}
	if c.IsSet("gpus") {
		switch o.gpus {
		case "all":
			change.FindGPUs = true
		case none:
			change.GPUs = &[]string{}
		default:
			list := strings.Split(o.gpus, ",")
			change.GPUs = &list
		}
	}
	return change, nil
}

// slotsOf returns the queues of a home, or the one that is meant, also if nothing was set for it.
func slotsOf(p *queue.Picture, one bool, name string) []queue.OneQueue {
	if !one {
		return p.Queues
	}
	for _, q := range p.Queues {
		if q.Name == name {
			return []queue.OneQueue{q}
		}
	}
	return []queue.OneQueue{{Name: name, Slots: 1, Paused: p.Paused}}
}

// showSlots prints how many slots queues have, and what tasks may have together.
func (cmd *queueCommand) showSlots(ctx context.Context, c *cli.Command, o *queueOptions, name string) error {
	q, err := cmd.home.history(ctx) // also of a home that can only be read
	if err != nil {
		return err
	}
	p, err := cmd.home.queue(q).Reasons(ctx)
	if err != nil {
		return err
	}
	one := c.IsSet("queue")
	if o.json {
		return cmd.term.printJSON(slotsJSONOf(p, slotsOf(p, one, name)))
	}
	var lines []string
	for _, q := range slotsOf(p, one, name) {
		lines = append(lines, fmt.Sprintf("%s: %d%s", queue.Called(q.Name), q.Slots, autoText(q.Auto)))
	}
	if !one {
		lines = append(lines, "all together: "+machineText(p.Machine))
	}
	_, err = fmt.Fprintln(cmd.term.out, strings.Join(lines, "\n"))
	return err
}

func autoText(auto bool) string {
	if auto {
		return " (auto)"
	}
	return ""
}

// machineText says what tasks may have together.
func machineText(m queue.Machine) string {
	parts := []string{count(m.CPUs, "CPU")}
	if m.Memory > 0 {
		parts = append(parts, humanize.IBytes(uint64(m.Memory))+" of memory")
	}
	if len(m.GPUs) > 0 {
		parts = append(parts, fmt.Sprintf("%s (%s)", count(len(m.GPUs), "GPU"), strings.Join(m.GPUs, ",")))
	}
	return strings.Join(parts, ", ")
}
