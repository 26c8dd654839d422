package tasks

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"

	"qme/gitstore"
	"qme/record"
)

// A Version is a record with the commit from which it was read. Commit is "" for the newest
// commit and for an uncommitted run.
type Version struct {
	Record *record.Record
	Commit string
	// Number is the number of the run among those runs of the task that are no checks, from 1. It
	// equals data.run unless several machines have run the task independently of each other. That
	// of a check is the number of the run that it has checked.
	Number int
	// Check is the number of the check among those of that run, from 1; 0 for a run that is none.
	Check   int
	service *Service
	parts   map[record.PartName][]byte // of what is no run of the history; nil for runs
}

// Stream returns the stored bytes of a stream. The caller must close it. The error wraps record.ErrNotYet
// for a task that waits in the queue.
func (v Version) Stream(name record.StreamName) (io.ReadCloser, error) {
	if v.Record.IsQueued() {
		return nil, fmt.Errorf("task %s waits in the queue, and has not printed anything: %w", v.Record.UID, record.ErrNotYet)
	}
	spooled := v.Uncommitted()
	if spooled {
		r, err := v.service.Spool.Stream(v.Record.UID, name)
		if v.Uncommitted() {
			return r, err
		}
		if err == nil {
			if err := r.Close(); err != nil {
				return nil, err
			}
		}
	}
	if lines, stored := name.Of(v.Record); spooled || v.Commit == "" && len(lines) == 0 && stored == nil {
		// It may have been committed since it was looked at. Only its record in the history has its streams.
		var err error
		if v, err = v.again(); err != nil {
			return nil, err
		}
	}
	store, err := v.service.Store()
	if err != nil {
		return nil, err
	}
	return store.Stream(v.Commit, v.Record, name)
}

// Uncommitted reports whether the run, or the task that waits in the queue, is not in the history yet.
func (v Version) Uncommitted() bool { return v.Commit == "" && v.service.isUncommitted(v.Record) }

// again looks at a run once more, which may have been committed meanwhile.
func (v Version) again() (Version, error) {
	return sameRun(v.service.Runs(string(v.Record.UID)), v.Record)
}

// Runs yields a task's runs, latest first.
func (q *Service) Runs(ref string) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		rec, err := q.resolveRecord(ref)
		if err != nil {
			yield(Version{}, err)
			return
		}
		q.runs(rec, "")(yield)
	}
}

// runs yields the runs of a task whose record in a commit is rec, latest first. "" is now, where
// rec may be an uncommitted run.
func (q *Service) runs(rec *record.Record, commit string) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		store, err := q.Store()
		if err != nil {
			yield(Version{}, err)
			return
		}
		others, err := store.OtherRuns(commit, rec.UID)
		if err != nil {
			yield(Version{}, err)
			return
		}
		r := &taskRuns{service: q, store: store, present: rec, commit: commit}
		r.lines.Get = func(commit string) (*record.Record, error) { return store.Get(commit, rec.UID) }
		if len(others) == 0 && !rec.IsCheck() {
			r.presentLine()(yield)
			return
		}
		all, err := r.all(others)
		number(all)
		for _, v := range all {
			if !yield(v, nil) {
				return
			}
		}
		if err != nil {
			yield(Version{}, err)
		}
	}
}

// number numbers all runs of a task, latest first. The checks of a run are before it.
func number(all []Version) {
	runs, checks := 0, 0
	for i := range slices.Backward(all) {
		if v := &all[i]; v.Record.IsCheck() {
			checks++
			v.Number, v.Check = max(runs, 1), checks
		} else {
			runs++
			v.Number, checks = runs, 0
		}
	}
}

// taskRuns reads the runs of one task.
type taskRuns struct {
	service *Service
	store   *gitstore.Store
	present *record.Record
	commit  string // that has it; "" is now
	lines   record.Lineage
}

// all returns the runs of several lines, latest first. With an error it also returns the runs
// that it could read.
func (r *taskRuns) all(others []string) ([]Version, error) {
	var all []Version
	var errs []error
	at := map[record.RunKey]int64{}
	// Order runs by their start, but never before their predecessor, because the clocks of
	// machines differ.
	add := func(line iter.Seq2[Version, error]) {
		begin := len(all)
		for v, err := range line {
			if err != nil {
				errs = append(errs, err)
				break
			}
			all = append(all, v)
		}
		from, ok := at[r.lines.Joins]
		if !ok {
			from = math.MinInt64
		}
		for _, v := range slices.Backward(all[begin:]) {
			from = max(from, v.Record.Data.Timestamp.UnixNano())
			at[v.Record.RunKey()] = from
		}
	}
	add(r.presentLine())
	for _, commit := range others {
		rec, err := r.lines.Get(commit)
		if err != nil {
			errs = append(errs, fmt.Errorf("a run of another machine: %w", err))
			continue
		}
		head := record.Stored{Record: rec, Commit: commit}
		if i := slices.IndexFunc(all, func(v Version) bool { return record.SameRun(v.Record, rec) }); i > 0 && checkedLater(rec, all[i].Record) {
			all[i] = r.version(head) // another machine has a later state of its job
			continue
		}
		add(r.line(head))
	}
	if i := slices.IndexFunc(all, func(v Version) bool { return !v.Record.IsCheck() }); i >= 0 {
		at[all[i].Record.RunKey()] = math.MaxInt64 // the record is the last run, whatever the clocks say
	}
	sortRuns(all, at)
	return all, errors.Join(errs...)
}

// sortRuns sorts runs by the moments in at, latest first, and puts each check before the run that it has
// checked, by time.
func sortRuns(all []Version, at map[record.RunKey]int64) {
	of := map[record.RunID]record.RunKey{}
	for _, v := range all {
		if id := v.Record.Data.RunID; id != "" && !v.Record.IsCheck() {
			of[id] = v.Record.RunKey()
		}
	}
	moment := func(v Version) int64 {
		key := v.Record.RunKey()
		if c := v.Record.Data.Check; c != nil {
			if checked, there := of[c.Of]; there {
				key = checked
			}
		}
		return at[key]
	}
	check := func(v Version) int {
		if v.Record.IsCheck() {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(all, func(a, b Version) int {
		return cmp.Or(cmp.Compare(moment(b), moment(a)), cmp.Compare(check(b), check(a)), b.Record.Data.Timestamp.Compare(a.Record.Data.Timestamp.Time))
	})
}

// checkedLater reports whether a has a later answer about the job of a run than b.
func checkedLater(a, b *record.Record) bool {
	ja, jb := a.Data.Job, b.Data.Job
	if ja == nil || ja.Checked == nil {
		return false
	}
	return jb == nil || jb.Checked == nil || ja.Checked.After(jb.Checked.Time)
}

// presentLine yields the present run and its predecessors. An uncommitted run, or one that waits in the
// queue, does not name the commit of its predecessor, which is the run in the history, unless the present run was
// committed meanwhile.
func (r *taskRuns) presentLine() iter.Seq2[Version, error] {
	present := record.Stored{Record: r.present, Commit: r.commit}
	d := &r.present.Data
	if d.Status != record.Running && !r.present.IsQueued() && (d.Previous != "" || d.Run <= 1) {
		return r.line(present)
	}
	stored, err := r.store.Get(r.commit, r.present.UID)
	switch {
	case err == nil && !record.SameRun(stored, r.present):
		return r.after(present, r.line(record.Stored{Record: stored, Commit: r.commit}))
	case err == nil && stored.Data.Status != record.Running: // it may have ended since it was looked at
		return r.line(record.Stored{Record: stored, Commit: r.commit})
	case err == nil:
		err = fmt.Errorf("task %s: the history has a run of it that has not ended: %w", r.present.UID, record.ErrInvalid)
	case errors.Is(err, record.ErrNotFound):
		return r.after(present, func(func(Version, error) bool) {})
	}
	return r.after(present, func(yield func(Version, error) bool) { yield(Version{}, err) })
}

// after yields a run and then the rest of its line.
func (r *taskRuns) after(run record.Stored, rest iter.Seq2[Version, error]) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		if yield(r.version(run), nil) {
			rest(yield)
		}
	}
}

// line yields a run of the history and its predecessors.
func (r *taskRuns) line(head record.Stored) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		for run, err := range r.lines.Line(head) {
			if err != nil {
				yield(Version{}, err)
				return
			}
			if !yield(r.version(run), nil) {
				return
			}
		}
	}
}

func (r *taskRuns) version(run record.Stored) Version {
	run.Notes = r.present.Notes // they are the task's
	return Version{Record: run.Record, Commit: run.Commit, Number: run.Data.Run, service: r.service}
}

// Earlier yields the runs of a task before its record in a commit, latest first, except for checks. "" is
// now.
func (q *Service) Earlier(rec *record.Record, commit string) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		if rec.Data.Run <= 1 {
			return // a fast path for the usual case
		}
		for v, err := range q.runs(rec, commit) {
			if err == nil && (v.Record.IsCheck() || record.SameRun(v.Record, rec)) {
				continue
			}
			if !yield(v, err) {
				return
			}
		}
	}
}
