package tasks

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	"qme/gitstore"
)

// Traffic counts the tasks in which one state of a history differs from an earlier
// one. The JSON keys are stable.
type Traffic struct {
	Tasks   int `json:"tasks"`   // new ones
	Reruns  int `json:"reruns"`  // those whose record is another one
	Cleared int `json:"cleared"` // those that are gone
}

// Add counts another difference in.
func (t *Traffic) Add(o Traffic) {
	t.Tasks, t.Reruns, t.Cleared = t.Tasks+o.Tasks, t.Reruns+o.Reruns, t.Cleared+o.Cleared
}

// Count counts the tasks in which two commits differ; an empty from is a history without
// tasks.
func Count(ctx context.Context, s *gitstore.Store, from, to string) (t Traffic, err error) {
	if from == to {
		return t, nil
	}
	for d, err := range s.Differences(ctx, from, to) {
		switch {
		case err != nil:
			return t, err
		case d.Added:
			t.Tasks++
		case d.Removed:
			t.Cleared++
		default:
			t.Reruns++
		}
	}
	return t, nil
}

// Shared says what an exchange brought in each direction. Where it was only tried, it says
// what it would bring.
type Shared struct {
	Remote         gitstore.RemoteURL
	Pulled, Pushed Traffic
	Refused        []gitstore.Rejected // what of the remote is invalid, and was left out
}

// ShareOptions says how an exchange goes about it.
type ShareOptions struct {
	// DryRun merges nothing and pushes nothing.
	DryRun bool
	// SkipInvalid leaves out what is invalid instead of refusing everything.
	SkipInvalid bool

	background bool // it gives way to exchanges that somebody waits for
}

const (
	// shareAttempts bounds how often a push that others came before is tried again.
	// Each time one of those that push gets through, so that it ends much sooner.
	shareAttempts = 20
	// shareStuck is how often in a row a remote may say that it has moved, and be found
	// where it was. Once is a push of somebody else that has failed.
	shareStuck = 4
	// shareWait is how long one waits at most, at random, before the next attempt.
	shareWait = 500 * time.Millisecond
)

// Pull brings the runs that a remote has into the history. The remote is one that Remote
// takes. An exchange waits for others of this home; the error is that of ctx when it ends
// first, and nothing is in the history then that is not whole.
func (q *Service) Pull(ctx context.Context, remote string, o ShareOptions) (*Shared, error) {
	return q.share(ctx, remote, o, pullOnly(o))
}

// Push sends the runs that a remote lacks to it. Where the remote has others, it
// merges them first. Otherwise it is as Pull.
func (q *Service) Push(ctx context.Context, remote string, o ShareOptions) (*Shared, error) {
	return q.share(ctx, remote, o, func(ctx context.Context, x *exchange, s *Shared) error { return s.push(ctx, x, o.DryRun) })
}

// Sync is Pull, then Push, until both histories are the same.
func (q *Service) Sync(ctx context.Context, remote string, o ShareOptions) (*Shared, error) {
	return q.share(ctx, remote, o, both(o))
}

// FetchFrom learns where a remote is, and merges nothing.
func (q *Service) FetchFrom(ctx context.Context, r gitstore.RemoteURL) error {
	_, err := q.exchange(ctx, r, ShareOptions{}, func(ctx context.Context, x *exchange, _ *Shared) error {
		_, err := x.fetch(ctx)
		return err
	})
	return err
}

// SyncInTurn is Sync with the remote that is meant without a name, for a process that nobody
// waits for. Of many at once one waits for the sync that is at work, and the others leave
// theirs to it: synced is false then. The error is ErrGaveWay when an exchange that somebody
// waits for came in between.
func (q *Service) SyncInTurn(ctx context.Context) (synced bool, err error) {
	s, err := q.Store()
	if err != nil {
		return false, err
	}
	release, ok, err := takeTurn(filepath.Join(s.Dir(), "qme-turn.lock"))
	if err != nil || !ok {
		return false, err
	}
	defer release()
	o := ShareOptions{background: true}
	_, err = q.share(ctx, "", o, func(ctx context.Context, x *exchange, s *Shared) error {
		release() // a run that is recorded from now on needs another sync
		return both(o)(ctx, x, s)
	})
	return err == nil, err
}

// share exchanges tasks with the remote of a name.
func (q *Service) share(ctx context.Context, name string, o ShareOptions, how func(context.Context, *exchange, *Shared) error) (*Shared, error) {
	target, err := q.Remote(name)
	if err != nil {
		return nil, err
	}
	return q.exchange(ctx, target, o, how)
}

func pullOnly(o ShareOptions) func(context.Context, *exchange, *Shared) error {
	return func(ctx context.Context, x *exchange, s *Shared) error {
		_, err := s.pull(ctx, x, o.DryRun)
		return err
	}
}

func both(o ShareOptions) func(context.Context, *exchange, *Shared) error {
	return func(ctx context.Context, x *exchange, s *Shared) error {
		if _, err := s.pull(ctx, x, o.DryRun); err != nil {
			return err
		}
		return s.push(ctx, x, o.DryRun)
	}
}

// pull returns where the remote is.
func (s *Shared) pull(ctx context.Context, x *exchange, dryRun bool) (commit string, err error) {
	commit, err = x.fetch(ctx)
	if err != nil || commit == "" {
		return "", err
	}
	var from, to string
	if dryRun {
		head, err := x.store.Head()
		if err != nil {
			return "", err
		}
		if from, err = x.store.MergeBase(ctx, head, commit); err != nil {
			return "", err
		}
		to = commit
	} else if from, to, err = x.merge(ctx, commit); err != nil {
		return "", err
	}
	pulled, err := Count(ctx, x.store, from, to)
	s.Pulled.Add(pulled)
	return commit, err
}

// push pushes and, as often as others came before, merges what they have brought and pushes
// again.
func (s *Shared) push(ctx context.Context, x *exchange, dryRun bool) error {
	var theirs string // where the remote was last found
	for attempt, stuck := 1, 0; ; attempt++ {
		before, after, err := x.push(ctx, dryRun)
		if err == nil {
			s.Pushed, err = Count(ctx, x.store, before, after)
			return err
		}
		behind := errors.Is(err, gitstore.ErrBehind)
		switch {
		case !behind && !errors.Is(err, gitstore.ErrMoved):
			return err
		case behind && dryRun:
			return s.wouldPush(ctx, x)
		case stuck == shareStuck:
			return fmt.Errorf("the remote does not let its branch be moved, and stays where it is itself; a git that was cut off there may have left its lock: %w", err)
		case attempt == shareAttempts:
			return fmt.Errorf("others push at the same time and were faster %d times; try again in a moment: %w", attempt, err)
		}
		if err := shortly(ctx, attempt); err != nil {
			return err
		}
		now, err := s.pull(ctx, x, false)
		if err != nil {
			return err
		}
		if stuck++; behind || now != theirs {
			stuck = 0
		}
		theirs = now
	}
}

// shortly waits before another attempt, so that those who push at the same time do
// not meet again. The first one need not wait.
func shortly(ctx context.Context, attempt int) error {
	if attempt == 1 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(rand.N(shareWait)):
		return nil
	}
}

// wouldPush counts what a push would send after a merge that is not made.
func (s *Shared) wouldPush(ctx context.Context, x *exchange) error {
	theirs, err := x.fetch(ctx)
	if err != nil {
		return err
	}
	head, err := x.store.Head()
	if err != nil {
		return err
	}
	base, err := x.store.MergeBase(ctx, head, theirs)
	if err != nil {
		return err
	}
	if s.Pulled, err = Count(ctx, x.store, base, theirs); err != nil {
		return err
	}
	s.Pushed, err = Count(ctx, x.store, base, head)
	return err
}
