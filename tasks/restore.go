package tasks

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"qme/gitstore"
	"qme/index/query"
	"qme/record"
)

// ClearedTask returns the removal of the only task that was cleared and whose id is, or begins with, a
// text, with or without its executor, or was given this name here. The error wraps record.ErrNotFound or
// record.ErrAmbiguous.
func (q *Service) ClearedTask(ctx context.Context, ref string) (record.Clearing, error) {
	id, notWhole := record.ParseID(ref)
	ranges, _ := rangesOf(ref) // none for what is no beginning of an id
	ranges = slices.DeleteFunc(ranges, func(rg record.Range) bool { return rg.Prefix == "" })
	switch {
	case notWhole == nil:
		ranges = rangeOf(id)
	case len(ranges) == 0:
		var err error
		if ranges, err = q.namedHere(ref); err != nil {
			return record.Clearing{}, err
		}
		if len(ranges) == 0 {
			return record.Clearing{}, fmt.Errorf("%q is not the beginning of a task's id, such as 019aaf3c or shell-019aaf3c, nor a name that was given here: %w", ref, ErrReference)
		}
	}
	fitting, gap, err := q.clearedAmong(ctx, ranges, clearedLook)
	if gap != nil && (notWhole != nil || len(fitting) == 0) { // an earlier one may fit as well
		fitting, gap, err = q.clearedAmong(ctx, ranges, math.MaxInt)
	}
	if err != nil {
		return record.Clearing{}, err
	}
	switch len(fitting) {
	case 0:
		if gap != nil {
			return record.Clearing{}, fmt.Errorf("no task %q was cleared, as far as is known: %w", ref, gap)
		}
		return record.Clearing{}, fmt.Errorf("no task %q was cleared: %w", ref, record.ErrNotFound)
	case 1:
		return fitting[0], nil
	}
	e := &AmbiguousError{Ref: ref, More: len(fitting) > ambiguousShown}
	for _, one := range fitting[:min(len(fitting), ambiguousShown)] {
		e.IDs = append(e.IDs, one.ID)
	}
	return record.Clearing{}, e
}

// ClearedOf is ClearedTask for several references, each task once. The error names all that name none.
func (q *Service) ClearedOf(ctx context.Context, refs []string) (list []record.Clearing, err error) {
	var bad []error
	seen := map[record.ID]bool{}
	for _, ref := range refs {
		one, err := q.ClearedTask(ctx, ref)
		switch {
		case err != nil:
			bad = append(bad, err)
		case !seen[one.ID]:
			list, seen[one.ID] = append(list, one), true
		}
	}
	return list, errors.Join(bad...)
}

// ClearedTasks returns the last removals of the tasks that were cleared and match a query, in the
// order of a listing.
func (q *Service) ClearedTasks(ctx context.Context, what *query.Query) ([]record.Clearing, error) {
	s, err := q.Search(ctx, what, SearchOptions{Cleared: true})
	if err != nil {
		return nil, err
	}
	return q.removals(s, func(record.ID) bool { return true }, math.MaxInt)
}

// removals returns the removals of those found tasks that fit, most at most.
func (q *Service) removals(s *Search, fits func(record.ID) bool, most int) (list []record.Clearing, err error) {
	for found := range s.Found {
		switch {
		case found.Cleared != nil && found.Err == nil:
			if fits(found.ID) {
				list = append(list, *found.Cleared)
			}
		case found.Err != nil && found.ID == "":
			return nil, found.Err
		case found.Err != nil:
			q.Warn("%v", found.Err)
		}
		if len(list) >= most {
			break
		}
	}
	return list, nil
}

// ClearedBy returns the tasks that a commit has removed, given by its name or at least seven digits of
// that, "" for the last commit that has removed some. Those that are there again are left out. The error
// wraps record.ErrAmbiguous if several commits begin like this.
func (q *Service) ClearedBy(ctx context.Context, commit string) ([]record.Clearing, error) {
	all, err := q.ClearedTasks(ctx, new(query.Query))
	if err != nil {
		return nil, err
	}
	if commit == "" {
		if commit, err = q.lastOf(ctx, all); err != nil {
			return nil, err
		}
	}
	list := slices.DeleteFunc(all, func(one record.Clearing) bool { return !strings.HasPrefix(one.Commit, commit) })
	for _, one := range list {
		if one.Commit != list[0].Commit {
			return nil, fmt.Errorf("commit %s: %w", commit, record.ErrAmbiguous)
		}
	}
	return list, nil
}

// WhoCleared returns who removed a task, as gitstore.Store.Author does.
func (q *Service) WhoCleared(one record.Clearing) (string, error) {
	store, err := q.Store()
	if err != nil {
		return "", err
	}
	return store.Author(one.Commit)
}

// lastOf returns the last of the commits that removed tasks, "" for none.
func (q *Service) lastOf(ctx context.Context, list []record.Clearing) (commit string, err error) {
	store, err := q.Store()
	if err != nil {
		return "", err
	}
	var last record.Clearing
	for _, one := range list {
		later := one.When.After(last.When)
		if one.When.Equal(last.When) && one.Commit != last.Commit { // in one second
			if later, err = store.IsAncestor(ctx, last.Commit, one.Commit); err != nil {
				return "", err
			}
		}
		if later || last.Commit == "" {
			last = one
		}
	}
	return last.Commit, nil
}

// Restore brings tasks back that were cleared, with all their runs, in one commit. The error wraps
// record.ErrConflict if one of them is there.
func (q *Service) Restore(ctx context.Context, what string, list []record.Clearing) error {
	store, err := q.Store()
	if err != nil {
		return err
	}
	list, bad, err := store.Restorable(ctx, list)
	if err != nil {
		return err
	}
	for _, why := range bad {
		q.Warn("%v", why)
	}
	if len(list) == 0 {
		return fmt.Errorf("nothing was brought back: what was cleared is not as tasks are stored: %w", record.ErrInvalid)
	}
	_, err = q.commitChanges(ctx, gitstore.Change{Verb: "restore", What: what, Restore: list})
	if errors.Is(err, record.ErrCorrupt) {
		return fmt.Errorf("%w; \"qme check\" says more", err)
	}
	return err
}
