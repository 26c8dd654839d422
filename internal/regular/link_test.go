package regular_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"qme/internal/regular"
	"qme/tests/require"
)

// TestLinkOfAnother writes where another user has put a link, which leads nowhere else.
func TestLinkOfAnother(t *testing.T) {
	require.Component(t, "root")
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.WriteFile(at("file"), []byte("x"), 0o600), os.Symlink("file", at("own")), os.Symlink("file", at("theirs")), os.Symlink("new", at("dangling")),
		os.Lchown(at("theirs"), 65534, 65534), os.Lchown(at("dangling"), 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{"own": nil, "theirs": regular.ErrNot, "dangling": regular.ErrNot} {
		f, err := regular.OpenHere(at(name), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		if err == nil {
			err = f.Close()
		}
		if want == nil && err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(at("new")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was made behind a link: %v", err)
	}
}
