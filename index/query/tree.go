package query

import (
	"cmp"
	"slices"
)

// A node is a part of a query: a term or, where there is none, some nodes of which all must
// hold or, with any, one. What is negated are terms alone.
type node struct {
	term  *term
	any   bool
	nodes []node
}

// join returns a node of two: both must hold or, with any, one of them.
func join(isAny bool, a, b node) node {
	if a.term != nil || a.any != isAny {
		a = node{any: isAny, nodes: []node{a}}
	}
	if b.term == nil && b.any == isAny {
		a.nodes = append(a.nodes, b.nodes...)
	} else {
		a.nodes = append(a.nodes, b)
	}
	return a
}

// negate makes the node hold where it did not.
func (n *node) negate() {
	if n.term != nil {
		n.term.not = !n.term.not
		return
	}
	n.any = !n.any
	for i := range n.nodes {
		n.nodes[i].negate()
	}
}

func (n node) holds(d *Doc) bool {
	if n.term != nil {
		return n.term.holds(d) != n.term.not
	}
	for _, sub := range n.nodes {
		if sub.holds(d) == n.any {
			return n.any
		}
	}
	return !n.any
}

// terms yields all terms, and reports whether that has not been ended.
func (n node) terms(yield func(term) bool) bool {
	if n.term != nil {
		return yield(*n.term)
	}
	return !slices.ContainsFunc(n.nodes, func(sub node) bool { return !sub.terms(yield) })
}

// sort puts first what is cheap to find out.
func (n node) sort() {
	for _, sub := range n.nodes {
		sub.sort()
	}
	n.order()
}

// order is sort of the nodes themselves, and leaves what they consist of.
func (n node) order() {
	slices.SortStableFunc(n.nodes, func(a, b node) int { return cmp.Compare(a.cost(), b.cost()) })
}

// cost says how dear it is at most to find out whether the node holds.
func (n node) cost() (most int) {
	n.terms(func(t term) bool {
		most = max(most, t.cost())
		return true
	})
	return most
}

// plan is Query.Plan of the node.
func (n node) plan() *Plan {
	if n.term != nil {
		return n.term.plan()
	}
	var parts []*Plan
	for _, sub := range n.nodes {
		switch p := sub.plan(); {
		case p != nil:
			parts = append(parts, p)
		case n.any:
			return nil
		}
	}
	switch {
	case len(parts) == 0:
		return nil
	case len(parts) == 1:
		return parts[0]
	case n.any:
		return &Plan{Any: parts}
	}
	return &Plan{All: parts}
}
