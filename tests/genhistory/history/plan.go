package history

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"time"
)

// zone is fixed, so that a history does not depend on the machine that makes it.
var zone = time.FixedZone("", 3600)

// End is where every generated history ends: no run is later.
var End = time.Date(2026, 10, 30, 18, 0, 0, 0, zone)

// Begin is from when on generated tasks are made.
var Begin = End.AddDate(-3, 0, 0)

const (
	sweepShare = 0.04 // of the sittings
	rerunShare = 0.05 // of the tasks
)

// A task is what all runs of it have in common.
type task struct {
	shape   *shape
	project *project
	user    string
	host    string
	message string
	made    time.Time // when its first run began, or it was put into the queue
	seed    uint64
}

// A run is one execution of a task.
type run struct {
	task  int // index into the plan's tasks
	n     int // which run of the task, from 1
	start time.Time
	took  time.Duration
}

func (r run) end() time.Time { return r.start.Add(r.took) }

// A plan is a whole history before its records are made.
type plan struct {
	tasks  []task
	runs   []run   // in the order in which they end
	again  float64 // the share of tasks that are run again
	queued bool    // whether they wait before their first run

	chains []place // of each task, if its files are recorded
	// trainings says that the tasks are those of a sweep.
	trainings bool
}

// newPlan plans a history of n tasks. Equal arguments give equal plans.
func newPlan(n int, seed uint64) *plan { return newPlanOf(n, seed, rerunShare, false) }

// newPlanOf is newPlan with another share of tasks that are run again, and with a queue.
func newPlanOf(n int, seed uint64, again float64, queued bool) *plan {
	p := &plan{tasks: make([]task, 0, n), again: again, queued: queued}
	r := rand.New(rand.NewPCG(seed, 0))
	for cal := newCalendar(r); len(p.tasks) < n; {
		p.sitting(r, cal.pick(r), n)
	}
	for i := range p.tasks {
		p.addRuns(r, i)
	}
	slices.SortFunc(p.runs, func(a, b run) int {
		return cmp.Or(a.end().Compare(b.end()), cmp.Compare(a.task, b.task), cmp.Compare(a.n, b.n))
	})
	return p
}

// sitting adds the tasks of someone who sits down at a time: a few commands with
// pauses between them, or a sweep of one command over its parameters.
func (p *plan) sitting(r *rand.Rand, at time.Time, n int) {
	t := task{project: &projects[r.IntN(len(projects))], user: pick(r, users), host: pick(r, hosts)}
	count, pause, sweep := 1+r.IntN(15), 90.0, r.Float64() < sweepShare
	if sweep {
		count, pause = min(20+r.IntN(181), max(n/5, 1)), 1+r.Float64()*20
		t.message = pick(r, sweepMessages)
	}
	t.shape = pickShape(r, sweep)
	for range count {
		if len(p.tasks) == n || !at.Before(End) {
			return
		}
		if !sweep {
			t.shape, t.message = pickShape(r, false), ""
			if r.Float64() < 0.12 {
				t.message = pick(r, messages)
			}
		}
		t.made, t.seed = at, r.Uint64()
		p.tasks = append(p.tasks, t)
		at = at.Add(time.Duration((0.05 + r.ExpFloat64()*pause) * float64(time.Second))).Truncate(time.Microsecond)
	}
}

// addRuns adds the first run of a task and, for some, reruns.
func (p *plan) addRuns(r *rand.Rand, i int) {
	again := 0
	if r.Float64() < p.again {
		again = 1 + int(r.ExpFloat64()*0.4)
	}
	at := p.tasks[i].made
	if p.queued {
		at = at.Add(min(2*time.Second+time.Duration(r.ExpFloat64()*300*float64(time.Second)), End.Sub(at))).Truncate(time.Microsecond)
	}
	for n := 1; n <= again+1; n++ {
		usual := p.tasks[i].shape.secs
		took := time.Duration(usual*math.Exp(0.5*r.NormFloat64())*float64(time.Second)) + time.Millisecond
		took = min(took, End.Sub(at)).Truncate(time.Microsecond)
		p.runs = append(p.runs, run{task: i, n: n, start: at, took: took})
		// From minutes to days later, and not beyond the end.
		pause := time.Duration(math.Exp(6+2*r.NormFloat64()) * float64(time.Second))
		at = at.Add(took).Add(min(pause, End.Sub(at.Add(took))/2)).Truncate(time.Microsecond)
		if End.Sub(at) < time.Minute {
			return
		}
	}
}

// A calendar says how much happens in each hour from Begin to End.
type calendar struct{ upTo []float64 }

// newCalendar fills the working hours; each week has its own measure.
func newCalendar(r *rand.Rand) *calendar {
	c := new(calendar)
	sum, week := 0.0, 1.0
	for at := Begin; at.Before(End); at = at.Add(time.Hour) {
		if at.Weekday() == time.Monday && at.Hour() == 0 {
			week = 0.2 + r.ExpFloat64()
		}
		sum += week * busy(at)
		c.upTo = append(c.upTo, sum)
	}
	return c
}

// busy weighs an hour of a week.
func busy(at time.Time) float64 {
	w := 0.03 // jobs that a timer starts
	switch h := at.Hour(); {
	case h >= 9 && h < 12, h >= 13 && h < 18:
		w = 1
	case h == 8, h == 12, h >= 18 && h < 23:
		w = 0.3
	}
	if d := at.Weekday(); d == time.Saturday || d == time.Sunday {
		w *= 0.15
	}
	return w
}

// pick draws an instant.
func (c *calendar) pick(r *rand.Rand) time.Time {
	at := sort.SearchFloat64s(c.upTo, r.Float64()*c.upTo[len(c.upTo)-1])
	return Begin.Add(time.Duration(at) * time.Hour).Add(time.Duration(r.Int64N(int64(time.Hour)))).Truncate(time.Microsecond)
}

// pickShape draws a shape by the weights, for a sweep among those that are swept.
func pickShape(r *rand.Rand, sweep bool) *shape {
	total := 0
	for i := range shapes {
		if shapes[i].sweep || !sweep {
			total += shapes[i].weight
		}
	}
	left := r.IntN(total)
	for i := range shapes {
		if !shapes[i].sweep && sweep {
			continue
		}
		if left -= shapes[i].weight; left < 0 {
			return &shapes[i]
		}
	}
	panic("the weights do not add up") // unreachable: left is below their sum
}
