package record

import (
	"fmt"

	"github.com/google/uuid"
)

// A RunID names one run of a task permanently and on all machines: a UUIDv7 (RFC 9562, section
// 5.7) in lower case. Unlike the number of a run and its commit, it does not change when
// histories are merged or rewritten.
type RunID string

// NewRunID returns a new name for a run that starts now.
func NewRunID() RunID { return RunID(uuid.Must(uuid.NewV7()).String()) }

// Check checks that there is a name and that it is valid. The error wraps ErrInvalid.
func (id RunID) Check() error {
	if id == "" {
		return fmt.Errorf("%w run id: it is empty", ErrInvalid)
	}
	return id.check()
}

// check checks that the name is valid or empty. The error wraps ErrInvalid.
func (id RunID) check() error {
	if id == "" {
		return nil
	}
	if !isUUIDv7(string(id)) {
		return fmt.Errorf("%w run id %.50q: it is not a UUIDv7 in lower case", ErrInvalid, string(id))
	}
	return nil
}

// A RunKey identifies a run among the runs of one task. It is comparable.
type RunKey struct {
	id   RunID
	at   int64 // nanoseconds
	host string
}

// RunKey returns the key of the run: its name or, if none was recorded, its start time and
// host.
func (r *Record) RunKey() RunKey {
	if r.Data.RunID != "" {
		return RunKey{id: r.Data.RunID}
	}
	return RunKey{at: r.Data.Timestamp.UnixNano(), host: r.Data.Host}
}

// SameRun reports whether two records of a task belong to the same run. One of them may be more
// complete.
func SameRun(a, b *Record) bool { return a.RunKey() == b.RunKey() }
