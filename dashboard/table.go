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

// A loaded describes the progress of reading the history.
type loaded struct {
	Tasks    int  `json:"tasks"`
	Complete bool `json:"complete"`
	// Unreadable counts the records that are not listed since they cannot be read.
	Unreadable int `json:"unreadable"`
}

// A table holds a row for each task, newest first. It is safe for concurrent use.
type table struct {
	mu      sync.RWMutex
	words   *words
	rows    []*row
	running map[taskKey]*row // the rows of uncommitted runs
	waiting map[taskKey]*row // the rows of tasks that wait in the queue
	// reasons are those of row.reason, as far as they are known; equal ones are one.
	reasons map[taskKey]*tasks.WaitReason
	touched map[taskKey]bool      // tasks with a newer version than the loader's; nil after loading
	bad     map[taskKey]record.ID // tasks whose record cannot be read
	epoch   string
	count   uint64
	whole   bool // an update contained all tasks, so the loader adds nothing
	done    bool
	views   viewCache
}

// newTable returns an empty table. Versions of tables differ by their epoch.
func newTable(epoch string) *table {
	return &table{
		words: newWords(), running: map[taskKey]*row{}, waiting: map[taskKey]*row{}, touched: map[taskKey]bool{},
		bad: map[taskKey]record.ID{}, epoch: epoch, views: viewCache{sem: make(chan struct{}, 1)},
	}
}

// A tableState describes a table in messages and responses.
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

// load adds records of the commit at which loading began.
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

// loaded notes the end of loading.
func (t *table) loaded() tableState {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done, t.touched = true, nil
	t.count++
	return t.stateLocked()
}

// A news is the effect of an update, for clients.
type news struct {
	tableState
	Added, Changed []*row
	Removed        []record.ID
}

func (n *news) len() int { return len(n.Added) + len(n.Changed) + len(n.Removed) }

// update applies changes to the table.
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

// An edit is a change of the table in progress.
type edit struct {
	t       *table
	pending map[taskKey]*row // nil: removed
	recount bool             // the set of unreadable records has changed
}

func (t *table) edit() *edit { return &edit{t: t, pending: map[taskKey]*row{}} }

func (e *edit) rowOf(k taskKey, res record.Result) *row {
	_, was := e.t.bad[k]
	var r *row
	if res.Err == nil && res.Record != nil {
		res.Err = panics.Catch(func() error {
			if r = e.t.words.row(res.Record); res.Record.IsQueued() {
				r.reason = e.t.reasons[k]
			}
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

// set adds the change of a task.
func (e *edit) set(k taskKey, c tasks.Change) {
	if c.Uncommitted && c.Record == nil && c.Err == nil {
		return // the task has not changed
	}
	r := e.rowOf(k, c.Result)
	if c.Uncommitted && r == nil {
		return // keep the old row until the run can be read
	}
	if e.t.touched != nil {
		e.t.touched[k] = true
	}
	e.pending[k] = r
	delete(e.t.running, k)
	delete(e.t.waiting, k)
	switch {
	case c.Uncommitted && r.status == statusNone:
		e.t.waiting[k] = r
	case c.Uncommitted:
		e.t.running[k] = r
	}
}

// apply applies the edit to the rows.
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

// merge inserts and removes rows. keys is in the order of the rows.
func (t *table) merge(keys []taskKey, pending map[taskKey]*row) {
	if last := len(t.rows) - 1; last < 0 || order(t.rows[last].key, keys[0]) < 0 {
		for _, k := range keys { // from the loader: all are older
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

// order compares keys in the order of the rows, newest first.
func order(a, b taskKey) int { return bytes.Compare(b[:], a[:]) }

// unreadable returns at most n of the tasks whose record cannot be read.
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

// uncommitted returns at most n of the uncommitted runs, the latest first.
func (t *table) uncommitted(n int) []summary {
	t.mu.RLock()
	defer t.mu.RUnlock()
	rows := slices.SortedFunc(maps.Values(t.running), func(a, b *row) int { return cmp.Or(order(a.place, b.place), order(a.key, b.key)) })
	return t.summariesLocked(rows[:min(n, len(rows))])
}

// summaries returns the summaries of rows.
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

// short returns the short name of a task. It compares the task with its neighbours, which
// share the longest prefix with it.
func (t *table) short(r *row) string {
	at, _ := t.find(r.key)
	var near []record.ID
	for _, other := range t.rows[max(at-1, 0):min(at+2, len(t.rows))] {
		near = append(near, t.words.id(other))
	}
	id := t.words.id(r)
	return id.Short(id.Unique(near...))
}
