package gitstore

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/gitstore/gitformat"
	"qme/record"
)

// adding are the kinds of commits that put one record or notes, and remove no task.
var adding = []string{"run", "rerun", "refresh", "note", "restore"}

// mayRemove reports whether a commit may have removed tasks: any may but those that put a
// record, of which nearly all of a history are, and merges by our rules, which remove no task
// that a commit on one of their sides has not removed. b is the object.
func mayRemove(c gitformat.Commit, b []byte) bool {
	_, message, _ := bytes.Cut(b, []byte("\n\n"))
	kind, _, ok := bytes.Cut(message[:min(len(message), 16)], []byte(": "))
	switch {
	case len(c.Parents) == 0:
		return false
	case !ok:
		return true
	case len(c.Parents) == 1:
		return !slices.Contains(adding, string(kind)) || !bytes.Contains(message, []byte("\nTask: "))
	}
	author := []byte("\nauthor " + botIdentity.Name + " <" + botIdentity.Email + "> ")
	return string(kind) != "merge" || !bytes.Contains(b[:len(b)-len(message)], author)
}

// Cleared returns the tasks that commits of the history have removed and that are not there in
// this one, as of their last removal. With since, a commit of the history, only removals after
// that count. The error wraps record.ErrNotFound when since is no ancestor; otherwise it is
// that of ctx. The cost is that of reading the commits, and of the folders in which those that
// may remove tasks differ from their parents.
func (sn *Snapshot) Cleared(ctx context.Context, since string) (record.Cleared, error) {
	c := &clearedWalk{ctx: ctx, r: sn.r, seen: map[treePair]bool{}, tasks: map[record.ID]record.Clearing{}}
	if err := c.find(sn.commit, since); err != nil {
		return record.Cleared{}, err
	}
	return c.cleared(sn)
}

// cleared returns what the commits have removed that is not in the snapshot.
func (c *clearedWalk) cleared(sn *Snapshot) (record.Cleared, error) {
	c.lo, c.hi = bounds(c.prefix)
	// The last removal of a task counts, so the first one that is seen. A merge removes what a
	// commit on one of its sides has removed: of the other side only the remainder is its own.
	for _, merges := range []bool{false, true} {
		for _, commit := range c.commits {
			if (len(commit.Parents) > 1) != merges {
				continue
			}
			for _, parent := range commit.Parents {
				if err := c.compare(parent, commit); err != nil {
					return record.Cleared{}, err
				}
			}
		}
	}
	if err := c.leaveOut(sn); err != nil {
		return record.Cleared{}, err
	}
	return record.Cleared{Tasks: c.sorted(), Gap: c.gap}, nil
}

// ClearedLately returns those of the tasks with a prefix of the UUID that one of the last commits, so
// many by their times, has removed and that are not there. The cost is that of reading the commits,
// and of the folders in the range of time which the prefix spans. Gap is set where the history goes on.
func (sn *Snapshot) ClearedLately(ctx context.Context, prefix string, commits int) (record.Cleared, error) {
	c := &clearedWalk{ctx: ctx, r: sn.r, seen: map[treePair]bool{}, tasks: map[record.ID]record.Clearing{}, prefix: prefix}
	if err := c.walk(sn.commit, commits); err != nil {
		return record.Cleared{}, err
	}
	return c.cleared(sn)
}

// Author returns who made a commit, as "Name <address>", and "" for a merge, which takes over what others
// have done.
func (s *Store) Author(commit string) (string, error) {
	c, b, err := readCommit(s.odb, plumbing.NewHash(commit))
	if err != nil || len(c.Parents) > 1 {
		return "", err
	}
	for line := range bytes.Lines(b) {
		who, isAuthor := bytes.CutPrefix(line, []byte("author "))
		if at := bytes.LastIndexByte(who, '>'); isAuthor && at > 0 {
			return string(who[:at+1]), nil
		}
		if len(line) == 1 {
			break // the message follows
		}
	}
	return "", fmt.Errorf("commit %s has no author: %w", commit, record.ErrCorrupt)
}

// A clearedWalk looks for removed tasks.
type clearedWalk struct {
	ctx     context.Context
	r       objectReader
	prefix  string        // of the UUIDs of the tasks that are looked for
	commits []*commitNode // which may have removed tasks, the last first
	lo, hi  string        // the first and the last folder that can hold them
	seen    map[treePair]bool
	tasks   map[record.ID]record.Clearing
	gap     error
}

// A treePair is a folder before a commit and after it.
type treePair struct {
	old, now plumbing.Hash
	at       string
}

// missing notes why something cannot be read.
func (c *clearedWalk) missing(err error) error {
	if c.ctx.Err() != nil {
		return c.ctx.Err()
	}
	if err != nil && c.gap == nil {
		c.gap = err
	}
	return nil
}

// find collects the commits that may have removed tasks.
func (c *clearedWalk) find(head plumbing.Hash, since string) error {
	if since == "" {
		return c.walk(head, math.MaxInt)
	}
	g := newGraph(c.r)
	known := plumbing.NewHash(since)
	isAncestor, err := g.isAncestor(c.ctx, known, head)
	if err == nil && !isAncestor {
		return fmt.Errorf("commit %s is not in the history of %s: %w", since, head, record.ErrNotFound)
	}
	var list []*commitNode
	if err == nil {
		list, err = g.since(c.ctx, head, known)
	}
	c.take(list)
	return c.missing(err)
}

// take notes which of some commits may have removed tasks.
func (c *clearedWalk) take(list []*commitNode) {
	c.commits = slices.DeleteFunc(lastFirst(list), func(commit *commitNode) bool { return !commit.mayRemove })
}

// errEarlier says that the commits before some were not read.
var errEarlier = errors.New("earlier commits were not looked at")

// walk collects them from the last commits, so many at most.
func (c *clearedWalk) walk(head plumbing.Hash, most int) error {
	seen := map[plumbing.Hash]bool{}
	var next commitHeap
	add := func(h plumbing.Hash) error {
		if seen[h] {
			return nil
		}
		seen[h] = true
		commit, _, err := readCommit(c.r, h)
		if commit != nil {
			heap.Push(&next, commit)
		}
		return c.missing(err)
	}
	err := add(head)
	var list []*commitNode
	for err == nil && len(next) > 0 {
		if len(list) == most {
			err = c.missing(errEarlier)
			break
		}
		commit := heap.Pop(&next).(*commitNode)
		list = append(list, commit)
		for _, parent := range commit.Parents {
			if err = add(parent); err != nil {
				break
			}
		}
	}
	c.take(list)
	return err
}

// compare notes the tasks that a commit has removed from a parent's.
func (c *clearedWalk) compare(parent plumbing.Hash, commit *commitNode) error {
	before, err := treeOf(c.r, parent)
	if err != nil {
		return c.missing(err)
	}
	return c.missing(c.removed(before, commit.Tree, "", record.Clearing{
		Commit: commit.hash.String(), Before: parent.String(), When: time.Unix(commit.When, 0).UTC(),
	}))
}

// removed notes the tasks of one tree that are not in another. Two trees are compared once: the
// first time counts.
func (c *clearedWalk) removed(old, now plumbing.Hash, at string, as record.Clearing) error {
	key := treePair{old, now, at}
	if old == now || c.seen[key] {
		return c.ctx.Err()
	}
	c.seen[key] = true
	olds, err := readTree(c.r, old)
	if err != nil {
		return err
	}
	news, err := readTree(c.r, now)
	if err != nil {
		return err
	}
	for name, e := range zip(olds, news) {
		p := path.Join(at, name)
		switch {
		case e[0].isDir() && !within(p, c.lo, c.hi):
		case e[0].isDir():
			if err := c.missing(c.removed(e[0].hash, e[1].hash, p, as)); err != nil {
				return err
			}
		case !e[0].hash.IsZero() && e[1].hash.IsZero() && strings.HasSuffix(name, recordExt):
			id, err := record.IDFromPath(p)
			if err != nil || !strings.HasPrefix(id.UUID(), c.prefix) {
				continue
			}
			if _, noted := c.tasks[id]; !noted {
				as.ID = id
				c.tasks[id] = as
			}
		}
	}
	return nil
}

// leaveOut leaves out the tasks that are there.
func (c *clearedWalk) leaveOut(sn *Snapshot) error {
	ids := make([]record.ID, 0, len(c.tasks))
	for id := range c.tasks {
		ids = append(ids, id)
	}
	for e, err := range sn.find(ids) {
		if err != nil { // which ones are there is not known
			clear(c.tasks)
			return c.missing(err)
		}
		delete(c.tasks, e.ID)
	}
	return nil
}

func (c *clearedWalk) sorted() []record.Clearing {
	list := make([]record.Clearing, 0, len(c.tasks))
	for _, one := range c.tasks {
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b record.Clearing) int {
		return cmp.Or(strings.Compare(a.Before, b.Before), strings.Compare(b.ID.UUID(), a.ID.UUID()), strings.Compare(string(a.ID), string(b.ID)))
	})
	return list
}
