package provenance_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"qme/provenance"
)

// TestAgainByTheSameRule hashes a file as it was hashed when it was recorded, whatever the limits are now.
func TestAgainByTheSameRule(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 3<<16) // 3 MiB
	const end = 1 << 20
	sum := func(parts ...[]byte) string {
		h := sha256.Sum256(bytes.Join(parts, nil))
		return hex.EncodeToString(h[:])
	}
	whole, ends := sum(content), sum(content[:end], content[len(content)-end:])
	path := filepath.Join(t.TempDir(), "large")
	middle := bytes.Clone(content)
	middle[len(middle)/2]++
	last := bytes.Clone(content)
	last[len(last)-1]++
	for _, c := range []struct {
		name    string
		now     []byte
		sum     string
		partial bool
		since   bool // it was written to since
		want    provenance.Condition
	}{
		{"whole", content, whole, false, false, provenance.Same},
		{"whole, written to since", content, whole, false, true, provenance.Same},
		{"ends", content, ends, true, false, provenance.Same},
		{"ends, written to since", content, ends, true, true, provenance.Unknown},
		{"whole, changed in the middle", middle, whole, false, false, provenance.Changed},
		{"ends, changed at the end", last, ends, true, true, provenance.Changed},
		{"shorter", content[1:], whole, false, false, provenance.Changed},
		{"without a hash", content, "", false, false, provenance.Unknown},
	} {
		if err := os.WriteFile(path, c.now, 0o600); err != nil {
			t.Fatal(err)
		}
		f := provenance.Recorded{Path: path, Size: int64(len(content)), SHA256: c.sum, Partial: c.partial, At: time.Now()}
		if c.since {
			f.At = time.Time{}
		}
		for _, limit := range []int64{1, 1 << 30} {
			got := provenance.Again(t.Context(), []provenance.Recorded{f}, provenance.Limits{File: limit, Run: limit}, false, time.Minute)
			if got[0].Condition != c.want {
				t.Errorf("%s: %+v, want %s", c.name, got[0], c.want)
			}
		}
	}
}
