package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"qme/internal/safe"
	"qme/record"
)

// queue shows how a run went through the queue, or why its task waits there.
func (p *page) queue() {
	q := p.r.Data.Queue
	if q == nil {
		return
	}
	added := q.Added.Local()
	p.line("Queue", safe.Line(joined(", ", q.Name, triesText(q), "added "+added.Format(time.DateTime)+" ("+ago(added)+")", p.waited(q), p.termsText())))
	if p.why != nil {
		p.line("Waits", safe.Line(p.why.String()))
	}
	if len(q.After) > 0 {
		p.line("After", afterText(q.After))
	}
	p.line("Set aside", safe.Line(joined(", ", resourcesText(q), p.gpusWanted())))
	for _, c := range q.Changed {
		p.line("Changed", safe.Line(queueChange(c)))
	}
	if q.Snapshot != "" {
		p.line("Snapshot", safe.Line(q.Snapshot))
	}
}

// waited says how long the run waited for its start, how long it stood still, and whether it was ended
// for its time.
func (p *page) waited(q *record.Queue) string {
	var texts []string
	if began := p.r.Data.Timestamp; !p.r.IsQueued() && began.After(q.Added.Time) && p.r.Data.PID != 0 {
		texts = append(texts, "waited "+shortDuration(began.Sub(q.Added.Time)))
	}
	if q.Stopped > 0 {
		texts = append(texts, "stopped for "+shortDuration(inSeconds(q.Stopped)))
	}
	switch {
	case q.TimedOut:
		texts = append(texts, "timed out after "+shortDuration(inSeconds(q.Limit)))
	case q.Limit > 0:
		texts = append(texts, "limit "+shortDuration(inSeconds(q.Limit)))
	}
	return strings.Join(texts, ", ")
}

// termsText says when a waiting task may start as far as that was asked for, and what its failure does.
func (p *page) termsText() string {
	t := p.terms
	if t == nil {
		return ""
	}
	var at, halt string
	if !t.At.IsZero() {
		at = "not before " + t.At.Local().Format(time.DateTime)
	}
	if t.Halt {
		halt = "pauses the queue if it fails"
	}
	return joined(", ", priorityText(t.Priority), at, halt)
}

// gpusWanted says how many GPUs a waiting task will get.
func (p *page) gpusWanted() string {
	if p.terms == nil || p.terms.GPUs == 0 {
		return ""
	}
	return count(p.terms.GPUs, "GPU")
}

func inSeconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// triesText says which try it is, if there may be several.
func triesText(q *record.Queue) string {
	if q.Tries < 2 {
		return ""
	}
	return fmt.Sprintf("try %d of %d", q.Try, q.Tries)
}

// mostAfterShown is how many tasks are named for whose end one waits.
const mostAfterShown = 5

func afterText(ids []record.ID) string {
	var texts []string
	for _, id := range ids[:min(len(ids), mostAfterShown)] {
		texts = append(texts, string(id))
	}
	if more := len(ids) - len(texts); more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, " ")
}

// resourcesText says what was set aside for a run.
func resourcesText(q *record.Queue) string {
	var texts []string
	if q.CPUs > 0 {
		texts = append(texts, count(q.CPUs, "CPU"))
	}
	if q.Memory > 0 {
		texts = append(texts, humanize.IBytes(uint64(q.Memory)))
	}
	if len(q.GPUs) > 0 {
		texts = append(texts, count(len(q.GPUs), "GPU")+" ("+strings.Join(q.GPUs, ",")+")")
	}
	return strings.Join(texts, ", ")
}

// queueChange says what of the code was another at the start than when the task was added.
func queueChange(c record.QueueChange) string {
	text := c.Kind + " " + c.Name + " since it was added"
	if c.From != "" || c.To != "" {
		text += fmt.Sprintf(" (%s, now %s)", orUnknown(c.From), orUnknown(c.To))
	}
	return text
}

func orUnknown(text string) string {
	if text == "" {
		return "not known"
	}
	return text
}
