package dashboard

import (
	"context"
	"time"

	"qme/record"
)

// load reads the history from its newest task on. A history that cannot be read is tried
// again: its file system may come back.
func (s *Server) load(ctx context.Context) {
	for {
		err := s.loadOnce(ctx)
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
	// First what is in flight: a run that ends meanwhile is then seen in one of the two.
	s.refreshing.Lock()
	list, err := s.o.Flights.Flights()
	if err == nil {
		flights := s.newFlights(list)
		var sn Snapshot
		if sn, err = s.o.History.Latest(); err == nil {
			if s.commit == "" { // else what has changed since then is still to be looked at
				s.commit = sn.Commit()
			}
			s.table.update(nil, flights)
			s.newLines()
			s.refreshing.Unlock()
			return s.loadFrom(ctx, sn)
		}
	}
	s.refreshing.Unlock()
	return err
}

func (s *Server) loadFrom(ctx context.Context, sn Snapshot) error {
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
	for res := range sn.Records(record.Range{Brief: true}) {
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
