package dashboard

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"qme/record"
)

// A facet is a possible value of a filter.
type facet struct {
	Value string `json:"value"`
	Tasks int    `json:"tasks"`
}

// facets are the possible values of filters among the tasks that a filter selects. A value
// is counted without regard to the values of its own kind that are chosen, so that it says how
// many tasks a choice of it alone would show.
type facets struct {
	Version     string  `json:"version"`
	Loaded      loaded  `json:"loaded"`
	Executors   []facet `json:"executors"`
	Hosts       []facet `json:"hosts"`
	Users       []facet `json:"users"`
	Directories []facet `json:"directories"`
	Outcomes    []facet `json:"outcomes"`
	Days        []facet `json:"days"`
	LeftOut     leftOut `json:"left_out"`
}

// leftOut says how many values of each kind facets leave out.
type leftOut struct {
	Executors   int `json:"executors"`
	Hosts       int `json:"hosts"`
	Users       int `json:"users"`
	Directories int `json:"directories"`
	Days        int `json:"days"`
}

// facetsShown is the maximal number of values of a facet, without those that are chosen.
const facetsShown = 200

// getFacets answers with the counts of a filter, which are counted once for each version of
// the table.
func (l *listAPI) getFacets(w http.ResponseWriter, r *http.Request) error {
	if err := l.feed.current(r.Context()); err != nil {
		return err
	}
	f, err := filterOf(r)
	if err != nil {
		return err
	}
	f.Sort = "" // which changes no count
	version := l.feed.table.state().Version
	if f.Query != "" {
		if err = l.searches.find(r.Context(), f); err != nil {
			return err
		}
	} else if notModified(w, r, version) {
		return nil
	}
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return writeJSON(w, r, http.StatusOK, l.facetList.of(string(b)+f.zone.String(), version, func() (*facets, string) {
		counts := l.feed.table.facets(f)
		return counts, counts.Version
	}))
}

// facetTexts are the texts of a row of which there are facets.
var facetTexts = [...]int{executorText, hostText, userText, pwdText}

func (t *table) facets(f *filter) *facets {
	t.mu.RLock()
	defer t.mu.RUnlock()
	c := t.tally(f)
	st := t.stateLocked()
	all := &facets{Version: st.Version, Loaded: st.Loaded}
	all.Executors, all.LeftOut.Executors = t.most(c.texts[executorText], f.Executors)
	all.Hosts, all.LeftOut.Hosts = t.most(c.texts[hostText], f.Hosts)
	all.Users, all.LeftOut.Users = t.most(c.texts[userText], f.Users)
	all.Directories, all.LeftOut.Directories = t.most(c.texts[pwdText], nil)
	all.Days, all.LeftOut.Days = c.days.newest(facetsShown)
	for i, n := range c.outcomes {
		all.Outcomes = append(all.Outcomes, facet{record.Outcome(i).String(), n})
	}
	slices.SortFunc(all.Outcomes, byTasks)
	return all
}

// A tally counts the values of rows.
type tally struct {
	texts    [textCount][]int // by the numbers of a words; nil: not counted
	outcomes [record.OutcomeCount]int
	days     *dayTally
}

// tally counts the values of the rows that a filter selects. The caller holds the lock.
func (t *table) tally(f *filter) *tally {
	c := &tally{days: newDayTally(f.zone)}
	for _, which := range facetTexts {
		c.texts[which] = make([]int, len(t.words.list))
	}
	m := t.matcher(f)
	for _, r := range t.rows {
		if only, ok := m.misses(r); ok {
			c.add(r, only)
		}
	}
	return c
}

// add counts a row in all facets, or in one only.
func (c *tally) add(r *row, only int) {
	for _, which := range facetTexts {
		if only == missesNothing || only == which {
			c.texts[which][r.texts[which]]++
		}
	}
	if only == missesNothing || only == missesOutcome {
		c.outcomes[r.outcome()]++
	}
	if only == missesNothing || only == missesTime {
		c.days.add(r.started)
	}
}

// What a row may miss of a filter, beside its texts.
const (
	missesNothing = textCount + iota
	missesOutcome
	missesTime
)

// misses returns the one part of the filter that a row does not match, or missesNothing. It
// is not ok where there are several, or where no facet is of that part.
func (m *matcher) misses(r *row) (one int, ok bool) {
	if !m.search(r) {
		return 0, false
	}
	one = missesNothing
	n := 0
	for i, wanted := range m.texts {
		if wanted != nil && !wanted[r.texts[i]] {
			one, n = i, n+1
		}
	}
	if !m.outcome(r) {
		one, n = missesOutcome, n+1
	}
	if !m.time(r) {
		one, n = missesTime, n+1
	}
	return one, n <= 1
}

// byTasks orders values, the most frequent first.
func byTasks(a, b facet) int {
	return cmp.Or(cmp.Compare(b.Tasks, a.Tasks), cmp.Compare(a.Value, b.Value))
}

// most returns the most frequent of the texts that are counted and, after them, those of the
// chosen ones that are not among them, and how many are left out.
func (t *table) most(counts []int, chosen []string) (list []facet, leftOut int) {
	list = []facet{}
	for n, c := range counts {
		if c > 0 {
			list = append(list, facet{t.words.list[n], c})
		}
	}
	slices.SortFunc(list, byTasks)
	all := len(list)
	list = list[:min(facetsShown, all)]
	leftOut = all - len(list)
	shown := map[string]bool{}
	for _, f := range list {
		shown[f.Value] = true
	}
	for _, value := range chosen {
		if shown[value] {
			continue
		}
		shown[value] = true
		f := facet{Value: value}
		if n, ok := t.words.index[value]; ok && counts[n] > 0 {
			f.Tasks = counts[n]
			leftOut--
		}
		list = append(list, f)
	}
	return list, leftOut
}

// A dayTally counts moments by their day in a zone.
type dayTally struct {
	zone     *time.Location
	quarters map[int64]*int // of an hour since 1970: days begin at one in every zone
	last     int64          // neighbours are often of one quarter
	of       *int
}

func newDayTally(zone *time.Location) *dayTally {
	return &dayTally{zone: zone, quarters: map[int64]*int{}}
}

func (d *dayTally) add(micros int64) {
	const micro = quarter * 1e6
	at := micros / micro
	if micros%micro < 0 {
		at-- // a time before 1970
	}
	if d.of == nil || at != d.last {
		d.last, d.of = at, d.quarters[at]
		if d.of == nil {
			d.of = new(int)
			d.quarters[at] = d.of
		}
	}
	*d.of++
}

// newest returns the last n days, the latest first, and how many are left out.
func (d *dayTally) newest(n int) (list []facet, leftOut int) {
	days := map[string]int{}
	for q, count := range d.quarters {
		days[time.Unix(q*quarter, 0).In(d.zone).Format(time.DateOnly)] += *count
	}
	list = []facet{}
	for name, count := range days {
		if len(name) == len(time.DateOnly) { // a year that a filter can name
			list = append(list, facet{name, count})
		}
	}
	slices.SortFunc(list, func(a, b facet) int { return strings.Compare(b.Value, a.Value) })
	list = list[:min(n, len(list))]
	return list, len(days) - len(list)
}
