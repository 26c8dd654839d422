package tasks

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"qme/record"
)

// queuePrefix begins the names of what queueFields returns.
const queuePrefix = "queue."

// queueFields returns the values of a run that the queue has given it, or that say how it ended there. What
// depends on when it was added, and on other tasks, says nothing of the run and is left out.
func queueFields(q *record.Queue) []FieldChange {
	q = cmp.Or(q, new(record.Queue))
	number := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	memory, limit, stopped, timedOut := "", "", "", ""
	if q.Memory > 0 {
		memory = humanize.IBytes(uint64(q.Memory))
	}
	if q.Limit > 0 {
		limit = time.Duration(q.Limit * float64(time.Second)).String()
	}
	if q.Stopped > 0 {
		stopped = secondsText(q.Stopped)
	}
	if q.TimedOut {
		timedOut = "true"
	}
	var changed []string
	for _, c := range q.Changed {
		changed = append(changed, c.Kind+" "+c.Name)
	}
	return []FieldChange{
		{Name: queuePrefix + "timed_out", From: timedOut}, {Name: queuePrefix + "limit", From: limit}, {Name: queuePrefix + "stopped", From: stopped},
		{Name: queuePrefix + "cpus", From: number(q.CPUs)}, {Name: queuePrefix + "memory", From: memory}, {Name: queuePrefix + "gpus", From: number(len(q.GPUs))},
		{Name: queuePrefix + "changed", From: strings.Join(changed, ", ")},
	}
}
