package gitstore

import (
	"testing"

	"qme/record"
)

// Each stream has a file of a kind that is known: one that is not would be refused by those
// who pull it.
func TestFileKinds(t *testing.T) {
	t.Parallel()
	for _, name := range record.StreamNames {
		if _, ok := fileKinds[extOf(name)]; !ok {
			t.Errorf("the file of %s is of no kind", name)
		}
	}
}
