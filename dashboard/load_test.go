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
	"qme/tasks"
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
	stamps  map[record.ID]string
	spooled map[record.ID]*record.Record
}

func (h *shaky) version() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.head
}

func (h *shaky) Head() (string, error) { return fmt.Sprint(h.version()), nil }
func (h *shaky) Latest() (string, iter.Seq[record.Result], error) {
	version := h.version()
	return fmt.Sprint(version), h.records(version), nil
}
func (h *shaky) Stamps() (map[record.ID]string, error) { return h.stamps, nil }

func (h *shaky) Get(id record.ID, _ int) (*record.Record, error) {
	if err := h.torn[id]; err != nil {
		return nil, err
	}
	return h.spooled[id], nil
}

func (h *shaky) Find(ref string, _ int) (tasks.Version, error) {
	for _, r := range h.tasks {
		if string(r.UID) == ref {
			return tasks.Version{Record: r}, h.torn[r.UID]
		}
	}
	return tasks.Version{}, record.ErrNotFound
}

// Differences returns what was cleared.
func (h *shaky) Differences(_ context.Context, from, _ string) (list []record.Result, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for version, ids := range h.cleared {
		for _, id := range ids {
			if fmt.Sprint(version) > from {
				list = append(list, record.Result{ID: id})
			}
		}
	}
	return list, nil
}

// records yields the records of a version.
func (h *shaky) records(version int) iter.Seq[record.Result] {
	return func(yield func(record.Result) bool) {
		h.mu.Lock()
		defer h.mu.Unlock()
		for i, r := range h.tasks {
			gone := false
			for cleared, ids := range h.cleared {
				gone = gone || cleared <= version && slices.Contains(ids, r.UID)
			}
			if gone {
				continue
			}
			if h.fails > 0 && i >= len(h.tasks)/2 {
				h.fails--
				yield(record.Result{Err: errors.New("the disk is gone")})
				return
			}
			res := record.Result{ID: r.UID, Record: r, Err: h.torn[r.UID]}
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
	h := &shaky{head: 1, cleared: map[int][]record.ID{}, torn: map[record.ID]error{}, spooled: map[record.ID]*record.Record{}}
	for i := range n {
		h.tasks = append(h.tasks, aRecord(t, 1000+n-i, i))
	}
	said := new([]string)
	return h, serverOf(h, Options{Log: func(format string, args ...any) { *said = append(*said, fmt.Sprintf(format, args...)) }}), said
}

// TestLoadAgain has a history be read that breaks off: what there is shows, it is said once, and
// what is cleared meanwhile does not come back.
func TestLoadAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, s, said := newShaky(t, 20)
		h.fails = 3
		done := make(chan struct{})
		go func() { s.feed.load(t.Context()); close(done) }()
		synctest.Wait()
		if st := s.feed.table.state(); st.Total != 10 || st.Loaded.Complete {
			t.Errorf("of what could be read it shows %+v", st)
		}
		s.feed.refresh(t.Context())
		h.mu.Lock()
		h.head, h.cleared[2] = 2, []record.ID{h.tasks[0].UID} // and nobody looks before the next reading
		h.mu.Unlock()
		<-done
		s.feed.refresh(t.Context())
		if st := s.feed.table.state(); st.Total != 19 || !st.Loaded.Complete {
			t.Errorf("when all can be read it shows %+v", st)
		}
		if text := s.feed.staleness.detail(); text != "" || !slices.Equal(*said, []string{"behind: the disk is gone"}) {
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
		s.feed.load(t.Context())
		if st := s.feed.table.state(); st.Total != 2 || st.Loaded.Unreadable != 1 {
			t.Errorf("it shows %+v", st)
		}
		run := running(aRecord(t, 2000, 99))
		h.stamps, h.spooled[run.UID] = map[record.ID]string{run.UID: "1"}, run
		s.feed.refresh(t.Context())
		version := s.feed.table.state().Version
		h.torn[run.UID], h.stamps[run.UID] = errors.New("stale handle"), "2"
		time.Sleep(tick)
		s.feed.refresh(t.Context())
		if st := s.feed.table.state(); st.Total != 3 || st.Loaded.Unreadable != 2 || st.Version == version {
			t.Errorf("a run that cannot be read any more makes %+v of version %s", st, version)
		}
		clear(h.torn)
		time.Sleep(retryEvery)
		s.feed.refresh(t.Context())
		if st := s.feed.table.state(); st.Total != 4 || st.Loaded.Unreadable != 0 {
			t.Errorf("when they can be read again it shows %+v", st)
		}
	})
}

// TestUnspooled tells once of what keeps a run from the history.
func TestUnspooled(t *testing.T) {
	t.Parallel()
	h, s, said := newShaky(t, 0)
	for _, err := range []error{errors.New("a"), errors.New("a"), nil, errors.New("a"), errors.New("b")} {
		s.feed.home = recovers{h, err}
		s.feed.recover(t.Context())
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
