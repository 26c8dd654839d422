package dashboard

import (
	"context"
	"iter"
	"time"

	"qme/internal/panics"
	"qme/record"
	"qme/tasks"
)

const (
	// loadBatch is the number of records added to the table at a time while the history
	// is read, and loadTold the interval of broadcasts about the progress.
	loadBatch = 512
	loadTold  = 250 * time.Millisecond
)

// load reads the history from its newest task on. It retries until the history can be
// read, since its file system may come back.
func (f *feed) load(ctx context.Context) {
	for {
		err := panics.Catch(func() error { return f.loadOnce(ctx) })
		if ctx.Err() != nil {
			return
		}
		if f.setStaleness(loading, err); err == nil {
			return
		}
		f.setReady()
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

func (f *feed) setReady() { f.readyOnce.Do(func() { close(f.ready) }) }

func (f *feed) loadOnce(ctx context.Context) error {
	records, err := f.loadRuns()
	if err != nil {
		return err
	}
	return f.loadFrom(ctx, records)
}

// loadRuns adds the runs in the spool to the table, and then opens the history and
// returns its records. A run that ends in between is thus in one of the two.
func (f *feed) loadRuns() (records iter.Seq[record.Result], err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	latest := func() (commit string, err error) {
		commit, records, err = f.home.Latest()
		return commit, err
	}
	if err := f.watch.Begin(latest, func(c tasks.Changes) { f.table.update(c) }); err != nil {
		return nil, err
	}
	f.lastLines.read(f.table.going())
	return records, nil
}

func (f *feed) loadFrom(ctx context.Context, records iter.Seq[record.Result]) error {
	var batch []record.Result
	var told time.Time
	size := 64 // a small first batch is shown soon
	put := func() {
		st := f.table.load(batch)
		batch, size = batch[:0], loadBatch
		f.setReady()
		if time.Since(told) > loadTold {
			told = time.Now()
			f.hub.broadcast(messageOf("loading", st, true))
		}
	}
	for res := range records {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if res.ID == "" {
			if len(batch) > 0 { // an empty table is not ready before the error is known
				put()
			}
			return res.Err
		}
		if batch = append(batch, res); len(batch) >= size {
			put()
		}
	}
	put()
	st := f.table.loaded()
	f.hub.broadcast(messageOf("loading", st, true))
	return nil
}
