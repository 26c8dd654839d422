package dashboard

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/net/netutil"

	"qme/record"
	"qme/tasks/live"
)

// Options say what a server serves, and to whom.
type Options struct {
	Tasks *live.Home
	// Explain returns the exit code of a command that fails with an error, what it says of that,
	// and the way out; both texts may be empty.
	Explain func(err error) (exit int, msg, hint string)

	// Key opens everything; see LoadKey.
	Key string
	// Hosts are the names and addresses by which the server is called, beside those of
	// the loopback.
	Hosts []string
	// Secure says that requests come over TLS.
	Secure bool
	// Remote says that other machines can reach the server.
	Remote   bool
	ReadOnly bool

	// What is told of the server.
	Version, Home, Host, User string

	// Log is told of failures, one line each, and Debug of requests; both may be called
	// from several goroutines. Debug may be nil.
	Log   func(format string, args ...any)
	Debug func(format string, args ...any)
}

// A Server is the dashboard of one home.
type Server struct {
	o            Options
	tasks        home
	runs         runs
	start        string // another random text each time
	table        *table
	hub          *hub
	upgrade      *websocket.Upgrader
	readers      readers
	failures     failures
	searches     searches
	lastOverview latest[*Overview]
	lastFacets   latest[*Facets]
	printed      printed

	// begun is closed when there is something to show.
	begun chan struct{}
	ready sync.Once

	background sync.WaitGroup
	life       context.Context // of what goes on in the background

	refreshing sync.Mutex // guards what follows
	refreshed  time.Time  // when the last look began
	recovered  time.Time  // when runs were last looked for whose process has died
	retried    time.Time  // when records that could not be read were last tried again
	commit     string
	stamps     map[record.ID]string // of the runs in the spool

	recovering atomic.Bool
	unspooled  string // what kept such runs from the history, as it was told; for who is recovering

	behind behind
}

// New makes a server. It does nothing until Serve.
func New(o Options) *Server { return newServer(o, o.Tasks, o.Tasks.Service.Spool) }

func newServer(o Options, tasks home, runs runs) *Server {
	s := &Server{o: o, tasks: tasks, runs: runs, start: NewKey(), table: newTable(strconv.FormatInt(time.Now().UnixNano(), 36)), hub: newHub(), begun: make(chan struct{}), life: context.Background()}
	s.upgrade = s.upgrader()
	s.searches.sem = make(chan struct{}, searchesAtOnce)
	return s
}

const (
	// maxConns bounds the connections.
	maxConns = 4096
	// headerTimeout, readTimeout and idleTimeout bound how long a client may take to ask,
	// answerTimeout how long it may take to read an answer. Downloads extend it as they go on.
	headerTimeout = 5 * time.Second
	readTimeout   = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	answerTimeout = time.Minute
	maxHeader     = 64 << 10
	// endTimeout bounds how long requests are waited for when the server ends.
	endTimeout = 3 * time.Second
)

// Serve answers requests until ctx ends, and then returns nil. It closes the listener.
// config may be nil: then there is no TLS.
func (s *Server) Serve(ctx context.Context, l net.Listener, config *tls.Config) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.life = ctx
	s.run(ctx)
	l = netutil.LimitListener(l, maxConns)
	if config != nil {
		l = tls.NewListener(l, config)
	}
	server := &http.Server{
		Handler: s.Handler(), MaxHeaderBytes: maxHeader, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, IdleTimeout: idleTimeout,
		WriteTimeout: answerTimeout, ErrorLog: quietLog(s.o.Debug),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	var err error
	select {
	case err = <-served: // the listener is broken
	case <-ctx.Done():
		soon, cancel := context.WithTimeout(context.Background(), endTimeout)
		defer cancel()
		if err = server.Shutdown(soon); errors.Is(err, context.DeadlineExceeded) {
			err = server.Close() // who still reads is a slow client
		}
		if serr := <-served; !errors.Is(serr, http.ErrServerClosed) {
			err = errors.Join(err, serr)
		}
	}
	cancel()
	s.hub.close()
	s.background.Wait()
	return errors.Join(err, s.readers.close())
}
