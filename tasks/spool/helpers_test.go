package spool_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/spf13/afero"

	"qme/gitstore"
	"qme/record"
	"qme/tasks/spool"
)

// inline is how long a stream may be that stands in the record, in these tests.
const inline = 64

// running makes the record of a task that has just started.
func running(t testing.TB) *record.Record {
	t.Helper()
	id, err := record.NewID("shell")
	if err != nil {
		t.Fatal(err)
	}
	return &record.Record{Executor: "shell", UID: id, Command: "true", Data: record.Data{
		Cmd: []string{"true"}, Timestamp: record.Now(), Status: record.Running, Output: []string{}, Error: []string{}, Run: 1}}
}

// onDisk returns a spool in a new folder of the real file system.
func onDisk(t testing.TB) *spool.Spool {
	t.Helper()
	return spool.New(afero.NewOsFs(), filepath.Join(t.TempDir(), "running"))
}

func begin(t testing.TB, s *spool.Spool, rec *record.Record) *spool.Entry {
	t.Helper()
	e, err := s.Begin(rec)
	if err != nil {
		t.Fatalf("Begin: %v", err)
	}
	t.Cleanup(func() { _ = e.Close() }) // most tests have removed it by then
	return e
}

func noise(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b) // never fails
	return b
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// kept is what docs/format.md says is stored of b: all of it, or, past keep bytes,
// the first and the last half of that.
func kept(b []byte, keep int) ([]byte, *record.Cut) {
	half := (keep + 1) / 2
	if len(b) <= 2*half {
		return b, nil
	}
	stored := append(append([]byte{}, b[:half]...), b[len(b)-half:]...)
	return stored, &record.Cut{Offset: int64(half), Bytes: int64(len(b) - 2*half)}
}

// described is what a description says is stored of a stream.
func described(b []byte, d *record.Stream) []byte {
	if d.Cut == nil {
		return b[:d.Size]
	}
	return append(append([]byte{}, b[:d.Cut.Offset]...), b[d.Cut.Offset+d.Cut.Bytes:d.Size]...)
}

func content(t testing.TB, b gitstore.Blob) []byte {
	t.Helper()
	r, err := b.Open()
	if err != nil {
		t.Errorf("Open: %v", err)
		return nil
	}
	return readAll(t, r)
}

func readAll(t testing.TB, r io.ReadCloser) []byte {
	t.Helper()
	b, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		t.Errorf("read: %v", err)
	}
	return b
}

func take(t testing.TB, s *spool.Spool) []*spool.Entry {
	t.Helper()
	entries, err := s.Take()
	if err != nil {
		t.Fatalf("Take: %v", err)
	}
	return entries
}
