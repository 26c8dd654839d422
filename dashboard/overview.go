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
	// daysShown are a year and the rest of its first week.
	daysShown    = 371
	commandsMost = 10
	runningShown = 100
)

// An Overview counts tasks by their latest run.
type Overview struct {
	Version  string         `json:"version"`
	Loaded   Loaded         `json:"loaded"`
	Total    int            `json:"total"`
	Outcomes map[string]int `json:"outcomes"`
	Days     []Day          `json:"days"`
	Slowest  []CommandStats `json:"slowest"`
	Frequent []CommandStats `json:"frequent"`
	Running  []Summary      `json:"running"`
}

// A Day counts the tasks whose last run began on it.
type Day struct {
	Day    string `json:"day"`
	Tasks  int    `json:"tasks"`
	Failed int    `json:"failed"`
}

// CommandStats are about the tasks with one command.
type CommandStats struct {
	Command string    `json:"command"`
	Tasks   int       `json:"tasks"`
	Failed  int       `json:"failed"`
	Mean    float64   `json:"mean"`
	Longest float64   `json:"longest"`
	Latest  record.ID `json:"latest"`
	Slowest record.ID `json:"slowest"` // the one whose last run took longest

	ended int
}

// A latest holds what was last made of the table, which many ask for at a time. Its method may be
// called from several goroutines.
type latest[T any] struct {
	mu   sync.Mutex
	list []made[T]
}

// A made is what was made of a version of the table for those who ask by a key.
type made[T any] struct {
	key, version string
	value        T
}

// latestKept is for how many keys something is held.
const latestKept = 8

// of returns what make makes of the table for a key, as of the version that it returns with it. Who
// gets it shares it with others.
func (l *latest[T]) of(key, version string, make func() (T, string)) T {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.list {
		if m.key == key && m.version == version {
			return m.value
		}
	}
	value, version := make()
	l.list = slices.DeleteFunc(l.list, func(m made[T]) bool { return m.key == key })
	if l.list = append(l.list, made[T]{key, version, value}); len(l.list) > latestKept {
		l.list = l.list[1:]
	}
	return value
}

// overview counts days in a zone. Which they are depends on today.
func (s *Server) overview(zone *time.Location) *Overview {
	now := time.Now().In(zone)
	return s.lastOverview.of(zone.String()+" "+now.Format(time.DateOnly), s.table.state().Version, func() (*Overview, string) {
		o := s.table.overview(now)
		return o, o.Version
	})
}

func (s *Server) facets() *Facets {
	return s.lastFacets.of("", s.table.state().Version, func() (*Facets, string) {
		f := s.table.facets()
		return &f, f.Version
	})
}

func (s *Server) getOverview(w http.ResponseWriter, r *http.Request) error {
	if err := s.current(r.Context()); err != nil {
		return err
	}
	zone, err := zoneOf(r)
	if err != nil {
		return err
	}
	if s.unchanged(w, r, s.shown()+time.Now().In(zone).Format(time.DateOnly)) {
		return nil
	}
	o := *s.overview(zone) // which all requests share
	o.Running = s.printed.put(slices.Clone(o.Running))
	return s.answer(w, r, http.StatusOK, o)
}

func (t *table) overview(now time.Time) *Overview {
	t.mu.RLock()
	defer t.mu.RUnlock()
	st := t.stateLocked()
	o := &Overview{Version: st.Version, Loaded: st.Loaded, Total: st.Total, Outcomes: map[string]int{}, Running: []Summary{}}
	var ended [5]int
	days := newCalendar(now)
	commands := map[string]*CommandStats{}
	for _, r := range t.rows {
		out := r.outcome()
		ended[out]++
		if out == outcomeRunning && len(o.Running) < runningShown {
			o.Running = append(o.Running, t.summariesLocked([]*row{r})...)
		}
		days.add(r.started, out == outcomeFailed)
		c := commands[r.command]
		if c == nil {
			c = &CommandStats{Command: r.command, Latest: t.words.id(r), Slowest: t.words.id(r)} // the rows are newest first
			commands[r.command] = c
		}
		if c.add(r, out) {
			c.Slowest = t.words.id(r)
		}
	}
	for i, n := range ended {
		o.Outcomes[outcomes[i]] = n
	}
	o.Days = days.list()
	o.Slowest = top(commands, func(a, b *CommandStats) int { return cmp.Compare(b.Longest, a.Longest) })
	o.Frequent = top(commands, func(a, b *CommandStats) int { return cmp.Compare(b.Tasks, a.Tasks) })
	return o
}

// add counts a task, and reports whether none has taken longer.
func (c *CommandStats) add(r *row, outcome int) (slowest bool) {
	c.Tasks++
	if outcome == outcomeFailed {
		c.Failed++
	}
	if r.active {
		return false // how long it takes is not known yet
	}
	c.ended++
	c.Mean += (r.duration - c.Mean) / float64(c.ended)
	slowest = r.duration > c.Longest
	c.Longest = max(c.Longest, r.duration)
	return slowest
}

// top returns the first commands of an order.
func top(commands map[string]*CommandStats, order func(a, b *CommandStats) int) []CommandStats {
	all := make([]*CommandStats, 0, len(commands))
	for _, c := range commands {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *CommandStats) int { return cmp.Or(order(a, b), cmp.Compare(a.Command, b.Command)) })
	list := make([]CommandStats, 0, commandsMost)
	for _, c := range all[:min(commandsMost, len(all))] {
		list = append(list, *c)
	}
	return list
}

// A calendar counts tasks by the day of their last run, up to today: days to come are those of a clock
// that is wrong.
type calendar struct {
	first, end int64 // seconds since 1970
	zone       *time.Location
	names      map[int64]string // of quarters of an hour, at which every zone's days begin
	days       map[string]*Day
}

func newCalendar(now time.Time) *calendar {
	y, m, d := now.Date()
	first := day.Start(y, m, d-daysShown+1, now.Location())
	return &calendar{first.Unix(), day.Next(now).Unix(), now.Location(), map[int64]string{}, map[string]*Day{}}
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
		d = &Day{Day: name}
		c.days[name] = d
	}
	d.Tasks++
	if failed {
		d.Failed++
	}
}

func (c *calendar) list() []Day {
	list := make([]Day, 0, len(c.days))
	for _, d := range c.days {
		list = append(list, *d)
	}
	slices.SortFunc(list, func(a, b Day) int { return cmp.Compare(a.Day, b.Day) })
	return list
}
