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
	// usualDelay is how long after its id was made a task's first run may begin, so that
	// the id says well enough when.
	usualDelay = time.Second
	// ClockSkew is by how much the clock of another machine may be fast, so that its
	// tasks are still taken as of now.
	ClockSkew = 5 * time.Minute
)

// A Moved is a task whose latest run began at another time than its id says: it was run
// again.
type Moved struct {
	ID ID
	// Clock is how a UUID would begin that was made when the latest run began.
	Clock string
}

// MovedOf returns the record's task as one that has moved; ok is false where its id says
// when its latest run began.
func MovedOf(r *Record) (m Moved, ok bool) {
	late := r.Data.Timestamp.Sub(r.UID.Time())
	if r.Data.Run <= 1 && late >= -usualDelay && late <= usualDelay {
		return Moved{}, false
	}
	return Moved{r.UID, clockOf(r.Data.Timestamp.Time)}, true
}

// CompareMoved is negative where a's latest run began after that of b.
func CompareMoved(a, b Moved) int {
	if c := strings.Compare(b.Clock, a.Clock); c != 0 {
		return c
	}
	x, y := a.ID.UUID(), b.ID.UUID()
	return cmp.Or(strings.Compare(y[shortLen:], x[shortLen:]), strings.Compare(y, x), strings.Compare(string(a.ID), string(b.ID)))
}

// An Order is that in which people are shown tasks: the one whose latest run began last
// comes first. What begins later than now is the work of a clock that is wrong and
// comes last, so that it is not first for ever. The nil Order is that of the ids, the
// newest first. An Order does not change, and may be used by several goroutines.
type Order struct {
	// Commit names the state of the history whose order it is.
	Commit string
	// Mixed says that there are, or have been, tasks of other executors than the usual one.
	Mixed bool

	moved []Moved
	// index has the places in moved, counted from 1, by a hash of the id: a map of 20,000
	// takes longer to make than a listing takes.
	index []int32
	limit string // the beginning of a UUID that is not of the future
}

// NewOrder returns the order of a history in which some tasks have moved. It takes the
// list over, which is best in the order of CompareMoved. now is the present moment.
func NewOrder(commit string, moved []Moved, now time.Time) *Order {
	return newOrder(commit, moved, clockOf(now.Add(ClockSkew)))
}

func newOrder(commit string, moved []Moved, limit string) *Order {
	o := &Order{Commit: commit, moved: moved, limit: limit}
	if !slices.IsSortedFunc(moved, CompareMoved) {
		slices.SortFunc(moved, CompareMoved)
	}
	// Those of the future come last.
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

// orderSeed is another one in each process, so that nobody can find ids with equal hashes.
var orderSeed = maphash.MakeSeed()

func (o *Order) slot(id ID) int {
	return int(maphash.String(orderSeed, string(id))) & (len(o.index) - 1)
}

// find returns the clock of a task that has moved.
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

// With returns the order with uncommitted runs.
func (o *Order) With(uncommitted []*Record) *Order {
	if o == nil || len(uncommitted) == 0 {
		return o
	}
	covered := make(map[ID]bool, len(uncommitted))
	var moved []Moved
	for _, r := range uncommitted {
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

// Moved returns the tasks that are not where their ids would put them, in order. The
// list must not be changed.
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

// Compare is negative where a is listed before b, and 0 only where both are one task.
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

// CompareResults is Compare for results; those without an ID come first.
func (o *Order) CompareResults(a, b Result) int {
	if a.ID == "" || b.ID == "" {
		return strings.Compare(string(a.ID), string(b.ID))
	}
	return o.Compare(a.ID, b.ID)
}

// moment returns when a task's latest run began, as far as an order knows.
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
func (o *Order) Place(id ID) string { return o.moment(id).Clock + id.UUID()[shortLen:] }

// Future reports whether a place is that of a run which has not begun yet.
func (o *Order) Future(place string) bool {
	return o != nil && len(place) >= len(o.limit) && place[:len(o.limit)] > o.limit
}

// Limit returns the last moment that is not of the future.
func (o *Order) Limit() time.Time { return clockTime(o.limit) }

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
