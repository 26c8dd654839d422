package queue

import (
	"cmp"
	"slices"
	"time"

	"qme/record"
	"qme/tasks/waiting"
)

// A Task is a waiting task, as far as Plan has to know it.
type Task struct {
	ID    record.ID
	Added time.Time
	Try   int // from 1
	waiting.Terms
}

// before returns the order in which tasks start: by priority, then by age.
func before(a, b *Task) int {
	return cmp.Or(cmp.Compare(b.Priority, a.Priority), a.Added.Compare(b.Added), cmp.Compare(a.ID, b.ID))
}

// A Holding is what a task that has started keeps until it has ended.
type Holding struct {
	ID     record.ID
	Queue  string
	CPUs   int
	Memory int64
	GPUs   int
}

// An Outcome is how a task has ended on which others depend.
type Outcome int

// The values of Outcome.
const (
	Pending   Outcome = iota // it runs, or its job waits or runs
	Waiting                  // it waits in the queue itself
	Succeeded                // with return code 0, and its job, too
	Failed                   // otherwise, or it was cancelled
	Gone                     // there is no such task
)

// A Situation is all on which it depends which tasks start.
type Situation struct {
	// Here is the text of the place for which tasks are to be started.
	Here string
	// Waiting are the waiting tasks of the home, in the order of before.
	Waiting []*Task
	// Started are the tasks that have started at this place and have not ended.
	Started []Holding
	State   *State
	Machine Machine
	// Outcome returns how a task has ended.
	Outcome func(record.ID) Outcome
	// Aside are waiting tasks that are passed by for now.
	Aside map[record.ID]time.Time
	Now   time.Time
	// Brief leaves out the reasons, and looks no further once every slot is taken.
	Brief bool
}

// A Decision says which tasks start, and why the others do not.
type Decision struct {
	// Start are the tasks to be started now, in this order.
	Start []record.ID
	// Reasons says why each of the others waits; nil if Situation.Brief.
	Reasons map[record.ID]Reason
	// Next is when to look again if nothing changes until then; the zero time for never. With
	// Situation.Brief only tasks that were looked at count.
	Next time.Time
	// Wanted says that a waiting task can start later without the user doing anything, so that a worker has to
	// look again.
	Wanted bool
}

// Plan decides which tasks start now.
//
// Tasks start in the order of priority, then of age, as long as their queue has a free slot and the
// place has the processors, the memory and the GPUs for which they ask. A task that lacks some of
// these is passed by those behind it, with one exception: the first of them keeps its slot and all
// that it needs, so that others get only what is left besides. So each task starts some time, and no
// more than one slot stands empty for that. A task that asks for more than the place has at all keeps
// nothing.
func Plan(s Situation) Decision {
	p := newPlan(s)
	for _, t := range s.Waiting {
		if s.Brief && p.full() {
			p.decision.Wanted = true
			break
		}
		p.look(t)
	}
	return p.decision
}

// A plan is Plan at work.
type plan struct {
	Situation
	decision Decision
	slots    map[string]int // the free ones of each queue
	taken    int            // queues without a free slot
	queues   int            // queues that have tasks; 0 if that is not known
	free     need
	kept     bool // a task that lacks something keeps what it needs
	started  map[record.ID]bool
}

// A need is what tasks ask for.
type need struct {
	cpus   int
	memory int64
	gpus   int
}

func (n need) minus(m need) need { return need{n.cpus - m.cpus, n.memory - m.memory, n.gpus - m.gpus} }

// fits reports whether n can be had of what is free. What is not asked for does not matter.
func (n need) fits(free need) bool {
	return (n.cpus == 0 || n.cpus <= free.cpus) && (n.memory == 0 || n.memory <= free.memory) && (n.gpus == 0 || n.gpus <= free.gpus)
}

func needOf(t *waiting.Terms) need { return need{t.CPUs, t.Memory, t.GPUs} }

// all returns what a place has for tasks.
func (m Machine) all() need {
	n := need{m.CPUs, m.Memory, len(m.GPUs)}
	if n.memory == 0 { // not known
		n.memory = 1 << 62
	}
	return n
}

func newPlan(s Situation) *plan {
	p := &plan{Situation: s, slots: map[string]int{}, free: s.Machine.all(), started: make(map[record.ID]bool, len(s.Started))}
	if !s.Brief {
		p.decision.Reasons = make(map[record.ID]Reason, len(s.Waiting))
	} else {
		p.countQueues()
	}
	for _, h := range s.Started {
		p.started[h.ID] = true
		p.take(h.Queue, need{h.CPUs, h.Memory, h.GPUs})
	}
	return p
}

// countQueues makes full know when nothing more can start.
func (p *plan) countQueues() {
	seen := map[string]bool{}
	last := "\x00" // no name
	for _, t := range p.Waiting {
		if name := t.Queue; name != last {
			seen[name], last = true, name
		}
	}
	for name := range seen {
		p.slotsOf(name)
	}
	p.queues = len(p.slots)
}

// slotsOf returns the free slots of a queue; it may be negative after the number was lowered.
func (p *plan) slotsOf(name string) int {
	n, ok := p.slots[name]
	if !ok {
		if n = p.State.slots(name, p.Machine); n <= 0 {
			p.taken++
		}
		p.slots[name] = n
	}
	return n
}

// take takes a slot and resources.
func (p *plan) take(name string, n need) {
	left := p.slotsOf(name) - 1
	if p.slots[name] = left; left == 0 {
		p.taken++
	}
	p.free = p.free.minus(n)
}

func (p *plan) full() bool { return p.queues > 0 && p.taken >= len(p.slots) }

func (p *plan) look(t *Task) {
	if p.started[t.ID] {
		return
	}
	if _, aside := p.Aside[t.ID]; aside {
		p.decision.Wanted = true
		return
	}
	reason, ok := p.ready(t)
	if !ok {
		p.waits(t, reason)
		return
	}
	n := needOf(&t.Terms)
	switch {
	case !n.fits(p.Machine.all()):
		p.waits(t, Reason{Word: Resources, Why: p.never(n), Never: true})
	case p.slotsOf(t.Queue) <= 0:
		p.decision.Wanted = true
		p.waits(t, Reason{Word: Slots, Queue: Called(t.Queue)})
	case !n.fits(p.free):
		p.decision.Wanted = true
		p.waits(t, Reason{Word: Resources, Why: p.lacks(n)})
		if !p.kept {
			p.kept = true
			p.take(t.Queue, n)
		}
	default:
		p.take(t.Queue, n)
		p.decision.Start = append(p.decision.Start, t.ID)
	}
}

// ready returns why a task may not start whatever is free, or true.
func (p *plan) ready(t *Task) (Reason, bool) {
	if t.Held {
		if t.Why != "" {
			return Reason{Word: CannotStart, Why: t.Why}, false
		}
		return Reason{Word: Held}, false
	}
	pending, blocked := p.after(t.After)
	pause := p.State.paused(t.Queue)
	switch {
	case len(blocked.Tasks) > 0:
		return blocked, false
	case t.Place != "" && t.Place != p.Here:
		return Reason{Word: Host, Place: t.Place}, false
	case len(pending) > 0:
		return Reason{Word: After, Tasks: pending}, false
	case pause != nil: // also before its time, since the user has to do something
		return Reason{Word: Paused, Queue: Called(t.Queue), Halted: pause.Halted}, false
	case t.At.After(p.Now):
		p.at(t.At.Time)
		word := Time
		if t.Try > 1 {
			word = Retry
		}
		return Reason{Word: word, Until: t.At}, false
	}
	return Reason{}, true
}

// after returns the tasks for whose end a task waits, and a reason with those that keep it from ever starting as they have
// ended, and with what these have in common. A condition that is over is in neither list.
func (p *plan) after(list []waiting.After) (pending []record.ID, blocked Reason) {
	blocked.Word = Blocked
	for _, a := range list {
		o := p.Outcome(a.Task)
		if o == Pending || o == Waiting {
			// What waits itself starts or needs the user: that is decided for it.
			p.decision.Wanted = p.decision.Wanted || o == Pending
			pending = append(pending, a.Task)
			continue
		}
		text := blocks(a.On, o)
		switch {
		case text == "":
			continue
		case len(blocked.Tasks) == 0:
			blocked.Why = text
		case text != blocked.Why:
			blocked.Why = "have not ended as they should"
		}
		blocked.Tasks = append(blocked.Tasks, a.Task)
		if o == Gone {
			blocked.Gone = append(blocked.Gone, a.Task)
		}
	}
	return pending, blocked
}

// blocks says in which way the end of a task keeps another one from starting, "" if it does not.
func blocks(on waiting.On, o Outcome) string {
	switch {
	case o == Gone:
		return "is no longer there"
	case o == Failed && on == waiting.OnSuccess:
		return "was not successful"
	case o == Succeeded && on == waiting.OnFailure:
		return WhySucceeded
	}
	return ""
}

func (p *plan) waits(t *Task, why Reason) {
	if p.decision.Reasons != nil {
		p.decision.Reasons[t.ID] = why
	}
}

// at notes a time at which to look again.
func (p *plan) at(t time.Time) {
	p.decision.Wanted = true
	if p.decision.Next.IsZero() || t.Before(p.decision.Next) {
		p.decision.Next = t
	}
}

// sorted puts tasks into the order of before.
func sorted(list []*Task) []*Task {
	slices.SortFunc(list, before)
	return list
}
