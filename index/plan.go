package index

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/blevesearch/bleve/v2/search"
	"github.com/blevesearch/bleve/v2/search/searcher"
	bleveindex "github.com/blevesearch/bleve_index_api"

	"qme/index/query"
)

// A part is a part of a query's plan: where all of some parts say, or any of them or, where
// there are none, all grams, or one of some values of a field.
type part struct {
	all, some []*part
	grams     []string
	field     string
	any       []string
}

// maxTerms bounds the values of a field that are asked for: with more of them nearly each
// run has one.
const maxTerms = 4096

// resolve makes a plan one of values that the index has, nil where each run may answer; none
// says that no run can.
func (r *reader) resolve(p *query.Plan) (_ *part, none bool, err error) {
	switch {
	case p == nil:
		return nil, false, nil
	case p.Leaf != nil:
		return r.resolveLeaf(*p.Leaf)
	}
	var list []*part
	for _, sub := range slices.Concat(p.All, p.Any) {
		one, none, err := r.resolve(sub)
		switch {
		case err != nil:
			return nil, false, err
		case len(p.All) > 0 && none:
			return nil, true, nil
		case len(p.Any) > 0 && one == nil && !none:
			return nil, false, nil
		case one != nil:
			list = append(list, one)
		}
	}
	switch {
	case len(list) == 0:
		return nil, len(p.Any) > 0, nil
	case len(list) == 1:
		return list[0], false, nil
	case len(p.Any) > 0:
		return &part{some: list}, false, nil
	}
	return &part{all: list}, false, nil
}

func (r *reader) resolveLeaf(l query.Leaf) (_ *part, none bool, err error) {
	if len(l.Grams) > 0 {
		return &part{grams: l.Grams}, false, nil
	}
	list, err := r.values(l)
	if err != nil || len(list) > maxTerms {
		r.wide = true
		return nil, false, err
	}
	return &part{field: l.Field, any: list}, len(list) == 0, nil
}

// values returns the values of a leaf, at most one more than maxTerms.
func (r *reader) values(leaf query.Leaf) ([]string, error) {
	var list []string
	add := func(e *bleveindex.DictEntry) bool {
		if leaf.Admits == nil || leaf.Admits(e.Term) {
			list = append(list, strings.Clone(e.Term))
		}
		return len(list) <= maxTerms
	}
	if leaf.Fuzzy == 0 {
		err := r.eachTerm(leaf.Field, leaf.Prefix, add)
		return list, err
	}
	fuzzy, ok := r.o.reader.(bleveindex.IndexReaderFuzzy)
	if !ok {
		return nil, fmt.Errorf("%w: it cannot look for similar words", errUnusable)
	}
	dict, err := fuzzy.FieldDictFuzzy(leaf.Field, leaf.Prefix, leaf.Fuzzy, "")
	if err == nil {
		err = eachEntry(dict, add)
	}
	return list, err
}

// part returns a searcher for the runs of a part of the plan.
func (r *reader) part(ctx context.Context, p *part) (search.Searcher, error) {
	switch {
	case len(p.all) > 0:
		return r.combined(ctx, p.all, allOf)
	case len(p.some) > 0:
		return r.combined(ctx, p.some, anyOf)
	case len(p.grams) == 0:
		return r.oneOf(p.field, p.any...)(ctx)
	}
	list := make([]*part, len(p.grams))
	for i, g := range p.grams {
		list[i] = &part{field: query.TextField, any: []string{g}}
	}
	return r.combined(ctx, list, allOf)
}

// atMost returns no less than the number of runs of a part of the plan.
func (r *reader) atMost(ctx context.Context, p *part) (uint64, error) {
	least, sum := uint64(math.MaxUint64), uint64(0)
	count := func(n uint64, err error) error {
		least, sum = min(least, n), sum+n
		return err
	}
	for _, sub := range slices.Concat(p.all, p.some) {
		if err := count(r.atMost(ctx, sub)); err != nil {
			return 0, err
		}
	}
	for _, g := range p.grams {
		if err := count(r.runsWith(ctx, query.TextField, g)); err != nil {
			return 0, err
		}
	}
	for _, value := range p.any {
		if err := count(r.runsWith(ctx, p.field, value)); err != nil {
			return 0, err
		}
	}
	if len(p.all) > 0 || len(p.grams) > 0 {
		return least, nil
	}
	return sum, nil
}

// runsWith returns how many runs have a value of a field.
func (r *reader) runsWith(ctx context.Context, field, value string) (uint64, error) {
	list, err := r.o.reader.TermFieldReader(ctx, []byte(value), field, false, false, false)
	if err != nil {
		return 0, err
	}
	return list.Count(), list.Close()
}

// combined returns one searcher of those of some parts, which it closes where one fails.
func (r *reader) combined(ctx context.Context, list []*part, combine func(context.Context, bleveindex.IndexReader, []search.Searcher) (search.Searcher, error)) (_ search.Searcher, err error) {
	var searchers []search.Searcher
	for _, p := range list {
		s, err := r.part(ctx, p)
		if err != nil {
			for _, s := range searchers {
				_ = s.Close()
			}
			return nil, err
		}
		searchers = append(searchers, s)
	}
	if len(searchers) == 1 {
		return searchers[0], nil
	}
	return combine(ctx, r.o.reader, searchers)
}

func allOf(ctx context.Context, r bleveindex.IndexReader, list []search.Searcher) (search.Searcher, error) {
	return searcher.NewConjunctionSearcher(ctx, r, list, unscored)
}

func anyOf(ctx context.Context, r bleveindex.IndexReader, list []search.Searcher) (search.Searcher, error) {
	return searcher.NewDisjunctionSearcher(ctx, r, list, 1, unscored)
}
