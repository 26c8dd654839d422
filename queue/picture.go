package queue

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"qme/internal/day"
	"qme/record"
	"qme/tasks"
)

// A Picture is what goes on in the queue of a home, as seen at one place.
type Picture struct {
	Here    string
	Machine Machine
	// Worker says that a worker is at work here.
	Worker bool
	// Stopped is the process of that worker if a signal has stopped it, so that nothing starts; 0 otherwise.
	Stopped int
	// Paused, if not nil, says that all queues are.
	Paused *Pause
	// Queues are those that have tasks, or for which something was set: the default one, then by name.
	Queues []OneQueue
	// Running are the tries that have begun and are not over, at all places, the oldest first.
	Running []Run
	// Waiting are in the order in which they start, as far as that is known.
	Waiting []Wait
	// Ended are the records of the tasks of the queue that have ended since midnight, the latest first.
	Ended []*record.Record
	// Damaged are the errors of tasks whose files cannot be read.
	Damaged []error
}

// A OneQueue is one of the named queues.
type OneQueue struct {
	Name   string // "" for the default one
	Slots  int    // at this place
	Auto   bool
	Paused *Pause // also if all are
	// Running are the tasks that have a slot at this place, and Waiting all that wait in this queue.
	Running, Waiting int
}

// A Run is a try that has begun and is not over.
type Run struct {
	Record *record.Record
	Queue  string
	// Reason has Running, Unsupervised or Unrecorded.
	Reason Reason
	// Place is where it runs, as far as that is known.
	Place string
	// Stopped says of an unsupervised one that all of its processes stand still.
	Stopped bool
}

// A Wait is a waiting task.
type Wait struct {
	*Task
	Reason Reason
	// Record is nil unless Look has read it.
	Record *record.Record
}

// Look returns what goes on, in one of the queues if names has that ("" for the default one). It reads the records of the
// first most waiting tasks, or of all if most is 0. What cannot be read is in Picture.Damaged.
func (q *Queue) Look(ctx context.Context, names []string, most int) (*Picture, error) {
	p, err := q.Reasons(ctx)
	if err != nil {
		return nil, err
	}
	p.Ended = slices.DeleteFunc(q.endedSince(ctx, day.Of(time.Now())), func(r *record.Record) bool {
		return slices.ContainsFunc(p.Running, func(run Run) bool { return run.Record.UID == r.UID }) // it is not over, and may be tried again
	})
	if len(names) > 0 {
		p.only(names[0])
	}
	p.Stopped = q.standingStill(q.Here())
	q.describe(p, most)
	return p, nil
}

// only keeps the tasks of one queue.
func (p *Picture) only(name string) {
	p.Queues = slices.DeleteFunc(p.Queues, func(q OneQueue) bool { return q.Name != name })
	p.Running = slices.DeleteFunc(p.Running, func(r Run) bool { return r.Queue != name })
	p.Waiting = slices.DeleteFunc(p.Waiting, func(w Wait) bool { return w.Queue != name })
	p.Ended = slices.DeleteFunc(p.Ended, func(r *record.Record) bool { return r.Data.Queue == nil || r.Data.Queue.Name != name })
}

// describe reads the records of the first most waiting tasks, or of all if most is 0. Tasks that have started meanwhile are
// left out.
func (q *Queue) describe(p *Picture, most int) {
	kept := p.Waiting[:0]
	for _, w := range p.Waiting {
		if most == 0 || len(kept) < most {
			rec, err := q.Service.Waiting.Record(w.ID)
			if errors.Is(err, record.ErrNotFound) {
				continue
			} else if err != nil {
				p.Damaged = append(p.Damaged, err) // it says what to do
				continue
			}
			w.Record = rec
		}
		kept = append(kept, w)
	}
	p.Waiting = kept
}

// longTask is for how long a task that ends today is looked for among those that began earlier.
const longTask = 14 * 24 * time.Hour

// endedSince returns the tasks of the queue that have ended since a time, the latest first.
func (q *Queue) endedSince(ctx context.Context, since time.Time) (list []*record.Record) {
	for item := range q.Service.List(tasks.Filter{Since: since.Add(-longTask), Outcomes: record.InactiveOnes, Brief: true}) {
		if ctx.Err() != nil {
			break
		}
		if item.Err != nil || item.Record == nil || item.Record.Data.Queue == nil {
			continue
		}
		if !endOf(item.Record).Before(since) {
			list = append(list, item.Record)
		}
	}
	slices.SortStableFunc(list, func(a, b *record.Record) int { return endOf(b).Compare(endOf(a)) })
	return list
}

// endOf returns when a run has ended, or its beginning if that is not known.
func endOf(r *record.Record) time.Time {
	if f := r.Data.Finished; f != nil {
		return f.Time
	}
	return r.Data.Timestamp.Time
}

// Reasons is Look without what has ended, and without records of what waits.
func (q *Queue) Reasons(ctx context.Context) (*Picture, error) {
	p, _, err := q.picture(ctx, q.Service.Waiting.IDs)
	return p, err
}

// ReasonsOf is Reasons for some tasks. Of those that wait, the picture may have no others than these and those after which
// they start. What it costs does not depend on how many wait besides, as long as no slot is free for which they may be
// before these.
func (q *Queue) ReasonsOf(ctx context.Context, ids []record.ID) (*Picture, error) {
	if len(ids) > mostAlone {
		return q.Reasons(ctx)
	}
	ids, complete, err := q.withEarlier(ids)
	if err != nil {
		return nil, err
	}
	if complete {
		p, d, err := q.picture(ctx, func() ([]record.ID, error) { return ids, nil })
		if err != nil || d.standsAlone() {
			return p, err
		}
	}
	return q.Reasons(ctx)
}

// mostAlone is for how many tasks ReasonsOf looks at each by itself.
const mostAlone = 300

// withEarlier returns tasks with those after which they start, as far as these wait. complete is false if they are too many.
func (q *Queue) withEarlier(ids []record.ID) (all []record.ID, complete bool, err error) {
	known := map[record.ID]bool{}
	add := func(id record.ID) {
		if !known[id] {
			known[id], all = true, append(all, id)
		}
	}
	for _, id := range ids {
		add(id)
	}
	for i := 0; i < len(all); i++ {
		if len(all) > mostAlone {
			return nil, false, nil
		}
		e, err := q.Service.Waiting.Entry(all[i])
		switch {
		case errors.Is(err, record.ErrNotFound) || errors.Is(err, record.ErrInvalid):
			continue
		case err != nil:
			return nil, false, err
		}
		for _, a := range e.After {
			add(a.Task)
		}
	}
	return all, true, nil
}

// standsAlone reports whether the reasons would be the same with further tasks that wait. So it is if no task starts, and
// none waits for resources that another task could take.
func (d Decision) standsAlone() bool {
	if len(d.Start) > 0 {
		return false
	}
	for _, r := range d.Reasons {
		if r.Word == Resources && !r.Never {
			return false
		}
	}
	return true
}

// picture returns what goes on, without what has ended and records of what waits, and the decision. ids returns the
// tasks that are looked at.
func (q *Queue) picture(ctx context.Context, ids func() ([]record.ID, error)) (*Picture, *Decision, error) {
	state, err := q.State()
	if err != nil {
		return nil, nil, err
	}
	// In this order: a task that starts meanwhile is in at least one of the two.
	list, damaged, err := q.read(ids)
	if err != nil {
		return nil, nil, err
	}
	tries, err := q.Service.Tries()
	if err != nil {
		return nil, nil, err
	}
	s := q.situation(without(list, tries), tries, state)
	p := &Picture{Here: s.Here, Machine: s.Machine, Paused: state.Paused, Damaged: damaged, Worker: q.working(q.Here())}
	decided := Plan(s)
	p.Running = q.runs(tries)
	noWorker := q.noWorkers()
	for _, t := range s.Waiting {
		reason, waits := decided.Reasons[t.ID]
		if !waits { // the worker is about to start it
			reason = Reason{Word: Slots, Queue: Called(t.Queue), Free: true}
		}
		reason.Never = reason.Never || reason.Word == Host && noWorker(reason.Place)
		p.Waiting = append(p.Waiting, Wait{Task: t, Reason: reason})
	}
	p.Queues = queuesOf(p, state, s.Started)
	return p, &decided, ctx.Err()
}

// noWorkers returns a function that reports whether a place is an allocation on this machine where no worker is at work. A
// worker goes on there as long as a task waits that it could start.
func (q *Queue) noWorkers() func(place string) bool {
	known := map[string]bool{}
	return func(place string) bool {
		none, asked := known[place]
		if !asked {
			at := ParsePlace(place)
			none = at.Slurm != "" && at.Host == q.Here().Host && !q.working(at)
			known[place] = none
		}
		return none
	}
}

// situation returns all on which it depends which of some tasks start here.
func (q *Queue) situation(list []*Task, tries []tasks.Try, state *State) Situation {
	here := q.Here().String()
	return Situation{Here: here, Waiting: list, Started: q.holdings(tries, here), State: state, Machine: machine(state), Outcome: q.outcomes(), Now: now()}
}

// read reads waiting tasks, and returns them in their order. Those that do not wait are left out.
func (q *Queue) read(of func() ([]record.ID, error)) (list []*Task, damaged []error, err error) {
	ids, err := of()
	if err != nil {
		return nil, nil, err
	}
	for _, id := range ids {
		t, err := q.task(id)
		switch {
		case errors.Is(err, record.ErrNotFound):
			continue
		case err != nil:
			damaged = append(damaged, err) // it says what to do
			continue
		}
		list = append(list, t)
	}
	return sorted(list), damaged, nil
}

// task returns a waiting task. Errors are those of waiting.Folder.Entry.
func (q *Queue) task(id record.ID) (*Task, error) {
	e, err := q.Service.Waiting.Entry(id)
	if err != nil {
		return nil, err
	}
	return &Task{ID: id, Added: e.Added.Time, Try: e.Try, Terms: e.Terms}, nil
}

// without leaves out the tasks that have started.
func without(list []*Task, tries []tasks.Try) []*Task {
	started := make(map[record.ID]bool, len(tries))
	for _, t := range tries {
		started[t.ID] = true
	}
	return slices.DeleteFunc(list, func(t *Task) bool { return started[t.ID] })
}

// holdings returns what tries hold at a place.
func (q *Queue) holdings(tries []tasks.Try, here string) []Holding {
	var list []Holding
	for _, t := range tries {
		if q.placeOf(t) == here {
			list = append(list, holdingOf(t))
		}
	}
	return list
}

func holdingOf(t tasks.Try) Holding {
	h := Holding{ID: t.ID}
	if e := t.Entry; e != nil {
		h.Queue, h.CPUs, h.Memory, h.GPUs = e.Queue, e.CPUs, e.Memory, e.GPUs
	}
	return h
}

func (q *Queue) runs(tries []tasks.Try) []Run {
	list := make([]Run, 0, len(tries))
	for _, t := range tries {
		r := Run{Record: t.Record, Queue: holdingOf(t).Queue, Reason: Reason{Word: Running}, Place: q.placeOf(t), Stopped: t.Stopped}
		switch {
		case t.Record.Data.Status != record.Running:
			r.Reason.Word = Unrecorded
		case !t.Supervised:
			r.Reason.Word = Unsupervised
		}
		list = append(list, r)
	}
	slices.SortStableFunc(list, func(a, b Run) int {
		return a.Record.Data.Timestamp.Compare(b.Record.Data.Timestamp.Time)
	})
	return list
}

// queuesOf counts the tasks of each queue.
func queuesOf(p *Picture, s *State, started []Holding) []OneQueue {
	all := map[string]*OneQueue{}
	of := func(name string) *OneQueue {
		one := all[name]
		if one == nil {
			one = &OneQueue{Name: name, Slots: s.slots(name, p.Machine), Auto: s.of(name).Auto, Paused: s.paused(name)}
			all[name] = one
		}
		return one
	}
	of("")
	for called := range s.Queues {
		if name, err := Name(called); err == nil {
			of(name)
		}
	}
	for _, h := range started {
		of(h.Queue).Running++
	}
	for _, w := range p.Waiting {
		of(w.Queue).Waiting++
	}
	list := make([]OneQueue, 0, len(all))
	for _, one := range all {
		list = append(list, *one)
	}
	slices.SortFunc(list, func(a, b OneQueue) int { return cmp.Compare(a.Name, b.Name) })
	return list
}
