package record

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Format is the version of the layout that this package reads and writes, as
// it stands in the repository's file "format".
const Format = "1"

// uuidLen is the length of a UUID in its usual text form (RFC 9562, section 4).
const uuidLen = 36

// An ID names a task for life: EXECUTOR-UUID, with a UUIDv7 (RFC 9562, section
// 5.7) whose first 48 bits are the millisecond in which the task was made. An
// ID from ParseID or NewID is valid; the zero ID names nothing.
type ID string

// NewID makes an id for a task of the given executor that starts now. Ids made
// by one process ascend, also within a millisecond.
func NewID(executor string) (ID, error) {
	if err := CheckExecutor(executor); err != nil {
		return "", err
	}
	u, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return ID(executor + "-" + u.String()), nil
}

// ParseID checks that s is an id in its one canonical spelling. The error wraps
// ErrInvalid.
func ParseID(s string) (ID, error) {
	if len(s) < uuidLen+2 || s[len(s)-uuidLen-1] != '-' {
		return "", fmt.Errorf("%w task id %q: it is not of the form EXECUTOR-UUID", ErrInvalid, s)
	}
	if err := CheckExecutor(s[:len(s)-uuidLen-1]); err != nil {
		return "", fmt.Errorf("%w task id %q: %w", ErrInvalid, s, err)
	}
	text := s[len(s)-uuidLen:]
	u, err := uuid.Parse(text)
	if err != nil || u.Version() != 7 || u.Variant() != uuid.RFC4122 || u.String() != text {
		return "", fmt.Errorf("%w task id %q: %s is not a UUIDv7 in lower case", ErrInvalid, s, text)
	}
	if text[:len(lastTime)] > lastTime {
		return "", fmt.Errorf("%w task id %q: its time is after the year 9999", ErrInvalid, s)
	}
	return ID(s), nil
}

// lastTime begins the UUIDs of the last millisecond whose year has four digits, as a
// folder's name has to: otherwise the order of names is not that of times.
const lastTime = "e677d21f-dbff"

// CheckExecutor says whether name can name an executor: it begins with a lower
// case letter and goes on with lower case letters, digits, '_' and '-', 64 at
// most. The error wraps ErrInvalid.
func CheckExecutor(name string) error {
	if name == "" || len(name) > 64 || name[0] < 'a' || name[0] > 'z' {
		return fmt.Errorf("%w executor name %q", ErrInvalid, name)
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return fmt.Errorf("%w executor name %q", ErrInvalid, name)
		}
	}
	return nil
}

// Executor returns the part of the id before the UUID.
func (id ID) Executor() string {
	if len(id) <= uuidLen {
		return ""
	}
	return string(id[:len(id)-uuidLen-1])
}

// UUID returns the id without its executor. Of two ids the one with the greater
// UUID is the newer; equal UUIDs do not occur.
func (id ID) UUID() string {
	if len(id) <= uuidLen {
		return ""
	}
	return string(id[len(id)-uuidLen:])
}

// Time returns the millisecond in which the task was made, in UTC.
func (id ID) Time() time.Time {
	u := id.UUID()
	if u == "" {
		return time.Time{}
	}
	return clockTime(u)
}

// clockTime returns the moment that the beginning of a UUID says, in UTC.
func clockTime(uuid string) time.Time {
	ms, err := strconv.ParseInt(uuid[:8]+uuid[9:shortLen], 16, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// shortLen is the length of the part of a UUID that says the millisecond, and shortMost
// that of the next longer name.
const (
	shortLen  = len("019aaf3c-1b2c")
	shortMost = len("019aaf3c-1b2c-7d3e")
)

// ShortWidth is how wide a column of short names is: two tasks that need more have
// hardly ever been made.
const ShortWidth = shortMost

// Short returns the short name of a task, the same wherever one is shown: the beginning
// of its UUID that says when it was made, to the millisecond, and the next digits where
// other tasks share it. unique is that of Unique, 0 where it is not known. Any beginning of
// an id names its task, so this does.
func (id ID) Short(unique int) string {
	u := id.UUID()
	for _, n := range []int{shortLen, shortMost, len("019aaf3c-1b2c-7d3e-8f40")} {
		if unique <= n && n <= len(u) {
			return u[:n]
		}
	}
	return u
}

// Unique returns how many characters of the UUID none of the other tasks begins with, when
// these have all that were made in the same millisecond. The task itself does not count.
func (id ID) Unique(others ...ID) int {
	x, most := id.UUID(), shortLen
	for _, other := range others {
		y, n := other.UUID(), 0
		for n < min(len(x), len(y)) && x[n] == y[n] {
			n++
		}
		if other != id {
			most = max(most, min(n+1, len(x)))
		}
	}
	return most
}

// Millisecond returns the beginning of the UUID that is equal in all tasks made in the
// same millisecond.
func (id ID) Millisecond() string { return id.Short(0) }

// Dir returns the folder of the repository's tree that holds the task:
// tasks/YYYY/MM/DD/HH/MM of the id's millisecond, in UTC.
func (id ID) Dir() string {
	return DirAt(id.Time())
}

// DirAt returns the folder of the repository's tree for tasks made at t.
func DirAt(t time.Time) string {
	return t.UTC().Format("tasks/2006/01/02/15/04")
}

// Path returns where the task's record lies in the repository's tree.
func (id ID) Path() string {
	return path.Join(id.Dir(), string(id)+".json")
}

// IDFromPath is the inverse of Path. The error wraps ErrInvalid when p is not
// the one path at which a record of that id lies.
func IDFromPath(p string) (ID, error) {
	name, isRecord := strings.CutSuffix(path.Base(p), ".json")
	if !isRecord {
		return "", fmt.Errorf("%w record path %q: it does not end in .json", ErrInvalid, p)
	}
	id, err := ParseID(name)
	if err != nil {
		return "", fmt.Errorf("record path %q: %w", p, err)
	}
	if id.Path() != p {
		return "", fmt.Errorf("%w record path %q: the id belongs at %s", ErrInvalid, p, id.Path())
	}
	return id, nil
}
