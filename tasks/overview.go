package tasks

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"qme/gitstore"
	"qme/index"
	"qme/record"
)

const (
	// overviewLooked is among how many of the latest tasks an Overview looks for failed ones.
	overviewLooked = 25
	// overviewOpen limits the tasks with open jobs whose records an Overview reads.
	overviewOpen = 1000
)

// An Overview is what goes on in a home, and what went wrong lately. The cost is that of a listing
// of a few tasks.
type Overview struct {
	// Running and Queued are the tasks that have not ended, in the order of a listing. More says
	// that there are further ones.
	Running, Queued []Item
	More            bool
	// Waits says why those of Queued wait that are in the queue of the home. It is nil with More.
	Waits map[record.ID]WaitReason
	// Failed are those of the Looked latest tasks that have failed, the latest first.
	Failed []Item
	Looked int
	// Spooled counts the runs in the spool that go on, Ended those that have ended and are not in
	// the history yet, and Unreadable the entries of the spool that cannot be read.
	Spooled, Ended, Unreadable int
	// Damaged says which records of the history cannot be read, of those that were looked at.
	Damaged []error
}

// Overview looks at the home and changes nothing: not even runs that dead processes have left in the
// spool are committed, and a home that is not there is not made.
func (q *Service) Overview() (*Overview, error) {
	o := new(Overview)
	items, all, err := q.overviewed(o)
	if err != nil {
		return nil, err
	}
	for item := range items {
		switch {
		case item.Err != nil && item.ID == "":
			return nil, item.Err
		case item.Err != nil:
			o.Damaged = append(o.Damaged, item.Err)
		case item.Record.Outcome() == record.Goes:
			o.Running = append(o.Running, item)
		case item.Record.Outcome() == record.Queued:
			o.Queued = append(o.Queued, item)
		}
		if o.More = len(o.Running)+len(o.Queued) >= overviewOpen; o.More {
			break
		}
	}
	if o.Waits, err = q.reasonsOf(o); err != nil {
		q.Warn("why tasks wait in the queue is not known: %v", err)
	}
	for item := range all {
		if item.Err != nil && item.ID == "" {
			return nil, item.Err
		}
		if o.Looked++; item.Err != nil {
			o.Damaged = append(o.Damaged, item.Err)
		} else if item.Record.Outcome() == record.Failed {
			o.Failed = append(o.Failed, item)
		}
		if o.Looked == overviewLooked {
			break
		}
	}
	return o, nil
}

// reasonsOf returns why the queued tasks of an overview wait.
func (q *Service) reasonsOf(o *Overview) (map[record.ID]WaitReason, error) {
	var ids []record.ID
	for _, item := range o.Queued {
		if item.Record.IsQueued() {
			ids = append(ids, item.ID)
		}
	}
	if q.Reasons == nil || o.More || len(ids) == 0 {
		return nil, nil
	}
	return q.Reasons(context.Background(), ids)
}

// overviewed returns the tasks that may not have ended, and all that have begun, the latest run first. It counts
// the entries of the spool; those that cannot be read are in neither list.
func (q *Service) overviewed(o *Overview) (open, all iter.Seq[Item], err error) {
	waiting, err := q.waitingIDs()
	if err != nil {
		return nil, nil, err
	}
	spooled, err := q.Spool.List(0)
	if err != nil {
		return nil, nil, err
	}
	uncommitted := spooled[:0]
	for _, res := range spooled {
		if res.Err != nil {
			o.Unreadable++
			continue
		}
		if res.Record.Data.Status == record.Running {
			o.Spooled++
		} else {
			o.Ended++
		}
		uncommitted = append(uncommitted, res)
	}
	if there, err := q.HasHistory(); err != nil {
		return nil, nil, err
	} else if !there {
		return q.withoutHistory(uncommitted, waiting, true), q.withoutHistory(slices.Clone(uncommitted), waiting, false), nil
	}
	v, err := q.viewWith(uncommitted, waiting)
	if err != nil {
		return nil, nil, err
	}
	damage, err := v.latestFirst(context.Background(), true)
	if err != nil {
		return nil, nil, err
	}
	if damage != nil {
		q.warnUnordered(damage)
	}
	ran := *v
	ran.NotQueued = true // those that wait say nothing of what went wrong
	return v.named(v.Open(record.Range{})), ran.named(ran.Records(record.Range{Brief: true})), nil
}

// withoutHistory yields the tasks of a home that has no history yet, those that wait only if queued is set.
func (q *Service) withoutHistory(uncommitted []record.Result, waiting []record.ID, queued bool) iter.Seq[Item] {
	v := &View{service: q, uncommitted: uncommitted, NotQueued: !queued}
	v.withWaiting(waiting)
	v.sort()
	return func(yield func(Item) bool) {
		for res := range v.read(v.withQueued(record.Range{}, slices.Values(v.uncommitted))) {
			if !yield(Item{Result: res, Short: res.ID.Short(res.ID.Unique(v.near(res.ID)...))}) {
				return
			}
		}
	}
}

// HasHistory reports whether the home has a history. A Store would make one.
func (q *Service) HasHistory() (bool, error) {
	_, err := os.Lstat(filepath.Join(q.Home, "tasks.git"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// A Difference is a number of tasks that differ between two states.
type Difference struct {
	Traffic
	// AtLeast says that the time was not enough to count all of them.
	AtLeast bool
}

// differenceWithin is Count for at most limit, unless that is 0.
func differenceWithin(ctx context.Context, s *gitstore.Store, from, to string, limit time.Duration) (d Difference, err error) {
	soon, cancel := ctx, context.CancelFunc(func() {})
	if limit > 0 {
		soon, cancel = context.WithTimeout(ctx, limit)
	}
	defer cancel()
	d.Traffic, err = Count(soon, s, from, to)
	if d.AtLeast = err != nil && soon.Err() != nil && ctx.Err() == nil; d.AtLeast {
		err = nil
	}
	return d, err
}

// An IndexState describes how far the search index is up to date.
type IndexState struct {
	Made   bool // false: the next search makes it
	Behind Difference
}

// IndexState returns how far the search index is up to date. It counts for at most limit, unless that
// is 0. It does not open the index: whether it is damaged is found out by a search.
func (q *Service) IndexState(ctx context.Context, limit time.Duration) (st IndexState, err error) {
	if there, err := q.HasHistory(); err != nil || !there {
		return st, err
	}
	commit := index.CommitOf(filepath.Join(q.Home, indexName), q.Settings.Searched)
	if commit == "" {
		return st, nil
	}
	s, err := q.Store()
	if err != nil {
		return st, err
	}
	head, err := s.Head()
	if err != nil {
		return st, err
	}
	st.Behind, err = differenceWithin(ctx, s, commit, head, limit)
	if errors.Is(err, record.ErrNotFound) {
		return IndexState{}, nil // it is of another history
	}
	st.Made = err == nil
	return st, err
}

// blockSize is the unit in which file systems count what a file takes.
const blockSize = 512

// Size returns how many bytes the files of the home take on the disk. The error is that of ctx if it ends
// before.
func (q *Service) Size(ctx context.Context) (bytes int64, err error) {
	err = filepath.WalkDir(q.Home, func(_ string, entry fs.DirEntry, err error) error {
		if err := cmp.Or(ctx.Err(), err); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err != nil || !entry.Type().IsRegular() {
			return nil // it has gone meanwhile, or has no content
		}
		info, err := entry.Info()
		if err != nil {
			return nil // it has gone
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			bytes += st.Blocks * blockSize
		}
		return nil
	})
	return bytes, err
}
