package dashboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"qme/dashboard/paint"
	"qme/internal/panics"
	"qme/record"
)

const (
	// silence is the time after which a client that does not answer pings is dead.
	silence = 65 * time.Second
	// maxMessage is the maximal size of a message from a client, in bytes.
	maxMessage = 4 << 10

	// tick is the interval of polling while a client is connected. Network file systems
	// do not notify of changes.
	tick = 100 * time.Millisecond
	// tickForEach lengthens the interval for each client, up to tickMost. Each poll may
	// send a message to every client, which must not keep a processor busy.
	tickForEach = 150 * time.Microsecond
	tickMost    = 250 * time.Millisecond
)

// A socketAPI serves the websocket: it sends clients each change of the feed, and the
// output that they watch.
type socketAPI struct {
	hub        *hub
	feed       *feed
	outputs    *outputAPI
	background *background
	readOnly   bool
	upgrader   *websocket.Upgrader
	arrivals   <-chan struct{}
}

func newSocketAPI(h *hub, f *feed, outputs *outputAPI, b *background, readOnly bool) *socketAPI {
	// The gate has checked the origin.
	upgrader := &websocket.Upgrader{
		HandshakeTimeout: 5 * time.Second, ReadBufferSize: 1 << 10, WriteBufferSize: 4 << 10, WriteBufferPool: &sync.Pool{},
		CheckOrigin: func(*http.Request) bool { return true },
		Error: func(w http.ResponseWriter, r *http.Request, status int, reason error) {
			fail(b.log, w, r, newProblem(status, "invalid", reason.Error()))
		},
	}
	return &socketAPI{h, f, outputs, b, readOnly, upgrader, h.arrivals()}
}

// connect serves one client until its connection ends.
func (s *socketAPI) connect(w http.ResponseWriter, r *http.Request) error {
	if s.hub.count() >= maxClients {
		p := newProblem(http.StatusServiceUnavailable, "busy", "too many clients are connected")
		p.retry = 5
		return p
	}
	conn, err := s.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return nil // the upgrader has sent the response
	}
	c := newClient(conn)
	if !s.hub.add(c, s.hello) {
		c.drop()
		return nil
	}
	defer s.hub.remove(c)
	defer c.drop()
	if detail := s.feed.staleness.detail(); detail != "" {
		c.send(encode(staleMessage(detail)))
	}
	go s.background.try(c.write)
	s.receive(c)
	return nil
}

// hello returns the first message to a client.
func (s *socketAPI) hello() *websocket.PreparedMessage {
	m, running := s.feed.hello()
	m.ReadOnly, m.Running = &s.readOnly, &running
	return encode(m)
}

// receive handles the messages of a client until the connection ends or a message is malformed.
func (s *socketAPI) receive(c *client) {
	c.conn.SetReadLimit(maxMessage)
	alive := func(string) error { return c.conn.SetReadDeadline(time.Now().Add(silence)) }
	c.conn.SetPongHandler(alive)
	for alive("") == nil {
		kind, b, err := c.conn.ReadMessage()
		if err != nil {
			return
		}
		var req request
		err = json.Unmarshal(b, &req)
		var field *json.UnmarshalTypeError
		if kind == websocket.TextMessage && errors.As(err, &field) && field.Field != "" {
			c.send(encode(errorMessage(fmt.Sprintf("%s is not a JSON %s", field.Field, field.Value))))
			continue
		}
		if kind != websocket.TextMessage || err != nil {
			text := websocket.FormatCloseMessage(websocket.CloseUnsupportedData, "messages are JSON objects")
			_ = c.conn.WriteControl(websocket.CloseMessage, text, time.Now().Add(writeTimeout)) // a courtesy
			return
		}
		if err := panics.Catch(func() error { return handle(c, req) }); err != nil {
			c.send(encode(errorMessage(problemOf(err).Detail)))
		}
	}
}

// handle carries out a request of a client.
func handle(c *client, req request) error {
	if req.Type != "watch" && req.Type != "unwatch" {
		return errors.New("a message is of type watch or unwatch")
	}
	id, err := record.ParseID(req.ID)
	if err != nil {
		return err
	}
	if req.Stream != record.Stdout && req.Stream != record.Stderr || req.Offset < 0 || !paint.ValidStyle(req.Style) {
		return errors.New("stream is stdout or stderr; offset and style are those of a piece of output, or 0 and empty")
	}
	key := outputKey{id, req.Stream}
	c.unsubscribe(key, nil)
	if req.Type == "unwatch" {
		return nil
	}
	return c.subscribe(newSubscription(key, req.Offset, req.Style))
}

// watch updates the feed and sends output while any client is connected, until ctx ends.
func (s *socketAPI) watch(ctx context.Context) {
	timer := time.NewTimer(tick)
	defer timer.Stop()
	for {
		if s.hub.count() == 0 {
			select {
			case <-ctx.Done():
				return
			case <-s.arrivals:
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		timer.Reset(min(tick+time.Duration(s.hub.count())*tickForEach, tickMost))
		s.feed.refresh(ctx)
		for _, c := range s.hub.list() {
			s.startFollow(c)
		}
	}
}

// startFollow sends a client new output in the background, since some output takes
// seconds to draw. It does nothing while an earlier call for the client is in progress.
func (s *socketAPI) startFollow(c *client) {
	if len(c.subscribed()) == 0 || !c.following.CompareAndSwap(false, true) {
		return
	}
	s.background.start(func(ctx context.Context) {
		defer c.following.Store(false)
		s.follow(ctx, c)
	})
}

// maxWaiting is the number of queued messages above which a client gets no output. A
// client that reads more slowly than its command prints gets less output and takes no
// memory.
const maxWaiting = 8

// follow sends a client the new output that it watches.
func (s *socketAPI) follow(ctx context.Context, c *client) {
	for _, sub := range c.subscribed() {
		if len(c.queue) >= maxWaiting {
			return
		}
		var m *outputMessage
		err := panics.Catch(func() (err error) {
			m, err = s.outputs.advance(sub)
			return err
		})
		if err != nil {
			c.send(encode(errorMessage(problemOf(err).Detail)))
		}
		if m != nil {
			c.send(encode(m))
		}
		if err != nil || m != nil && m.Done {
			c.unsubscribe(sub.outputKey, sub)
		}
		if ctx.Err() != nil {
			return
		}
	}
}
