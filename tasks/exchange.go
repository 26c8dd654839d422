package tasks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"qme/gitstore"
	"qme/gitstore/remote"
	"qme/internal/safe"
	"qme/record"
)

// Sharing configures an exchange with a remote.
type Sharing struct {
	// Distrusted, if not nil, returns why the git configuration of a folder is ignored, or ""
	// if it is used.
	Distrusted func(dir string) (why string)
	Messages   io.Writer                                        // takes the messages of a remote; may be nil
	Ask        func(prompt string, secret bool) (string, error) // asks for names and passwords; nil if no user can answer
	// Fetch limits the data that is accepted and sent. Usual holds the limits that other
	// repositories usually apply.
	Fetch gitstore.FetchOptions
	Usual gitstore.ShareLimits
	// Close, if not nil, is called when the exchange has ended.
	Close func()
}

// ErrGaveWay says why a sync in the background was ended.
var ErrGaveWay = errors.New("it had got nowhere when another push, pull or sync of this home was given, and made way")

const (
	// exchangeMemory is the memory limit of the garbage collector during an exchange. The
	// tables of a large pack alone take half of it.
	exchangeMemory = 192 << 20
	// exchangePatience is how long to wait for another exchange before telling the user.
	exchangePatience = time.Second
	// gaveWay is how long another exchange must wait before one in the background ends.
	gaveWay = 2 * time.Second
)

// An exchange is an exchange of tasks between the history and one remote.
type exchange struct {
	store       *gitstore.Store
	name        string
	fetchFrom   *remote.Remote
	pushTo      *remote.Remote // usually the same as fetchFrom
	sharing     *Sharing
	skipInvalid bool
	warn        func(msg string)
	refused     []gitstore.Rejected
}

// exchange calls how with an open exchange, while no other exchange of this home is active.
func (q *Service) exchange(ctx context.Context, target gitstore.RemoteURL, o ShareOptions, how func(context.Context, *exchange, *Shared) error) (*Shared, error) {
	s, err := q.Store()
	if err != nil {
		return nil, err
	}
	sharing, err := q.Sharing(ctx)
	if err != nil {
		return nil, err
	}
	if sharing.Close != nil {
		defer sharing.Close()
	}
	debug.SetMemoryLimit(exchangeMemory)
	x := &exchange{store: s, name: target.Name, sharing: sharing, skipInvalid: o.SkipInvalid, warn: func(msg string) { q.Warn("%s", msg) }}
	if err := x.open(ctx, target); err != nil {
		return nil, err
	}
	unlock, err := q.lockExchange(ctx, s, target.Name, o.background)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if o.background {
		var stop func()
		ctx, stop = giveWay(ctx, s)
		defer stop()
	}
	shared := &Shared{Remote: target}
	err = how(ctx, x, shared)
	if err != nil && errors.Is(context.Cause(ctx), ErrGaveWay) {
		err = ErrGaveWay
	}
	shared.Refused = x.refused
	return shared, err
}

// open opens the remote's repositories to fetch from and push to, by git's configuration
// (insteadOf, pushInsteadOf, pushurl).
func (x *exchange) open(ctx context.Context, target gitstore.RemoteURL) error {
	gitDir := x.store.Dir()
	if x.sharing.Distrusted != nil {
		if why := x.sharing.Distrusted(gitDir); why != "" {
			x.warn(why + ": its git configuration does not count")
			gitDir = ""
		}
	}
	opts := remote.Options{GitDir: gitDir, Messages: x.sharing.Messages, Ask: x.sharing.Ask}
	urls, err := remote.Resolve(ctx, target.Name, target.URL, opts)
	if err != nil {
		return err
	}
	if x.fetchFrom, err = remote.Open(urls.Fetch, opts); err != nil {
		return err
	}
	x.pushTo = x.fetchFrom
	if urls.Push != urls.Fetch {
		x.pushTo, err = remote.Open(urls.Push, opts)
	}
	return err
}

// giveWay returns a context that is cancelled when another exchange has waited for a while,
// because an exchange in the background may be talking to a host that does not answer. The next
// run syncs again.
func giveWay(ctx context.Context, s *gitstore.Store) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		const look = 200 * time.Millisecond
		for wanted := time.Duration(0); wanted < gaveWay; {
			select {
			case <-ctx.Done():
				return
			case <-time.After(look):
			}
			if wanted += look; !s.ExchangeWanted() {
				wanted = 0
			}
		}
		cancel(ErrGaveWay)
	}()
	return ctx, func() { cancel(nil) }
}

// lockExchange waits for other exchanges of this home and returns the function that releases
// the lock.
func (q *Service) lockExchange(ctx context.Context, s *gitstore.Store, name string, background bool) (func(), error) {
	what := "the exchange"
	if background {
		what = "the sync in the background"
	}
	who := fmt.Sprintf("%s with %s (process %d on %s)", what, name, os.Getpid(), q.Settings.Host)
	soon, cancel := context.WithTimeout(ctx, exchangePatience)
	defer cancel()
	unlock, err := s.LockExchange(soon, who)
	if errors.Is(err, gitstore.ErrBusy) && ctx.Err() == nil {
		q.tell("Waiting for %s to end.", cmp.Or(safe.Line(s.ExchangeHolder()), "another qme push, pull or sync of this home"))
		unlock, err = waitExchange(ctx, s, who, background)
	}
	if ctx.Err() != nil && err != nil {
		err = ctx.Err()
	}
	return unlock, err
}

// waitExchange waits for the active exchange. If the caller is not in the background, an
// exchange in the background ends for it.
func waitExchange(ctx context.Context, s *gitstore.Store, who string, background bool) (func(), error) {
	if !background {
		release, err := s.WantExchange()
		if err != nil {
			return nil, err
		}
		defer release()
	}
	return s.LockExchange(ctx, who)
}

// fetch fetches the remote's commits that this history lacks, without merging them. It returns
// the remote's newest commit, or "" if it has none.
func (x *exchange) fetch(ctx context.Context) (commit string, err error) {
	session, err := x.fetchFrom.Fetch(ctx)
	if err != nil {
		return "", err
	}
	defer session.Close()
	opts := x.sharing.Fetch
	opts.SkipInvalid = x.skipInvalid
	got, err := x.store.Fetch(ctx, x.name, session, opts)
	if errors.Is(err, record.ErrInvalid) && session.Shallow() {
		err = fmt.Errorf("%w (the remote is a shallow clone, which lacks what came before: \"git fetch --unshallow\" there brings it)", err)
	}
	if err != nil {
		return "", err
	}
	x.refused = got.Rejected
	return got.Commit, nil
}

// merge merges a fetched commit into the history.
func (x *exchange) merge(ctx context.Context, commit string) (before, after string, err error) {
	var skip []string
	for _, r := range x.refused {
		skip = append(skip, r.Path)
	}
	m, err := x.store.Merge(ctx, commit, skip)
	if err != nil {
		return "", "", err
	}
	return m.Before, m.After, nil
}

// push sends the commits that the remote lacks. The error wraps gitstore.ErrBehind when there
// are commits to merge first, and gitstore.ErrMoved when the remote has moved meanwhile.
func (x *exchange) push(ctx context.Context, dryRun bool) (before, after string, err error) {
	session, err := x.pushTo.Push(ctx)
	if err != nil {
		return "", "", err
	}
	defer session.Close()
	limits := x.sharing.Fetch
	p, err := x.store.Push(ctx, x.name, session, gitstore.PushOptions{
		DryRun: dryRun, Progress: limits.Progress, SkipInvalid: x.skipInvalid, Warn: x.warn,
		Limits: gitstore.ShareLimits{Object: limits.MaxObject, Record: limits.MaxRecord}, Usual: x.sharing.Usual,
	})
	if errors.Is(err, remote.ErrMoved) {
		err = fmt.Errorf("%w: %w", gitstore.ErrMoved, err)
	}
	if err != nil {
		return "", "", err
	}
	return p.Before, p.After, nil
}
