package dashboard

import (
	"context"
	"iter"
	"time"

	"qme/record"
)

// load reads the history from its newest task on. A history that cannot be read is tried
// again: its file system may come back.
func (s *Server) load(ctx context.Context) {
	for {
		err := safely(func() error { return s.loadOnce(ctx) })
		if ctx.Err() != nil {
			return
		}
		if s.setBehind(loading, err); err == nil {
			return
		}
		s.ready.Do(func() { close(s.begun) })
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

func (s *Server) loadOnce(ctx context.Context) error {
	records, err := s.loadRuns()
	if err != nil {
		return err
	}
	return s.loadFrom(ctx, records)
}

// loadRuns takes in the runs in the spool, and returns the records of the history as of then:
// a run that ends meanwhile is seen in one of the two.
func (s *Server) loadRuns() (iter.Seq[record.Result], error) {
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	stamps, err := s.runs.Stamps()
	if err != nil {
		return nil, err
	}
	done := false
	defer s.unlessTaken(&done)
	changed := s.changedRuns(stamps)
	commit, records, err := s.tasks.Latest()
	if err != nil {
		return nil, err
	}
	if s.commit == "" { // else what has changed since then is still to be looked at
		s.commit = commit
	}
	s.table.update(nil, changed)
	done = true
	s.newLines()
	return records, nil
}

func (s *Server) loadFrom(ctx context.Context, records iter.Seq[record.Result]) error {
	var batch []record.Result
	var told time.Time
	size := 64 // the first rows are wanted at once
	put := func() {
		st := s.table.load(batch)
		batch, size = batch[:0], loadBatch
		s.ready.Do(func() { close(s.begun) })
		if time.Since(told) > loadTold {
			told = time.Now()
			s.hub.broadcast(s.prepare(messageOf("loading", st, true)))
		}
	}
	for res := range records {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if res.ID == "" {
			if len(batch) > 0 { // of nothing it is said first why there is nothing
				put()
			}
			return res.Err
		}
		if batch = append(batch, res); len(batch) >= size {
			put()
		}
	}
	put()
	st := s.table.loaded()
	s.hub.broadcast(s.prepare(messageOf("loading", st, true)))
	return nil
}
