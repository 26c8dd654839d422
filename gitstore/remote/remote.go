// Package remote talks to git repositories elsewhere: in a folder, over ssh, over
// https. It speaks the smart protocol of git (version 0) as a client: it reads the
// advertisement of a repository, takes a pack from it, and sends it a pack with the
// update of a branch. It does not look into the packs.
//
// The server is not trusted. Its messages are bounded, escaped before a user sees them, and
// never make the client wait for longer than the context allows.
package remote

import (
	"bufio"
	"context"
	"io"
	"maps"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/internal/safe"
)

// Options are the options of a Remote. The zero value works.
type Options struct {
	// GitDir is our own repository. Its configuration counts beside the user's:
	// core.sshCommand, ssh.variant, credential.*, http.sslCAInfo, http.sslVerify,
	// http.proxy, http.followRedirects. It may be "".
	GitDir string

	// Messages gets the messages of the server, each line after "remote: " and with
	// its control characters escaped; without it they are part of errors. It is written to from one
	// goroutine at a time. An error of it is ignored.
	Messages io.Writer

	// Ask asks the user for a name or, when secret is set, for something that must
	// not be shown. When it is nil there is no user to ask: a question fails at
	// once, also in programs that are run.
	Ask func(prompt string, secret bool) (string, error)
}

// A Remote is a repository elsewhere. Its methods may be called from several
// goroutines; their results may not.
type Remote struct {
	opts Options
	loc  location
	out  *messages
}

// Open understands a URL or path; it does no I/O. It takes
//
//	/path  ./path  file:///path
//	ssh://[user@]host[:port]/path  [user@]host:path
//	https://[user@]host[:port]/path  and the same with http
//
// The error wraps ErrURL.
func Open(url string, opts Options) (*Remote, error) {
	loc, err := parse(url)
	if err != nil {
		return nil, err
	}
	return &Remote{opts: opts, loc: loc, out: newMessages(opts.Messages)}, nil
}

// String returns the URL, fit to be printed. It never holds a secret.
func (r *Remote) String() string { return safe.Line(r.loc.shown) }

// The services that a repository offers.
const (
	uploadPack  = "git-upload-pack"
	receivePack = "git-receive-pack"
)

// A link is a connection to one service of one repository. All but abort are for
// one goroutine.
type link interface {
	// greeting has the first message of the service.
	greeting() *bufio.Reader
	// ready says that the greeting was understood.
	ready()
	// ask sends the output of write and returns the answer. Both go on at the same time. It
	// is called once.
	ask(write func(io.Writer) error) *answer
	// explain returns a better reason for err where one is known, else nil. The
	// link is of no more use then.
	explain(err error) error
	// abort ends the link from any goroutine: reads and writes fail.
	abort()
	// close ends the link and waits until nothing of it is left.
	close()
}

// An answer is the response of a service.
type answer struct {
	io.Reader
	// sent waits until the request has been written and says how that went. It is
	// to be called when nothing is left to read.
	sent func() error
}

// connect reaches a service and reads its advertisement.
func (r *Remote) connect(ctx context.Context, service string) (*session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l, err := r.dial(ctx, service)
	if err != nil {
		return nil, orDone(ctx, err)
	}
	s := &session{remote: r, link: l}
	defer s.guard(ctx)()
	if s.ad, err = readAdvertisement(l.greeting()); err != nil {
		err = s.failed(ctx, err)
		l.close()
		return nil, err
	}
	l.ready()
	return s, nil
}

func (r *Remote) dial(ctx context.Context, service string) (link, error) {
	switch r.loc.scheme {
	case "file":
		return r.dialLocal(service)
	case "ssh":
		return r.dialSSH(ctx, service)
	}
	return r.dialHTTP(ctx, service)
}

// A session is the common part of fetching and pushing.
type session struct {
	remote *Remote
	link   link
	ad     *advertisement
	used   bool
}

// Refs returns the branches, tags and other refs that the repository has, by full
// name, and their objects. An empty repository has none. It is the caller's.
func (s *session) Refs() map[string]plumbing.Hash {
	return maps.Clone(s.ad.refs)
}

// Close ends the connection. It may be called at any time and more than once, and
// leaves no process, connection or goroutine.
func (s *session) Close() error {
	s.link.close()
	return nil
}

// guard ends the link when ctx does. The function that it returns calls that off.
func (s *session) guard(ctx context.Context) func() bool {
	return context.AfterFunc(ctx, s.link.abort)
}

// failed returns the error for the caller: with the reason that the link knows, and the
// name of the remote.
func (s *session) failed(ctx context.Context, err error) error {
	if done := ctx.Err(); done != nil {
		s.link.abort()
		return done
	}
	if _, said := reported(err); said {
		s.link.abort()
		return s.remote.garbled(err)
	}
	reason := s.link.explain(err)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case reason != nil:
		return reason
	}
	return s.remote.garbled(err)
}

// orDone returns the error of ctx when it has one, as that explains any other.
func orDone(ctx context.Context, err error) error {
	if done := ctx.Err(); done != nil {
		return done
	}
	return err
}
