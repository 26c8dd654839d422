package tasks

import (
	"cmp"
	"slices"

	"qme/index/query"
)

// Repeatable returns the tasks that answer to a query, in the order of their ids: those that have ended, and those that have not,
// which cannot be run again now. A task that cannot be read is left out with a warning. The records are brief.
func (q *Service) Repeatable(what *query.Query) (ended, active []Item, err error) {
	for item := range q.List(Filter{Query: what, Brief: true}) {
		switch {
		case item.Err != nil && item.ID == "":
			return nil, nil, item.Err
		case item.Err != nil:
			q.Warn("%v", item.Err)
		case item.Record.Active():
			active = append(active, item)
		default:
			ended = append(ended, item)
		}
	}
	for _, list := range [][]Item{ended, active} {
		slices.SortFunc(list, func(a, b Item) int { return cmp.Compare(a.ID.UUID(), b.ID.UUID()) })
	}
	return ended, active, nil
}
