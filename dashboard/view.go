package dashboard

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"

	"qme/record"
)

// A filter selects and sorts tasks. The zero value selects all tasks, the latest run
// first. The values of a list are alternatives; an empty list accepts all.
type filter struct {
	Query                   string
	Executors, Hosts, Users []string
	Outcomes                record.Outcomes // 0: any
	PWD, Command            string          // Command is clipped as in a row
	After, Before           time.Time       // After is inclusive, Before exclusive
	Sort                    string          // the name of a column, with a leading - for descending order

	// Now is a recent time in microseconds since 1970, if the order depends on it.
	Now  int64
	zone *time.Location // the zone of days

	// Found is the number of the search for Query, found its result.
	Found uint64
	found map[taskKey]bool
}

// plain reports whether the filter selects all rows in their own order, so that no view
// is needed.
func (f *filter) plain() bool {
	return f.Query == "" && len(f.Executors)+len(f.Hosts)+len(f.Users) == 0 && f.Outcomes == 0 && f.PWD == "" && f.Command == "" &&
		f.After.IsZero() && f.Before.IsZero() && f.Sort == sortNewest
}

// durationsFor is the time for which an order by duration is valid while tasks are
// running.
const durationsFor = 5 * time.Second

// at sets Now if the order depends on it.
func (f *filter) at(now time.Time) {
	if strings.TrimPrefix(f.Sort, "-") == "duration" {
		f.Now = now.Truncate(durationsFor).UnixMicro()
	}
}

const (
	// sortNewest is the order of the rows.
	sortNewest = "-id"
	// sortLatest is the default order of listings: the latest run first.
	sortLatest = "-started"
)

// A page is a part of the tasks selected by a filter.
type page struct {
	tableState
	Matched int
	Rows    []summary
}

// page returns limit tasks from offset on.
func (t *table) page(f *filter, offset, limit int) page {
	t.mu.RLock()
	defer t.mu.RUnlock()
	rows := t.rows
	if !f.plain() {
		rows = t.view(f)
	}
	offset = min(offset, len(rows))
	return page{t.stateLocked(), len(rows), t.summariesLocked(rows[offset:min(offset+limit, len(rows))])}
}

// viewsKept is the number of cached views; one of 100,000 tasks takes 800 KB.
const viewsKept = 8

// A viewCache caches the views of one version of the table. It is used by goroutines that
// hold the read lock of the table, and is guarded by sem.
type viewCache struct {
	sem  chan struct{}
	of   uint64
	list []cachedView
}

type cachedView struct {
	key  string
	rows []*row
}

// view returns the rows selected by a filter, from the cache if possible. Concurrent
// calls are serialised, so that later ones find the view in the cache.
func (t *table) view(f *filter) []*row {
	t.views.sem <- struct{}{}
	defer func() { <-t.views.sem }()
	if t.views.of != t.count {
		t.views.of, t.views.list = t.count, nil
	}
	b, err := json.Marshal(f)
	if err != nil { // cannot happen: strings and times
		return t.choose(f)
	}
	key := string(b)
	for _, v := range t.views.list {
		if v.key == key {
			return v.rows
		}
	}
	rows := t.choose(f)
	t.views.list = append(t.views.list, cachedView{key, rows})
	if len(t.views.list) > viewsKept {
		t.views.list = t.views.list[1:]
	}
	return rows
}

// choose returns the matching rows in order.
func (t *table) choose(f *filter) []*row {
	m := t.matcher(f)
	var rows []*row
	for _, r := range t.rows {
		if m.match(r) {
			rows = append(rows, r)
		}
	}
	return t.sorted(rows, f.Sort, f.Now)
}

// A matcher is a filter that uses the numbers of a words.
type matcher struct {
	f             *filter
	texts         [textCount]map[uint32]bool // nil: any
	outcomes      record.Outcomes            // 0: any
	after, before int64
}

func (t *table) matcher(f *filter) *matcher {
	m := &matcher{f: f, outcomes: f.Outcomes, after: math.MinInt64, before: math.MaxInt64}
	m.texts[executorText], m.texts[hostText], m.texts[userText] = t.numbers(f.Executors), t.numbers(f.Hosts), t.numbers(f.Users)
	if f.PWD != "" {
		m.texts[pwdText] = map[uint32]bool{}
		below := strings.TrimSuffix(f.PWD, "/") + "/"
		for n, s := range t.words.list {
			if s == strings.TrimSuffix(f.PWD, "/") || s == f.PWD || strings.HasPrefix(s, below) {
				m.texts[pwdText][uint32(n)] = true
			}
		}
	}
	if !f.After.IsZero() {
		m.after = f.After.UnixMicro()
	}
	if !f.Before.IsZero() {
		m.before = f.Before.UnixMicro()
	}
	return m
}

// numbers returns the numbers of texts, nil if there are no texts.
func (t *table) numbers(texts []string) map[uint32]bool {
	if len(texts) == 0 {
		return nil
	}
	set := map[uint32]bool{}
	for _, s := range texts {
		if n, ok := t.words.index[s]; ok {
			set[n] = true
		}
	}
	return set
}

func (m *matcher) match(r *row) bool {
	for i, wanted := range m.texts {
		if wanted != nil && !wanted[r.texts[i]] {
			return false
		}
	}
	return m.outcome(r) && m.time(r) && m.search(r)
}

// search matches what no facet counts.
func (m *matcher) search(r *row) bool {
	return (m.f.Command == "" || m.f.Command == r.command) && (m.f.Query == "" || m.f.found[r.key])
}

func (m *matcher) outcome(r *row) bool {
	return m.outcomes == 0 || m.outcomes.Has(r.outcome(), statuses[r.status])
}

func (m *matcher) time(r *row) bool { return r.started >= m.after && r.started < m.before }

// A sortKey represents a row in sorting: a number that sorts like the column, and a text
// to compare if the numbers are equal.
type sortKey struct {
	number uint64
	text   string
	row    *row
}

// sorted sorts rows that are newest first. Rows with equal values stay newest first.
// Active tasks count with their duration up to now.
func (t *table) sorted(rows []*row, by string, now int64) []*row {
	column, descending := strings.CutPrefix(by, "-")
	if column == "id" {
		if !descending {
			slices.Reverse(rows)
		}
		return rows
	}
	if column == "started" {
		rows = latestFirst(rows, time.Now())
		if !descending {
			slices.Reverse(rows)
		}
		return rows
	}
	key := t.sortKey(column, now)
	keys := make([]sortKey, len(rows))
	for i, r := range rows {
		keys[i].row = r
		keys[i].number, keys[i].text = key(r)
	}
	slices.SortFunc(keys, func(a, b sortKey) int {
		if descending {
			a, b = b, a
		}
		c := cmp.Compare(a.number, b.number)
		if c == 0 {
			c = strings.Compare(a.text, b.text)
		}
		if c == 0 && descending {
			return order(b.row.key, a.row.key)
		} else if c == 0 {
			return order(a.row.key, b.row.key)
		}
		return c
	})
	for i := range keys {
		rows[i] = keys[i].row
	}
	return rows
}

// latestFirst sorts rows that are newest first into the order of "qme ls": see
// record.Order. Few rows have moved.
func latestFirst(rows []*row, now time.Time) []*row {
	var moved, future []*row
	limit := placeAt(now.Add(record.ClockSkew).UnixMicro(), taskKey{})
	still := rows[:0:0]
	for _, r := range rows {
		switch {
		case bytes.Compare(r.place[:6], limit[:6]) > 0:
			future = append(future, r)
		case r.place != r.key:
			moved = append(moved, r)
		default:
			still = append(still, r)
		}
	}
	byPlace := func(a, b *row) int { return cmp.Or(order(a.place, b.place), order(a.key, b.key)) }
	slices.SortFunc(moved, byPlace)
	slices.SortFunc(future, byPlace)
	merged := make([]*row, 0, len(rows))
	for _, r := range moved {
		i, _ := slices.BinarySearchFunc(still, r, byPlace)
		merged, still = append(append(merged, still[:i]...), r), still[i:]
	}
	return slices.Concat(append(merged, still...), future)
}

// A column is a column by which tasks can be sorted.
type column struct {
	name string
	// key returns the function for the sort key of a row; nil if the rows are sorted in
	// another way.
	key func(t *table, now int64) func(*row) (number uint64, text string)
}

// columns returns all columns: those of every table, and record.Measures.
func columns() []column {
	list := []column{
		{"id", nil}, {"executor", byText(executorText)}, {"command", byCommand}, {"status", byStatus}, {"started", nil},
		{"duration", byDuration}, {"user", byText(userText)}, {"host", byText(hostText)}, {"pwd", byText(pwdText)}, {"message", byText(messageText)},
	}
	for i, f := range record.Measures() {
		list = append(list, column{f.Name, byMeasure(i)})
	}
	return list
}

func columnNames() (names []string) {
	for _, c := range columns() {
		names = append(names, c.name)
	}
	return names
}

func (t *table) sortKey(name string, now int64) func(*row) (uint64, string) {
	for _, c := range columns() {
		if c.name == name {
			return c.key(t, now)
		}
	}
	return byCommand(t, now) // filterOf allows no other name
}

func byText(which int) func(*table, int64) func(*row) (uint64, string) {
	return func(t *table, _ int64) func(*row) (uint64, string) {
		ranks := t.ranks()
		return func(r *row) (uint64, string) { return ranks[r.texts[which]], "" }
	}
}

func byCommand(*table, int64) func(*row) (uint64, string) {
	return func(r *row) (uint64, string) { return beginning(r.command), r.command }
}

func byStatus(*table, int64) func(*row) (uint64, string) {
	return func(r *row) (uint64, string) { return uint64(r.outcome())<<32 | uint64(uint32(r.returnCode)), "" }
}

func byDuration(_ *table, now int64) func(*row) (uint64, string) {
	return func(r *row) (uint64, string) { return inOrder(r.took(now)), "" }
}

// byMeasure sorts missing values first.
func byMeasure(which int) func(*table, int64) func(*row) (uint64, string) {
	return func(*table, int64) func(*row) (uint64, string) {
		return func(r *row) (uint64, string) { return inOrder(r.measures[which]), "" }
	}
}

// inOrder returns an integer that sorts like n.
func inOrder(n float64) uint64 {
	bits := math.Float64bits(n)
	if n < 0 {
		return ^bits
	}
	return bits | 1<<63
}

// beginning returns the first eight bytes of a text as a number that sorts like them.
func beginning(s string) uint64 {
	var b [8]byte
	copy(b[:], s)
	return binary.BigEndian.Uint64(b[:])
}

// ranks returns the rank of each word in sorted order.
func (t *table) ranks() []uint64 {
	numbers := make([]uint32, len(t.words.list))
	for i := range numbers {
		numbers[i] = uint32(i)
	}
	slices.SortFunc(numbers, func(a, b uint32) int { return strings.Compare(t.words.list[a], t.words.list[b]) })
	ranks := make([]uint64, len(numbers))
	for rank, n := range numbers {
		ranks[n] = uint64(rank)
	}
	return ranks
}

func keysOf(ids []record.ID) map[taskKey]bool {
	set := make(map[taskKey]bool, len(ids))
	for _, id := range ids {
		set[keyOf(id)] = true
	}
	return set
}
