package dashboard

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/gorilla/websocket"

	"qme/record"
)

const (
	// tick is how often what is on disk is looked at while somebody is connected. File systems
	// that are mounted over a network tell nobody of changes.
	tick = 100 * time.Millisecond
	// recoverEvery is how often runs are looked for whose process has died.
	recoverEvery = 5 * time.Second
	// loadBatch is how many records are shown at a time while the history is read, and
	// loadTold how often that is told.
	loadBatch = 512
	loadTold  = 250 * time.Millisecond
)

// run keeps the table up to date until ctx ends.
func (s *Server) run(ctx context.Context) {
	s.background.Go(func() { s.load(ctx) })
	s.background.Go(func() { s.watch(ctx) })
	if !s.o.ReadOnly {
		s.background.Go(func() { s.followJobs(ctx) })
	}
}

// watch looks for news while somebody is connected.
func (s *Server) watch(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
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
		case <-ticker.C:
		}
		s.refresh(ctx)
		for _, c := range s.hub.list() {
			s.follow(ctx, c)
		}
	}
}

// load reads the history from its newest task on. A history that cannot be read is tried
// again: its file system may come back.
func (s *Server) load(ctx context.Context) {
	for {
		err := s.loadOnce(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		s.setBehind(err)
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
			s.commit = sn.Commit()
			s.table.update(nil, flights)
			s.newLines(list)
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

// refresh takes in what is new, and tells everybody. Of many who ask at once one does it.
func (s *Server) refresh(ctx context.Context) {
	asked := time.Now()
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	if s.refreshed.After(asked) || s.commit == "" {
		return
	}
	began := time.Now()
	s.setBehind(s.refreshLocked(ctx))
	s.refreshed = began
}

func (s *Server) refreshLocked(ctx context.Context) error {
	if len(s.flights) > 0 && time.Since(s.recovered) > recoverEvery {
		s.recovered = time.Now()
		if err := s.o.Flights.Recover(ctx); err != nil && ctx.Err() == nil {
			s.o.Log("a run is still in the spool: %v", err)
		}
	}
	list, err := s.o.Flights.Flights()
	if err != nil {
		return err
	}
	flights := s.newFlights(list)
	head, err := s.o.History.Head()
	var changes []record.Result
	if err == nil && head != s.commit {
		changes, err = s.changes(ctx, head)
	}
	if err != nil {
		s.flights = nil // they are looked at again, together with the history
		return err
	}
	s.commit = head
	if n := s.table.update(changes, flights); n.len() > maxNews {
		s.hub.broadcast(s.prepare(messageOf("reload", n.tableState, false)))
	} else if n.len() > 0 {
		s.hub.broadcast(s.prepare(s.tell(n)))
	}
	if lines := s.newLines(list); len(lines) > 0 {
		s.hub.broadcast(s.prepare(message{Type: "printed", Printed: &lines}))
	}
	return nil
}

// changes returns the tasks that differ from those that are shown. Where the version that
// is shown is gone, since the branch was put back or the repository is another one, that is
// all of them.
func (s *Server) changes(ctx context.Context, head string) ([]record.Result, error) {
	list, err := s.differences(ctx, s.commit, head)
	if err == nil || ctx.Err() != nil {
		return list, err
	}
	all, aerr := s.differences(ctx, "", head)
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

func (s *Server) differences(ctx context.Context, from, to string) (list []record.Result, err error) {
	for res := range s.o.History.Differences(ctx, from, to) {
		if res.ID == "" {
			return nil, res.Err
		}
		list = append(list, res)
	}
	return list, nil
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

// newFlights returns the runs in flight that have changed, of all that there are, and without a
// record those that are gone. A record that cannot be read is that of a run being made, or is
// named by "qme check".
func (s *Server) newFlights(list []Flight) []record.Result {
	now := make(map[record.ID]string, len(list))
	var results []record.Result
	for _, f := range list {
		if s.flights[f.ID] == f.Stamp {
			now[f.ID] = f.Stamp
			continue
		}
		rec, err := s.o.Flights.Flight(f.ID)
		if errors.Is(err, record.ErrNotFound) {
			continue
		}
		now[f.ID] = f.Stamp
		results = append(results, record.Result{ID: f.ID, Record: rec, Err: err})
	}
	for _, id := range s.table.flyingNot(now) {
		results = append(results, record.Result{ID: id})
	}
	s.flights = now
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

// setBehind notes whether the history can be read, and tells when that changes.
func (s *Server) setBehind(err error) {
	detail := ""
	if err != nil {
		detail = err.Error()
	}
	s.behindMu.Lock()
	was := s.behind
	s.behind = detail
	s.behindMu.Unlock()
	if was == detail {
		return
	}
	if detail != "" {
		s.o.Log("behind: %s", detail)
	}
	s.hub.broadcast(s.behindMessage(detail))
}

func (s *Server) behindMessage(detail string) *websocket.PreparedMessage {
	behind := detail != ""
	return s.prepare(message{Type: "behind", Behind: &behind, Detail: &detail})
}

// behindNow returns why the history cannot be read, "" when it can.
func (s *Server) behindNow() string {
	s.behindMu.Lock()
	defer s.behindMu.Unlock()
	return s.behind
}

// A watchKey names an output that is watched.
type watchKey struct {
	id   record.ID
	name record.StreamName
}

// A watch is a client's wish to see output as it comes.
type watch struct {
	watchKey
	at      int64 // how much of it has been read
	paint   *painter
	started *record.Time
	run     int
	base    int      // the number of the first line that is on the screen
	shown   []string // what is on the screen
	skipped int64
}

const (
	// followPiece is how much of an output is taken at a time, and followBehind from where on the rest of it is
	// left out, since nobody reads it.
	followPiece  = 256 << 10
	followBehind = 2 << 20
	// followKeep is how much is shown of what is left out.
	followKeep = 64 << 10
)

// An outputMessage tells of output.
type outputMessage struct {
	Type    string            `json:"type"`
	ID      record.ID         `json:"id"`
	Stream  record.StreamName `json:"stream"`
	Run     int               `json:"run"`
	Started *record.Time      `json:"started"`
	Line    int               `json:"line"`
	Lines   []string          `json:"lines"`
	Size    int64             `json:"size"`
	Skipped int64             `json:"skipped"`
	Done    bool              `json:"done"`
}

// follow sends a client what is new of what it watches.
func (s *Server) follow(ctx context.Context, c *client) {
	c.mu.Lock()
	watches := make([]*watch, 0, len(c.watches))
	for _, w := range c.watches {
		watches = append(watches, w)
	}
	c.mu.Unlock()
	for _, w := range watches {
		m, err := s.advance(w)
		if err != nil {
			detail := problemOf(err).Detail
			c.send(s.prepare(message{Type: "error", Detail: &detail}))
		}
		if m != nil {
			c.send(s.prepare(m))
		}
		if err != nil || m != nil && m.Done {
			c.mu.Lock()
			if c.watches[w.watchKey] == w {
				delete(c.watches, w.watchKey)
			}
			c.mu.Unlock()
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// advance reads on and returns what is to be said, nil when there is nothing new.
func (s *Server) advance(w *watch) (*outputMessage, error) {
	rec, err := s.o.Flights.Flight(w.id)
	if err == nil && (w.started == nil || rec.Data.Timestamp.Equal(w.started.Time)) {
		w.started, w.run = &rec.Data.Timestamp, rec.Data.Run
		f, err := s.o.Flights.Follow(w.id, w.name, w.at, followPiece)
		if err == nil && f.Size-w.at > followBehind {
			f, err = s.o.Flights.Follow(w.id, w.name, f.Size-followKeep, followPiece)
			if i := bytes.IndexByte(f.Data, '\n'); i >= 0 {
				f.At, f.Data = f.At+int64(i)+1, f.Data[i+1:]
			}
		}
		if !errors.Is(err, record.ErrNotFound) {
			if err != nil || len(f.Data) == 0 {
				return nil, err
			}
			return w.put(f, false)
		}
	} else if err != nil && !errors.Is(err, record.ErrNotFound) {
		return nil, err
	}
	return s.finish(w)
}

// finish sends the rest of a run that is in the history by now.
func (s *Server) finish(w *watch) (*outputMessage, error) {
	r, err := s.o.Tasks.Find(string(w.id), 0)
	if err != nil {
		return nil, err
	}
	if w.started == nil && r.Record.Data.Status != record.Running {
		w.started, w.run = &r.Record.Data.Timestamp, r.Record.Data.Run
	}
	if r.Record.Data.Status == record.Running || !r.Record.Data.Timestamp.Equal(w.started.Time) {
		if w.started == nil {
			return nil, nil // it has just begun
		}
		return w.put(Following{At: w.at, Size: w.at}, true) // another run has begun meanwhile
	}
	_, size, _ := stored(r.Record, w.name)
	from := w.at
	if size-from > followBehind {
		from = size - followKeep
	}
	at, data, err := s.readers.readStored(r, w.name, from, followBehind)
	if err != nil {
		return nil, err
	}
	done := at+int64(len(data)) >= size
	return w.put(Following{At: at, Data: data, Size: size}, done)
}

// put draws what was read and returns which lines that changes.
func (w *watch) put(f Following, done bool) (*outputMessage, error) {
	w.skipped += max(0, f.At-w.at)
	w.at = f.At + int64(len(f.Data))
	if _, err := w.paint.Write(f.Data); err != nil {
		return nil, err
	}
	final, shown := w.paint.lines()
	lines := append(append([]string{}, final...), shown...)
	same := 0
	for same < len(lines) && same < len(w.shown) && lines[same] == w.shown[same] {
		same++
	}
	m := &outputMessage{
		Type: "output", ID: w.id, Stream: w.name, Run: w.run, Started: w.started,
		Line: w.base + same, Lines: lines[same:], Size: f.Size, Skipped: w.skipped, Done: done,
	}
	w.base, w.shown = w.base+len(final), shown
	return m, nil
}
