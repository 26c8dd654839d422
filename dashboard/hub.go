package dashboard

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"qme/record"
)

const (
	// queued is how many messages wait for a client. One that has let them pile up
	// does not read, and is dropped.
	queued = 256
	// writeTimeout bounds how long one message may take.
	writeTimeout = 10 * time.Second
	// pingEvery and silence: a client that says nothing for so long is dead.
	pingEvery = 20 * time.Second
	silence   = 65 * time.Second
	// maxMessage bounds what a client may send at a time, in bytes.
	maxMessage = 4 << 10
	// maxClients bounds the connections to the websocket, and maxWatches what one of
	// them may watch.
	maxClients = 2000
	maxWatches = 8
	// maxNews is how many tasks a message tells of; more of them are a reload.
	maxNews = 500
)

// A message is one to clients; docs/dashboard.md has them all.
type message struct {
	Type string `json:"type"`
	*messageState
	ReadOnly *bool       `json:"read_only,omitempty"`
	Running  *[]Summary  `json:"running,omitempty"`
	Added    *[]Summary  `json:"added,omitempty"`
	Changed  *[]Summary  `json:"changed,omitempty"`
	Removed  []record.ID `json:"removed,omitzero"`
	Printed  *[]Printed  `json:"printed,omitempty"`
	Behind   *bool       `json:"behind,omitempty"`
	Detail   *string     `json:"detail,omitempty"`
}

type messageState struct {
	Version string  `json:"version"`
	Total   int     `json:"total"`
	Loaded  *Loaded `json:"loaded,omitempty"`
}

func messageOf(kind string, st tableState, loaded bool) message {
	m := message{Type: kind, messageState: &messageState{Version: st.Version, Total: st.Total}}
	if loaded {
		m.Loaded = &st.Loaded
	}
	return m
}

// A hub has the clients of the websocket. Its methods may be called from several
// goroutines, and none waits for a client.
type hub struct {
	mu      sync.Mutex
	clients map[*client]bool
	closed  bool
	first   chan struct{} // told when there is a client again
	asking  chan struct{} // likewise, for who asks about jobs
	reading chan struct{} // somebody has read tasks, for who asks about jobs
	done    sync.WaitGroup
}

func newHub() *hub {
	return &hub{clients: map[*client]bool{}, first: make(chan struct{}, 1), asking: make(chan struct{}, 1), reading: make(chan struct{}, 1)}
}

// A client is one connection to the websocket.
type client struct {
	conn  *websocket.Conn
	queue chan *websocket.PreparedMessage
	once  sync.Once
	ended chan struct{}

	mu      sync.Mutex
	watches map[watchKey]*watch

	following atomic.Bool // what it watches is being read and drawn
}

// drop ends a connection. Whoever is writing to it or reading from it notices.
func (c *client) drop() {
	c.once.Do(func() {
		close(c.ended)
		_ = c.conn.Close() // it is of no use any more, in whatever state
	})
}

// send queues a message. A client that has too many waiting is dropped.
func (c *client) send(m *websocket.PreparedMessage) {
	select {
	case c.queue <- m:
	default:
		c.drop()
	}
}

func (h *hub) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.clients)
}

func (h *hub) list() []*client {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]*client, 0, len(h.clients))
	for c := range h.clients {
		list = append(list, c)
	}
	return list
}

// add lets a client in and greets it. What happens from then on it is told.
func (h *hub) add(c *client, hello func() *websocket.PreparedMessage) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.clients) >= maxClients {
		return false
	}
	h.clients[c] = true
	h.done.Add(1)
	c.send(hello())
	for _, told := range []chan struct{}{h.first, h.asking} {
		select {
		case told <- struct{}{}:
		default:
		}
	}
	return true
}

func (h *hub) remove(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.clients[c] {
		delete(h.clients, c)
		h.done.Done()
	}
}

// broadcast tells everybody.
func (h *hub) broadcast(m *websocket.PreparedMessage) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.clients {
		c.send(m)
	}
}

// close tells all clients that the server ends, and waits for their goroutines.
func (h *hub) close() {
	h.mu.Lock()
	h.closed = true
	for c := range h.clients {
		go c.bye() // one that does not read is waited for, and by no other
	}
	h.mu.Unlock()
	h.done.Wait()
}

// bye tells a client that the server ends.
func (c *client) bye() {
	text := websocket.FormatCloseMessage(websocket.CloseGoingAway, "the server ends")
	_ = c.conn.WriteControl(websocket.CloseMessage, text, time.Now().Add(100*time.Millisecond)) // a courtesy
	c.drop()
}

// prepare encodes a message once for all who get it.
func (s *Server) prepare(m any) *websocket.PreparedMessage {
	b, err := json.Marshal(m)
	var p *websocket.PreparedMessage
	if err == nil {
		p, err = websocket.NewPreparedMessage(websocket.TextMessage, b)
	}
	if err != nil { // the messages are plain data: only a mistake in this package ends here
		panic(err)
	}
	return p
}

// upgrader answers as other errors are. Where requests may come from, guard has looked.
func (s *Server) upgrader() *websocket.Upgrader {
	return &websocket.Upgrader{
		HandshakeTimeout: 5 * time.Second, ReadBufferSize: 1 << 10, WriteBufferSize: 4 << 10, WriteBufferPool: &sync.Pool{},
		CheckOrigin: func(*http.Request) bool { return true },
		Error: func(w http.ResponseWriter, r *http.Request, status int, reason error) {
			s.fail(w, r, problem(status, "invalid", reason.Error()))
		},
	}
}

// live serves one client of the websocket, to its end.
func (s *Server) live(w http.ResponseWriter, r *http.Request) error {
	if s.hub.count() >= maxClients {
		p := problem(http.StatusServiceUnavailable, "busy", "too many clients are connected")
		p.retry = 5
		return p
	}
	conn, err := s.upgrade.Upgrade(w, r, nil)
	if err != nil {
		return nil // it has been answered
	}
	c := &client{conn: conn, queue: make(chan *websocket.PreparedMessage, queued), ended: make(chan struct{}), watches: map[watchKey]*watch{}}
	if !s.hub.add(c, s.hello) {
		c.drop()
		return nil
	}
	defer s.hub.remove(c)
	defer c.drop()
	if detail := s.behind.now(); detail != "" {
		c.send(s.behindMessage(detail))
	}
	go s.guarded(c.write)
	s.listen(c)
	return nil
}

func (s *Server) hello() *websocket.PreparedMessage {
	m := messageOf("hello", s.table.state(), true)
	running := s.printed.put(s.table.running(runningShown))
	m.ReadOnly, m.Running = &s.o.ReadOnly, &running
	return s.prepare(m)
}

// write sends what is queued until the connection ends.
func (c *client) write() {
	defer c.drop()
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		var err error
		select {
		case <-c.ended:
			return
		case m := <-c.queue:
			if err = c.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err == nil {
				err = c.conn.WritePreparedMessage(m)
			}
		case <-ping.C:
			err = c.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeTimeout))
		}
		if err != nil {
			return
		}
	}
}

// A request is what a client may send.
type request struct {
	Type   string            `json:"type"`
	ID     string            `json:"id"`
	Stream record.StreamName `json:"stream"`
	Offset int64             `json:"offset"`
	Style  string            `json:"style"`
}

// listen takes what a client sends, until the connection ends or it sends what is no
// message.
func (s *Server) listen(c *client) {
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
			detail := fmt.Sprintf("%s is not a JSON %s", field.Field, field.Value)
			c.send(s.prepare(message{Type: "error", Detail: &detail}))
			continue
		}
		if kind != websocket.TextMessage || err != nil {
			bye := websocket.FormatCloseMessage(websocket.CloseUnsupportedData, "messages are JSON objects")
			_ = c.conn.WriteControl(websocket.CloseMessage, bye, time.Now().Add(writeTimeout)) // a courtesy
			return
		}
		if err := safely(func() error { return s.serve(c, req) }); err != nil {
			detail := problemOf(err).Detail
			c.send(s.prepare(message{Type: "error", Detail: &detail}))
		}
	}
}

func (s *Server) serve(c *client, req request) error {
	if req.Type != "watch" && req.Type != "unwatch" {
		return errors.New("a message is of type watch or unwatch")
	}
	id, err := record.ParseID(req.ID)
	if err != nil {
		return err
	}
	if req.Stream != record.Stdout && req.Stream != record.Stderr || req.Offset < 0 || !validStyle(req.Style) {
		return errors.New("stream is stdout or stderr; offset and style are those of a piece of output, or 0 and empty")
	}
	key := watchKey{id, req.Stream}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.watches, key)
	if req.Type == "unwatch" {
		return nil
	}
	if len(c.watches) >= maxWatches {
		return errors.New("a client can watch no more than 8 streams")
	}
	p, err := newPainter(req.Style)
	if err == nil {
		c.watches[key] = &watch{watchKey: key, at: req.Offset, paint: p, mark: mark{End: req.Offset, Style: req.Style}}
	}
	return err
}
