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
		want    provenance.Condition
	}{
		{"whole", content, whole, false, provenance.Same},
		{"ends", content, ends, true, provenance.Same},
		{"whole, changed in the middle", middle, whole, false, provenance.Changed},
		{"ends, changed at the end", last, ends, true, provenance.Changed},
		{"shorter", content[1:], whole, false, provenance.Changed},
		{"without a hash", content, "", false, provenance.Unknown},
	} {
		if err := os.WriteFile(path, c.now, 0o600); err != nil {
			t.Fatal(err)
		}
		f := provenance.Recorded{Path: path, Size: int64(len(content)), SHA256: c.sum, Partial: c.partial}
		for _, limit := range []int64{1, 1 << 30} {
			got := provenance.Again(t.Context(), []provenance.Recorded{f}, provenance.Limits{File: limit, Run: limit}, false, time.Minute)
			if got[0].Condition != c.want {
				t.Errorf("%s: %+v, want %s", c.name, got[0], c.want)
			}
		}
	}
}
