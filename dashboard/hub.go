package dashboard

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// queued is the length of a client's queue. A client with a full queue is not reading
	// and is dropped.
	queued = 256
	// writeTimeout is the time limit for sending a message.
	writeTimeout = 10 * time.Second
	// pingEvery is the interval of pings.
	pingEvery = 20 * time.Second
	// maxClients is the maximal number of clients of the websocket, and maxSubscriptions
	// the maximal number of streams that one of them may watch.
	maxClients       = 2000
	maxSubscriptions = 8
)

// A hub holds the clients of the websocket. It is safe for concurrent use, and no method
// waits for a client.
type hub struct {
	mu      sync.Mutex
	clients map[*client]bool
	closed  bool
	joined  []chan struct{} // see arrivals
	done    sync.WaitGroup  // until all clients are removed
}

func newHub() *hub { return &hub{clients: map[*client]bool{}} }

// arrivals returns a channel that receives a value after clients have connected. It must
// be called before the server starts.
func (h *hub) arrivals() <-chan struct{} {
	c := make(chan struct{}, 1)
	h.joined = append(h.joined, c)
	return c
}

// signal sends to a channel with a buffer of one, unless the buffer is full.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
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

// add sends a client the message returned by hello, and all broadcasts from then on. It
// returns false, and does nothing, if there are too many clients or the hub is closed.
func (h *hub) add(c *client, hello func() *websocket.PreparedMessage) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.clients) >= maxClients {
		return false
	}
	h.clients[c] = true
	h.done.Add(1)
	c.send(hello())
	for _, joined := range h.joined {
		signal(joined)
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

// broadcast encodes a message once and sends it to all clients.
func (h *hub) broadcast(message any) {
	m := encode(message)
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.clients {
		c.send(m)
	}
}

// close ends all connections and waits until all clients are removed.
func (h *hub) close() {
	h.mu.Lock()
	h.closed = true
	for c := range h.clients {
		go c.close() // a client that does not read must not delay others
	}
	h.mu.Unlock()
	h.done.Wait()
}

// A client is one connection to the websocket.
type client struct {
	conn  *websocket.Conn
	queue chan *websocket.PreparedMessage
	once  sync.Once
	ended chan struct{}

	mu            sync.Mutex
	subscriptions map[outputKey]*subscription

	following atomic.Bool // a goroutine is reading and drawing output for the client
}

func newClient(conn *websocket.Conn) *client {
	return &client{conn: conn, queue: make(chan *websocket.PreparedMessage, queued), ended: make(chan struct{}), subscriptions: map[outputKey]*subscription{}}
}

// drop closes the connection, which ends its reader and writer.
func (c *client) drop() {
	c.once.Do(func() {
		close(c.ended)
		_ = c.conn.Close() // in any state
	})
}

// close tells the client that the server is ending, and drops it.
func (c *client) close() {
	text := websocket.FormatCloseMessage(websocket.CloseGoingAway, "the server ends")
	_ = c.conn.WriteControl(websocket.CloseMessage, text, time.Now().Add(100*time.Millisecond)) // a courtesy
	c.drop()
}

// send queues a message. A client with a full queue is dropped.
func (c *client) send(m *websocket.PreparedMessage) {
	select {
	case c.queue <- m:
	default:
		c.drop()
	}
}

// write sends the queue until the connection ends.
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

// subscribe replaces the client's subscription to the same stream.
func (c *client) subscribe(sub *subscription) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.subscriptions, sub.outputKey)
	if len(c.subscriptions) >= maxSubscriptions {
		return errors.New("a client can watch no more than 8 streams")
	}
	c.subscriptions[sub.outputKey] = sub
	return nil
}

// unsubscribe ends the subscription to a stream: any if sub is nil, else only sub.
func (c *client) unsubscribe(key outputKey, sub *subscription) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if sub == nil || c.subscriptions[key] == sub {
		delete(c.subscriptions, key)
	}
}

func (c *client) subscribed() []*subscription {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]*subscription, 0, len(c.subscriptions))
	for _, sub := range c.subscriptions {
		list = append(list, sub)
	}
	return list
}
