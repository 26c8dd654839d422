package record

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Format is the version of the layout that this package reads and writes, as stored in the
// repository's file "format".
const Format = "1"

// uuidLen is the length of a UUID in its usual text form (RFC 9562, section 4).
const uuidLen = 36

// An ID names a task permanently: EXECUTOR-UUID, with a UUIDv7 (RFC 9562, section 5.7) whose
// first 48 bits are the creation time of the task in milliseconds. An ID from ParseID or NewID
// is valid; the zero ID names nothing.
type ID string

// NewID returns a new id for a task of the given executor that starts now. Ids created by one
// process ascend, also within a millisecond.
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

// ParseID checks that s is an id in its canonical spelling. The error wraps ErrInvalid.
func ParseID(s string) (ID, error) {
	if len(s) < uuidLen+2 || s[len(s)-uuidLen-1] != '-' {
		return "", fmt.Errorf("%w task id %q: it is not of the form EXECUTOR-UUID", ErrInvalid, s)
	}
	if err := CheckExecutor(s[:len(s)-uuidLen-1]); err != nil {
		return "", fmt.Errorf("%w task id %q: %w", ErrInvalid, s, err)
	}
	text := s[len(s)-uuidLen:]
	if !isUUIDv7(text) {
		return "", fmt.Errorf("%w task id %q: %s is not a UUIDv7 in lower case", ErrInvalid, s, text)
	}
	if text[:len(lastTime)] > lastTime {
		return "", fmt.Errorf("%w task id %q: its time is after the year 9999", ErrInvalid, s)
	}
	return ID(s), nil
}

// isUUIDv7 reports whether a text is a UUIDv7 in lower case (RFC 9562, section 5.7). A listing asks that of the name of each
// task that waits, so nothing is allocated for it.
func isUUIDv7(text string) bool {
	if len(text) != uuidLen || text[14] != '7' || !strings.Contains("89ab", text[19:20]) {
		return false
	}
	for i, c := range []byte(text) {
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return true
}

// lastTime begins the UUIDs of the last millisecond whose year has four digits. The names of
// folders contain the year, and with five digits their order would not be that of time.
const lastTime = "e677d21f-dbff"

// CheckExecutor checks that name is valid for an executor: a lower-case letter followed by
// lower-case letters, digits, '_' and '-', at most 64 characters. The error wraps ErrInvalid.
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

// UUID returns the id without its executor. Of two ids, the one with the greater UUID is newer;
// equal UUIDs do not occur.
func (id ID) UUID() string {
	if len(id) <= uuidLen {
		return ""
	}
	return string(id[len(id)-uuidLen:])
}

// Time returns the creation time of the task to the millisecond, in UTC.
func (id ID) Time() time.Time {
	u := id.UUID()
	if u == "" {
		return time.Time{}
	}
	return ClockTime(u)
}

// ClockTime returns the moment that the beginning of a UUID says, in UTC.
func ClockTime(uuid string) time.Time {
	ms, err := strconv.ParseInt(uuid[:8]+uuid[9:shortLen], 16, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// shortLen is the length of the part of a UUID that encodes the millisecond, and shortMost the
// length of the next longer short name.
const (
	shortLen  = len("019aaf3c-1b2c")
	shortMost = len("019aaf3c-1b2c-7d3e")
)

// ShortWidth is the width of a column of short names. Tasks that need more are very rare.
const ShortWidth = shortMost

// Short returns the short name of a task, which is the same everywhere: the part of its UUID
// that encodes the creation time, with more digits when other tasks share it. unique is the
// result of Unique, or 0 when unknown. Since any prefix of an id names its task, so does the
// short name.
func (id ID) Short(unique int) string {
	u := id.UUID()
	for _, n := range []int{shortLen, shortMost, len("019aaf3c-1b2c-7d3e-8f40")} {
		if unique <= n && n <= len(u) {
			return u[:n]
		}
	}
	return u
}

// Unique returns the length of the shortest prefix of the UUID that no other task has, and at
// least the length of the part for the millisecond. others must include all tasks created in
// the same millisecond; it may include the task itself.
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

// Millisecond returns the prefix of the UUID that all tasks created in the same millisecond
// share.
func (id ID) Millisecond() string { return id.Short(0) }

// Dir returns the folder of the task in the repository's tree: tasks/YYYY/MM/DD/HH/MM of the
// id's time, in UTC.
func (id ID) Dir() string {
	return DirAt(id.Time())
}

// DirAt returns the folder in the repository's tree for tasks created at t.
func DirAt(t time.Time) string {
	return t.UTC().Format("tasks/2006/01/02/15/04")
}

// Path returns the path of the task's record in the repository's tree.
func (id ID) Path() string {
	return path.Join(id.Dir(), string(id)+".json")
}

// IDFromPath is the inverse of Path. The error wraps ErrInvalid when p is not the canonical
// path of a record.
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
