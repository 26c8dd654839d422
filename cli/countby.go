package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
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
		if err := c.print(w, width, o.json); err != nil {
			return n, leftOut, err
		}
	}
	if unreadable {
		return n, leftOut, errMayBeMissing()
	}
	return n, leftOut, nil
}

// print prints a line of the table, whose counts have a width, or of JSON.
func (c valueCount) print(w *bufio.Writer, width int, asJSON bool) error {
	if !asJSON {
		_, err := fmt.Fprintf(w, "%*d  %s\n", width, c.Count, cmp.Or(safe.Bounded(c.Value), "-"))
		return err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(c); err != nil {
		return err
	}
	_, err := w.Write(safe.JSON(b.Bytes()))
	return err
}
