package gitstore

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/gitstore/gitformat"
	"qme/record"
)

// A commitNode is a commit of the graph.
type commitNode struct {
	hash plumbing.Hash
	gitformat.Commit
	mayRemove bool // see mayRemove
}

// readCommit returns a commit and its object.
func readCommit(r objectReader, h plumbing.Hash) (*commitNode, []byte, error) {
	b, err := commitObject(r, h)
	if err != nil {
		return nil, nil, err
	}
	c, err := gitformat.ParseCommit(b)
	if err == nil && c.Tree.IsZero() {
		err = errors.New("it has no tree")
	}
	if err != nil {
		return nil, b, fmt.Errorf("commit %s: %w: %w", h, err, record.ErrCorrupt)
	}
	return &commitNode{h, c, mayRemove(c, b)}, b, nil
}

func commitObject(r objectReader, h plumbing.Hash) ([]byte, error) {
	t, b, err := r.Get(h)
	if err == nil && t != plumbing.CommitObject {
		err = fmt.Errorf("object %s is a %s, not a commit: %w", h, t, record.ErrCorrupt)
	}
	return b, err
}

// A graph reads commits, each once.
type graph struct {
	r      objectReader
	nodes  map[plumbing.Hash]*commitNode
	faults map[plumbing.Hash]error // objections of git's checks to commits that were read; nil: do not check
}

func newGraph(r objectReader) *graph {
	return &graph{r: r, nodes: map[plumbing.Hash]*commitNode{}}
}

func (g *graph) node(h plumbing.Hash) (*commitNode, error) {
	if c := g.nodes[h]; c != nil {
		return c, nil
	}
	c, b, err := readCommit(g.r, h)
	if err != nil {
		return nil, err
	}
	g.nodes[h] = c
	if g.faults != nil {
		if err := fsckCommit(b); err != nil {
			g.faults[h] = err
		}
	}
	return c, nil
}

// commitHeap is a heap of commits by their time, as git walks them.
type commitHeap []*commitNode

// Len implements heap.Interface.
func (q commitHeap) Len() int { return len(q) }

// Less implements heap.Interface. Names make the order the same everywhere.
func (q commitHeap) Less(i, j int) bool {
	if q[i].When != q[j].When {
		return q[i].When > q[j].When
	}
	return bytes.Compare(q[i].hash[:], q[j].hash[:]) < 0
}

// Swap implements heap.Interface.
func (q commitHeap) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *commitHeap) Push(x any) { *q = append(*q, x.(*commitNode)) }

// Pop implements heap.Interface.
func (q *commitHeap) Pop() any {
	last := len(*q) - 1
	c := (*q)[last]
	*q = (*q)[:last]
	return c
}

// The marks of a walk through the graph.
const (
	ofOurs   = 1 << iota // an ancestor of the one side
	ofTheirs             // an ancestor of the other
	stale                // an ancestor of a common one
	found                // a common one, perhaps the best
)

// A graphWalk marks commits from the newest on, and stops where no mark can change any
// more, as git does to find merge bases.
type graphWalk struct {
	g      *graph
	marks  map[plumbing.Hash]int
	queue  commitHeap
	queued map[plumbing.Hash]bool
	done   int // marks of commits that need no further look
	open   int // queued commits that are not done

	meet   bool                         // it only looks for the commits in which two sides meet
	sides  [ofOurs | ofTheirs + 1]int   // of the open commits, by the sides that have them
	oldest [ofOurs | ofTheirs + 1]int64 // time of the oldest commit that was looked at, likewise
}

func (g *graph) newWalk(done int) *graphWalk {
	p := &graphWalk{g: g, marks: map[plumbing.Hash]int{}, queued: map[plumbing.Hash]bool{}, done: done}
	for i := range p.oldest {
		p.oldest[i] = math.MaxInt64
	}
	return p
}

func (p *graphWalk) isDone(marks int) bool { return marks&p.done != 0 }

// count adds n to the open commits with these marks.
func (p *graphWalk) count(marks, n int) {
	if !p.isDone(marks) {
		p.open += n
		p.sides[marks&(ofOurs|ofTheirs)] += n
	}
}

func (p *graphWalk) mark(h plumbing.Hash, marks int) error {
	old := p.marks[h]
	now := old | marks
	if now == old {
		return nil
	}
	c, err := p.g.node(h)
	if err != nil {
		return err
	}
	p.marks[h] = now
	if p.queued[h] {
		p.count(old, -1)
	} else {
		p.queued[h] = true
		heap.Push(&p.queue, c)
	}
	p.count(now, 1)
	return nil
}

// next returns the newest commit of the queue, nil when no further one matters.
func (p *graphWalk) next() *commitNode {
	if p.open == 0 || p.meet && p.apart() {
		return nil
	}
	c := heap.Pop(&p.queue).(*commitNode)
	delete(p.queued, c.hash)
	marks := p.marks[c.hash]
	p.count(marks, -1)
	if !p.isDone(marks) {
		side := marks & (ofOurs | ofTheirs)
		p.oldest[side] = min(p.oldest[side], c.When)
	}
	return c
}

// clockSkew is by how many seconds the clocks of two machines may differ.
const clockSkew = 7 * 24 * 3600

// apart reports whether the sides cannot meet any more: one of them has come to its
// end, and the open commits of the other are older than all that it had alone. Without
// this a root that only one side has, such as that of a home with a history of its own,
// would have the walk go through all of the history.
func (p *graphWalk) apart() bool {
	if p.sides[ofOurs|ofTheirs] > 0 || p.sides[ofOurs] > 0 && p.sides[ofTheirs] > 0 {
		return false
	}
	ended := ofOurs
	if p.sides[ofOurs] > 0 {
		ended = ofTheirs
	}
	for _, c := range p.queue {
		if p.isDone(p.marks[c.hash]) || p.oldest[ended] == math.MaxInt64 {
			continue
		}
		// A commit from before the epoch has the time of a clock that was not set.
		if c.When >= p.oldest[ended]-clockSkew || c.When < epoch.Unix() {
			return false
		}
	}
	return true
}

// mergeBases returns the best common ancestors of a and b: none of them is an ancestor of
// another (git-merge-base(1)). Unrelated histories have none. The result is in the order
// of the names.
func (g *graph) mergeBases(ctx context.Context, a, b plumbing.Hash) ([]plumbing.Hash, error) {
	if a == b {
		return []plumbing.Hash{a}, nil
	}
	candidates, err := g.commonCandidates(ctx, a, b)
	if err != nil || len(candidates) < 2 {
		return candidates, err
	}
	// Clocks that differ can let an ancestor of a better one through.
	var best []plumbing.Hash
	for i, c := range candidates {
		redundant := false
		for j, other := range candidates {
			if i == j || redundant {
				continue
			}
			if redundant, err = g.isAncestor(ctx, c, other); err != nil {
				return nil, err
			}
		}
		if !redundant {
			best = append(best, c)
		}
	}
	return best, nil
}

func (g *graph) commonCandidates(ctx context.Context, a, b plumbing.Hash) ([]plumbing.Hash, error) {
	p := g.newWalk(stale)
	p.meet = true
	if err := p.mark(a, ofOurs); err != nil {
		return nil, err
	}
	if err := p.mark(b, ofTheirs); err != nil {
		return nil, err
	}
	var candidates []plumbing.Hash
	for c := p.next(); c != nil; c = p.next() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		marks := p.marks[c.hash] & (ofOurs | ofTheirs | stale)
		if marks == ofOurs|ofTheirs {
			if p.marks[c.hash]&found == 0 {
				p.marks[c.hash] |= found
				candidates = append(candidates, c.hash)
			}
			marks |= stale
		}
		for _, parent := range c.Parents {
			if err := p.mark(parent, marks); err != nil {
				return nil, err
			}
		}
	}
	candidates = slices.DeleteFunc(candidates, func(h plumbing.Hash) bool { return p.marks[h]&stale != 0 })
	plumbing.HashesSort(candidates)
	return candidates, nil
}

// isAncestor reports whether old is new or an ancestor of it.
func (g *graph) isAncestor(ctx context.Context, old, new plumbing.Hash) (bool, error) {
	if old == new {
		return true, nil
	}
	candidates, err := g.commonCandidates(ctx, old, new)
	return slices.Contains(candidates, old), err
}

// since returns the commits that are reachable from head and from none of known,
// newest first. Where clocks differ it may hold some that are known.
func (g *graph) since(ctx context.Context, head plumbing.Hash, known ...plumbing.Hash) ([]*commitNode, error) {
	p := g.newWalk(ofTheirs)
	for _, h := range known {
		if err := p.mark(h, ofTheirs); err != nil {
			return nil, err
		}
	}
	if err := p.mark(head, ofOurs); err != nil {
		return nil, err
	}
	var list []*commitNode
	for c := p.next(); c != nil; c = p.next() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if p.marks[c.hash]&ofTheirs == 0 {
			list = append(list, c)
		}
		for _, parent := range c.Parents {
			if err := p.mark(parent, p.marks[c.hash]&(ofOurs|ofTheirs)); err != nil {
				return nil, err
			}
		}
	}
	return slices.DeleteFunc(list, func(c *commitNode) bool { return p.marks[c.hash]&ofTheirs != 0 }), nil
}

// lastFirst returns commits in the order of "git log --date-order": each before its parents, and
// of others the later one first, whatever the clocks of machines were. Of a part of a history that
// has all children of its commits, the order is the same as in all of it.
func lastFirst(commits []*commitNode) []*commitNode {
	nodes, children := make(map[plumbing.Hash]*commitNode, len(commits)), make(map[plumbing.Hash]int, len(commits))
	for _, c := range commits {
		nodes[c.hash] = c
		for _, p := range c.Parents {
			children[p]++
		}
	}
	var ready commitHeap
	for _, c := range commits {
		if children[c.hash] == 0 {
			heap.Push(&ready, c)
		}
	}
	list := make([]*commitNode, 0, len(commits))
	for len(ready) > 0 {
		c := heap.Pop(&ready).(*commitNode)
		list = append(list, c)
		for _, p := range c.Parents {
			children[p]--
			if parent := nodes[p]; parent != nil && children[p] == 0 {
				heap.Push(&ready, parent)
			}
		}
	}
	return list
}

// parentsFirst returns commits in an order in which each comes after those of its
// parents that are among them, whatever the clocks say.
func parentsFirst(commits []*commitNode) []*commitNode {
	left := make(map[plumbing.Hash]*commitNode, len(commits))
	for _, c := range commits {
		left[c.hash] = c
	}
	ordered := make([]*commitNode, 0, len(commits))
	for _, c := range slices.Backward(commits) { // nearly the order already
		for stack := []*commitNode{c}; len(stack) > 0; {
			top := stack[len(stack)-1]
			waiting := len(stack)
			for _, p := range top.Parents {
				if parent := left[p]; parent != nil {
					stack = append(stack, parent)
				}
			}
			if len(stack) > waiting {
				continue
			}
			stack = stack[:waiting-1]
			if left[top.hash] != nil {
				delete(left, top.hash)
				ordered = append(ordered, top)
			}
		}
	}
	return ordered
}
