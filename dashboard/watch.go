package dashboard

import (
	"context"
	"errors"
	"time"

	"qme/record"
)

const (
	// tick is how often what is on disk is looked at while somebody is connected. File systems
	// that are mounted over a network tell nobody of changes.
	tick = 100 * time.Millisecond
	// tickForEach is how much longer it is between two looks for each client, and tickMost how
	// long at the most: many are told of more at a time, or telling them would keep a processor
	// busy.
	tickForEach = 150 * time.Microsecond
	tickMost    = 250 * time.Millisecond
	// recoverEvery is how often runs are looked for whose process has died, retryEvery how often
	// records that could not be read are tried again, and retryMost how many of them.
	recoverEvery = 5 * time.Second
	retryEvery   = 5 * time.Second
	retryMost    = 32
	// loadBatch is how many records are shown at a time while the history is read, and
	// loadTold how often that is told.
	loadBatch = 512
	loadTold  = 250 * time.Millisecond
)

// run keeps the table up to date until ctx ends.
func (s *Server) run(ctx context.Context) {
	s.goOn(ctx, s.load)
	s.goOn(ctx, s.watch)
	if !s.o.ReadOnly {
		s.goOn(ctx, s.followJobs)
	}
}

// againAfter is how long a part of the server rests that has ended by a mistake.
const againAfter = time.Second

// goOn runs a part of the server in the background, to its end: a mistake is told, and then it
// begins again.
func (s *Server) goOn(ctx context.Context, part func(context.Context)) {
	s.background.Go(func() {
		for !s.guarded(func() { part(ctx) }) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(againAfter):
			}
		}
	})
}

// watch looks for news while somebody is connected.
func (s *Server) watch(ctx context.Context) {
	timer := time.NewTimer(tick)
	defer timer.Stop()
	for {
		if s.hub.count() == 0 {
			select {
			case <-ctx.Done():
				return
			case <-s.hub.first:
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		timer.Reset(min(tick+time.Duration(s.hub.count())*tickForEach, tickMost))
		s.refresh(ctx)
		for _, c := range s.hub.list() {
			s.startFollow(ctx, c)
		}
	}
}

// refresh takes in what is new, and tells everybody. Of many who ask at once one does it.
func (s *Server) refresh(ctx context.Context) {
	asked := time.Now()
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	if s.refreshed.After(asked) || s.commit == "" {
		return
	}
	began := time.Now()
	s.setBehind(refreshing, safely(func() error { return s.refreshLocked(ctx) }))
	s.refreshed = began
}

func (s *Server) refreshLocked(ctx context.Context) error {
	if len(s.stamps) > 0 && time.Since(s.recovered) > recoverEvery && s.recovering.CompareAndSwap(false, true) {
		s.recovered = time.Now()
		s.background.Go(func() { // it may have to wait for who writes to the history, and news do not
			defer s.recovering.Store(false)
			s.guarded(func() { s.recover(s.life) })
		})
	}
	stamps, err := s.runs.Stamps()
	if err != nil {
		return err
	}
	done := false
	defer s.unlessTaken(&done)
	runs := s.changedRuns(stamps)
	head, err := s.tasks.Head()
	var changes []record.Result
	if err == nil && head != s.commit {
		changes, err = s.changes(ctx, head)
	}
	if err != nil {
		return err
	}
	changes = append(changes, s.readable()...)
	n := s.table.update(changes, runs)
	s.commit, done = head, true
	if n.len() > maxNews {
		s.hub.broadcast(s.prepare(messageOf("reload", n.tableState, false)))
	} else if n.len() > 0 {
		s.hub.broadcast(s.prepare(s.tell(n)))
	}
	if lines := s.newLines(); len(lines) > 0 {
		s.hub.broadcast(s.prepare(message{Type: "printed", Printed: &lines}))
	}
	return nil
}

// unlessTaken has the runs in the spool be read again, together with the history, when the table
// has not taken in what changedRuns has returned.
func (s *Server) unlessTaken(done *bool) {
	if !*done {
		s.stamps = nil
	}
}

// recover brings what dead processes have left into the history. What keeps it from that is told
// when it is something else than before.
func (s *Server) recover(ctx context.Context) {
	text := ""
	if err := s.tasks.Recover(ctx); err != nil {
		text = err.Error()
	}
	if ctx.Err() != nil || text == s.unspooled {
		return
	}
	if s.unspooled = text; text != "" {
		s.o.Log("a run is still in the spool: %s", text)
	}
}

// readable returns the records of the history that could not be read and now can: their file system
// may have been gone for a moment.
func (s *Server) readable() (list []record.Result) {
	if time.Since(s.retried) < retryEvery {
		return nil
	}
	s.retried = time.Now()
	for _, id := range s.table.unreadable(retryMost) {
		if _, running := s.stamps[id]; running {
			continue
		}
		if r, err := s.tasks.Find(string(id), 0); err == nil && r.Record.Data.Status != record.Running {
			list = append(list, record.Result{ID: id, Record: r.Record})
		}
	}
	return list
}

// changes returns the tasks that differ from those that are shown. Where the version that
// is shown is gone, since the branch was put back or the repository is another one, that is
// all of them.
func (s *Server) changes(ctx context.Context, head string) ([]record.Result, error) {
	list, err := s.tasks.Differences(ctx, s.commit, head)
	if err == nil || ctx.Err() != nil {
		return list, err
	}
	all, aerr := s.tasks.Differences(ctx, "", head)
	if aerr != nil {
		return nil, errors.Join(err, aerr)
	}
	there := make(map[record.ID]bool, len(all))
	for _, res := range all {
		there[res.ID] = true
	}
	for _, id := range s.table.history() {
		if !there[id] {
			all = append(all, record.Result{ID: id})
		}
	}
	return all, nil
}

// history returns the tasks of which the table has a run of the history.
func (t *table) history() (ids []record.ID) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, r := range t.rows {
		if t.flying[r.key] == nil || t.under[r.key] != nil {
			ids = append(ids, t.words.id(r))
		}
	}
	return ids
}

func (s *Server) tell(n *news) message {
	m := messageOf("tasks", n.tableState, false)
	added, changed := s.printed.put(s.table.summaries(n.Added)), s.printed.put(s.table.summaries(n.Changed))
	m.Added, m.Changed, m.Removed = &added, &changed, append([]record.ID{}, n.Removed...)
	return m
}

// changedRuns returns the runs in the spool whose record has changed, and without a record those
// that are not there any more. A record that cannot be read is that of a run being made, or is
// named by "qme check".
func (s *Server) changedRuns(stamps map[record.ID]string) []record.Result {
	now := make(map[record.ID]string, len(stamps))
	var results []record.Result
	for id, stamp := range stamps {
		if s.stamps[id] == stamp {
			now[id] = stamp
			continue
		}
		rec, err := s.runs.Get(id, 0)
		if errors.Is(err, record.ErrNotFound) {
			continue
		}
		if now[id] = stamp; err != nil {
			now[id] = "" // it is tried again
		}
		results = append(results, record.Result{ID: id, Record: rec, Err: err})
	}
	for _, id := range s.table.flyingNot(now) {
		results = append(results, record.Result{ID: id})
	}
	s.stamps = now
	return results
}

// flyingNot returns the tasks that the table has in flight and others have not.
func (t *table) flyingNot(others map[record.ID]string) (ids []record.ID) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, r := range t.flying {
		id := t.words.id(r)
		if _, ok := others[id]; !ok {
			ids = append(ids, id)
		}
	}
	return ids
}
