package record

import (
	"fmt"

	"qme/internal/mask"
)

// MostMasked limits the number of names in Masked.
const MostMasked = 1000

// checkMasked checks the counts of masked secrets. They decide which markers are filled in when a
// task is run again.
func checkMasked(counts map[string]int) error {
	if len(counts) > MostMasked {
		return fmt.Errorf("%w counts of masked secrets: there are %d, and at most %d are allowed", ErrInvalid, len(counts), MostMasked)
	}
	for name, n := range counts {
		if !mask.IsLabel(name) || n < 1 {
			return fmt.Errorf("%w count of a masked secret: %d of %.60q", ErrInvalid, n, name)
		}
	}
	return nil
}
