package provenance_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"qme/provenance"
)

func hexSum(b ...[]byte) string {
	sum := sha256.Sum256(bytes.Join(b, nil))
	return hex.EncodeToString(sum[:])
}

// TestLook hashes files as records do: what is larger than the limit by its ends.
func TestLook(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	dir := t.TempDir()
	content := make([]byte, 3*mib+5)
	for i := range content {
		content[i] = byte(i >> 9)
	}
	ends := hexSum(content[:mib], content[len(content)-mib:])
	for _, c := range []struct {
		size   int
		limits provenance.Limits
		want   provenance.Content
	}{
		{0, provenance.Limits{}, provenance.Content{SHA256: hexSum()}},
		{5, provenance.Limits{}, provenance.Content{SHA256: hexSum(content[:5])}},
		{2 * mib, provenance.Limits{}, provenance.Content{SHA256: hexSum(content[:2*mib])}},
		{len(content), provenance.Limits{File: mib}, provenance.Content{Ends: ends}},
		{len(content), provenance.Limits{File: mib, All: true}, provenance.Content{SHA256: hexSum(content), Ends: ends}},
		{len(content), provenance.Limits{File: 64 * mib}, provenance.Content{SHA256: hexSum(content), Ends: ends}},
	} {
		c.want.Size = int64(c.size)
		name := filepath.Join(dir, "file")
		if err := os.WriteFile(name, content[:c.size], 0o600); err != nil {
			t.Fatal(err)
		}
		c.limits.Cache = filepath.Join(dir, "hashes")
		for range 2 {
			if got, err := provenance.Look(t.Context(), name, c.limits, nil); got != c.want || err != nil {
				t.Errorf("%d bytes, %+v: %+v, %v, want %+v", c.size, c.limits, got, err, c.want)
			}
		}
		for how, r := range map[string]io.Reader{"at once": bytes.NewReader(content[:c.size]), "in pieces": iotest.HalfReader(bytes.NewReader(content[:c.size]))} {
			want := provenance.Content{Size: int64(c.size), SHA256: hexSum(content[:c.size])}
			if c.size > 2*mib {
				want.Ends = ends
			}
			if got, err := provenance.LookAt(t.Context(), r); got != want || err != nil {
				t.Errorf("%d bytes %s: %+v, %v", c.size, how, got, err)
			}
		}
	}
}

// TestLookAtNoFile opens nothing that is no regular file: a FIFO keeps its writer waiting.
func TestLookAtNoFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{fifo: provenance.ErrNotListed, dir: provenance.ErrNotListed, "/dev/null": provenance.ErrNotListed, filepath.Join(dir, "none"): fs.ErrNotExist} {
		if c, err := provenance.Look(t.Context(), name, provenance.Limits{All: true}, nil); !errors.Is(err, want) || c.SHA256 != "" || c.Size != -1 {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	over, cancel := context.WithTimeout(t.Context(), time.Duration(0))
	defer cancel()
	if _, err := provenance.LookAt(over, bytes.NewReader([]byte("x"))); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
