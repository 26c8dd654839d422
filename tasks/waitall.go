package tasks

import (
	"context"
	"errors"

	"qme/index/query"
	"qme/record"
)

// WaitAll waits until all tasks that answer to a query and are active when it is called have
// ended, as Wait does, and returns their records in the order of a listing. begun is called with
// their number before. A task for which Wait returns another error than that ctx has ended does
// not keep WaitAll from waiting for the others; the errors are joined, and the records of these
// tasks are missing.
func (q *Service) WaitAll(ctx context.Context, what *query.Query, begun func(tasks int)) (ended []*record.Record, err error) {
	s, err := q.Matching(what, record.ActiveOnes)
	if err != nil {
		return nil, err
	}
	begun(len(s.IDs))
	var errs []error
	for _, id := range s.IDs { // one after the other, so that a scheduler is asked for one
		rec, err := q.Wait(ctx, string(id), nil)
		switch {
		case ctx.Err() != nil:
			return ended, ctx.Err()
		case err != nil:
			errs = append(errs, err)
			continue
		}
		ended = append(ended, rec)
	}
	return ended, errors.Join(errs...)
}
