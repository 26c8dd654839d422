package record

import (
	"fmt"

	"qme/internal/mask"
)

// mostMasked limits the number of names in Masked.
const mostMasked = 1000

// checkMasked checks the counts of masked secrets. They decide which markers are filled in when a
// task is run again.
func checkMasked(counts map[string]int) error {
	if len(counts) > mostMasked {
		return fmt.Errorf("%w counts of masked secrets: there are %d, and at most %d are allowed", ErrInvalid, len(counts), mostMasked)
	}
	for name, n := range counts {
		if !mask.IsLabel(name) || n < 1 {
			return fmt.Errorf("%w count of a masked secret: %d of %.60q", ErrInvalid, n, name)
		}
	}
	return nil
}
