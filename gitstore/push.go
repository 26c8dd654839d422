package gitstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/gitstore/gitformat"
	"qme/gitstore/odb"
)

// The errors of Push after which the caller should fetch, merge and push again.
var (
	// ErrBehind says that another history has runs that this one has not: they have
	// to be fetched and merged before anything can be pushed there.
	ErrBehind = errors.New("the remote has runs that are not here yet")
	// ErrMoved says that another history changed while something was being pushed to
	// it. Nothing was changed; fetching, merging and pushing again helps.
	ErrMoved = errors.New("the remote has moved")
)

// A Pushed has the remote's commits before and after a Push; Before is "" when the remote
// was empty.
type Pushed struct{ Before, After string }

// PushOptions are the options of Push.
type PushOptions struct {
	DryRun   bool     // send nothing
	Progress Progress // may be nil
	// Limits bound the objects; 0 is none. Other homes may accept less: an object over
	// Usual is reported by Warn.
	Limits, Usual ShareLimits
	// SkipInvalid has Push first remove files that others would reject from this history.
	SkipInvalid bool
	Warn        func(msg string) // may be nil
}

// ShareLimits bounds single objects, in bytes.
type ShareLimits struct{ Object, Record int64 }

func (o PushOptions) warn(format string, args ...any) {
	if o.Warn != nil {
		o.Warn(fmt.Sprintf(format, args...))
	}
}

// Push sends the objects that a remote lacks and moves its branch to this history's newest
// commit. Before that it validates this history as other homes would. The error
// is ErrBehind when the remote has commits that are not here, a *RejectedError
// when this history has files that are no task's, a *UnsharableError when an object is
// over a limit, and any error of the sink.
func (s *Store) Push(ctx context.Context, remote string, sink Sink, opts PushOptions) (*Pushed, error) {
	theirs, err := remoteHead(sink.Refs())
	if err != nil {
		return nil, err
	}
	head, err := s.head()
	if err != nil {
		return nil, err
	}
	done := &Pushed{After: head.String()}
	if !theirs.IsZero() {
		done.Before = theirs.String()
		// An error of our own must not pass for ErrBehind, after which callers try again.
		ok, err := s.odb.Has(theirs)
		if err == nil && ok {
			ok, err = newGraph(s.odb).isAncestor(ctx, theirs, head)
		}
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, ErrBehind
		}
	}
	if theirs != head {
		if head, err = s.pushable(ctx, head, theirs, opts); err != nil {
			return nil, err
		}
		done.After = head.String()
		news, err := s.listNew(ctx, head, theirs)
		if err == nil {
			err = s.checkSizes(ctx, news, opts)
		}
		if err != nil || opts.DryRun {
			return done, err
		}
		objects := news.list
		err = sink.Update(ctx, branch, theirs, head, func(w io.Writer) error {
			return s.odb.WritePack(ctx, w, objects, func(done, total int) {
				if opts.Progress != nil {
					opts.Progress(done, total, 0)
				}
			})
		})
		if err != nil {
			return nil, err
		}
	}
	if opts.DryRun {
		return done, nil
	}
	return done, s.setTracking(ctx, remote, head)
}

// listNew lists the objects that head needs and known, if it is not the zero hash, does not.
func (s *Store) listNew(ctx context.Context, head, known plumbing.Hash) (*lister, error) {
	g := newGraph(s.odb)
	g.faults = map[plumbing.Hash]error{}
	var bounds []plumbing.Hash
	if !known.IsZero() {
		bounds = append(bounds, known)
	}
	commits, err := g.since(ctx, head, bounds...)
	if err != nil {
		return nil, err
	}
	l := &lister{r: s.odb, seen: map[plumbing.Hash]bool{}}
	// What is in a parent's tree is left out, and a tree is looked at once: so that a
	// tree which comes back later is listed with all that is in it.
	for _, c := range parentsFirst(commits) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		l.add(c.hash)
		if err := g.faults[c.hash]; err != nil {
			l.fault("commit", c.hash, err)
		}
		var before []plumbing.Hash
		for _, h := range c.Parents {
			p, err := g.node(h)
			if err != nil {
				return nil, err
			}
			before = append(before, p.Tree)
		}
		if err := l.tree("", c.Tree, before); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// A lister collects objects, each once.
type lister struct {
	r    objectReader
	seen map[plumbing.Hash]bool
	list []plumbing.Hash

	blobs  []plumbing.Hash
	paths  []string // of blobs
	faults []error  // the first objections of git's checks to the commits and trees
	faulty int      // how many there are
}

func (l *lister) fault(kind string, h plumbing.Hash, err error) {
	if l.faulty++; l.faulty <= rejectedShown {
		l.faults = append(l.faults, fmt.Errorf("%s %s: %w", kind, h, err))
	}
}

func (l *lister) add(h plumbing.Hash) bool {
	if l.seen[h] {
		return false
	}
	l.seen[h] = true
	l.list = append(l.list, h)
	return true
}

// tree adds the objects that are in a tree and in none of those before it.
func (l *lister) tree(at string, h plumbing.Hash, before []plumbing.Hash) error {
	if slices.Contains(before, h) || !l.add(h) {
		return nil
	}
	entries, err := readTree(l.r, h)
	if err != nil {
		return err
	}
	if err := fsckEntries(entries); err != nil {
		l.fault("tree", h, err)
	}
	olds := make([]map[string]treeEntry, 0, len(before))
	for _, b := range before {
		list, err := readTree(l.r, b)
		if err != nil {
			return err
		}
		byName := make(map[string]treeEntry, len(list))
		for _, e := range list {
			byName[e.name] = e
		}
		olds = append(olds, byName)
	}
	for _, e := range entries {
		var was []plumbing.Hash
		for _, o := range olds {
			if old, ok := o[e.name]; ok && old.isDir() == e.isDir() {
				was = append(was, old.hash)
			}
		}
		switch {
		case e.isDir():
			err = l.tree(at+e.name+"/", e.hash, was)
		case e.mode == gitformat.ModeSubmodule: // its commit is in another repository
		case !slices.Contains(was, e.hash):
			if l.add(e.hash) {
				l.blobs, l.paths = append(l.blobs, e.hash), append(l.paths, at+e.name)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// An UnsharableError says that this history has an object that others would reject.
type UnsharableError struct{ *odb.LimitError }

// Unwrap returns the LimitError.
func (e *UnsharableError) Unwrap() error { return e.LimitError }

// pushable looks for files in the newest commit that other homes would reject, and
// returns the commit that is to be pushed.
func (s *Store) pushable(ctx context.Context, head, theirs plumbing.Hash, opts PushOptions) (plumbing.Hash, error) {
	for {
		rejected, err := s.invalidPaths(ctx, head, theirs)
		if err != nil || len(rejected) == 0 {
			return head, err
		}
		if !opts.SkipInvalid || opts.DryRun {
			return head, &RejectedError{Files: rejected, Own: true}
		}
		next, err := s.removeFiles(ctx, head, rejected)
		if err == nil {
			for _, f := range rejected {
				opts.warn("took %s out of the history: %v", f.Path, f.Why)
			}
			return next, nil
		}
		if !errors.Is(err, errMoved) {
			return head, err
		}
		if head, err = s.head(); err != nil {
			return head, err
		}
	}
}

// invalidPaths lists the files that no task history can have, apart from those that the
// remote has as well.
func (s *Store) invalidPaths(ctx context.Context, head, theirs plumbing.Hash) ([]Rejected, error) {
	sn, err := s.At(head)
	if err != nil {
		return nil, err
	}
	var known plumbing.Hash
	if !theirs.IsZero() {
		c, err := newGraph(s.odb).node(theirs)
		if err != nil {
			return nil, err
		}
		known = c.Tree
	}
	in := &validation{s: s, base: s.odb, seen: map[plumbing.Hash]bool{}, ctx: ctx, shape: true}
	err = in.folder("", known, sn.root)
	return in.rejected, err
}

// removeFiles commits a tree without some files. The error is errMoved when the branch is no longer
// at head.
func (s *Store) removeFiles(ctx context.Context, head plumbing.Hash, files []Rejected) (plumbing.Hash, error) {
	q, err := s.lockQueue(ctx)
	if err != nil {
		return head, err
	}
	defer q.unlock()
	sn, err := s.At(head)
	if err != nil {
		return head, err
	}
	t := &tx{w: s.odb.NewWriter(), parent: head, root: sn.root, identity: s.Identity(), when: time.Now(), edits: map[string]plumbing.Hash{},
		message: fmt.Sprintf("clear: %d files that are no task's\n", len(files))}
	for _, f := range files {
		t.edits[f.Path] = plumbing.ZeroHash
	}
	next, _, err := t.finish()
	if err != nil {
		return head, err
	}
	return next, s.publish(ctx, q, t.w, move{branch, head, next})
}

// checkSizes checks the sizes of the objects, and warns of the faults that were found.
func (s *Store) checkSizes(ctx context.Context, news *lister, opts PushOptions) error {
	for _, err := range news.faults {
		opts.warn("other homes, and servers that check what they are sent, will refuse this history: %v", err)
	}
	if more := news.faulty - len(news.faults); more > 0 {
		opts.warn("the same goes for %d more", more)
	}
	least := opts.smallestLimit()
	if least == 0 {
		return nil
	}
	large, err := s.odb.LargerThan(ctx, news.blobs, least)
	if err != nil || len(large) == 0 {
		return err
	}
	for i, h := range news.blobs {
		if size, ok := large[h]; ok {
			if err := opts.checkSize(news.paths[i], size); err != nil {
				return err
			}
		}
	}
	return nil
}

// smallestLimit returns the size over which an object has to be checked, 0 for never.
func (o PushOptions) smallestLimit() int64 {
	limits := slices.DeleteFunc([]int64{o.Limits.Object, o.Limits.Record, o.Usual.Object, o.Usual.Record}, func(n int64) bool { return n == 0 })
	if len(limits) == 0 {
		return 0
	}
	return slices.Min(limits)
}

// checkSize compares the size of an object with the limits.
func (o PushOptions) checkSize(p string, size int64) error {
	name := LimitObject
	limit, usual := o.Limits.Object, o.Usual.Object
	if path.Ext(p) == recordExt {
		name = LimitRecord
		limit, usual = smallerLimit(limit, o.Limits.Record), smallerLimit(usual, o.Usual.Record)
	}
	switch {
	case limit > 0 && size > limit:
		return &UnsharableError{odb.NewLimitError(name, size, limit, path.Base(p)+" has")}
	case usual > 0 && size > usual:
		o.warn("%s has %d bytes: others let it in only where they have raised share.max_%s to %d or more", path.Base(p), size, name, size)
	}
	return nil
}

// smallerLimit returns the smaller of two limits, of which 0 is none.
func smallerLimit(a, b int64) int64 {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}
