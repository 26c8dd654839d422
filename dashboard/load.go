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
	sn, err := s.loadFlights()
	if err != nil {
		return err
	}
	return s.loadFrom(ctx, sn)
}

// loadFlights takes in what is in flight, and returns the history as of then: a run that ends
// meanwhile is seen in one of the two.
func (s *Server) loadFlights() (Snapshot, error) {
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	list, err := s.o.Flights.Flights()
	if err != nil {
		return nil, err
	}
	done := false
	defer s.unlessTaken(&done)
	flights := s.newFlights(list)
	sn, err := s.o.History.Latest()
	if err != nil {
		return nil, err
	}
	if s.commit == "" { // else what has changed since then is still to be looked at
		s.commit = sn.Commit()
	}
	s.table.update(nil, flights)
	done = true
	s.newLines()
	return sn, nil
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
