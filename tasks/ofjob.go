package tasks

import (
	"errors"
	"fmt"
	"slices"

	"qme/index"
	"qme/internal/lazy"
	"qme/record"
)

// jobNumber is the form of a job that a reference can name: its number, and that of a part.
var jobNumber = lazy.Regexp(`^[0-9]{1,18}(_[0-9]{1,18})?$`)

// ofJob returns the only task that has started a job; with number a text in the form of jobNumber. The
// error wraps record.ErrNotFound or record.ErrAmbiguous. Without an index only the open jobs of this
// home are known.
func (q *Service) ofJob(number string) (*record.Record, error) {
	ids, err := q.openWithJob(number)
	if err == nil && len(ids) == 0 {
		ids, err = q.searchedWithJob(number)
	}
	switch {
	case err != nil:
		return nil, err
	case len(ids) == 0:
		return nil, fmt.Errorf("job %s: %w", number, record.ErrNotFound)
	case len(ids) > 1:
		return nil, &AmbiguousError{Ref: number, IDs: ids[:min(len(ids), ambiguousShown)], More: len(ids) > ambiguousShown}
	}
	return q.task(ids[0])
}

// openWithJob returns the tasks of this home with an open job of a number.
func (q *Service) openWithJob(number string) ([]record.ID, error) {
	if q.Jobs == nil {
		return nil, nil
	}
	all, err := q.Jobs.IDs()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(id record.ID) bool {
		rec, err := q.task(id)
		return err != nil || !hasJob(rec, number) // what cannot be read has no number
	}), nil
}

// searchedWithJob returns the tasks that the index knows with a job of a number, newest first.
func (q *Service) searchedWithJob(number string) (ids []record.ID, err error) {
	_, err = q.eachReady("job:"+number, func(found index.Found) error {
		rec, err := q.task(found.ID)
		if errors.Is(err, record.ErrNotFound) {
			return nil
		}
		if err == nil && hasJob(rec, number) { // a part of a job is found as well
			ids = append(ids, found.ID)
		}
		return err
	})
	return ids, err
}

func hasJob(rec *record.Record, number string) bool {
	return rec.Data.Job != nil && rec.Data.Job.ID == number
}
