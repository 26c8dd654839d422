package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"qme/internal/day"
	"qme/internal/safe"
	"qme/queue"
	"qme/record"
	"qme/tasks"
	"qme/tasks/waiting"
)

// waitText says why a task waits.
func waitText(r queue.Reason) string {
	switch r.Word {
	case queue.Slots:
		if r.Free {
			return "slots: the queue " + r.Queue + " has one free, it starts now"
		}
		return "slots: the queue " + r.Queue + " has none free"
	case queue.Resources, queue.CannotStart:
		return string(r.Word) + ": " + safe.Line(r.Why)
	case queue.After:
		return "after " + shortNames(r.Tasks, mostNamed)
	case queue.Blocked:
		return "blocked: " + shortNames(r.Tasks, mostNamed) + " " + r.Why
	case queue.Time:
		return "time: " + clock(r.Until.Time)
	case queue.Retry:
		return "retry: " + clock(r.Until.Time)
	case queue.Paused:
		return "paused" + haltedText(r.Halted)
	case queue.Host:
		text := "host: starts on " + placeText(r.Place)
		if r.Never {
			text += ", where no worker is at work"
		}
		return text
	}
	return string(r.Word)
}

// waitReasons is tasks.Service.Reasons. It starts a worker where tasks wait that start by themselves and none is at
// work, as after it was killed: a user who waits for such a task would otherwise wait until another command starts one.
func (h *home) waitReasons(q *tasks.Service) func(context.Context, []record.ID) (map[record.ID]tasks.WaitReason, error) {
	return func(ctx context.Context, ids []record.ID) (map[record.ID]tasks.WaitReason, error) {
		own := h.queue(q)
		p, err := own.ReasonsOf(ctx, ids)
		if err == nil {
			err = own.Revive(ctx, p)
		}
		if err != nil {
			return nil, err
		}
		e := explainer{home: h, waiting: q.Waiting, all: make(map[record.ID]queue.Reason, len(p.Waiting)), behind: map[record.ID]record.ID{}}
		for _, w := range p.Waiting {
			e.all[w.ID] = w.Reason
		}
		reasons := map[record.ID]tasks.WaitReason{}
		for _, id := range ids {
			if _, waits := e.all[id]; waits && e.damage(id) == nil {
				reasons[id] = e.reason(id)
			}
		}
		return reasons, nil
	}
}

// An explainer says why tasks wait, and what the user can do about those that do not start otherwise.
type explainer struct {
	*home
	waiting *waiting.Folder
	all     map[record.ID]queue.Reason // of the waiting tasks
	// behind remembers stuckBehind: a chain of tasks is followed once, not once for each of them.
	behind map[record.ID]record.ID
}

// reason says why a task waits.
func (e *explainer) reason(id record.ID) tasks.WaitReason {
	why := e.all[id]
	r := tasks.WaitReason{Word: string(why.Word)}
	if _, text, ok := strings.Cut(waitText(why), r.Word); ok {
		r.Text = strings.TrimPrefix(strings.TrimPrefix(text, ":"), " ")
	}
	if why.Word == queue.After {
		by := e.stuckBehind(id)
		if by == "" {
			return r
		}
		text := fmt.Sprintf("%s is %s", by, e.reason(by))
		if err := e.damage(by); err != nil {
			text = said(err.Error())
		}
		r.Text, r.Stuck = joined("; ", r.Text, text), true
		return r
	}
	cure := e.cure(id, why)
	r.Text, r.Stuck = joined("; ", r.Text, cure), cure != ""
	return r
}

// damage returns the error of a task that does not start although it seems to, since its files are damaged.
func (e *explainer) damage(id record.ID) error {
	if why, waits := e.all[id]; waits && !why.Free {
		return nil
	}
	return e.waiting.Damage(id)
}

// cure says what the user can do for a task that does not start otherwise, "" for one that does.
func (h *home) cure(id record.ID, why queue.Reason) string {
	switch why.Word {
	case queue.Held, queue.CannotStart:
		return fmt.Sprintf("%q lets it start", h.term.line("release", string(id)))
	case queue.Blocked:
		return h.unblock(id, why)
	case queue.Paused:
		return fmt.Sprintf("%q goes on", h.term.line("queue", "resume"))
	case queue.Host:
		if why.Never {
			return fmt.Sprintf("%q lets this machine start it, if that has ended", h.term.line("queue", "release", "--host", why.Place))
		}
	case queue.Resources:
		if why.Never {
			return fmt.Sprintf("%q asks for less", h.term.line("edit", string(id)))
		}
	}
	return ""
}

// unblock is cure for a task that waits for others which have ended otherwise, or are gone.
func (h *home) unblock(id record.ID, why queue.Reason) string {
	edit := fmt.Sprintf("%q has it wait for none", h.term.line("edit", "--after", none, string(id)))
	switch {
	case len(why.Gone) > 0:
		words, them := []string{"restore"}, "it"
		for _, gone := range why.Gone[:min(len(why.Gone), mostNamed)] {
			words = append(words, string(gone))
		}
		if len(words) > 2 {
			them = "them"
		}
		return fmt.Sprintf("%q brings %s back, or %s", h.term.line(words...), them, edit)
	case why.Why == queue.WhySucceeded:
		return fmt.Sprintf("%s, and %q takes it out", edit, h.term.line("cancel", string(id)))
	case len(why.Tasks) > 1:
		return "run those again so that they do, or " + edit
	}
	return "run that again with success, or " + edit
}

// stuckBehind returns the task for which one waits, directly or through others, that does not start unless the user
// does something; "" if there is none.
func (e *explainer) stuckBehind(id record.ID) record.ID {
	by, known := e.behind[id]
	if known {
		return by
	}
	e.behind[id] = "" // also for tasks that wait for each other
	for _, next := range e.all[id].Tasks {
		why := e.all[next]
		switch {
		case why.Word == queue.After:
			by = e.stuckBehind(next)
		case e.cure(next, why) != "" || e.damage(next) != nil:
			by = next
		}
		if by != "" {
			break
		}
	}
	e.behind[id] = by
	return by
}

// haltedText says which failure has paused a queue; "" if the user has.
func haltedText(id record.ID) string {
	if id == "" {
		return ""
	}
	return ": " + id.Short(0) + " has failed"
}

// placeText describes where a task starts.
func placeText(place string) string {
	p := queue.ParsePlace(place)
	if p.Slurm == "" {
		return safe.Line(p.Host)
	}
	return safe.Line(fmt.Sprintf("%s, in the allocation %s", p.Host, p.Slurm))
}

// mostNamed is how many tasks a reason names.
const mostNamed = 3

// shortNames lists tasks, of which it names at most some.
func shortNames(ids []record.ID, most int) string {
	var names []string
	for _, id := range ids[:min(len(ids), most)] {
		names = append(names, id.Short(0))
	}
	if more := len(ids) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names, ", "), more)
	}
	return strings.Join(names, ", ")
}

// clock returns a time for display, without the date if it is of today, or at most a day from now, which is not ambiguous. A
// server shows it long after it has begun.
func clock(at time.Time) string { return clockAt(at.Local(), time.Now()) }

// clockAt is clock at a moment.
func clockAt(at, now time.Time) string {
	if until := at.Sub(now); until > -time.Minute && until < 24*time.Hour || day.Of(at).Equal(day.Of(now)) {
		return at.Format("15:04")
	}
	return at.Format("2006-01-02 15:04")
}
