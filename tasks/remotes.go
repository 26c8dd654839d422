package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"qme/gitstore"
	"qme/record"
)

// DefaultRemote is the name of the default remote.
const DefaultRemote = "origin"

// A NoRemoteError says that there is no remote of the given name or, without a name, no
// default: no remote at all, or several and none called DefaultRemote. It is a
// record.ErrNotFound.
type NoRemoteError struct {
	Name  string
	Names []string // of the existing remotes
}

// Error implements error.
func (e *NoRemoteError) Error() string { return fmt.Sprintf("there is no remote %q", e.Name) }

// Is makes the error a record.ErrNotFound.
func (e *NoRemoteError) Is(target error) bool { return target == record.ErrNotFound }

// Remote returns the remote of a name. Without a name, it returns the one called DefaultRemote,
// or the only one. The error is a NoRemoteError when there is none.
func (q *Service) Remote(name string) (gitstore.RemoteURL, error) {
	remotes, err := q.Remotes()
	if err != nil {
		return gitstore.RemoteURL{}, err
	}
	var names []string
	for _, r := range remotes {
		if r.Name == name || name == "" && (r.Name == DefaultRemote || len(remotes) == 1) {
			return r, nil
		}
		names = append(names, r.Name)
	}
	return gitstore.RemoteURL{}, &NoRemoteError{Name: name, Names: names}
}

// Remotes returns all remotes.
func (q *Service) Remotes() ([]gitstore.RemoteURL, error) {
	s, err := q.Store()
	if err != nil {
		return nil, err
	}
	return s.Remotes()
}

// SetRemote sets the URL of a remote, and returns the previous URL, or "" if the remote is new.
func (q *Service) SetRemote(name, url string) (before string, err error) {
	r, err := q.Remote(name)
	var none *NoRemoteError
	if err != nil && !errors.As(err, &none) {
		return "", err
	}
	s, err := q.Store()
	if err != nil {
		return "", err
	}
	return r.URL, s.SetRemote(name, url)
}

// RemoveRemote removes a remote. The error is a NoRemoteError when there is none of that name.
func (q *Service) RemoveRemote(name string) error {
	if _, err := q.Remote(name); err != nil {
		return err
	}
	s, err := q.Store()
	if err != nil {
		return err
	}
	return s.RemoveRemote(name)
}

// A RemoteState compares the history with the last known state of a remote.
type RemoteState struct {
	Known                bool // whether a state is known
	NotPushed, NotPulled Difference
}

// CompareRemote returns the differences between the history and the last known state of a
// remote. Each is counted for at most limit, unless that is 0.
func (q *Service) CompareRemote(ctx context.Context, r gitstore.RemoteURL, limit time.Duration) (st RemoteState, err error) {
	s, err := q.Store()
	if err != nil {
		return st, err
	}
	head, err := s.Head()
	if err != nil {
		return st, err
	}
	theirs, err := s.Tracking(r.Name)
	if err != nil {
		return st, err
	}
	var base string
	if st.Known = theirs != ""; st.Known {
		if base, err = s.MergeBase(ctx, head, theirs); err != nil {
			return st, err
		}
		if st.NotPulled, err = differenceWithin(ctx, s, base, theirs, limit); err != nil {
			return st, err
		}
	}
	st.NotPushed, err = differenceWithin(ctx, s, base, head, limit)
	return st, err
}

// Clone copies the tasks of the repository at a URL into this home, and makes the repository
// its DefaultRemote. The error wraps record.ErrConflict when the home already has tasks. On
// error nothing is changed.
func (q *Service) Clone(ctx context.Context, url string, o ShareOptions) (*Shared, error) {
	if err := q.noTasks(); err != nil {
		return nil, err
	}
	s, err := q.Store()
	if err != nil {
		return nil, err
	}
	undo, err := setDefaultRemote(s, url)
	if err != nil {
		return nil, err
	}
	shared, err := q.exchange(ctx, gitstore.RemoteURL{Name: DefaultRemote, URL: url}, o, pullOnly(o))
	if err != nil {
		if uerr := undo(); uerr != nil {
			q.Warn("the remote %s stays set: %v", DefaultRemote, uerr)
		}
		return nil, err
	}
	return shared, nil
}

// setDefaultRemote sets DefaultRemote. undo restores the previous state.
func setDefaultRemote(s *gitstore.Store, url string) (undo func() error, err error) {
	remotes, err := s.Remotes()
	if err != nil {
		return nil, err
	}
	undo = func() error { return s.RemoveRemote(DefaultRemote) }
	for _, r := range remotes {
		if r.Name == DefaultRemote {
			undo = func() error { return s.SetRemote(r.Name, r.URL) }
		}
	}
	return undo, s.SetRemote(DefaultRemote, url)
}

// noTasks returns an error if the home has tasks.
func (q *Service) noTasks() error {
	for item := range q.List(Filter{Limit: 1, Brief: true}) {
		if item.ID == "" && item.Err != nil {
			return item.Err
		}
		return fmt.Errorf("%s has tasks already: %w; \"qme remote URL\" and \"qme sync\" merge them with those of a remote", q.Home, record.ErrConflict)
	}
	return nil
}
