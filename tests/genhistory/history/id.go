package history

import (
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"qme/record"
)

// newID makes the id of a task that was made at a time of the past: a UUIDv7
// (RFC 9562, section 5.7) whose random bits come from r.
func newID(executor string, at time.Time, r *rand.Rand) record.ID {
	var u uuid.UUID
	ms := uint64(at.UnixMilli())
	for i := range 6 {
		u[i] = byte(ms >> (8 * (5 - i)))
	}
	a, b := r.Uint64(), r.Uint64()
	for i := range 8 {
		u[8+i] = byte(a >> (8 * i))
	}
	u[6], u[7] = 0x70|byte(b>>8)&0x0f, byte(b) // version 7
	u[8] = 0x80 | u[8]&0x3f                    // variant of RFC 9562
	return record.ID(executor + "-" + u.String())
}
