package index

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	bleveindex "github.com/blevesearch/bleve_index_api"

	"qme/index/query"
	"qme/record"
)

// Counted are the keywords whose values CountBy counts.
var Counted = []string{"status", "executor", "user", "host", "pwd", "day"}

// CountBy counts the values of a field, one of Counted, among what Run finds. The day is that
// on which a run began in the local zone. Each task that cannot be read is told to unreadable, and
// not counted. An error says that not all could be counted.
func (s *Search) CountBy(ctx context.Context, dir, field string, unreadable func(error)) (map[string]int, error) {
	counts := map[string]int{}
	find := (*answer).found
	if field != "day" && s.Query.Exact() { // the index has days in UTC
		find = func(a *answer, ctx context.Context) iter.Seq[Found] { return a.counted(ctx, field, counts) }
	}
	value := valueOf(field)
	for f := range s.run(ctx, dir, find) {
		switch {
		case f.Err == nil:
			counts[value(f.Record)]++
		case f.ID == "":
			return nil, f.Err
		default:
			unreadable(f.Err)
		}
	}
	return counts, nil
}

// valueOf returns what CountBy counts of a run.
func valueOf(field string) func(*record.Record) string {
	if field == "day" {
		return func(r *record.Record) string { return r.Data.Timestamp.Local().Format(time.DateOnly) }
	}
	i := slices.IndexFunc(query.Keywords, func(k query.Keyword) bool { return k.Name == field })
	return func(r *record.Record) string { return query.Keywords[i].Of(r)[0] }
}

// counted is found for a query of which the index knows all. It counts what the index has,
// without reading it, and yields the rest.
func (a *answer) counted(ctx context.Context, field string, counts map[string]int) iter.Seq[Found] {
	if a.reader.wide {
		return a.found(ctx)
	}
	return func(yield func(Found) bool) {
		if err := a.reader.countBy(ctx, field, counts); err != nil {
			yield(a.s.brokenIndex(err))
			return
		}
		a.s.withEarlier(a.looked())(yield)
	}
}

// countBy counts the values that the index has of all runs where the plan says.
func (r *reader) countBy(ctx context.Context, field string, counts map[string]int) error {
	var numbers []uint64
	var failed error
	for list := range r.jobs(ctx, &failed) {
		for _, d := range list {
			numbers = append(numbers, d.number)
		}
	}
	if failed != nil {
		return failed
	}
	slices.Sort(numbers) // bleve holds values by blocks of documents
	return guard(func() error {
		values, err := r.o.reader.DocValueReader([]string{field})
		if err != nil {
			return err
		}
		found := 0
		for _, n := range numbers {
			if err := values.VisitDocValues(bleveindex.NewIndexInternalID(nil, n), func(_ string, value []byte) {
				counts[string(value)]++
				found++
			}); err != nil {
				return err
			}
		}
		if found != len(numbers) {
			return fmt.Errorf("%w: it has %d values of %s for %d runs", errUnusable, found, field, len(numbers))
		}
		return nil
	})
}
