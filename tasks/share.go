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

// Traffic counts the tasks that differ between two states of a history. The JSON keys are
// stable.
type Traffic struct {
	Tasks   int `json:"tasks"`   // new tasks
	Reruns  int `json:"reruns"`  // tasks with another record
	Cleared int `json:"cleared"` // removed tasks
	Noted   int `json:"noted"`   // tasks of which only the notes differ
}

// Add adds the counts of o.
func (t *Traffic) Add(o Traffic) {
	t.Tasks, t.Reruns, t.Cleared, t.Noted = t.Tasks+o.Tasks, t.Reruns+o.Reruns, t.Cleared+o.Cleared, t.Noted+o.Noted
}

// Count counts the tasks that differ between two commits. An empty from stands for a history
// without tasks.
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
		case d.Noted:
			t.Noted++
		default:
			t.Reruns++
		}
	}
	return t, nil
}

// Shared is the result of an exchange, for each direction. For a dry run, it is the expected
// result.
type Shared struct {
	Remote         gitstore.RemoteURL
	Pulled, Pushed Traffic
	Refused        []gitstore.Rejected // invalid parts of the remote, which were left out
}

// ShareOptions are the options of an exchange.
type ShareOptions struct {
	// DryRun neither merges nor pushes.
	DryRun bool
	// SkipInvalid leaves out invalid parts instead of refusing everything.
	SkipInvalid bool

	background bool // end when another exchange waits
}

const (
	// shareAttempts limits the retries of a push that is outrun by others. In each round one of
	// the competing pushes succeeds, so far fewer are needed.
	shareAttempts = 20
	// shareStuck is how often in a row a remote may report that it has moved although it has
	// not. A single time can be the failed push of another client.
	shareStuck = 4
	// shareWait is the maximum of the random wait before a retry.
	shareWait = 500 * time.Millisecond
)

// Pull merges the remote's runs into the history. The remote is a name as for Service.Remote.
// An exchange waits for others of this home. If ctx ends first, the error is that of ctx, and
// the history has no incomplete changes.
func (q *Service) Pull(ctx context.Context, remote string, o ShareOptions) (*Shared, error) {
	return q.share(ctx, remote, o, pullOnly(o))
}

// Push sends the runs that the remote lacks. If the remote has runs that this history lacks, it
// merges them first. Otherwise it is like Pull.
func (q *Service) Push(ctx context.Context, remote string, o ShareOptions) (*Shared, error) {
	return q.share(ctx, remote, o, func(ctx context.Context, x *exchange, s *Shared) error { return s.push(ctx, x, o.DryRun) })
}

// Sync is Pull, then Push, until both histories are equal.
func (q *Service) Sync(ctx context.Context, remote string, o ShareOptions) (*Shared, error) {
	return q.share(ctx, remote, o, both(o))
}

// FetchFrom fetches the state of a remote without merging it.
func (q *Service) FetchFrom(ctx context.Context, r gitstore.RemoteURL) error {
	_, err := q.exchange(ctx, r, ShareOptions{}, func(ctx context.Context, x *exchange, _ *Shared) error {
		_, err := x.fetch(ctx)
		return err
	})
	return err
}

// SyncInTurn is Sync with the default remote, for background processes. If several call it at
// once, one of them waits for the active sync and the others return with synced false, because
// its sync includes their runs. The error is ErrGaveWay when another exchange that was not in
// the background came first.
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
		release() // a run recorded from now on needs another sync
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

// pull fetches and merges the remote's commits, and returns the remote's newest commit.
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

// push pushes. Whenever the remote has moved, it merges the new commits and tries again.
func (s *Shared) push(ctx context.Context, x *exchange, dryRun bool) error {
	var theirs string // last known commit of the remote
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

// shortly waits a random time before a retry, so that competing clients do not collide again.
// It does not wait before the first retry.
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

// wouldPush counts the tasks that a push would send after a merge, without merging.
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
