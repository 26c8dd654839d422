package tasks

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"qme/internal/lazy"
	"qme/record"
)

// ErrReference says that a text is not the syntax of a reference.
var ErrReference = errors.New("not a reference to a task")

// Find returns the run that a reference names:
//
//	""               the task that this user last gave in this home; see last
//	shell-019aaf3c…  a task by its id or a prefix of it, with or without its executor
//	907484           a task by the number of its job, if no id begins so
//	baseline         a task by its name; see Name
//	@2               the second task of a plain listing
//	REF@1            a task's first run; REF@-1 is the one before the last
//	REF@1.2          the second check of that run
//
// The error wraps record.ErrNotFound, record.ErrAmbiguous or ErrReference. It is a ClearedError for a task
// that was cleared, if that is found out at little cost.
func (q *Service) Find(ref string) (Version, error) {
	base, run, hasRun := cutRun(ref)
	rec, err := q.resolveRecord(base)
	if err != nil {
		return Version{}, err
	}
	if !hasRun {
		return Version{Record: rec, service: q}, nil
	}
	n, check, err := numbersOf(run)
	if err != nil {
		return Version{}, fmt.Errorf("%q: the part after @ is not the number of a run: %w", ref, ErrReference)
	}
	newest, checks := 0, 0
	for v, err := range q.runs(rec, "") {
		if err != nil {
			return Version{}, err
		}
		if newest == 0 {
			if newest = v.Number; n < 0 {
				n += newest
			}
		}
		if v.Number == n && v.Check == check {
			return v, nil
		}
		if v.Number == n {
			checks = max(checks, v.Check)
		}
	}
	if check > 0 && n > 0 && n <= newest {
		return Version{}, fmt.Errorf("run %d of task %s has no check %d, it has %d: %w", n, rec.UID, check, checks, record.ErrNotFound)
	}
	return Version{}, fmt.Errorf("task %s has no run %s, only 1 to %d: %w", rec.UID, run, newest, record.ErrNotFound)
}

// numbersOf reads the number of a run, "2" or "-1", or those of a check, "2.1".
func numbersOf(text string) (run, check int, err error) {
	text, second, isCheck := strings.Cut(text, ".")
	if run, err = strconv.Atoi(text); err == nil && isCheck {
		check, err = strconv.Atoi(second)
	}
	if err == nil && (run == 0 || isCheck && check < 1) {
		err = ErrReference
	}
	return run, check, err
}

// cutRun splits "REF@N". The @ of "@2" belongs to the reference.
func cutRun(ref string) (base, run string, ok bool) {
	i := strings.LastIndexByte(ref, '@')
	if i <= 0 {
		return ref, "", false
	}
	return ref[:i], ref[i+1:], true
}

// resolveRecord returns the present record of the task that a reference names.
func (q *Service) resolveRecord(ref string) (*record.Record, error) {
	if ref == "" {
		return q.last()
	}
	if n, ok := strings.CutPrefix(ref, "@"); ok {
		return q.nth(ref, n)
	}
	id, err := q.resolve(ref)
	if errors.Is(err, record.ErrNotFound) || errors.Is(err, ErrReference) {
		if jobNumber().MatchString(ref) {
			rec, jerr := q.ofJob(ref)
			if !errors.Is(jerr, record.ErrNotFound) {
				return rec, jerr
			}
		}
	}
	if errors.Is(err, record.ErrNotFound) && q.Names != nil && q.checkName(ref) == nil {
		rec, nerr := q.named(ref)
		if !errors.Is(nerr, record.ErrNotFound) {
			return rec, nerr
		}
	}
	var rec *record.Record
	if err == nil {
		rec, err = q.task(id)
	}
	if errors.Is(err, record.ErrNotFound) {
		return nil, q.unlessCleared(ref, err)
	}
	return rec, err
}

// nth returns the nth task of a plain listing.
func (q *Service) nth(ref, text string) (*record.Record, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return nil, fmt.Errorf("%q: @ takes a number from 1, the first task that \"qme ls\" lists: %w", ref, ErrReference)
	}
	v, damage, err := q.listed(true)
	if err != nil {
		return nil, err
	}
	if damage != nil { // @N could name another task than in the listing
		return nil, fmt.Errorf("%s: which task that is cannot be read: %w", ref, damage)
	}
	count := 0
	for res := range v.Records(record.Range{Brief: true}) {
		if res.ID == "" {
			return nil, res.Err
		}
		if res.Err != nil {
			continue // a listing does not count it either
		}
		if count++; count == n {
			return q.task(res.ID)
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

// ambiguousShown is how many tasks an AmbiguousError lists.
const ambiguousShown = 5

// resolve returns the only task whose id begins with ref, with or without its executor.
func (q *Service) resolve(ref string) (record.ID, error) {
	if id, err := record.ParseID(ref); err == nil {
		return id, nil
	}
	ranges, err := rangesOf(ref)
	if err != nil {
		return "", err
	}
	v, err := q.View()
	if err != nil {
		return "", err
	}
	var found []record.ID
	for _, rg := range ranges {
		for id, err := range v.IDs(rg) {
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

// Fitting returns the range of tasks that an argument selects: the tasks of an executor or, if
// there are none, the tasks whose id begins with it. The error wraps record.ErrNotFound when
// there are none, and ErrReference when the argument can be neither.
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
	v, err := q.View()
	if err != nil {
		return record.Range{}, err
	}
	for _, rg := range append(ranges, begin...) {
		for _, err := range v.IDs(rg) {
			return rg, err
		}
	}
	return record.Range{}, q.unlessCleared(what, fmt.Errorf("task %q: %w", what, record.ErrNotFound))
}

// rangesOf parses a prefix of an id. A text like "c-0" may be an executor with the beginning of
// a UUID, or the beginning of a UUID alone.
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

// An AmbiguousError lists some of the tasks that a prefix matches. It is a record.ErrAmbiguous.
type AmbiguousError struct {
	Ref  string
	IDs  []record.ID // newest first
	More bool        // there are more
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
