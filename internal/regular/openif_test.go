package regular_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"qme/internal/regular"
)

// TestOpenIf opens what is accepted alone: a FIFO that is rejected has had no reader.
func TestOpenIf(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.WriteFile(at("file"), []byte("x"), 0o600), syscall.Mkfifo(at("fifo"), 0o600)); err != nil {
		t.Fatal(err)
	}
	isFile := func(st *unix.Stat_t) bool { return uint32(st.Mode)&unix.S_IFMT == unix.S_IFREG }
	f, err := regular.OpenIf(at("file"), isFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if b, err := io.ReadAll(f); err != nil || string(b) != "x" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := regular.OpenIf(at("fifo"), isFile); !errors.Is(err, regular.ErrNot) {
		t.Errorf("a FIFO: %v", err)
	}
	if _, err := regular.OpenIf(at("none"), isFile); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
