package record

import (
	"cmp"
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"
	"time"
)

const (
	// usualDelay is the greatest difference between a task's id and the start of its first run
	// for which the id still counts as the start time.
	usualDelay = time.Second
	// ClockSkew is how far another machine's clock may be ahead before its tasks count as
	// future ones.
	ClockSkew = 5 * time.Minute
)

// A Moved is a task whose latest run began at another time than its id says, usually because of
// a rerun.
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

// An Order is the order in which tasks are listed: the task whose latest run began last comes
// first. A start time in the future is due to a wrong clock, so those tasks come last and do
// not stay on top. The nil Order sorts by id, newest first. An Order is immutable and safe for
// concurrent use.
type Order struct {
	// Commit is the commit of the history that the order was computed from.
	Commit string
	// Mixed says that there are, or were, tasks of other executors than the usual one.
	Mixed bool

	moved []Moved
	// index maps hashes of ids to positions in moved, counted from 1. A Go map of 20,000
	// entries takes longer to build than a listing takes.
	index []int32
	limit string // the last beginning of a UUID that is not in the future
}

// NewOrder returns the order of a history with the given moved tasks. It takes ownership of the
// list, which should already be in the order of CompareMoved. now is the present time.
func NewOrder(commit string, moved []Moved, now time.Time) *Order {
	return newOrder(commit, moved, clockOf(now.Add(ClockSkew)))
}

func newOrder(commit string, moved []Moved, limit string) *Order {
	o := &Order{Commit: commit, moved: moved, limit: limit}
	if !slices.IsSortedFunc(moved, CompareMoved) {
		slices.SortFunc(moved, CompareMoved)
	}
	// Tasks of the future come last.
	if n := slices.IndexFunc(moved, func(m Moved) bool { return !o.Future(m.Clock) }); n > 0 {
		o.moved = slices.Concat(moved[n:], moved[:n])
	}
	if len(moved) > 0 {
		o.index = make([]int32, 1<<bits.Len(uint(2*len(moved))))
	}
	for i, m := range o.moved {
		at := o.slot(m.ID)
		for o.index[at] != 0 {
			at = (at + 1) & (len(o.index) - 1)
		}
		o.index[at] = int32(i + 1)
	}
	return o
}

// orderSeed differs in each process, so that ids with colliding hashes cannot be prepared.
var orderSeed = maphash.MakeSeed()

func (o *Order) slot(id ID) int {
	return int(maphash.String(orderSeed, string(id))) & (len(o.index) - 1)
}

// find returns the clock of a moved task.
func (o *Order) find(id ID) (clock string, ok bool) {
	if o == nil || len(o.index) == 0 {
		return "", false
	}
	for at := o.slot(id); o.index[at] != 0; at = (at + 1) & (len(o.index) - 1) {
		if m := &o.moved[o.index[at]-1]; m.ID == id {
			return m.Clock, true
		}
	}
	return "", false
}

// With returns the order that also covers uncommitted runs.
func (o *Order) With(uncommitted []*Record) *Order {
	if o == nil || len(uncommitted) == 0 {
		return o
	}
	covered := make(map[ID]bool, len(uncommitted))
	var moved []Moved
	for _, r := range uncommitted {
		if r.IsCheck() {
			continue // it moves nothing
		}
		covered[r.UID] = true
		if m, ok := MovedOf(r); ok {
			moved = append(moved, m)
		}
	}
	for _, m := range o.moved {
		if !covered[m.ID] {
			moved = append(moved, m)
		}
	}
	with := newOrder(o.Commit, moved, o.limit)
	with.Mixed = o.Mixed
	return with
}

// Moved returns the moved tasks in order. The list must not be changed.
func (o *Order) Moved() []Moved {
	if o == nil {
		return nil
	}
	return o.moved
}

// Has reports whether a task has moved.
func (o *Order) Has(id ID) bool {
	_, ok := o.find(id)
	return ok
}

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
	if clock, ok := o.find(id); ok {
		return Moved{id, clock}
	}
	return Moved{id, id.Short(0)}
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
