package gitstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/gitstore/odb"
	"qme/record"
)

// A Source is another repository from which objects come. It is not trusted.
type Source interface {
	// Refs returns its references.
	Refs() map[string]plumbing.Hash
	// Pack asks for a pack with all that the commit want needs, and that the commits
	// haves, of which it may know some, do not need.
	Pack(ctx context.Context, want plumbing.Hash, haves []plumbing.Hash) (io.ReadCloser, error)
}

// A Sink is another repository to which objects go.
type Sink interface {
	// Refs returns its references.
	Refs() map[string]plumbing.Hash
	// Update moves a reference from old to new, once it has got the pack.
	Update(ctx context.Context, ref string, old, new plumbing.Hash, pack func(io.Writer) error) error
}

// ErrTooLarge says that a remote has sent more than FetchOptions allows. It is a
// record.ErrInvalid.
var ErrTooLarge = odb.ErrTooLarge

// A LimitError is an ErrTooLarge that says which limit has to be raised.
type LimitError = odb.LimitError

// A PackError says that a pack from a remote is damaged, and not this history. It is a
// record.ErrCorrupt.
type PackError = odb.PackError

// A LayoutError says that a repository has a layout that is not supported, and how to
// convert it.
type LayoutError = odb.LayoutError

// The LimitErrors that are about single objects; the others are those of package odb.
const (
	LimitObject = odb.LimitObject
	LimitRecord = "record"
)

// Progress is called with the number of objects done, of all objects, and of the bytes
// transferred; total is 0 as long as it is not known.
type Progress func(done, total int, bytes int64)

// FetchOptions bounds a Fetch. A limit of 0 is none.
type FetchOptions struct {
	MaxPack   int64 // bytes that come over the line
	MaxObject int64 // bytes of one object
	MaxRecord int64 // bytes of one record
	// MaxUnpacked is how many bytes all objects may have that come.
	MaxUnpacked int64
	// SkipInvalid has Fetch leave out invalid files instead of rejecting everything.
	SkipInvalid bool
	Progress    Progress // may be nil
}

// A Fetched is the result of Fetch.
type Fetched struct {
	Commit   string     // the remote's newest commit, "" when it has none
	Rejected []Rejected // files that are invalid, and must not be merged
}

// Fetch copies the objects that a remote has and this history lacks into the repository,
// validates them, and notes the remote's commit under its name. Nothing of it is in
// the history before Merge. The error is a *RejectedError when something is invalid,
// record.ErrNewerFormat when a later version wrote it, ErrTooLarge when it exceeds a
// limit; nothing of it is kept then.
func (s *Store) Fetch(ctx context.Context, remote string, src Source, opts FetchOptions) (*Fetched, error) {
	theirs, err := remoteHead(src.Refs())
	if err != nil {
		return nil, err
	}
	if theirs.IsZero() {
		return &Fetched{}, s.forgetTracking(remote) // it was made anew
	}
	head, err := s.head()
	if err != nil {
		return nil, err
	}
	pack, err := s.transfer(ctx, remote, head, theirs, src, opts)
	if err != nil {
		return nil, err
	}
	rejected, err := s.validateIncoming(ctx, head, theirs, opts)
	if err != nil {
		return nil, errors.Join(err, s.odb.Discard(pack))
	}
	if err := s.setTracking(ctx, remote, theirs); err != nil {
		return nil, err
	}
	return &Fetched{Commit: theirs.String(), Rejected: rejected}, s.odb.Unkeep(pack)
}

// remoteHead returns where a remote's branch is, the zero hash when it is empty. A
// repository with other branches is no history, and must not become one by accident.
func remoteHead(refs map[string]plumbing.Hash) (plumbing.Hash, error) {
	if h, ok := refs[branch]; ok {
		return h, nil
	}
	for _, name := range slices.Sorted(maps.Keys(refs)) {
		if other, ok := strings.CutPrefix(name, "refs/heads/"); ok {
			return plumbing.ZeroHash, fmt.Errorf("the remote has a branch %.80q and none called main, so it is no task history: %w (tasks are shared through an empty repository, or one with a history in it; if its branch was renamed, \"git branch -m\" there puts that right)", other, record.ErrInvalid)
		}
	}
	return plumbing.ZeroHash, nil
}

// transfer gets the objects that are missing. It returns the name of their pack,
// "" when none was missing.
func (s *Store) transfer(ctx context.Context, remote string, head, theirs plumbing.Hash, src Source, opts FetchOptions) (string, error) {
	have, err := s.has(ctx, remote, head, theirs)
	if err != nil || have {
		return "", err
	}
	haves, err := s.haves(ctx, remote, head)
	if err != nil {
		return "", err
	}
	r, err := src.Pack(ctx, theirs, haves)
	if err != nil {
		return "", err
	}
	a := &incomingCheck{attributes: map[plumbing.Hash]bool{}}
	pack, err := s.odb.Receive(ctx, r, odb.ReceiveOptions{MaxPack: opts.MaxPack, MaxObject: opts.MaxObject, MaxUnpacked: opts.MaxUnpacked, Check: a.check, Progress: opts.Progress})
	if err == nil {
		err = a.checkAttributes(s.odb)
	}
	if err = errors.Join(err, r.Close()); err != nil {
		return "", errors.Join(err, s.odb.Discard(pack))
	}
	ok, err := s.odb.Has(theirs)
	if err == nil && !ok {
		err = fmt.Errorf("the remote did not send its own commit %s: %w", theirs, record.ErrInvalid)
	}
	if err != nil {
		return "", errors.Join(err, s.odb.Discard(pack))
	}
	return pack, nil
}

// has reports whether all of a commit is here for sure: an object alone may be a
// rest of something.
func (s *Store) has(ctx context.Context, remote string, head, commit plumbing.Hash) (bool, error) {
	if at, err := s.Tracking(remote); err != nil || at == commit.String() {
		return err == nil, err
	}
	if ok, err := s.odb.Has(commit); err != nil || !ok {
		return false, err
	}
	return newGraph(s.odb).isAncestor(ctx, commit, head)
}

const (
	// maxHaves bounds how many commits a remote is told of.
	maxHaves = 200
	// recentHaves is how many of the newest commits are told one by one; after
	// them the steps double.
	recentHaves = 16
	// trackedHaves is how many commits back the search goes for a remote that is
	// tracked: it may have been set back since, as to a backup.
	trackedHaves = 1024
)

// haves chooses commits of which the remote may know some, so that it sends only later
// objects.
func (s *Store) haves(ctx context.Context, remote string, head plumbing.Hash) ([]plumbing.Hash, error) {
	tracked, err := s.tracked()
	if err != nil {
		return nil, err
	}
	list := slices.Concat([]plumbing.Hash{}, tracked)
	far := true // how far to look back for a common commit
	if at, err := s.Tracking(remote); err != nil {
		return nil, err
	} else if at != "" {
		list, far = append([]plumbing.Hash{plumbing.NewHash(at)}, list...), false
	}
	g := newGraph(s.odb)
	at, next := head, 1
	for i := 1; ; i++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c, err := g.node(at)
		if err != nil {
			return nil, err
		}
		last := len(c.Parents) == 0
		if i == next || last {
			list = append(list, at)
			if next++; i >= recentHaves {
				next = 2 * i
			}
		}
		if last || len(list) >= maxHaves || !far && i >= trackedHaves {
			break
		}
		at = c.Parents[0]
	}
	return unique(list[:min(len(list), maxHaves)]), nil
}

// unique returns the list without repetitions, in its order.
func unique(list []plumbing.Hash) []plumbing.Hash {
	seen := map[plumbing.Hash]bool{}
	return slices.DeleteFunc(list, func(h plumbing.Hash) bool {
		dup := seen[h]
		seen[h] = true
		return dup
	})
}

// validateIncoming validates the files that would come into the history with a commit.
func (s *Store) validateIncoming(ctx context.Context, head, theirs plumbing.Hash, opts FetchOptions) ([]Rejected, error) {
	sn, err := s.At(theirs)
	if errors.Is(err, errNoHistory) {
		return nil, fmt.Errorf("the remote: %w (tasks are shared through an empty repository: make one without a README, licence or .gitignore, or set another remote)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("the remote: %w", err)
	}
	// The merge will take every difference from its base. With several merge bases, that
	// is none of their trees.
	m := s.newMerge(ctx)
	base, err := m.baseTree(head, theirs)
	if err != nil {
		return nil, err
	}
	rejected, err := s.validate(ctx, m.scratch, base, sn, opts.MaxRecord)
	if err == nil && len(rejected) > 0 && !opts.SkipInvalid {
		err = &RejectedError{Files: rejected}
	}
	return rejected, err
}

func trackingRef(remote string) string { return "refs/remotes/" + remote + "/main" }

// Tracking returns the commit of a remote at the last exchange, "" when there was none.
func (s *Store) Tracking(remote string) (string, error) {
	h, err := s.ref(trackingRef(remote))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	return h.String(), nil
}

// tracked returns the commits of all remotes at the last exchange with each.
func (s *Store) tracked() ([]plumbing.Hash, error) {
	remotes, err := s.Remotes()
	if err != nil {
		return nil, err
	}
	var list []plumbing.Hash
	for _, r := range remotes {
		at, err := s.Tracking(r.Name)
		if err != nil {
			return nil, err
		}
		if at != "" {
			list = append(list, plumbing.NewHash(at))
		}
	}
	return list, nil
}

// setTracking notes the commit of a remote.
func (s *Store) setTracking(ctx context.Context, remote string, h plumbing.Hash) error {
	if at, err := s.Tracking(remote); err != nil || at == h.String() {
		return err
	}
	name := filepath.FromSlash(trackingRef(remote))
	if err := s.fs.MkdirAll(filepath.Dir(filepath.Join(s.dir, name)), 0o700); err != nil {
		return err
	}
	return s.replaceFile(ctx, name, h, func([]byte) ([]byte, error) { return []byte(h.String() + "\n"), nil })
}
