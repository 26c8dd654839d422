package dashboard

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strconv"
	"sync"

	"qme/internal/panics"
	"qme/record"
	"qme/tasks"
)

// A loaded says how far the history has been read.
type loaded struct {
	Tasks    int  `json:"tasks"`
	Complete bool `json:"complete"`
	// Unreadable counts the records that cannot be read, and so are not listed.
	Unreadable int `json:"unreadable"`
}

// A table holds a row for each task as it is now, newest first. Its methods may be called from
// several goroutines.
type table struct {
	mu      sync.RWMutex
	words   *words
	rows    []*row
	running map[taskKey]*row      // those of uncommitted runs
	touched map[taskKey]bool      // tasks of which later versions are known than the loader brings; nil once it is done
	bad     map[taskKey]record.ID // those whose record cannot be read
	epoch   string
	count   uint64
	whole   bool // an update had all tasks, so that the loader brings nothing new
	done    bool
	views   viewCache
}

// newTable makes an empty table. The epoch tells its versions from those of other tables.
func newTable(epoch string) *table {
	return &table{
		words: newWords(), running: map[taskKey]*row{}, touched: map[taskKey]bool{},
		bad: map[taskKey]record.ID{}, epoch: epoch, views: viewCache{sem: make(chan struct{}, 1)},
	}
}

// A tableState is what messages and answers say of the table as a whole.
type tableState struct {
	Version string
	Total   int
	Loaded  loaded
}

func (t *table) state() tableState {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.stateLocked()
}

func (t *table) stateLocked() tableState {
	return tableState{t.epoch + "-" + strconv.FormatUint(t.count, 10), len(t.rows), loaded{len(t.rows), t.done, len(t.bad)}}
}

// load adds records of the history's version with which the table began.
func (t *table) load(results []record.Result) tableState {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.edit()
	for _, res := range results {
		k := keyOf(res.ID)
		if t.touched[k] || t.whole {
			continue
		}
		e.pending[k] = e.rowOf(k, res)
	}
	e.apply()
	return t.stateLocked()
}

// loaded notes that there is no more to load.
func (t *table) loaded() tableState {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done, t.touched = true, nil
	t.count++
	return t.stateLocked()
}

// A news is what one change of the table means for who looks at it.
type news struct {
	tableState
	Added, Changed []*row
	Removed        []record.ID
}

func (n *news) len() int { return len(n.Added) + len(n.Changed) + len(n.Removed) }

// update takes in what has changed.
func (t *table) update(changes tasks.Changes) *news {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.edit()
	there := make(map[taskKey]bool, len(changes.List))
	for _, c := range changes.List {
		k := keyOf(c.ID)
		there[k] = true
		e.set(k, c)
	}
	if changes.All {
		t.whole = true
		for _, r := range t.rows {
			if !there[r.key] {
				e.set(r.key, tasks.Change{Result: record.Result{ID: t.words.id(r)}})
			}
		}
	}
	return e.apply()
}

// An edit is a change of the table in the making.
type edit struct {
	t       *table
	pending map[taskKey]*row // nil: it is gone
	recount bool             // other records than before cannot be read
}

func (t *table) edit() *edit { return &edit{t: t, pending: map[taskKey]*row{}} }

func (e *edit) rowOf(k taskKey, res record.Result) *row {
	_, was := e.t.bad[k]
	var r *row
	if res.Err == nil && res.Record != nil {
		res.Err = panics.Catch(func() error {
			r = e.t.words.row(res.Record)
			return nil
		})
	}
	if e.recount = e.recount || was != (res.Err != nil); res.Err != nil {
		e.t.bad[k] = res.ID
	} else {
		delete(e.t.bad, k)
	}
	return r
}

// set takes in what a task has become.
func (e *edit) set(k taskKey, c tasks.Change) {
	if c.Uncommitted && c.Record == nil && c.Err == nil {
		return // it is as it was
	}
	r := e.rowOf(k, c.Result)
	if c.Uncommitted && r == nil {
		return // what was known of it stays until it can be read
	}
	if e.t.touched != nil {
		e.t.touched[k] = true
	}
	e.pending[k] = r
	if delete(e.t.running, k); c.Uncommitted {
		e.t.running[k] = r
	}
}

// apply puts the change into the rows.
func (e *edit) apply() *news {
	t, n := e.t, &news{}
	keys := slices.SortedFunc(maps.Keys(e.pending), func(a, b taskKey) int { return bytes.Compare(b[:], a[:]) })
	merge := false
	for _, k := range keys {
		r := e.pending[k]
		i, there := t.find(k)
		switch {
		case !there && r == nil, there && r != nil && *r == *t.rows[i]:
			delete(e.pending, k)
		case !there:
			n.Added, merge = append(n.Added, r), true
		case r == nil:
			n.Removed, merge = append(n.Removed, t.words.id(t.rows[i])), true
		default:
			n.Changed = append(n.Changed, r)
			t.rows[i] = r
		}
	}
	if merge {
		t.merge(keys, e.pending)
	}
	if n.len() > 0 || e.recount {
		t.count++
	}
	n.tableState = t.stateLocked()
	return n
}

// merge puts added rows in and takes removed ones out. keys is in the order of the rows.
func (t *table) merge(keys []taskKey, pending map[taskKey]*row) {
	if last := len(t.rows) - 1; last < 0 || order(t.rows[last].key, keys[0]) < 0 {
		for _, k := range keys { // as the loader goes: all of it is older
			if r := pending[k]; r != nil {
				t.rows = append(t.rows, r)
			}
		}
		return
	}
	merged := make([]*row, 0, len(t.rows)+len(keys)+len(t.rows)/64)
	rest := t.rows
	for _, k := range keys {
		r, changed := pending[k]
		if !changed {
			continue
		}
		i, there := slices.BinarySearchFunc(rest, k, func(r *row, k taskKey) int { return order(r.key, k) })
		merged = append(merged, rest[:i]...)
		if rest = rest[i:]; there {
			rest = rest[1:]
		}
		if r != nil {
			merged = append(merged, r)
		}
	}
	t.rows = append(merged, rest...)
}

// order is that of the rows: newest first.
func order(a, b taskKey) int { return bytes.Compare(b[:], a[:]) }

// unreadable returns some of the tasks whose record cannot be read, n at the most.
func (t *table) unreadable(n int) (ids []record.ID) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, id := range t.bad {
		if len(ids) == n {
			break
		}
		ids = append(ids, id)
	}
	return ids
}

func (t *table) find(k taskKey) (int, bool) {
	return slices.BinarySearchFunc(t.rows, k, func(r *row, k taskKey) int { return order(r.key, k) })
}

// uncommitted returns the uncommitted runs, the latest first, n at the most.
func (t *table) uncommitted(n int) []summary {
	t.mu.RLock()
	defer t.mu.RUnlock()
	rows := slices.SortedFunc(maps.Values(t.running), func(a, b *row) int { return cmp.Or(order(a.place, b.place), order(a.key, b.key)) })
	return t.summariesLocked(rows[:min(n, len(rows))])
}

// summaries returns rows as they are shown.
func (t *table) summaries(rows []*row) []summary {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.summariesLocked(rows)
}

func (t *table) summariesLocked(rows []*row) []summary {
	list := t.words.summaries(rows)
	for i, r := range rows {
		list[i].Short = t.short(r)
	}
	return list
}

// short returns the short name of a task: those that have most in common with it are its
// neighbours.
func (t *table) short(r *row) string {
	at, _ := t.find(r.key)
	var near []record.ID
	for _, other := range t.rows[max(at-1, 0):min(at+2, len(t.rows))] {
		near = append(near, t.words.id(other))
	}
	id := t.words.id(r)
	return id.Short(id.Unique(near...))
}

// A facet is a value that a filter can take.
type facet struct {
	Value string `json:"value"`
	Tasks int    `json:"tasks"`
}

// most returns the most frequent of some values.
func most(counts map[string]int, n int) []facet {
	list := make([]facet, 0, len(counts))
	for v, c := range counts {
		list = append(list, facet{v, c})
	}
	slices.SortFunc(list, func(a, b facet) int { return cmp.Or(cmp.Compare(b.Tasks, a.Tasks), cmp.Compare(a.Value, b.Value)) })
	return list[:min(n, len(list))]
}
