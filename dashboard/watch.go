package dashboard

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"qme/internal/panics"
	"qme/record"
	"qme/tasks"
)

const (
	// recoverEvery is the interval of checks for runs whose process has died, and
	// retryEvery that of attempts to read up to retryMost unreadable records again.
	recoverEvery = 5 * time.Second
	retryEvery   = 5 * time.Second
	retryMost    = 32
	// maxNews is the maximal number of tasks in a message; a larger change is sent as a
	// reload.
	maxNews = 500
)

// A feed keeps the table in step with the history and the spool, and broadcasts each
// change. It is safe for concurrent use.
type feed struct {
	home       home
	runs       runs
	hub        *hub
	background *background
	table      *table
	lastLines  *lastLines
	staleness  staleness
	reasons    *reasons

	ready     chan struct{} // closed when the table has its first rows, or cannot be filled
	readyOnce sync.Once

	mu        sync.Mutex  // guards the fields below
	refreshed time.Time   // the beginning of the last refresh
	recovered time.Time   // the beginning of the last recovery
	retried   time.Time   // the last attempt to read unreadable records
	watch     tasks.Watch // yields the changes since the last update

	recovering   atomic.Bool
	recoverError string // the last logged error; used only by the recovering goroutine
}

func newFeed(h home, r runs, q Queue, hub *hub, b *background) *feed {
	return &feed{
		home: h, runs: r, hub: hub, background: b, reasons: &reasons{queue: q}, table: newTable(strconv.FormatInt(time.Now().UnixNano(), 36)),
		watch: tasks.Watch{History: h, Spool: r, Queue: h.Queue(), Queued: h.Queued}, lastLines: &lastLines{runs: r, background: b}, ready: make(chan struct{}),
	}
}

// current waits until the table has rows and updates it. The error is a *problem if the
// history cannot be read and there are no tasks to show.
func (f *feed) current(ctx context.Context) error {
	select {
	case <-f.ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	f.refresh(ctx)
	if detail := f.staleness.detail(); detail != "" && f.table.state().Total == 0 {
		return newProblem(http.StatusServiceUnavailable, "busy", "the history cannot be read: "+detail)
	}
	return nil
}

// tag identifies the current state of the table and of the last lines.
func (f *feed) tag() string {
	return f.table.state().Version + "-" + strconv.FormatUint(f.lastLines.changes(), 36)
}

// hello returns the state of the table for a new client, and the latest runs in progress.
func (f *feed) hello() (message, []summary) {
	return messageOf("hello", f.table.state(), true), f.lastLines.addTo(f.table.uncommitted(runningShown))
}

// setStaleness sets the result of a reading of the history, and broadcasts it if it has
// changed.
func (f *feed) setStaleness(kind int, err error) {
	detail, changed := f.staleness.set(kind, err)
	if !changed {
		return
	}
	if detail != "" {
		f.background.log("behind: %s", detail)
	}
	f.hub.broadcast(staleMessage(detail))
}

// refresh updates the table and broadcasts the changes. Concurrent calls share the work
// of one.
func (f *feed) refresh(ctx context.Context) {
	asked := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refreshed.After(asked) || !f.watch.Begun() {
		return
	}
	began := time.Now()
	f.setStaleness(refreshing, panics.Catch(func() error { return f.refreshLocked(ctx) }))
	f.refreshed = began
}

func (f *feed) refreshLocked(ctx context.Context) error {
	if f.watch.Uncommitted() > 0 && time.Since(f.recovered) > recoverEvery && f.recovering.CompareAndSwap(false, true) {
		f.recovered = time.Now()
		f.background.start(func(ctx context.Context) { // it may wait for other writers of the history
			defer f.recovering.Store(false)
			f.recover(ctx)
		})
	}
	var n *news
	err := f.watch.Next(ctx, func(c tasks.Changes) {
		c.List = append(c.List, f.readable()...)
		n = f.table.update(c)
	})
	if err != nil {
		return err
	}
	if f.publish(n); n.len() > 0 {
		f.reasons.changed()
	}
	f.explainWaiting()
	if lines := f.lastLines.read(f.table.going()); len(lines) > 0 {
		f.hub.broadcast(message{Type: "printed", Printed: &lines})
	}
	return nil
}

// publish broadcasts a change of the table.
func (f *feed) publish(n *news) {
	switch {
	case n.len() > maxNews:
		f.hub.broadcast(messageOf("reload", n.tableState, false))
	case n.len() > 0:
		f.hub.broadcast(f.messageOf(n))
	}
}

// recover commits the runs of dead processes. It logs an error that differs from the last
// one.
func (f *feed) recover(ctx context.Context) {
	text := ""
	if err := f.home.Recover(ctx); err != nil {
		text = err.Error()
	}
	if ctx.Err() != nil || text == f.recoverError {
		return
	}
	if f.recoverError = text; text != "" {
		f.background.log("a run is still in the spool: %s", text)
	}
}

// readable returns records of the history that could not be read before and now can,
// since their file system may have been unavailable.
func (f *feed) readable() (list []tasks.Change) {
	if time.Since(f.retried) < retryEvery {
		return nil
	}
	f.retried = time.Now()
	for _, id := range f.table.unreadable(retryMost) {
		if f.watch.Covers(id) {
			continue
		}
		if r, err := f.home.Find(string(id), 0); err == nil && r.Record.Data.Status != record.Running {
			list = append(list, tasks.Change{Result: record.Result{ID: id, Record: r.Record}})
		}
	}
	return list
}

// messageOf returns a change of the table as a message.
func (f *feed) messageOf(n *news) message {
	m := messageOf("tasks", n.tableState, false)
	added, changed := f.lastLines.addTo(f.table.summaries(n.Added)), f.lastLines.addTo(f.table.summaries(n.Changed))
	m.Added, m.Changed, m.Removed = &added, &changed, append([]record.ID{}, n.Removed...)
	return m
}
