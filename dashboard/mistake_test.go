package dashboard

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"qme/dashboard/paint"
	"qme/record"
	"qme/tasks"
	"qme/tasks/spool"
)

// A mistaken home panics wherever it is asked for what others have made, as long as it is told to.
type mistaken struct {
	emptyHome
	rec  *record.Record
	calm atomic.Bool
}

func (h *mistaken) stumble() {
	if !h.calm.Load() {
		panic("a sequence nobody has thought of")
	}
}

func (h *mistaken) Head() (string, error) { h.stumble(); return "0", nil }
func (h *mistaken) Stamps() (map[record.ID]string, error) {
	return map[record.ID]string{h.rec.UID: "1"}, nil
}
func (h *mistaken) Get(record.ID, int) (*record.Record, error)        { return h.rec, nil }
func (h *mistaken) Written(record.ID) (stdout, stderr int64, e error) { return 4, 0, nil }
func (h *mistaken) Follow(record.ID, record.StreamName, int64, int64) (spool.Piece, error) {
	h.stumble()
	return spool.Piece{Data: []byte("good"), Size: 4}, nil
}
func (h *mistaken) Refresh(context.Context) error { h.stumble(); return nil }
func (h *mistaken) Latest() (string, iter.Seq[record.Result], error) {
	h.stumble()
	return "0", noRecords, nil
}
func (h *mistaken) Find(string, int) (tasks.Version, error) {
	h.stumble()
	return tasks.Version{}, record.ErrNotFound
}
func (h *mistaken) Runs(string) iter.Seq2[tasks.Version, error] {
	return func(func(tasks.Version, error) bool) { h.stumble() }
}
func (h *mistaken) Search(context.Context, string, time.Time) ([]record.ID, error) {
	h.stumble()
	return nil, nil
}

// TestMistakes has everything panic that reads what others have made: requests are answered, the
// server goes on, and what has stumbled begins again.
func TestMistakes(t *testing.T) {
	t.Parallel()
	id, err := record.NewID("shell")
	if err != nil {
		t.Fatal(err)
	}
	home := &mistaken{rec: &record.Record{Executor: "shell", UID: id, Command: "x", Data: record.Data{Timestamp: record.Now(), Status: record.Running, Run: 1}}}
	var mu sync.Mutex
	var said bytes.Buffer
	s := serverOf(home, Options{Key: NewKey(), Log: func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		t.Logf(format, args...)
		for _, a := range args {
			if err, ok := a.(error); ok {
				said.WriteString(err.Error())
			} else if text, ok := a.(string); ok {
				said.WriteString(text)
			}
		}
	}})
	base := listen(t, s)
	conn := connect(t, s, "ws"+strings.TrimPrefix(base, "http")+"/api/live")
	if err := conn.WriteJSON(request{Type: "watch", ID: string(id), Stream: record.Stdout}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"/api/tasks/" + string(id): 500, "/api/tasks/" + string(id) + "/runs": 500, "/api/tasks": 503, "/api/info": 200} {
		if status, body := get(t, s, base+path); status != want {
			t.Errorf("%s is answered with %d, want %d: %s", path, status, want, body)
		}
	}
	hear := func(wanted string) {
		t.Helper()
		for {
			_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
			_, b, err := conn.ReadMessage()
			if err != nil {
				t.Fatalf("%q is not heard: %v", wanted, err)
			}
			if strings.Contains(string(b), wanted) {
				return
			}
		}
	}
	hear(`"type":"error"`)
	home.calm.Store(true)
	hear(`"complete":true`)
	if err := conn.WriteJSON(request{Type: "watch", ID: string(id), Stream: record.Stdout}); err != nil {
		t.Fatal(err)
	}
	hear(`"type":"output"`)
	if status, body := get(t, s, base+"/api/tasks"); status != 200 || !strings.Contains(body, `"last_line":"good"`) {
		t.Errorf("then the tasks are answered with %d, %s", status, body)
	}
	mu.Lock()
	defer mu.Unlock()
	if !strings.Contains(said.String(), "nobody has thought of (qme/dashboard.(*mistaken).stumble:") {
		t.Errorf("it says %s", said.String())
	}
}

// listen has a server listen until the test ends, and returns its address.
func listen(t *testing.T, s *Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- s.Serve(ctx, l, nil) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Serve returns %v", err)
		}
	})
	return "http://" + l.Addr().String()
}

func get(t *testing.T, s *Server, url string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.options.Key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// TestSlowReader has a client that reads nothing watch a command that prints a lot: what waits for it
// stays little, and goes on when it reads.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	home := &mistaken{rec: begun(t, time.Now())}
	home.rec.Data.Status = record.Running
	home.calm.Store(true)
	s := serverOf(home, Options{Log: t.Logf})
	c := newClient(nil)
	sub := &subscription{outputKey: outputKey{home.rec.UID, record.Stdout}, painter: paint.New("")}
	c.subscriptions[sub.outputKey] = sub
	for range 10 * maxWaiting {
		s.sockets.follow(t.Context(), c)
	}
	if len(c.queue) != maxWaiting {
		t.Errorf("%d messages wait", len(c.queue))
	}
	for range maxWaiting {
		<-c.queue
	}
	s.sockets.follow(t.Context(), c)
	if len(c.queue) != 1 {
		t.Errorf("then %d messages wait", len(c.queue))
	}
}
