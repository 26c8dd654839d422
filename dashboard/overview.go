package dashboard

import (
	"cmp"
	"net/http"
	"slices"
	"sync"
	"time"

	"qme/internal/day"
	"qme/record"
)

const (
	// daysShown is a year plus the days before it in its first week.
	daysShown    = 371
	commandsMost = 10
	runningShown = 100
)

// An overview holds counts of tasks by their latest run.
type overview struct {
	Version  string         `json:"version"`
	Loaded   loaded         `json:"loaded"`
	Total    int            `json:"total"`
	Outcomes map[string]int `json:"outcomes"`
	Days     []dayCount     `json:"days"`
	Slowest  []commandStats `json:"slowest"`
	Frequent []commandStats `json:"frequent"`
	Running  []summary      `json:"running"`
}

// A dayCount counts the tasks whose last run began on a day.
type dayCount struct {
	Day    string `json:"day"`
	Tasks  int    `json:"tasks"`
	Failed int    `json:"failed"`
}

// commandStats are statistics of the tasks with a command.
type commandStats struct {
	Command string    `json:"command"`
	Tasks   int       `json:"tasks"`
	Failed  int       `json:"failed"`
	Mean    float64   `json:"mean"`
	Longest float64   `json:"longest"`
	Latest  record.ID `json:"latest"`
	Slowest record.ID `json:"slowest"` // the task with the longest last run

	ended int
}

// A latest caches values computed from the table, since many requests for them arrive at
// a time. It is safe for concurrent use.
type latest[T any] struct {
	mu   sync.Mutex
	list []computed[T]
}

// A computed is the value of a key for a version of the table.
type computed[T any] struct {
	key, version string
	value        T
}

// latestKept is the number of keys with cached values.
const latestKept = 8

// of returns the value of a key for a version of the table. If it is not cached, compute
// returns it with the version that it used. The value is shared between callers.
func (l *latest[T]) of(key, version string, compute func() (T, string)) T {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.list {
		if c.key == key && c.version == version {
			return c.value
		}
	}
	value, version := compute()
	l.list = slices.DeleteFunc(l.list, func(c computed[T]) bool { return c.key == key || c.version != version })
	if l.list = append(l.list, computed[T]{key, version, value}); len(l.list) > latestKept {
		l.list = l.list[1:]
	}
	return value
}

// overview returns the overview for a zone up to today.
func (l *listAPI) overview(zone *time.Location) *overview {
	now := time.Now().In(zone)
	return l.overviews.of(zone.String()+" "+now.Format(time.DateOnly), l.feed.table.state().Version, func() (*overview, string) {
		o := l.feed.table.overview(now)
		return o, o.Version
	})
}

func (l *listAPI) getOverview(w http.ResponseWriter, r *http.Request) error {
	if err := l.feed.current(r.Context()); err != nil {
		return err
	}
	zone, err := zoneOf(r)
	if err != nil {
		return err
	}
	if notModified(w, r, l.feed.tag()+time.Now().In(zone).Format(time.DateOnly)) {
		return nil
	}
	o := *l.overview(zone) // a copy, since the value is shared
	o.Running = l.feed.lastLines.addTo(slices.Clone(o.Running))
	return writeJSON(w, r, http.StatusOK, o)
}

func (t *table) overview(now time.Time) *overview {
	t.mu.RLock()
	defer t.mu.RUnlock()
	st := t.stateLocked()
	o := &overview{Version: st.Version, Loaded: st.Loaded, Total: st.Total, Outcomes: map[string]int{}, Running: []summary{}}
	var ended [record.OutcomeCount]int
	days := newCalendar(now)
	commands := map[string]*commandStats{}
	var running, queued []*row
	for _, r := range t.rows {
		out := r.outcome()
		ended[out]++
		switch {
		case r.active && out == record.Queued && len(queued) < runningShown:
			queued = append(queued, r)
		case r.active && out != record.Queued && len(running) < runningShown:
			running = append(running, r)
		}
		if r.status != statusNone { // it has begun
			days.add(r.started, out == record.Failed)
		}
		c := commands[r.command]
		if c == nil {
			c = &commandStats{Command: r.command, Latest: t.words.id(r), Slowest: t.words.id(r)} // the rows are newest first
			commands[r.command] = c
		}
		if c.add(r, out) {
			c.Slowest = t.words.id(r)
		}
	}
	running = append(running, queued...)
	o.Running = append(o.Running, t.summariesLocked(running[:min(len(running), runningShown)])...)
	for i, n := range ended {
		o.Outcomes[record.Outcome(i).String()] = n
	}
	o.Days = days.list()
	o.Slowest = top(commands, func(a, b *commandStats) int { return cmp.Compare(b.Longest, a.Longest) })
	o.Frequent = top(commands, func(a, b *commandStats) int { return cmp.Compare(b.Tasks, a.Tasks) })
	return o
}

// add counts a task, and reports whether it took longer than all before.
func (c *commandStats) add(r *row, outcome record.Outcome) (slowest bool) {
	c.Tasks++
	if outcome == record.Failed {
		c.Failed++
	}
	if r.active {
		return false // its duration is not yet known
	}
	c.ended++
	c.Mean += (r.duration - c.Mean) / float64(c.ended)
	slowest = r.duration > c.Longest
	c.Longest = max(c.Longest, r.duration)
	return slowest
}

// top returns the first commands in an order.
func top(commands map[string]*commandStats, order func(a, b *commandStats) int) []commandStats {
	all := make([]*commandStats, 0, len(commands))
	for _, c := range commands {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *commandStats) int { return cmp.Or(order(a, b), cmp.Compare(a.Command, b.Command)) })
	list := make([]commandStats, 0, commandsMost)
	for _, c := range all[:min(commandsMost, len(all))] {
		list = append(list, *c)
	}
	return list
}

// A calendar counts tasks by the day of their last run. It ignores days after today,
// which come from wrong clocks.
type calendar struct {
	first, end int64 // seconds since 1970
	zone       *time.Location
	names      map[int64]string // the day of each quarter of an hour, since days begin at one in every zone
	days       map[string]*dayCount
}

func newCalendar(now time.Time) *calendar {
	y, m, d := now.Date()
	first := day.Start(y, m, d-daysShown+1, now.Location())
	return &calendar{first.Unix(), day.Next(now).Unix(), now.Location(), map[int64]string{}, map[string]*dayCount{}}
}

const quarter = 15 * 60

func (c *calendar) add(micros int64, failed bool) {
	sec := micros / 1e6
	if sec < c.first || sec >= c.end {
		return
	}
	name, ok := c.names[sec/quarter]
	if !ok {
		name = time.Unix(sec/quarter*quarter, 0).In(c.zone).Format(time.DateOnly)
		c.names[sec/quarter] = name
	}
	d := c.days[name]
	if d == nil {
		d = &dayCount{Day: name}
		c.days[name] = d
	}
	d.Tasks++
	if failed {
		d.Failed++
	}
}

func (c *calendar) list() []dayCount {
	list := make([]dayCount, 0, len(c.days))
	for _, d := range c.days {
		list = append(list, *d)
	}
	slices.SortFunc(list, func(a, b dayCount) int { return cmp.Compare(a.Day, b.Day) })
	return list
}
