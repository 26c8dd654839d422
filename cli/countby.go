package cli

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"slices"

	"qme/internal/safe"
	"qme/tasks"
)

// A valueCount is a value of a field and the number of found tasks that have it.
type valueCount struct {
	Value string `json:"value"`
	Count int    `json:"count"`
}

// countBy prints how many found tasks have each value of a field, and returns their number and
// that of the values that are left out.
func (cmd *searchCommand) countBy(ctx context.Context, s *tasks.Search, o searchOptions, w *bufio.Writer) (n, leftOut int, err error) {
	unreadable := false
	counts, err := s.CountBy(ctx, o.countBy, func(err error) {
		unreadable = true
		cmd.term.warn("%v", err)
	})
	if err != nil {
		return 0, 0, err
	}
	var list []valueCount
	width := 0
	for value, count := range counts {
		n += count
		list = append(list, valueCount{value, count})
	}
	slices.SortFunc(list, func(a, b valueCount) int {
		if o.countBy == "day" {
			return cmp.Compare(b.Value, a.Value)
		}
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
	})
	if o.limit > 0 && len(list) > o.limit {
		leftOut = len(list) - o.limit
		list = list[:o.limit]
	}
	for _, c := range list {
		width = max(width, len(fmt.Sprint(c.Count)))
	}
	for _, c := range list {
		var err error
		if o.json {
			err = writeJSON(w, c)
		} else {
			_, err = fmt.Fprintf(w, "%*d  %s\n", width, c.Count, cmp.Or(safe.Bounded(c.Value), "-"))
		}
		if err != nil {
			return n, leftOut, err
		}
	}
	if unreadable {
		return n, leftOut, errMayBeMissing()
	}
	return n, leftOut, nil
}
