package tasks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"qme/index/query"
	"qme/record"
)

// A ClearedError says that a task is not there because it was cleared. It is a record.ErrNotFound.
type ClearedError struct {
	record.Clearing
	By string // the author of the commit, "" for a merge
}

// Error implements error.
func (e *ClearedError) Error() string {
	return fmt.Sprintf("task %s was cleared on %s by %s", e.ID, e.When.Local().Format(time.DateTime), cmp.Or(e.By, "a merge"))
}

// Is makes the error a record.ErrNotFound.
func (e *ClearedError) Is(target error) bool { return target == record.ErrNotFound }

// clearedLook is how many commits are looked at for a task that is not there, where there is no
// index. It is some milliseconds.
const clearedLook = 1000

// clearedPrefix is how many characters of an id are looked for there at least: fewer could be anywhere in
// most ids.
const clearedPrefix = 4

// unlessCleared returns a better error for a reference to a task that is not there, if it is the id of
// a task that was cleared, or the beginning of one, or the name that one has been given here, and that
// is found out at little cost.
func (q *Service) unlessCleared(ref string, notThere error) error {
	ranges, err := rangesOf(ref)
	if id, perr := record.ParseID(ref); perr == nil {
		ranges, err = rangeOf(id), nil
	} else if len(ranges) == 0 {
		ranges, err = q.namedHere(ref)
	}
	ranges = slices.DeleteFunc(ranges, func(rg record.Range) bool { return len(rg.Prefix) < clearedPrefix })
	if err != nil || len(ranges) == 0 {
		return notThere
	}
	list, _, err := q.clearedAmong(context.Background(), ranges, clearedLook)
	switch {
	case err != nil || len(list) == 0:
		return notThere // what the user has asked for is not there in any case
	case len(list) > 1:
		more := ""
		if len(list) > ambiguousShown {
			more = " and more"
		}
		return fmt.Errorf("%w; cleared tasks that begin so are %s%s", notThere, joinIDs(idsOf(list[:min(len(list), ambiguousShown)])), more)
	}
	store, err := q.Store()
	if err != nil {
		return err
	}
	by, err := store.Author(list[0].Commit)
	if err != nil {
		return err
	}
	return &ClearedError{list[0], by}
}

// namedHere returns the range of the task that was given a name in this home, nil if none was. The task
// need not be there.
func (q *Service) namedHere(name string) ([]record.Range, error) {
	if q.Names == nil || record.CheckName(name) != nil {
		return nil, nil
	}
	id, err := q.Names.Get(name)
	if err != nil || id == "" {
		return nil, err
	}
	return rangeOf(id), nil
}

func rangeOf(id record.ID) []record.Range {
	return []record.Range{{Executor: id.Executor(), Prefix: id.UUID()}}
}

func idsOf(list []record.Clearing) []record.ID {
	ids := make([]record.ID, len(list))
	for i, one := range list {
		ids[i] = one.ID
	}
	return ids
}

// clearedAmong returns tasks that were cleared and are in one of some ranges, at most one more than an
// AmbiguousError lists: what an index has that is there and nearly up to date, otherwise what the last
// commits have removed, so many at most. gap says why there may be others.
func (q *Service) clearedAmong(ctx context.Context, ranges []record.Range, commits int) (list []record.Clearing, gap, err error) {
	if list, err = q.clearedIndexed(ctx, ranges); !errors.Is(err, errNotReady) {
		return list, nil, err
	}
	history, err := q.latest()
	if err != nil {
		return nil, nil, err
	}
	for _, rg := range ranges {
		cleared, err := history.ClearedLately(ctx, rg.Prefix, commits)
		if err != nil {
			return nil, nil, err
		}
		gap = cmp.Or(gap, cleared.Gap)
		for _, one := range cleared.Tasks {
			if rg.Has(one.ID) && !slices.ContainsFunc(list, func(known record.Clearing) bool { return known.ID == one.ID }) {
				list = append(list, one)
			}
		}
	}
	return list[:min(len(list), ambiguousShown+1)], gap, nil
}

// errNotReady says that there is no index that is nearly up to date.
var errNotReady = errors.New("the index is not ready")

// clearedIndexed returns what the index has of clearedAmong. The error is errNotReady if there is none that
// is nearly up to date.
func (q *Service) clearedIndexed(ctx context.Context, ranges []record.Range) ([]record.Clearing, error) {
	words := make([]string, len(ranges))
	for i, rg := range ranges {
		words[i] = "id:" + rg.Prefix
	}
	what, err := query.Parse(strings.Join(words, " OR "), query.Options{})
	if err != nil {
		return nil, err
	}
	s, err := q.Search(ctx, what, SearchOptions{Cleared: true, Sort: SortCreated, Ready: true})
	if err != nil {
		return nil, err
	}
	list, err := q.removals(s, func(id record.ID) bool {
		return slices.ContainsFunc(ranges, func(rg record.Range) bool { return rg.Has(id) })
	}, ambiguousShown+1)
	if err == nil && !s.FromIndex() {
		err = errNotReady
	}
	return list, err
}
