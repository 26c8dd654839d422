package record

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"qme/internal/ordered"
)

const (
	// usualDelay is the greatest difference between a task's id and the start of its first run
	// for which the id still counts as the start time.
	usualDelay = time.Second
	// ClockSkew is how far another machine's clock may be ahead before its tasks count as
	// future ones.
	ClockSkew = 5 * time.Minute
)

// A Moved is a task whose latest run began at another time than its id says: a rerun, or one that
// had waited in the queue.
type Moved struct {
	ID ID
	// Clock is the beginning of a UUID created when the latest run began.
	Clock string
}

// MovedOf returns the record's task as a Moved. ok is false if the id tells when the latest run
// began.
func MovedOf(r *Record) (m Moved, ok bool) {
	late := r.Data.Timestamp.Sub(r.UID.Time())
	if r.Data.Run <= 1 && late >= -usualDelay && late <= usualDelay {
		return Moved{}, false
	}
	return Moved{r.UID, clockOf(r.Data.Timestamp.Time)}, true
}

// Unmoved returns a task as one whose latest run began when its id says.
func Unmoved(id ID) Moved { return Moved{id, id.Short(0)} }

// Place returns the UUID that the task would have if it had been made when its latest run began.
func (m Moved) Place() string { return m.Clock + m.ID.UUID()[shortLen:] }

// CompareMoved is negative where a's latest run began after that of b.
func CompareMoved(a, b Moved) int {
	if c := strings.Compare(b.Clock, a.Clock); c != 0 {
		return c
	}
	x, y := a.ID.UUID(), b.ID.UUID()
	return cmp.Or(strings.Compare(y[shortLen:], x[shortLen:]), strings.Compare(y, x), strings.Compare(string(a.ID), string(b.ID)))
}

// A Table has moved tasks that need not be in memory. It is immutable and safe for concurrent use.
type Table interface {
	// Clock returns the Clock of a task, "" of one that the table does not have.
	Clock(id ID) string
	// Between yields the tasks whose Clock is greater than after and not greater than upTo, in the
	// order of CompareMoved or, if reversed, from its end. An empty bound is none.
	Between(after, upTo string, reversed bool) iter.Seq[Moved]
}

// An Order is the order in which tasks are listed: the task whose latest run began last comes
// first. A start time in the future is due to a wrong clock, so those tasks come last and do
// not stay on top. The nil Order sorts by id, newest first. An Order is immutable and safe for
// concurrent use. It is a Table of all moved tasks.
type Order struct {
	// Commit is the commit of the history that the order was computed from.
	Commit string
	// Mixed says that there are, or were, tasks of other executors than the usual one.
	Mixed bool

	table  Table         // may be nil
	clocks map[ID]string // of the tasks that differ from the table; "" of one that has not moved
	moved  []Moved       // those of clocks that have moved, in the order of CompareMoved
	limit  string        // the last beginning of a UUID that is not in the future
}

// NewOrder returns the order of a history with the moved tasks of a table, which may be nil, and of
// a list. What the list has of a task replaces what the table has; a task without a Clock has not
// moved. now is the present time.
func NewOrder(commit string, table Table, changed []Moved, now time.Time) *Order {
	o := &Order{Commit: commit, table: table, clocks: make(map[ID]string, len(changed)), limit: clockOf(now.Add(ClockSkew))}
	o.change(changed)
	return o
}

// change replaces the times of some tasks.
func (o *Order) change(changed []Moved) {
	for _, m := range changed {
		o.clocks[m.ID] = m.Clock
	}
	o.moved = make([]Moved, 0, len(o.clocks))
	for id, clock := range o.clocks {
		if clock != "" {
			o.moved = append(o.moved, Moved{id, clock})
		}
	}
	slices.SortFunc(o.moved, CompareMoved)
}

// With returns the order that also covers uncommitted runs.
func (o *Order) With(uncommitted []*Record) *Order {
	if o == nil || len(uncommitted) == 0 {
		return o
	}
	var changed []Moved
	for _, r := range uncommitted {
		if r.IsCheck() {
			continue // it moves nothing
		}
		m, ok := MovedOf(r)
		if !ok {
			m = Moved{ID: r.UID}
		}
		changed = append(changed, m)
	}
	with := *o
	with.clocks = maps.Clone(o.clocks)
	with.change(changed)
	return &with
}

// Clock implements Table.
func (o *Order) Clock(id ID) string {
	if o == nil {
		return ""
	}
	clock, changed := o.clocks[id]
	if !changed && o.table != nil {
		return o.table.Clock(id)
	}
	return clock
}

// Between implements Table.
func (o *Order) Between(after, upTo string, reversed bool) iter.Seq[Moved] {
	list, compare := o.moved, CompareMoved
	if upTo != "" {
		list = list[firstUpTo(list, upTo):]
	}
	if after != "" {
		list = list[:firstUpTo(list, after)]
	}
	if reversed {
		list, compare = slices.Clone(list), func(a, b Moved) int { return CompareMoved(b, a) }
		slices.Reverse(list)
	}
	if o.table == nil {
		return slices.Values(list)
	}
	unchanged := func(yield func(Moved) bool) {
		for m := range o.table.Between(after, upTo, reversed) {
			if _, changed := o.clocks[m.ID]; !changed && !yield(m) {
				return
			}
		}
	}
	return ordered.Overlay(unchanged, slices.Values(list), compare)
}

// firstUpTo returns how many tasks of a list are later than a Clock.
func firstUpTo(list []Moved, clock string) int {
	n, _ := slices.BinarySearchFunc(list, clock, func(m Moved, clock string) int {
		if m.Clock > clock {
			return -1
		}
		return 1
	})
	return n
}

// Moved yields the moved tasks of the future or all others, in the order or, if reversed, from its
// end.
func (o *Order) Moved(future, reversed bool) iter.Seq[Moved] {
	if future {
		return o.Between(o.limit, "", reversed)
	}
	return o.Between("", o.limit, reversed)
}

// Has reports whether a task has moved.
func (o *Order) Has(id ID) bool { return o.Clock(id) != "" }

// Compare is negative if a is listed before b, and 0 only if they are the same task.
func (o *Order) Compare(a, b ID) int {
	if o == nil {
		return cmp.Or(strings.Compare(b.UUID(), a.UUID()), strings.Compare(string(a), string(b)))
	}
	x, y := o.moment(a), o.moment(b)
	if c := ahead(o.Future(x.Clock), o.Future(y.Clock)); c != 0 {
		return c
	}
	return CompareMoved(x, y)
}

// CompareResults is Compare for results. Results without an ID come first.
func (o *Order) CompareResults(a, b Result) int {
	if a.ID == "" || b.ID == "" {
		return strings.Compare(string(a.ID), string(b.ID))
	}
	return o.Compare(a.ID, b.ID)
}

// moment returns a task with the time at which its latest run began, as far as the order knows
// it.
func (o *Order) moment(id ID) Moved {
	if clock := o.Clock(id); clock != "" {
		return Moved{id, clock}
	}
	return Unmoved(id)
}

func ahead(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// Place returns the UUID that the task would have if it had been made when its latest
// run began: places are compared as UUIDs are.
func (o *Order) Place(id ID) string { return o.moment(id).Place() }

// Future reports whether a place is in the future.
func (o *Order) Future(place string) bool {
	return o != nil && len(place) >= len(o.limit) && place[:len(o.limit)] > o.limit
}

// Before reports whether the latest run of a task is sure to have begun before a time, and those of all
// tasks after it that are not of the future as well.
func (o *Order) Before(id ID, at time.Time) bool {
	if o == nil {
		return false
	}
	clock := o.moment(id).Clock
	return !o.Future(clock) && ClockTime(clock).Add(usualDelay+time.Millisecond).Before(at)
}

// Limit returns the last moment that is not of the future.
func (o *Order) Limit() time.Time { return ClockTime(o.limit) }

// maxClock is the last millisecond whose year has four digits.
var maxClock = time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC).UnixMilli()

// clockOf returns the beginning of a UUID that was made at t.
func clockOf(t time.Time) string {
	const digits = "0123456789abcdef"
	ms := min(max(t.UnixMilli(), 0), maxClock)
	var b [shortLen]byte
	for i := len(b) - 1; i >= 0; i-- {
		if i == 8 {
			b[i] = '-'
			continue
		}
		b[i] = digits[ms&15]
		ms >>= 4
	}
	return string(b[:])
}
