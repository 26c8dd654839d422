package tasks

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"qme/gitstore"
)

// An Exchange is a history that can be exchanged with one remote. Commits are
// names; "" stands for a history without any.
type Exchange interface {
	// Fetch brings what the remote has and this history lacks, without merging it,
	// and returns the remote's newest commit.
	Fetch(ctx context.Context) (commit string, err error)
	// Merge brings a fetched commit into the history and returns the history's
	// newest commit before and after.
	Merge(ctx context.Context, commit string) (before, after string, err error)
	// Push sends what the remote lacks and returns the remote's newest commit before
	// and after. The error wraps gitstore.ErrBehind when there is something to merge
	// first, and gitstore.ErrMoved when the remote moved meanwhile. With dryRun it only
	// says what would be pushed.
	Push(ctx context.Context, dryRun bool) (before, after string, err error)
	// Base returns a commit that two commits have in common.
	Base(ctx context.Context, a, b string) (string, error)
	// Count returns in how many tasks two commits differ.
	Count(ctx context.Context, from, to string) (Traffic, error)
	// Head returns the history's newest commit.
	Head() (string, error)
}

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

// Shared says what an exchange brought in each direction. Where it was only tried,
// it says what it would bring.
type Shared struct {
	Pulled, Pushed Traffic
}

// ShareOptions says how an exchange goes about it.
type ShareOptions struct {
	// DryRun merges nothing and pushes nothing.
	DryRun bool
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

// Pull brings the runs that a remote has into the history.
func Pull(ctx context.Context, x Exchange, opts ShareOptions) (Shared, error) {
	var s Shared
	_, err := s.pull(ctx, x, opts.DryRun)
	return s, err
}

// pull returns where the remote is.
func (s *Shared) pull(ctx context.Context, x Exchange, dryRun bool) (commit string, err error) {
	commit, err = x.Fetch(ctx)
	if err != nil || commit == "" {
		return "", err
	}
	var from, to string
	if dryRun {
		head, err := x.Head()
		if err != nil {
			return "", err
		}
		if from, err = x.Base(ctx, head, commit); err != nil {
			return "", err
		}
		to = commit
	} else if from, to, err = x.Merge(ctx, commit); err != nil {
		return "", err
	}
	pulled, err := x.Count(ctx, from, to)
	s.Pulled.Add(pulled)
	return commit, err
}

// Push sends the runs that a remote lacks to it. Where the remote has others, it
// merges them first.
func Push(ctx context.Context, x Exchange, opts ShareOptions) (Shared, error) {
	var s Shared
	err := s.push(ctx, x, opts.DryRun)
	return s, err
}

// Sync is Pull, then Push, until both histories are the same.
func Sync(ctx context.Context, x Exchange, opts ShareOptions) (Shared, error) {
	var s Shared
	if _, err := s.pull(ctx, x, opts.DryRun); err != nil {
		return s, err
	}
	err := s.push(ctx, x, opts.DryRun)
	return s, err
}

func (s *Shared) push(ctx context.Context, x Exchange, dryRun bool) error {
	var theirs string // where the remote was last found
	for attempt, stuck := 1, 0; ; attempt++ {
		before, after, err := x.Push(ctx, dryRun)
		if err == nil {
			s.Pushed, err = x.Count(ctx, before, after)
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
func (s *Shared) wouldPush(ctx context.Context, x Exchange) error {
	theirs, err := x.Fetch(ctx)
	if err != nil {
		return err
	}
	head, err := x.Head()
	if err != nil {
		return err
	}
	base, err := x.Base(ctx, head, theirs)
	if err != nil {
		return err
	}
	if s.Pulled, err = x.Count(ctx, base, theirs); err != nil {
		return err
	}
	s.Pushed, err = x.Count(ctx, base, head)
	return err
}
