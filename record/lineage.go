package record

import (
	"fmt"
	"iter"
)

// A Stored is a task's record as of a commit; "" is the newest commit.
type Stored struct {
	*Record
	Commit string
}

// A Lineage walks over the runs of one task. If machines have run the task independently of
// each other, their runs form separate lines: the task's record is the head of one line, and a
// merge names the heads of the others. It is for use by one goroutine.
type Lineage struct {
	// Get returns the task's record as of a commit.
	Get func(commit string) (*Record, error)
	// Joins is the run of an earlier line at which the last line ended, or the zero key if they
	// have no run in common.
	Joins RunKey

	seen map[RunKey]bool
}

// Line yields a run and its predecessors by data.previous, latest first. It stops before a run
// that an earlier line has yielded. It ends at the first error, which wraps ErrInvalid if the
// number of a run does not follow that of its predecessor.
func (l *Lineage) Line(run Stored) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		l.Joins = RunKey{}
		if l.seen == nil {
			l.seen = map[RunKey]bool{}
		}
		for {
			key := run.RunKey()
			if l.seen[key] {
				l.Joins = key
				return
			}
			l.seen[key] = true
			if !yield(run, nil) || run.Data.Previous == "" {
				return
			}
			before, err := l.before(run)
			if err != nil {
				yield(Stored{}, err)
				return
			}
			run = before
		}
	}
}

func (l *Lineage) before(run Stored) (Stored, error) {
	rec, err := l.Get(run.Data.Previous)
	if err != nil {
		return Stored{}, fmt.Errorf("the run before run %d: %w", run.Data.Run, err)
	}
	if !Follows(run.Data.Run, rec.Data.Run) {
		return Stored{}, fmt.Errorf("task %s: run %d follows run %d: %w", rec.UID, run.Data.Run, rec.Data.Run, ErrInvalid)
	}
	return Stored{rec, run.Data.Previous}, nil
}
