package tasks

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"

	"qme/gitstore"
	"qme/internal/lazy"
	"qme/record"
)

// ErrReference says that a text cannot name a task.
var ErrReference = errors.New("not a reference to a task")

// A Version is a record with the commit from which it was read: "" is the newest,
// and a run in flight has none.
type Version struct {
	Record *record.Record
	Commit string
	// Number says which of the task's runs it is, 1 is the first. It is data.run,
	// unless several machines have run the task before they knew of each other.
	Number  int
	service *Service
}

// Stream returns the exact bytes of a stream, as far as they are stored.
func (v Version) Stream(name record.StreamName) (io.ReadCloser, error) {
	if v.Commit == "" && v.service.inSpool(v.Record) {
		return v.service.Spool.Stream(v.Record.UID, name)
	}
	store, err := v.service.Store()
	if err != nil {
		return nil, err
	}
	return store.Stream(v.Commit, v.Record, name)
}

// inSpool reports whether a record is that of a run which is not committed yet.
func (q *Service) inSpool(rec *record.Record) bool {
	spooled, err := q.Spool.Get(rec.UID, 0)
	return err == nil && record.SameRun(spooled, rec)
}

// Find returns what a reference names:
//
//	""               the task that this user gave last in this home, see last
//	shell-019aaf3c…  a task by its id or the beginning of it, with or without its executor
//	@2               the second task of a plain listing
//	REF@1            a task's first run; REF@-1 the one before the last
//
// The error wraps record.ErrNotFound, record.ErrAmbiguous or ErrReference.
func (q *Service) Find(ref string) (Version, error) {
	base, run, hasRun := cutRun(ref)
	rec, err := q.resolveRecord(base)
	if err != nil {
		return Version{}, err
	}
	if !hasRun {
		return Version{Record: rec, service: q}, nil
	}
	n, err := strconv.Atoi(run)
	if err != nil || n == 0 {
		return Version{}, fmt.Errorf("%q: the part after @ is not the number of a run: %w", ref, ErrReference)
	}
	newest := 0
	for v, err := range q.runs(rec) {
		if err != nil {
			return Version{}, err
		}
		if newest == 0 {
			if newest = v.Number; n < 0 {
				n += newest
			}
		}
		if v.Number == n {
			return v, nil
		}
	}
	return Version{}, fmt.Errorf("task %s has no run %s, only 1 to %d: %w", rec.UID, run, newest, record.ErrNotFound)
}

// cutRun cuts "REF@N"; the @ of "@2" belongs to the reference.
func cutRun(ref string) (base, run string, ok bool) {
	i := strings.LastIndexByte(ref, '@')
	if i <= 0 {
		return ref, "", false
	}
	return ref[:i], ref[i+1:], true
}

// Runs yields a task's runs, the latest first.
func (q *Service) Runs(ref string) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		rec, err := q.resolveRecord(ref)
		if err != nil {
			yield(Version{}, err)
			return
		}
		q.runs(rec)(yield)
	}
}

// runs yields the runs of a task whose present record is rec, the latest first.
func (q *Service) runs(rec *record.Record) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		store, err := q.Store()
		if err != nil {
			yield(Version{}, err)
			return
		}
		others, err := store.OtherRuns(rec.UID)
		if err != nil {
			yield(Version{}, err)
			return
		}
		newest := Version{Record: rec, service: q}
		if len(others) == 0 {
			q.lineage(newest)(yield)
			return
		}
		all, err := q.allRuns(store, newest, others)
		for i, v := range all {
			if v.Number = len(all) - i; !yield(v, nil) {
				return
			}
		}
		if err != nil {
			yield(Version{}, err)
		}
	}
}

// allRuns returns the runs of several lines, the latest first. With an error it
// returns what it could read.
func (q *Service) allRuns(store *gitstore.Store, newest Version, others []string) ([]Version, error) {
	var all []Version
	var errs []error
	heads := []Version{newest}
	for _, commit := range others {
		rec, err := store.Get(commit, newest.Record.UID)
		if err != nil {
			errs = append(errs, fmt.Errorf("a run of another machine: %w", err))
			continue
		}
		heads = append(heads, Version{Record: rec, Commit: commit, service: q})
	}
	at := map[record.RunKey]int64{}
	for _, head := range heads {
		if i := slices.IndexFunc(all, func(v Version) bool { return record.SameRun(v.Record, head.Record) }); i > 0 && asksLater(head, all[i]) {
			all[i] = head // one of the same run: another machine has followed its job further
			continue
		}
		line, from, err := q.line(head, at)
		if err != nil {
			errs = append(errs, err)
		}
		for _, v := range slices.Backward(line) {
			from = max(from, v.Record.Data.Timestamp.UnixNano())
			at[v.Record.RunKey()] = from
		}
		all = append(all, line...)
	}
	at[newest.Record.RunKey()] = math.MaxInt64 // the record is the last run, whatever the clocks say
	slices.SortStableFunc(all, func(a, b Version) int { return cmp.Compare(at[b.Record.RunKey()], at[a.Record.RunKey()]) })
	return all, errors.Join(errs...)
}

// asksLater reports whether the job of a run was asked about later in a than in b.
func asksLater(a, b Version) bool {
	ja, jb := a.Record.Data.Job, b.Record.Data.Job
	if ja == nil || ja.Checked == nil {
		return false
	}
	return jb == nil || jb.Checked == nil || ja.Checked.After(jb.Checked.Time)
}

// line returns a run and those before it, up to one that known has, and what that says.
// With known it is when a run began, and not before the run before it: the clocks of
// machines differ.
func (q *Service) line(head Version, known map[record.RunKey]int64) (line []Version, from int64, err error) {
	for v, err := range q.lineage(head) {
		if err != nil {
			return line, math.MinInt64, err
		}
		if at, ok := known[v.Record.RunKey()]; ok {
			return line, at, nil
		}
		line = append(line, v)
	}
	return line, math.MinInt64, nil
}

// lineage yields a run and those to which data.previous leads from it.
func (q *Service) lineage(v Version) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		for {
			v.Number = v.Record.Data.Run
			if !yield(v, nil) {
				return
			}
			var err error
			if v, err = q.before(v); err != nil {
				yield(Version{}, err)
				return
			}
			if v.Record == nil {
				return
			}
		}
	}
}

// before returns the run before v; its record is nil when v is the first.
func (q *Service) before(v Version) (Version, error) {
	store, err := q.Store()
	if err != nil {
		return Version{}, err
	}
	commit := v.Record.Data.Previous
	if v.Record.Data.Status == record.Running || commit == "" && v.Commit == "" && v.Record.Data.Run > 1 {
		return beforeFlight(store, v)
	}
	if commit == "" {
		return Version{}, nil
	}
	rec, err := store.Get(commit, v.Record.UID)
	if err != nil {
		return Version{}, fmt.Errorf("the run before run %d: %w", v.Record.Data.Run, err)
	}
	if !record.Follows(v.Record.Data.Run, rec.Data.Run) {
		return Version{}, fmt.Errorf("task %s: run %d follows run %d: %w", rec.UID, v.Record.Data.Run, rec.Data.Run, record.ErrInvalid)
	}
	return Version{Record: rec, Commit: commit, service: q}, nil
}

// beforeFlight returns the run before one that is in flight: it goes on, or has ended and
// is about to be committed, and so does not name a commit yet.
func beforeFlight(store *gitstore.Store, v Version) (Version, error) {
	rec, err := store.Get("", v.Record.UID)
	switch {
	case errors.Is(err, record.ErrNotFound):
		return Version{}, nil
	case err != nil:
		return Version{}, err
	case !record.SameRun(rec, v.Record):
		return Version{Record: rec, service: v.service}, nil
	case v.Record.Data.Status == record.Running:
		return Version{}, fmt.Errorf("task %s: the history has a run of it that has not ended: %w", rec.UID, record.ErrInvalid)
	case rec.Data.Previous == "":
		return Version{}, nil // its earlier runs are not known
	}
	// It has been committed meanwhile.
	return v.service.before(Version{Record: rec, service: v.service})
}

// resolveRecord returns the present record of a task.
func (q *Service) resolveRecord(ref string) (*record.Record, error) {
	if ref == "" {
		return q.last()
	}
	if n, ok := strings.CutPrefix(ref, "@"); ok {
		return q.nth(ref, n)
	}
	id, err := q.resolve(ref)
	if err != nil {
		return nil, err
	}
	return q.get(id)
}

// get returns a task's record, that of the run in flight where there is one.
func (q *Service) get(id record.ID) (*record.Record, error) {
	rec, err := q.Spool.Get(id, q.Settings.Inline)
	if !errors.Is(err, record.ErrNotFound) {
		return rec, err
	}
	store, err := q.Store()
	if err != nil {
		return nil, err
	}
	return store.Get("", id)
}

// nth returns the n-th task of a plain listing.
func (q *Service) nth(ref, text string) (*record.Record, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return nil, fmt.Errorf("%q: @ takes a number from 1, the first task that \"qme ls\" lists: %w", ref, ErrReference)
	}
	v, err := q.view(true)
	if err != nil {
		return nil, err
	}
	if v.err != nil { // another task than the listing's would be taken
		return nil, fmt.Errorf("%s: which task that is cannot be read: %w", ref, v.err)
	}
	count := 0
	for res := range v.records(record.Range{Brief: true, Order: v.order}, false) {
		if res.ID == "" {
			return nil, res.Err
		}
		if res.Err != nil {
			continue // as in the listing
		}
		if count++; count == n {
			return q.get(res.ID)
		}
	}
	switch count {
	case 0:
		return nil, &NoLastError{Empty: true}
	case 1:
		return nil, fmt.Errorf("%s: there is only 1 task: %w", ref, record.ErrNotFound)
	}
	return nil, fmt.Errorf("%s: there are only %d tasks: %w", ref, count, record.ErrNotFound)
}

var hexPrefix = lazy.Regexp(`^[0-9a-f][0-9a-f-]{0,35}$`)

// ambiguousShown is how many tasks an ambiguous prefix names.
const ambiguousShown = 5

// resolve returns the one task whose id begins with ref, with or without its
// executor.
func (q *Service) resolve(ref string) (record.ID, error) {
	if id, err := record.ParseID(ref); err == nil {
		return id, nil
	}
	ranges, err := rangesOf(ref)
	if err != nil {
		return "", err
	}
	var found []record.ID
	for _, rg := range ranges {
		for id, err := range q.ids(rg) {
			if err != nil {
				return "", err
			}
			if found = append(found, id); len(found) > ambiguousShown {
				break
			}
		}
	}
	switch {
	case len(found) == 0:
		return "", fmt.Errorf("task %q: %w", ref, record.ErrNotFound)
	case len(found) == 1:
		return found[0], nil
	}
	return "", &AmbiguousError{Ref: ref, IDs: found[:min(len(found), ambiguousShown)], More: len(found) > ambiguousShown}
}

// Fitting returns the tasks that a listing of what means: those of an executor, if there
// are any, else those whose id begins so. The error wraps record.ErrNotFound where there
// are none, and ErrReference where it can be neither.
func (q *Service) Fitting(what string) (record.Range, error) {
	var ranges []record.Range
	if record.CheckExecutor(what) == nil {
		ranges = append(ranges, record.Range{Executor: what})
	}
	begin, err := rangesOf(what)
	if id, perr := record.ParseID(what); perr == nil {
		begin, err = []record.Range{{Executor: id.Executor(), Prefix: id.UUID()}}, nil
	}
	if err != nil && len(ranges) == 0 {
		return record.Range{}, err
	}
	for _, rg := range append(ranges, begin...) {
		for _, err := range q.ids(rg) {
			return rg, err
		}
	}
	return record.Range{}, fmt.Errorf("task %q: %w", what, record.ErrNotFound)
}

// rangesOf reads a prefix of an id. What looks like "c-0" may be an executor with
// the beginning of a UUID, or the beginning of a UUID alone.
func rangesOf(ref string) ([]record.Range, error) {
	var ranges []record.Range
	if hexPrefix().MatchString(ref) {
		ranges = append(ranges, record.Range{Prefix: ref})
	}
	for i, c := range []byte(ref) {
		if c == '-' && record.CheckExecutor(ref[:i]) == nil && (ref[i+1:] == "" || hexPrefix().MatchString(ref[i+1:])) {
			ranges = append(ranges, record.Range{Executor: ref[:i], Prefix: ref[i+1:]})
		}
	}
	if len(ranges) == 0 && record.CheckExecutor(ref) == nil {
		return nil, fmt.Errorf("task %q (an id begins as in 019aaf3c or shell-019aaf3c): %w", ref, record.ErrNotFound)
	}
	if len(ranges) == 0 {
		return nil, fmt.Errorf("%q is not the beginning of a task's id, such as 019aaf3c or shell-019aaf3c, nor @N: %w", ref, ErrReference)
	}
	return ranges, nil
}

// An AmbiguousError names some of the tasks that a prefix fits. It is a
// record.ErrAmbiguous.
type AmbiguousError struct {
	Ref  string
	IDs  []record.ID // newest first
	More bool        // there are further ones
}

// Error implements error.
func (e *AmbiguousError) Error() string {
	more := ""
	if e.More {
		more = " and more"
	}
	return fmt.Sprintf("%q is ambiguous: it fits %s%s", e.Ref, joinIDs(e.IDs), more)
}

func joinIDs(ids []record.ID) string {
	var parts []string
	for _, id := range ids {
		parts = append(parts, string(id))
	}
	return strings.Join(parts, ", ")
}

// Is makes the error a record.ErrAmbiguous.
func (e *AmbiguousError) Is(target error) bool { return target == record.ErrAmbiguous }

// ids yields the tasks in a range, newest first: those in the history, and those
// whose first run is in flight.
func (q *Service) ids(rg record.Range) iter.Seq2[record.ID, error] {
	flying, err := q.inFlight(record.Range{})
	if err != nil {
		return func(yield func(record.ID, error) bool) { yield("", err) }
	}
	return (&view{q: q, flying: flying}).ids(rg)
}

// ids yields the tasks in a range, in its order, as records does.
func (v *view) ids(rg record.Range) iter.Seq2[record.ID, error] {
	return func(yield func(record.ID, error) bool) {
		store, err := v.q.Store()
		if err != nil {
			yield("", err)
			return
		}
		var pending []record.ID
		for _, res := range v.inRange(rg) {
			pending = append(pending, res.ID)
		}
		for id, err := range store.IDs(rg) {
			for err == nil && len(pending) > 0 && v.order.Compare(pending[0], id) < 0 {
				if !yield(pending[0], nil) {
					return
				}
				pending = pending[1:]
			}
			if len(pending) > 0 && pending[0] == id {
				pending = pending[1:]
			}
			if !yield(id, err) || err != nil {
				return
			}
		}
		for _, id := range pending {
			if !yield(id, nil) {
				return
			}
		}
	}
}

// Earlier yields the runs of a task before that of its present record, the latest first.
func (q *Service) Earlier(rec *record.Record) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		if rec.Data.Run <= 1 {
			return // the usual case costs nothing
		}
		present := true
		for v, err := range q.runs(rec) {
			if !present || err != nil {
				if !yield(v, err) {
					return
				}
			}
			present = false
		}
	}
}

// inFlight returns the runs in flight of a range, newest task first.
func (q *Service) inFlight(rg record.Range) ([]record.Result, error) {
	all, err := q.Spool.List(q.Settings.Inline)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(r record.Result) bool {
		return !rg.Has(r.ID)
	})
	slices.SortFunc(all, func(a, b record.Result) int { return strings.Compare(b.ID.UUID(), a.ID.UUID()) })
	return all, nil
}
