package dashboard

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"qme/record"
)

// A shaky home has tasks of which not all can be read at first.
type shaky struct {
	emptyHome
	mu      sync.Mutex
	tasks   []*record.Record // newest first
	head    int
	cleared map[int][]record.ID // by the version that they are not in any more
	fails   int                 // so many readings of the history end after half of it
	torn    map[record.ID]error // records that cannot be read
	flights []Flight
	flying  map[record.ID]*record.Record
}

func (h *shaky) version() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.head
}

func (h *shaky) Head() (string, error)     { return fmt.Sprint(h.version()), nil }
func (h *shaky) Latest() (Snapshot, error) { return &shakySnapshot{h, h.version()}, nil }
func (h *shaky) Flights() ([]Flight, error) {
	return h.flights, nil
}

func (h *shaky) Flight(id record.ID) (*record.Record, error) {
	if err := h.torn[id]; err != nil {
		return nil, err
	}
	return h.flying[id], nil
}

func (h *shaky) Find(ref string, _ int) (Run, error) {
	for _, r := range h.tasks {
		if string(r.UID) == ref {
			return Run{Record: r}, h.torn[r.UID]
		}
	}
	return Run{}, record.ErrNotFound
}

// Differences yields what was cleared.
func (h *shaky) Differences(_ context.Context, from, _ string) iter.Seq[record.Result] {
	return func(yield func(record.Result) bool) {
		h.mu.Lock()
		defer h.mu.Unlock()
		for version, ids := range h.cleared {
			for _, id := range ids {
				if fmt.Sprint(version) > from {
					yield(record.Result{ID: id})
				}
			}
		}
	}
}

type shakySnapshot struct {
	*shaky
	of int
}

func (s *shakySnapshot) Commit() string { return fmt.Sprint(s.of) }

func (s *shakySnapshot) Records(record.Range) iter.Seq[record.Result] {
	return func(yield func(record.Result) bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for i, r := range s.tasks {
			gone := false
			for version, ids := range s.cleared {
				gone = gone || version <= s.of && slices.Contains(ids, r.UID)
			}
			if gone {
				continue
			}
			if s.fails > 0 && i >= len(s.tasks)/2 {
				s.fails--
				yield(record.Result{Err: errors.New("the disk is gone")})
				return
			}
			res := record.Result{ID: r.UID, Record: r, Err: s.torn[r.UID]}
			if res.Err != nil {
				res.Record = nil
			}
			if !yield(res) {
				return
			}
		}
	}
}

func newShaky(t *testing.T, n int) (*shaky, *Server, *[]string) {
	t.Helper()
	h := &shaky{head: 1, cleared: map[int][]record.ID{}, torn: map[record.ID]error{}, flying: map[record.ID]*record.Record{}}
	for i := range n {
		h.tasks = append(h.tasks, aRecord(t, 1000+n-i, i))
	}
	said := new([]string)
	return h, New(Options{History: h, Flights: h, Tasks: h, Log: func(format string, args ...any) { *said = append(*said, fmt.Sprintf(format, args...)) }}), said
}

// TestLoadAgain has a history be read that breaks off: what there is shows, it is said once, and
// what is cleared meanwhile does not come back.
func TestLoadAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, s, said := newShaky(t, 20)
		h.fails = 3
		done := make(chan struct{})
		go func() { s.load(t.Context()); close(done) }()
		synctest.Wait()
		if st := s.table.state(); st.Total != 10 || st.Loaded.Complete {
			t.Errorf("of what could be read it shows %+v", st)
		}
		s.refresh(t.Context())
		h.mu.Lock()
		h.head, h.cleared[2] = 2, []record.ID{h.tasks[0].UID} // and nobody looks before the next reading
		h.mu.Unlock()
		<-done
		s.refresh(t.Context())
		if st := s.table.state(); st.Total != 19 || !st.Loaded.Complete {
			t.Errorf("when all can be read it shows %+v", st)
		}
		if text := s.behind.now(); text != "" || !slices.Equal(*said, []string{"behind: the disk is gone"}) {
			t.Errorf("it is behind by %q, and has said %q", text, *said)
		}
	})
}

// TestReadAgain has records that cannot be read for a moment.
func TestReadAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, s, _ := newShaky(t, 3)
		old := h.tasks[1].UID
		h.torn[old] = errors.New("stale handle")
		s.load(t.Context())
		if st := s.table.state(); st.Total != 2 || st.Loaded.Unreadable != 1 {
			t.Errorf("it shows %+v", st)
		}
		run := flying(aRecord(t, 2000, 99))
		h.flights, h.flying[run.UID] = []Flight{{ID: run.UID, Stamp: "1"}}, run
		s.refresh(t.Context())
		version := s.table.state().Version
		h.torn[run.UID], h.flights[0].Stamp = errors.New("stale handle"), "2"
		time.Sleep(tick)
		s.refresh(t.Context())
		if st := s.table.state(); st.Total != 3 || st.Loaded.Unreadable != 2 || st.Version == version {
			t.Errorf("a run that cannot be read any more makes %+v of version %s", st, version)
		}
		clear(h.torn)
		time.Sleep(retryEvery)
		s.refresh(t.Context())
		if st := s.table.state(); st.Total != 4 || st.Loaded.Unreadable != 0 {
			t.Errorf("when they can be read again it shows %+v", st)
		}
	})
}

// TestUnspooled tells once of what keeps a run from the history.
func TestUnspooled(t *testing.T) {
	t.Parallel()
	h, s, said := newShaky(t, 0)
	for _, err := range []error{errors.New("a"), errors.New("a"), nil, errors.New("a"), errors.New("b")} {
		s.o.Flights = recovers{h, err}
		s.recover(t.Context())
	}
	if len(*said) != 3 {
		t.Errorf("it says %q", *said)
	}
}

// recovers is a home whose recovery ends with an error.
type recovers struct {
	*shaky
	err error
}

func (r recovers) Recover(context.Context) error { return r.err }
