package odb

import (
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
)

func TestBaseCacheIsBounded(t *testing.T) {
	t.Parallel()
	for size, most := range map[int]int{100: cachedBases, cachedBytes / 4: 4, cachedBytes: 1, cachedBytes + 1: 0} {
		var c baseCache
		p := new(pack)
		b := make([]byte, size)
		const all = 2 * cachedBases
		for off := range int64(all) {
			c.put(p, off, plumbing.BlobObject, b)
			c.put(p, off, plumbing.BlobObject, b) // as by two goroutines at once
			c.get(p, 0)                           // is in use all the time
		}
		held := 0
		for off := range int64(all) {
			kind, got, ok := c.get(p, off)
			if !ok {
				continue
			}
			held++
			if kind != plumbing.BlobObject || len(got) != size {
				t.Errorf("a %s of %d bytes comes back", kind, len(got))
			}
		}
		if held != most || c.bytes != most*size {
			t.Errorf("%d bases of %d bytes are held, want %d; %d bytes are counted", held, size, most, c.bytes)
		}
		if _, _, ok := c.get(p, 0); ok != (most > 1) {
			t.Errorf("of %d bytes each, the one in use is there: %v", size, ok)
		}
	}
}
