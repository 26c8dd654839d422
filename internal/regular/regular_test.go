package regular_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/spf13/afero"

	"qme/internal/regular"
)

// TestOpen opens what may lie in the place of a file, for reading and for writing. Nothing
// is waited for.
func TestOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	l, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := errors.Join(os.WriteFile(at("file"), []byte("x"), 0o600), os.Symlink("file", at("link")), os.Mkdir(at("folder"), 0o700),
		syscall.Mkfifo(at("fifo"), 0o600), os.Symlink("fifo", at("to fifo")), os.Symlink("/dev/zero", at("device")), os.Symlink("/nowhere/x", at("dangling"))); err != nil {
		t.Fatal(err)
	}
	for _, flag := range []int{os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND | os.O_CREATE} {
		for name, want := range map[string]error{
			"file": nil, "link": nil, "folder": regular.ErrNot, "fifo": regular.ErrNot, "to fifo": regular.ErrNot,
			"socket": regular.ErrNot, "device": regular.ErrNot, "dangling": fs.ErrNotExist, "missing/x": fs.ErrNotExist, "file/x": syscall.ENOTDIR,
		} {
			f, err := regular.OpenHere(at(name), flag, 0o600)
			if !errors.Is(err, want) {
				t.Errorf("%s with flags %x: %v, want %v", name, flag, err, want)
			}
			if err == nil {
				err = f.Close()
			}
			if want == nil && err != nil {
				t.Error(err)
			}
		}
	}
	if names, err := afero.ReadDir(regular.NewFS(), dir); err != nil || len(names) != 7+1 {
		t.Errorf("a folder is listed as %v: %v", names, err)
	}
	if _, err := afero.ReadFile(regular.NewFS(), at("fifo")); !errors.Is(err, regular.ErrNot) {
		t.Errorf("a FIFO is read: %v", err)
	}
	if b, err := regular.ReadHere(at("link")); err != nil || string(b) != "x" {
		t.Errorf("a link to a file is %q: %v", b, err)
	}
}
