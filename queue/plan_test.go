package queue

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"qme/record"
	"qme/tasks/waiting"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// taskID returns an id that is the n-th one.
func taskID(n int) record.ID {
	return record.ID(fmt.Sprintf("shell-019aaf3c-0000-7000-8000-%012x", n))
}

// A world is a random situation, with what is known of each task.
type world struct {
	Situation
	outcomes map[record.ID]Outcome
}

var names = []string{"", "gpu", "long"}

func randomWorld(r *rand.Rand) *world {
	w := &world{outcomes: map[record.ID]Outcome{}}
	w.Here, w.Now = "here", epoch.Add(time.Hour)
	w.Machine = Machine{CPUs: 1 + r.IntN(8), Memory: int64(r.IntN(8)) << 30}
	for i := range r.IntN(4) {
		w.Machine.GPUs = append(w.Machine.GPUs, fmt.Sprint(i))
	}
	w.State = &State{}
	for _, name := range names {
		w.State.set(name, func(s *Settings) {
			switch r.IntN(5) {
			case 0:
				s.Auto = true
			case 1, 2, 3:
				s.Slots = 1 + r.IntN(4)
			}
			if r.IntN(6) == 0 {
				s.Paused = &Pause{}
			}
		})
	}
	if r.IntN(20) == 0 {
		w.State.Paused = &Pause{}
	}
	for i := range r.IntN(5) {
		h := Holding{ID: taskID(1000 + i), Queue: names[r.IntN(3)]}
		n := randomNeed(r)
		h.CPUs, h.Memory, h.GPUs = n.cpus, n.memory, n.gpus
		w.Started = append(w.Started, h)
	}
	for i := range 6 {
		w.outcomes[taskID(2000+i)] = Outcome(r.IntN(5))
	}
	w.Outcome = func(id record.ID) Outcome { return w.outcomes[id] }
	for i := range r.IntN(15) {
		w.Waiting = append(w.Waiting, randomTask(r, i))
	}
	sorted(w.Waiting)
	return w
}

func randomNeed(r *rand.Rand) (n need) {
	if r.IntN(2) == 0 {
		n.cpus = r.IntN(6)
	}
	if r.IntN(3) == 0 {
		n.memory = int64(r.IntN(8)) << 30
	}
	if r.IntN(3) == 0 {
		n.gpus = r.IntN(3)
	}
	return n
}

func randomTask(r *rand.Rand, i int) *Task {
	t := &Task{ID: taskID(i), Added: epoch.Add(time.Duration(r.IntN(10)) * time.Second), Try: 1 + r.IntN(2)}
	t.Queue, t.Priority = names[r.IntN(3)], r.IntN(3)
	n := randomNeed(r)
	t.CPUs, t.Memory, t.GPUs = n.cpus, n.memory, n.gpus
	t.Held = r.IntN(8) == 0
	if t.Held && r.IntN(2) == 0 {
		t.Why = "its folder is gone"
	}
	if r.IntN(6) == 0 {
		t.At = record.Time{Time: epoch.Add(time.Duration(r.IntN(120)) * time.Minute)}
	}
	t.Place = []string{"here", "here", "here", "", "there"}[r.IntN(5)]
	for range r.IntN(3) * r.IntN(2) {
		t.After = append(t.After, waiting.After{Task: taskID(2000 + r.IntN(6)), On: []waiting.On{waiting.OnSuccess, waiting.OnFailure, waiting.OnEnd}[r.IntN(3)]})
	}
	return t
}

// allowed says whether a task may start whatever is free, in words that differ from those of plan.
func (w *world) allowed(t *Task) bool {
	if t.Held || t.Place == "there" || t.At.After(w.Now) || w.State.Paused != nil || w.State.of(t.Queue).Paused != nil {
		return false
	}
	for _, a := range t.After {
		o := w.outcomes[a.Task]
		ok := a.On == waiting.OnSuccess && o == Succeeded || a.On == waiting.OnFailure && o == Failed || a.On == waiting.OnEnd && (o == Failed || o == Succeeded)
		if !ok {
			return false
		}
	}
	return true
}

// used returns what tasks have: those that had started, and those that start.
func (w *world) used(start []record.ID) (slots map[string]int, sum need) {
	slots = map[string]int{}
	for _, h := range w.Started {
		slots[h.Queue]++
		sum = need{sum.cpus + h.CPUs, sum.memory + h.Memory, sum.gpus + h.GPUs}
	}
	for _, t := range w.Waiting {
		if slices.Contains(start, t.ID) {
			slots[t.Queue]++
			sum = need{sum.cpus + t.CPUs, sum.memory + t.Memory, sum.gpus + t.GPUs}
		}
	}
	return slots, sum
}

// TestPlan compares decisions with what must hold for all of them.
func TestPlan(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20000) {
		w := randomWorld(rand.New(rand.NewPCG(seed, 1)))
		d := Plan(w.Situation)
		if why := w.broken(d); why != "" {
			t.Fatalf("seed %d: %s\nstart %v\nreasons %v", seed, why, d.Start, d.Reasons)
		}
		w.Brief = true
		if b := Plan(w.Situation); !slices.Equal(b.Start, d.Start) || b.Reasons != nil || d.Wanted && !b.Wanted {
			t.Fatalf("seed %d: in brief %v, wanted %v; otherwise %v, wanted %v", seed, b.Start, b.Wanted, d.Start, d.Wanted)
		}
	}
}

// broken returns which rule a decision breaks, "" for none.
func (w *world) broken(d Decision) string {
	slots, sum := w.used(d.Start)
	before, had := w.used(nil)
	for name, n := range slots {
		if n > before[name] && n > w.State.slots(name, w.Machine) {
			return fmt.Sprintf("%d slots of queue %q are taken", n, name)
		}
	}
	all := w.Machine.all()
	if sum.cpus > had.cpus && sum.cpus > all.cpus || sum.memory > had.memory && sum.memory > all.memory || sum.gpus > had.gpus && sum.gpus > all.gpus {
		return fmt.Sprintf("tasks get %v of %v", sum, all)
	}
	first := w.first(d)
	for _, t := range w.Waiting {
		_, waits := d.Reasons[t.ID]
		starts := slices.Contains(d.Start, t.ID)
		switch {
		case waits == starts:
			return fmt.Sprintf("%s starts: %v, has a reason: %v", t.ID, starts, waits)
		case starts && !w.allowed(t):
			return fmt.Sprintf("%s must not start", t.ID)
		case starts || !w.allowed(t) || t == first:
			continue
		}
		if why := w.couldStart(d, t, first); why != "" {
			return why
		}
	}
	return ""
}

// first returns the first task that could start had it what it asks for, nil for none.
func (w *world) first(d Decision) *Task {
	for _, t := range w.Waiting {
		if r := d.Reasons[t.ID]; r.Word == Resources && needOf(&t.Terms).fits(w.Machine.all()) {
			return t
		}
	}
	return nil
}

// couldStart returns why a task should have started, or have waited for something else.
func (w *world) couldStart(d Decision, t, first *Task) string {
	slots, sum := w.used(d.Start)
	free := w.Machine.all().minus(sum)
	if first != nil {
		slots[first.Queue]++
		free = free.minus(needOf(&first.Terms))
	}
	left := w.State.slots(t.Queue, w.Machine) - slots[t.Queue]
	switch r := d.Reasons[t.ID]; {
	case left > 0 && needOf(&t.Terms).fits(free):
		return fmt.Sprintf("%s could start, and waits for %s", t.ID, r.Word)
	case left > 0 && r.Word != Resources:
		return fmt.Sprintf("%s has a slot, and waits for %s", t.ID, r.Word)
	}
	// Nobody behind it in its queue starts in its place unless it lacks resources.
	i := slices.Index(w.Waiting, t)
	for _, later := range w.Waiting[i+1:] {
		if later.Queue == t.Queue && slices.Contains(d.Start, later.ID) && d.Reasons[t.ID].Word != Resources {
			return fmt.Sprintf("%s passes %s", later.ID, t.ID)
		}
	}
	return ""
}

// TestNobodyIsPassedForEver has small tasks come without end, beside one that needs all.
func TestNobodyIsPassedForEver(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		s := Situation{Here: "here", Machine: Machine{CPUs: 4, GPUs: []string{"0", "1"}}, State: &State{}, Outcome: func(record.ID) Outcome { return Gone }, Now: epoch}
		for _, name := range names {
			s.State.set(name, func(set *Settings) { set.Slots = 1 + r.IntN(4) })
		}
		big := &Task{ID: taskID(5000), Added: epoch.Add(10 * time.Second)}
		big.Queue, big.CPUs, big.GPUs = names[r.IntN(3)], 4, 2
		rounds := 0
		for n := 0; ; n++ {
			small := &Task{ID: taskID(n), Added: epoch.Add(time.Duration(n) * time.Second)}
			small.Queue, small.CPUs, small.GPUs = names[r.IntN(3)], r.IntN(3), r.IntN(2)
			s.Waiting = append(s.Waiting, small)
			if n == 10 {
				s.Waiting = append(s.Waiting, big)
			}
			d := Plan(Situation{Here: s.Here, Machine: s.Machine, State: s.State, Outcome: s.Outcome, Now: s.Now, Started: s.Started, Waiting: sorted(s.Waiting)})
			if slices.Contains(d.Start, big.ID) {
				break
			}
			if rounds++; rounds > 200 {
				t.Fatalf("seed %d: it waits for ever", seed)
			}
			for _, id := range d.Start {
				i := slices.IndexFunc(s.Waiting, func(w *Task) bool { return w.ID == id })
				w := s.Waiting[i]
				s.Started = append(s.Started, Holding{ID: id, Queue: w.Queue, CPUs: w.CPUs, GPUs: w.GPUs})
				s.Waiting = slices.Delete(s.Waiting, i, i+1)
			}
			if len(s.Started) > 0 && r.IntN(3) > 0 {
				i := r.IntN(len(s.Started))
				s.Started = slices.Delete(s.Started, i, i+1)
			}
		}
	}
}

// TestStandsAlone compares the reasons of some tasks, where they are said to hold whatever waits besides, with those
// among all tasks.
func TestStandsAlone(t *testing.T) {
	t.Parallel()
	alone := 0
	for seed := range uint64(20000) {
		r := rand.New(rand.NewPCG(seed, 3))
		w := randomWorld(r)
		few := w.Situation
		few.Waiting = slices.DeleteFunc(slices.Clone(few.Waiting), func(*Task) bool { return r.IntN(3) > 0 })
		d := Plan(few)
		if len(few.Waiting) == 0 || !d.standsAlone() {
			continue
		}
		alone++
		all := Plan(w.Situation)
		for _, task := range few.Waiting {
			if got, want := d.Reasons[task.ID], all.Reasons[task.ID]; !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d: %s waits for %+v, among all for %+v", seed, task.ID, got, want)
			}
		}
	}
	if alone < 5000 {
		t.Errorf("only %d situations say so", alone)
	}
}

// TestReasons has one task wait for each reason.
func TestReasons(t *testing.T) {
	t.Parallel()
	base := func() Situation {
		return Situation{
			Here: "here", Now: epoch, State: &State{}, Machine: Machine{CPUs: 2, Memory: 1 << 30, GPUs: []string{"0"}},
			Waiting: []*Task{{ID: taskID(1), Try: 1}}, Outcome: func(record.ID) Outcome { return Pending },
		}
	}
	later := record.Time{Time: epoch.Add(time.Hour)}
	for name, c := range map[string]struct {
		change func(s *Situation, t *Task)
		want   Reason
		wanted bool
	}{
		"nothing":   {func(*Situation, *Task) {}, Reason{}, false},
		"held":      {func(_ *Situation, t *Task) { t.Held = true }, Reason{Word: Held}, false},
		"by qme":    {func(_ *Situation, t *Task) { t.Held, t.Why = true, "no folder" }, Reason{Word: CannotStart, Why: "no folder"}, false},
		"elsewhere": {func(_ *Situation, t *Task) { t.Place = "there" }, Reason{Word: Host, Place: "there"}, false},
		"time":      {func(_ *Situation, t *Task) { t.At = later }, Reason{Word: Time, Until: later}, true},
		"retry":     {func(_ *Situation, t *Task) { t.At, t.Try = later, 2 }, Reason{Word: Retry, Until: later}, true},
		"paused":    {func(s *Situation, _ *Task) { s.State.Paused = &Pause{} }, Reason{Word: Paused, Queue: "default"}, false},
		"slots":     {func(s *Situation, _ *Task) { s.Started = []Holding{{ID: taskID(2)}} }, Reason{Word: Slots, Queue: "default"}, true},
		"too much":  {func(_ *Situation, t *Task) { t.CPUs, t.GPUs = 3, 2 }, Reason{Word: Resources, Why: "asks for more than there is: 3 CPUs, of 2, 2 GPUs, of 1", Never: true}, false},
		"after":     {func(_ *Situation, t *Task) { t.After = []waiting.After{{Task: taskID(9), On: waiting.OnEnd}} }, Reason{Word: After, Tasks: []record.ID{taskID(9)}}, true},
		"after a wait": {func(s *Situation, t *Task) {
			t.After = []waiting.After{{Task: taskID(9), On: waiting.OnEnd}}
			s.Outcome = func(record.ID) Outcome { return Waiting }
		}, Reason{Word: After, Tasks: []record.ID{taskID(9)}}, false},
		"blocked": {func(s *Situation, t *Task) {
			t.After = []waiting.After{{Task: taskID(9), On: waiting.OnSuccess}}
			s.Outcome = func(record.ID) Outcome { return Failed }
		}, Reason{Word: Blocked, Tasks: []record.ID{taskID(9)}, Why: "was not successful"}, false},
		"gone": {func(s *Situation, t *Task) {
			t.After = []waiting.After{{Task: taskID(9), On: waiting.OnEnd}}
			s.Outcome = func(record.ID) Outcome { return Gone }
		}, Reason{Word: Blocked, Tasks: []record.ID{taskID(9)}, Why: "is no longer there", Gone: []record.ID{taskID(9)}}, false},
		"both": {func(s *Situation, t *Task) {
			t.After = []waiting.After{{Task: taskID(8), On: waiting.OnFailure}, {Task: taskID(9), On: waiting.OnSuccess}}
			s.Outcome = func(id record.ID) Outcome { return map[record.ID]Outcome{taskID(8): Succeeded, taskID(9): Failed}[id] }
		}, Reason{Word: Blocked, Tasks: []record.ID{taskID(8), taskID(9)}, Why: "have not ended as they should"}, false},
		"resources": {func(s *Situation, t *Task) {
			s.State.set("", func(set *Settings) { set.Slots = 2 })
			s.Started = []Holding{{ID: taskID(2), CPUs: 1, Memory: 1 << 29}}
			t.CPUs, t.Memory = 2, 1<<30
		}, Reason{Word: Resources, Why: "2 CPUs, 1 free; 1 GiB memory, 512 MiB free"}, true},
	} {
		s := base()
		c.change(&s, s.Waiting[0])
		d := Plan(s)
		if got := d.Reasons[taskID(1)]; fmt.Sprint(got) != fmt.Sprint(c.want) || d.Wanted != c.wanted || (c.want.Word == "") != (len(d.Start) == 1) {
			t.Errorf("%s: %+v, wanted %v, start %v; want %+v, %v", name, got, d.Wanted, d.Start, c.want, c.wanted)
		}
		if c.want.Until != (record.Time{}) && !d.Next.Equal(c.want.Until.Time) {
			t.Errorf("%s: next at %v", name, d.Next)
		}
	}
}
