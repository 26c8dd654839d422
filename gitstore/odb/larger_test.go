package odb

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/spf13/afero"

	"qme/tests/require"
)

// TestLargerThan compares with the sizes that reading all of the objects gives: loose,
// whole and as deltas.
func TestLargerThan(t *testing.T) {
	t.Parallel()
	require.Alone(t)
	dir := grown(t)
	for _, packed := range []bool{false, true} {
		if packed {
			git(t, dir, "", "repack", "-adfq", "--depth=50")
			git(t, dir, "loose", "hash-object", "-w", "--stdin")
		}
		db := Open(afero.NewOsFs(), filepath.Join(dir, ".git", "objects"), Options{NoSync: true})
		sizes := map[plumbing.Hash]int64{}
		var all []plumbing.Hash
		if err := db.Each(context.Background(), func(h plumbing.Hash) {
			_, b, err := db.Get(h)
			if err != nil {
				t.Error(err)
			}
			sizes[h] = int64(len(b))
			all = append(all, h)
		}); err != nil {
			t.Fatal(err)
		}
		if len(all) < 150 {
			t.Fatalf("only %d objects", len(all))
		}
		for _, limit := range []int64{0, 100, 250, 6000, 7000, 1 << 20, 4 << 20} {
			large, err := db.LargerThan(context.Background(), all, limit)
			if err != nil {
				t.Fatal(err)
			}
			for h, size := range sizes {
				if got := large[h]; got != size && size > limit || got != 0 && size <= limit {
					t.Errorf("over %d: %s has %d bytes, not %d", limit, h, size, got)
				}
			}
		}
		if _, err := db.LargerThan(context.Background(), []plumbing.Hash{{1}}, 0); !errors.Is(err, ErrMissing) {
			t.Errorf("an object that is not there: %v", err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}
