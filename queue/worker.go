package queue

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"qme/internal/wholefile"
	"qme/record"
	"qme/tasks/waiting"
)

// When a worker looks although no process has told it anything.
const (
	lookOften  = 10 * time.Second // at the folder, for changes by other machines
	lookFull   = time.Minute      // at everything, for what was told and lost
	lookBlind  = time.Second      // at the folder, where no process can tell it anything
	lookAlive  = time.Second      // at tries that are not supervised by its children: the process that records one that was cut off says nothing
	lookAside  = 10 * time.Second // at a task that could not be started, at first; each further pause is twice as long
	mostAside  = 5 * time.Minute  // so that many damaged tasks cost little
	lookJobs   = 30 * time.Second // at jobs on which tasks depend
	workLinger = time.Second      // for another task before it ends
)

// Work is a worker of this place: it starts tasks as Plan has it, and returns when nothing waits that could start
// without the user, and nothing runs. It returns at once if another worker is at work here.
func (q *Queue) Work(ctx context.Context) error {
	w := &worker{
		q: q, here: q.Here(), shelf: newShelf(q), events: make(chan event, 64), own: map[record.ID]Holding{},
		others: map[record.ID]Holding{}, outcomes: map[record.ID]Outcome{}, jobs: map[record.ID]bool{},
		tried: map[record.ID]int{}, aside: map[record.ID]time.Time{}, pauses: map[record.ID]time.Duration{},
	}
	if err := q.takeWarden(); err != nil {
		return err
	}
	if q.warden != (warden{}) {
		inside, end := context.WithCancel(ctx)
		defer end()
		go func() {
			if q.warden.await(inside) {
				end() // what runs ends by itself, see endWith
			}
		}()
		err := w.works(inside)
		if q.warden.over() {
			return nil
		}
		return err
	}
	return w.works(ctx)
}

// works takes the post of this place until nothing is wanted any more.
func (w *worker) works(ctx context.Context) error {
	q := w.q
	for {
		post, err := q.hire(ctx)
		if post == nil || err != nil {
			return err
		}
		done, err := w.at(ctx, post)
		if done || err != nil {
			return err
		}
	}
}

// at works with a post, and gives it up. done says that nothing is wanted any more.
func (w *worker) at(ctx context.Context, p *post) (done bool, err error) {
	defer func() { err = errors.Join(err, p.close()) }()
	go p.bell.hear(func(id record.ID) { w.events <- event{id: id, all: id == ""} })
	w.bell = p.bell
	if err := errors.Join(w.work(ctx), p.bell.close()); err != nil {
		return false, err
	}
	// A process that it has heard spoke before that, and later ones start a worker. So this look starts nothing.
	w.leaving = true
	w.all(ctx)
	w.leaving = false
	if !w.idle() {
		return false, nil
	}
	return true, w.q.writeIdle(w.here, w.awaited())
}

// awaited returns the tasks for whose end or success others wait, once each and without those that wait themselves: to
// start these needs a worker anyway.
func (w *worker) awaited() []record.ID {
	ids := map[record.ID]bool{}
	for _, t := range w.shelf.order {
		for _, a := range t.After {
			if w.shelf.tasks[a.Task] == nil {
				ids[a.Task] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(ids))
}

// A worker is Work.
type worker struct {
	q     *Queue
	here  Place
	bell  *bell
	shelf *shelf

	events chan event
	// own are the tasks whose supervisors this process has started and that have not ended, and others
	// those that other processes supervise, or none.
	own, others map[record.ID]Holding
	// tried are the numbers of the tries for which own was started. aside are tasks that wait after that as before,
	// and until when they are passed by: they are damaged, or their process could not begin. pauses is for how long that was.
	tried      map[record.ID]int
	aside      map[record.ID]time.Time
	pauses     map[record.ID]time.Duration
	outcomes   map[record.ID]Outcome
	state      *State
	stateStamp wholefile.Stamp
	machine    Machine
	jobs       map[record.ID]bool // the tasks of outcomes whose jobs have not ended
	asked      time.Time          // when the scheduler was asked for them
	leaving    bool               // nothing is started
	wanted     bool               // a worker has to look again
	next       time.Time
	looked     time.Time // fully
}

// An event is something for a worker to look at.
type event struct {
	id    record.ID
	all   bool // much may have changed
	ended bool // the supervisor of id that this process has started
}

// work works until nothing is wanted of it.
func (w *worker) work(ctx context.Context) error {
	w.all(ctx)
	linger := time.Time{}
	for {
		pause := w.pause()
		if w.idle() {
			if linger.IsZero() {
				linger = time.Now().Add(workLinger)
			}
			if pause = time.Until(linger); pause <= 0 {
				return nil
			}
		} else {
			linger = time.Time{}
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case e := <-w.events:
			timer.Stop()
			w.take(ctx, e)
		case <-timer.C:
			w.timed(ctx)
		}
	}
}

// idle reports whether nothing waits that could start without the user, and nothing runs.
func (w *worker) idle() bool { return !w.wanted && len(w.own) == 0 && len(w.others) == 0 }

// pause returns how long nothing is to be done if no process tells anything.
func (w *worker) pause() time.Duration {
	often := lookOften
	if w.bell.f == nil {
		often = lookBlind
	}
	if len(w.others) > 0 {
		often = min(often, lookAlive)
	}
	if len(w.jobs) > 0 {
		often = min(often, max(0, time.Until(w.asked.Add(lookJobs))))
	}
	if !w.next.IsZero() {
		often = min(often, max(0, time.Until(w.next)))
	}
	return often
}

// take looks at what an event, and those that have come since, are about.
func (w *worker) take(ctx context.Context, e event) {
	tries := false
	for more := true; more; {
		switch {
		case e.all:
			w.all(ctx)
			return
		case e.ended:
			tries = w.ended(e.id) || tries
		default:
			delete(w.outcomes, e.id)
			w.shelf.look(e.id)
			if until, aside := w.aside[e.id]; aside { // the user may have mended it
				delete(w.pauses, e.id)
				w.aside[e.id] = soonest(until, time.Now().Add(lookAside))
			}
			_, own := w.own[e.id]
			tries = tries || !own
		}
		select {
		case e = <-w.events:
		default:
			more = false
		}
	}
	if tries {
		w.tries(ctx)
	}
	w.round(ctx)
}

// ended notes that a supervisor has ended that this process has started. It reports whether its try is not over.
func (w *worker) ended(id record.ID) (left bool) {
	delete(w.own, id)
	delete(w.outcomes, id)
	w.shelf.look(id) // it may wait for its next try
	if t := w.shelf.tasks[id]; t != nil && t.Try == w.tried[id] && !t.Held {
		w.passBy(id)
	}
	delete(w.tried, id)
	return there(filepath.Join(w.q.Service.Spool.Dir(), string(id)))
}

// timed looks at what may have changed without a word.
func (w *worker) timed(ctx context.Context) {
	if time.Since(w.looked) >= lookFull {
		w.all(ctx)
		return
	}
	if err := w.shelf.refresh(false); err != nil {
		w.note(err)
	}
	if len(w.others) > 0 {
		w.tries(ctx)
	}
	w.round(ctx)
	w.askJobs(ctx)
}

// askJobs has a process ask how the jobs are on which tasks depend.
func (w *worker) askJobs(ctx context.Context) {
	if len(w.jobs) == 0 || time.Since(w.asked) < lookJobs {
		return
	}
	w.asked = time.Now()
	ids := slices.Sorted(maps.Keys(w.jobs))
	words := []string{"--quiet", "refresh"}
	for _, id := range ids[:min(len(ids), mostAsked)] {
		words = append(words, string(id))
	}
	cmd, err := w.q.options.Itself(ctx, words...)
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		w.note(err)
		return
	}
	go func() {
		_ = cmd.Wait() // what it has found out is in the history; what not is asked again
		w.events <- event{all: true}
	}()
}

// mostAsked is for how many jobs a scheduler is asked at once.
const mostAsked = 500

// all looks at everything.
func (w *worker) all(ctx context.Context) {
	w.looked = time.Now()
	clear(w.outcomes)
	clear(w.jobs)
	w.stateStamp = wholefile.Stamp{}
	if err := w.shelf.refresh(true); err != nil {
		w.note(err)
	}
	w.tries(ctx)
	w.round(ctx)
}

// tries looks at the tries that this process does not supervise by a child, after those that were cut off have been
// recorded.
func (w *worker) tries(ctx context.Context) {
	if err := w.q.Service.Recover(ctx); err != nil && !errors.Is(err, record.ErrBusy) {
		w.note(err)
	}
	tries, err := w.q.Service.Tries()
	if err != nil {
		w.note(err)
	}
	was := w.others
	w.others = map[record.ID]Holding{}
	for _, t := range tries {
		if _, own := w.own[t.ID]; own || w.q.placeOf(t) != w.here.String() {
			continue
		}
		w.others[t.ID] = holdingOf(t)
	}
	for id := range was {
		if _, still := w.others[id]; !still {
			delete(w.outcomes, id)
			w.shelf.look(id)
		}
	}
}

// round starts what may start now.
func (w *worker) round(ctx context.Context) {
	w.readState()
	w.takeBack()
	var d Decision
	for range 3 { // what was known of other tasks may be old
		d = Plan(w.situation())
		if w.sure(d.Start) {
			break
		}
	}
	w.next, w.wanted = d.Next, d.Wanted
	for _, until := range w.aside {
		w.next = soonest(w.next, until)
	}
	if w.leaving {
		w.wanted = w.wanted || len(d.Start) > 0
		return
	}
	for _, id := range d.Start {
		if err := w.launch(ctx, id); err != nil && !errors.Is(err, record.ErrNotFound) { // another process has it
			w.note(fmt.Errorf("start task %s: %w", id, err))
			w.cannot(ctx, id, err)
		}
	}
}

// cannot passes by a task whose supervisor could not be started. If it is damaged, it is held, and says why.
func (w *worker) cannot(ctx context.Context, id record.ID, why error) {
	if errors.Is(why, record.ErrInvalid) {
		err := w.q.Service.Waiting.Change(ctx, id, func(e *waiting.Entry, _ *record.Record) error {
			e.Held, e.Why = true, strings.ToValidUTF8(why.Error(), "\uFFFD")
			return nil
		})
		if errors.Is(err, record.ErrInvalid) { // nor can it be held: it is like one that cannot be read
			w.shelf.damaged(id)
			err = nil
		} else if err == nil {
			w.shelf.look(id)
		}
		if err == nil {
			w.wanted, w.next = true, time.Now() // others can have its slot
			return
		}
		w.note(err)
	}
	w.passBy(id)
	w.wanted, w.next = true, time.Now() // others can have its slot
}

// passBy has a task be passed by for a while, and each time for longer.
func (w *worker) passBy(id record.ID) {
	w.pauses[id] = min(max(2*w.pauses[id], lookAside), mostAside)
	w.aside[id] = time.Now().Add(w.pauses[id])
}

// takeBack tries again what was passed by for long enough, and forgets what does not wait any more.
func (w *worker) takeBack() {
	for id := range w.pauses {
		if _, own := w.own[id]; !own && w.shelf.tasks[id] == nil {
			delete(w.pauses, id)
		}
	}
	for id, until := range w.aside {
		if w.shelf.tasks[id] == nil || !time.Now().Before(until) {
			delete(w.aside, id)
		}
	}
}

func (w *worker) situation() Situation {
	s := Situation{Here: w.here.String(), Waiting: w.shelf.order, State: w.state, Machine: w.machine, Outcome: w.outcome, Aside: w.aside, Now: now(), Brief: true}
	for _, held := range []map[record.ID]Holding{w.own, w.others} {
		for _, h := range held {
			s.Started = append(s.Started, h)
		}
	}
	return s
}

func soonest(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// outcome returns what is known of another task.
func (w *worker) outcome(id record.ID) Outcome {
	o, ok := w.outcomes[id]
	if !ok {
		o = w.ask(id)
	}
	return o
}

// ask finds out how another task has ended.
func (w *worker) ask(id record.ID) Outcome {
	o, job := w.q.outcome(id)
	w.outcomes[id] = o
	if delete(w.jobs, id); job {
		w.jobs[id] = true
	}
	return o
}

// sure looks anew at the tasks on which those depend that are about to start, and reports whether all is as it was.
func (w *worker) sure(ids []record.ID) bool {
	same := true
	for _, id := range ids {
		for _, a := range w.shelf.tasks[id].After {
			was := w.outcomes[a.Task]
			same = w.ask(a.Task) == was && same
		}
	}
	return same
}

// readState reads the state of the queues if it has changed.
func (w *worker) readState() {
	now := stampOf(w.q.file(stateFile))
	if w.state != nil && now == w.stateStamp && time.Since(now.Time) > tick {
		return
	}
	s, err := w.q.State()
	if err != nil {
		w.note(err)
		if w.state == nil {
			w.state = &State{Paused: &Pause{Since: record.Now()}} // rather nothing than too much
		}
		return
	}
	w.state, w.stateStamp, w.machine = s, now, machine(s)
}

// launch starts the supervisor of a task.
func (w *worker) launch(ctx context.Context, id record.ID) error {
	t := w.shelf.tasks[id]
	var gpus []string
	if t.GPUs > 0 {
		gpus = w.machine.GPUs
	}
	cmd, err := w.q.supervisor(ctx, id, w.here, gpus)
	if err != nil {
		w.shelf.look(id)
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	w.own[id] = Holding{ID: id, Queue: t.Queue, CPUs: t.CPUs, Memory: t.Memory, GPUs: t.GPUs}
	w.tried[id] = t.Try
	w.shelf.drop(id)
	go func() {
		err := cmd.Wait()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			w.note(fmt.Errorf("task %s: %w", id, err))
		}
		w.events <- event{id: id, ended: true}
	}()
	return nil
}

// note writes to the log of the queue, since a worker has no terminal.
func (w *worker) note(err error) {
	_ = w.q.Log().Note(err) // there is no user to tell
}
