package record

import (
	"fmt"

	"github.com/google/uuid"
)

// A RunID names one run of a task for life, on all machines: a UUIDv7 (RFC 9562, section
// 5.7) in lower case. Unlike the number of a run and the commit that holds it, merges and
// rewritten histories leave it as it is.
type RunID string

// NewRunID makes the name of a run that starts now.
func NewRunID() RunID { return RunID(uuid.Must(uuid.NewV7()).String()) }

// check says whether the name is one, or empty. The error wraps ErrInvalid.
func (id RunID) check() error {
	if id == "" {
		return nil
	}
	u, err := uuid.Parse(string(id))
	if err != nil || u.Version() != 7 || u.Variant() != uuid.RFC4122 || u.String() != string(id) {
		return fmt.Errorf("%w run id %.50q: it is not a UUIDv7 in lower case", ErrInvalid, string(id))
	}
	return nil
}

// A RunKey tells the runs of one task apart. It is comparable.
type RunKey struct {
	id   RunID
	at   int64 // nanoseconds
	host string
}

// RunKey returns what tells the run apart from the task's others: its name or, where none
// was recorded, when and where it began.
func (r *Record) RunKey() RunKey {
	if r.Data.RunID != "" {
		return RunKey{id: r.Data.RunID}
	}
	return RunKey{at: r.Data.Timestamp.UnixNano(), host: r.Data.Host}
}

// SameRun reports whether two records of a task are of one run of it, of which one may
// know more than the other.
func SameRun(a, b *Record) bool { return a.RunKey() == b.RunKey() }
