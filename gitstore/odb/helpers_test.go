package odb

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/spf13/afero"

	"qme/record"
	"qme/tests/require"
)

// memory returns an empty database in memory and its file system.
func memory() (*DB, afero.Fs) {
	fsys := afero.NewMemMapFs()
	return Open(fsys, "/objects", Options{NoSync: true}), fsys
}

func noise(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b) // never fails
	return b
}

// flush writes what was added and returns the pack's name.
func flush(t testing.TB, w *Writer) string {
	t.Helper()
	name, err := w.Flush()
	if err != nil {
		t.Fatalf("Flush: %v", err)
	}
	return name
}

func wantObject(t testing.TB, db *DB, h plumbing.Hash, kind plumbing.ObjectType, content []byte) {
	t.Helper()
	k, b, err := db.Get(h)
	if err != nil || k != kind || !bytes.Equal(b, content) {
		t.Errorf("Get %s: a %s of %d bytes, %v; want a %s of %d bytes", h, k, len(b), err, kind, len(content))
	}
	r, size, err := db.Open(h)
	if err != nil {
		t.Errorf("Open %s: %v", h, err)
		return
	}
	b, err = io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil || size != int64(len(content)) || !bytes.Equal(b, content) {
		t.Errorf("Open %s: %d bytes of %d, %v; want %d", h, len(b), size, err, len(content))
	}
}

func verify(t testing.TB, db *DB) {
	t.Helper()
	packs, err := db.Packs()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packs {
		if err := db.VerifyPack(context.Background(), p.Name, nil); err != nil {
			t.Errorf("VerifyPack: %v", err)
		}
	}
}

// corrupt checks the error of something damaged.
func corrupt(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, record.ErrCorrupt) {
		t.Errorf("%s: %v does not wrap record.ErrCorrupt", what, err)
	}
}

// git runs git in dir and returns its standard output.
func git(t testing.TB, dir, input string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Stdin, cmd.Stderr = dir, strings.NewReader(input), os.Stderr
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "LC_ALL=C",
		"GIT_AUTHOR_NAME=git", "GIT_AUTHOR_EMAIL=git@example.org", "GIT_COMMITTER_NAME=git", "GIT_COMMITTER_EMAIL=git@example.org")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}

// grown makes a repository with many versions of a file, so that there is
// something to delta, a blob of 3 MiB and a tag. All objects are loose.
func grown(t testing.TB) string {
	t.Helper()
	require.Component(t, "git")
	dir := filepath.Join(t.TempDir(), "repo")
	git(t, ".", "", "init", "-q", "-b", "main", dir)
	git(t, dir, "", "config", "gc.auto", "0")
	lines := strings.SplitAfter(strings.Repeat("a line of a text\n", 400), "\n")
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 60 {
		lines[rnd.IntN(len(lines))] = "line " + strconv.Itoa(rnd.Int()) + "\n"
		write(t, filepath.Join(dir, "text"), []byte(strings.Join(lines, "")))
		if i == 30 {
			write(t, filepath.Join(dir, "big"), noise(1, 3<<20))
		}
		git(t, dir, "", "add", "-A")
		git(t, dir, "", "commit", "-q", "-m", "version "+strconv.Itoa(i))
	}
	git(t, dir, "", "tag", "-a", "-m", "a tag", "v1")
	return dir
}

func write(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// publish ends a pack that a test has put together and returns its name.
func publish(t *testing.T, p *packFile) string {
	t.Helper()
	sealed, err := p.seal()
	if err == nil {
		err = sealed.publish(false)
	}
	if err != nil {
		t.Fatal(err)
	}
	return sealed.name
}
