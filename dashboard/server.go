package dashboard

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"

	"qme/tasks/live"
)

// Options configure a server.
type Options struct {
	Tasks *live.Home
	// Queue, if not nil, is the queue of the home.
	Queue Queue
	// Explain returns the exit code of a command for an error, its message, and advice;
	// both texts may be empty.
	Explain func(err error) (exit int, msg, hint string)

	// Key gives access to everything; see LoadKey.
	Key string
	// Hosts are the names and addresses of the server other than those of the loopback.
	Hosts []string
	// Secure says that requests arrive over TLS.
	Secure bool
	// Remote says that other machines can reach the server.
	Remote   bool
	ReadOnly bool

	// Texts about the server for its clients.
	Version, Home, Host, User string

	// Log writes a line about a failure, and Debug one about a request. Both must be safe
	// for concurrent use. Debug may be nil.
	Log   func(format string, args ...any)
	Debug func(format string, args ...any)
}

// A Server is the dashboard of one home.
type Server struct {
	options    Options
	background *background // background work
	hub        *hub        // the clients of the websocket
	feed       *feed       // the current tasks and their changes
	jobs       *jobs       // queries schedulers
	gate       *gate       // admits requests
	lists      *listAPI
	tasks      *taskAPI
	outputs    *outputAPI
	sockets    *socketAPI
}

// New returns a server, which has no tasks before Serve.
func New(o Options) *Server { return newServer(o, o.Tasks, o.Tasks.Service.Spool) }

func newServer(o Options, h home, r runs) *Server {
	s := &Server{options: o, background: &background{ctx: context.Background(), log: o.Log}, hub: newHub(), gate: newGate(&o)}
	s.feed = newFeed(h, r, o.Queue, s.hub, s.background)
	s.jobs = newJobs(h, s.hub, o.Log)
	s.lists = &listAPI{feed: s.feed, jobs: s.jobs, searches: newSearches(h, s.feed.table, s.background)}
	s.tasks = &taskAPI{h, s.feed.table, s.feed.reasons, o.ReadOnly, o.Explain}
	s.outputs = &outputAPI{home: h, runs: r}
	s.sockets = newSocketAPI(s.hub, s.feed, s.outputs, s.background, o.ReadOnly)
	return s
}

const (
	// maxConns is the maximal number of connections.
	maxConns = 4096
	// headerTimeout, readTimeout and idleTimeout are time limits for the requests of a
	// client, and responseTimeout is one for reading a response. Downloads extend it as
	// they progress.
	headerTimeout   = 5 * time.Second
	readTimeout     = 30 * time.Second
	idleTimeout     = 2 * time.Minute
	responseTimeout = time.Minute
	maxHeader       = 64 << 10
	// endTimeout is the maximal wait for open requests when the server ends.
	endTimeout = 3 * time.Second
)

// Serve handles requests until ctx ends, and then returns nil. It closes the listener. If
// config is nil, there is no TLS. It must be called only once.
func (s *Server) Serve(ctx context.Context, l net.Listener, config *tls.Config) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.background.ctx = ctx
	s.background.keep(s.feed.load)
	s.background.keep(s.sockets.watch)
	if !s.options.ReadOnly {
		s.background.keep(s.jobs.follow)
	}
	l = netutil.LimitListener(l, maxConns)
	if config != nil {
		l = tls.NewListener(l, config)
	}
	err := s.serve(ctx, l)
	cancel()
	s.hub.close()
	s.background.running.Wait()
	return errors.Join(err, s.outputs.readers.close())
}

// serve handles requests until ctx ends or the listener fails.
func (s *Server) serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler: s.Handler(), MaxHeaderBytes: maxHeader, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, IdleTimeout: idleTimeout,
		WriteTimeout: responseTimeout, ErrorLog: httpLog(s.options.Debug),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	soon, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	err := server.Shutdown(soon)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close() // a slow client is still reading
	}
	if serr := <-served; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}
