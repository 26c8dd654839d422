package remote_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/gitstore/remote"
	"qme/tests/require"
)

func TestLocal(t *testing.T) {
	isolate(t)
	clean(t)
	// What a git that has started us has set is not for the git that we start.
	for name, value := range strangers {
		t.Setenv(name, value)
	}
	for _, scheme := range []string{"", "file://"} {
		dir := newRepository(t, 3)
		roundTrip(t, dir, scheme+dir, remote.Options{})
	}
}

func TestLocalHead(t *testing.T) {
	isolate(t)
	dir := newRepository(t, 1)
	git(t, dir, "tag", "-a", "-m", "a tag", "v1", main)
	s, err := open(t, dir, remote.Options{}).Fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Head() != main || len(s.Refs()) != 2 || s.Refs()[main] != tip(t, dir) {
		t.Errorf("HEAD is %q, refs are %v", s.Head(), s.Refs())
	}
}

func TestLocalEmpty(t *testing.T) {
	isolate(t)
	clean(t)
	dir := newRepository(t, 0)
	r := open(t, dir, remote.Options{})
	s, err := r.Fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil || len(s.Refs()) != 0 {
		t.Errorf("refs of an empty repository: %v; %v", s.Refs(), err)
	}
	ours := newRepository(t, 2)
	if err := push(t, r, ours, tip(t, ours)); err != nil {
		t.Fatal(err)
	}
	if tip(t, dir) != tip(t, ours) {
		t.Error("main was not made")
	}
}

func TestLocalErrors(t *testing.T) {
	home := isolate(t)
	clean(t)
	r := open(t, filepath.Join(home, "none.git"), remote.Options{})
	wants(t, fetchError(t, r), remote.ErrNotFound, "none.git")

	t.Setenv("PATH", home)
	wants(t, fetchError(t, r), remote.ErrProtocol, "no program git", "Install git")
}

func TestLocalOfAnotherOwner(t *testing.T) {
	isolate(t)
	dir := newRepository(t, 1)
	t.Setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
	wants(t, fetchError(t, open(t, dir, remote.Options{})), remote.ErrAccess, "dubious ownership", "--add safe.directory '/")
}

func TestPushMoved(t *testing.T) {
	isolate(t)
	clean(t)
	dir := newRepository(t, 1)
	r := open(t, dir, remote.Options{})
	ours := fetch(t, r)
	new := newCommit(t, ours, "ours\n")
	nothing := func(io.Writer) error { t.Error("a pack was asked for"); return nil }

	s, err := r.Push(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	wants(t, s.Update(t.Context(), main, plumbing.ZeroHash, new, nothing), remote.ErrMoved)
	// Somebody is faster, between what was advertised and the update.
	old := s.Refs()[main]
	theirs := commit(t, dir, "theirs\n")
	err = s.Update(t.Context(), main, old, new, packer(t, ours, new, old))
	wants(t, err, remote.ErrMoved, dir, "Fetch what is new")
	if tip(t, dir) != theirs {
		t.Error("the branch was moved")
	}
}

func TestPushLocked(t *testing.T) {
	isolate(t)
	dir := newRepository(t, 1)
	ours := fetch(t, open(t, dir, remote.Options{}))
	if err := os.WriteFile(filepath.Join(dir, main+".lock"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	wants(t, push(t, open(t, dir, remote.Options{}), ours, newCommit(t, ours, "ours\n")), remote.ErrMoved, "main.lock")
}

func TestPushDeclined(t *testing.T) {
	isolate(t)
	clean(t)
	dir := newRepository(t, 1)
	script(t, filepath.Join(dir, "hooks", "pre-receive"), `printf 'not on \033[31mFridays, permission denied\n' >&2; exit 1`)
	var said safeBuffer
	r := open(t, dir, remote.Options{Messages: &said})
	ours := fetch(t, r)
	err := push(t, r, ours, newCommit(t, ours, "ours\n"))
	wants(t, err, remote.ErrDeclined, "pre-receive hook declined", dir)
	if strings.Contains(err.Error(), "Fridays") {
		t.Errorf("what the messages say is said again: %v", err)
	}
	quiet := open(t, dir, remote.Options{})
	wants(t, push(t, quiet, ours, newCommit(t, ours, "ours too\n")), remote.ErrDeclined, "pre-receive hook declined", `not on \x1b[31mFridays`, dir)
	if !strings.Contains(said.String(), `remote: not on \x1b[31mFridays`) || strings.Contains(said.String(), "\x1b") {
		t.Errorf("messages: %q", said.String())
	}
}

func TestPushMessages(t *testing.T) {
	isolate(t)
	dir := newRepository(t, 1)
	script(t, filepath.Join(dir, "hooks", "post-receive"), `echo thank you >&2; touch `+"'"+filepath.Join(filepath.Dir(dir), "done")+"'")
	var said safeBuffer
	r := open(t, "file://"+strings.ReplaceAll(dir, " ", "%20"), remote.Options{Messages: &said})
	ours := fetch(t, r)
	if err := push(t, r, ours, newCommit(t, ours, "ours\n")); err != nil {
		t.Fatal(err)
	}
	if said.String() != "remote: thank you\n" {
		t.Errorf("messages: %q", said.String())
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(dir), "done")); err != nil {
		t.Error("the hook that runs after the update was cut off: ", err)
	}
}

func TestPushCheckedOut(t *testing.T) {
	home := isolate(t)
	dir := filepath.Join(home, "work")
	git(t, "", "init", "-q", dir)
	git(t, dir, "commit", "-q", "--allow-empty", "-m", "first")
	r := open(t, dir, remote.Options{})
	ours := fetch(t, r)
	wants(t, push(t, r, ours, newCommit(t, ours, "ours\n")), remote.ErrDeclined, "branch is currently checked out")
}

func TestPushBrokenSource(t *testing.T) {
	isolate(t)
	clean(t)
	dir := newRepository(t, 1)
	before := tip(t, dir)
	r := open(t, dir, remote.Options{})
	s, err := r.Push(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	errDisk := errors.New("a bad sector")
	err = s.Update(t.Context(), main, before, plumbing.NewHash(strings.Repeat("12", 20)), func(w io.Writer) error {
		if _, err := io.WriteString(w, "PACK"); err != nil {
			return err
		}
		return errDisk
	})
	wants(t, err, errDisk, dir)
	if tip(t, dir) != before {
		t.Error("the branch was moved")
	}
}

// An error behind the last byte of a pack counts, too.
func TestPushLateError(t *testing.T) {
	isolate(t)
	clean(t)
	dir := newRepository(t, 1)
	r := open(t, dir, remote.Options{})
	ours := fetch(t, r)
	new := newCommit(t, ours, random(t, 1<<20))
	for _, size := range []int{1, 7, 1000, 2 << 20} {
		var pack bytes.Buffer
		if err := packer(t, ours, new)(&pack); err != nil {
			t.Fatal(err)
		}
		s, err := r.Push(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		old := s.Refs()[main]
		errLate := errors.New("it was not all right")
		send := func(end error) func(w io.Writer) error {
			return func(w io.Writer) error {
				for pack.Len() > 0 {
					if _, err := w.Write(pack.Next(size)); err != nil {
						return err
					}
				}
				return end
			}
		}
		wants(t, s.Update(t.Context(), main, old, new, send(errLate)), errLate)
		s.Close()
		if tip(t, dir) != old {
			t.Fatalf("in pieces of %d: the branch was moved", size)
		}
	}
}

func TestPushGarbagePack(t *testing.T) {
	isolate(t)
	clean(t)
	dir := newRepository(t, 1)
	s, err := open(t, dir, remote.Options{}).Push(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.Update(t.Context(), main, s.Refs()[main], plumbing.NewHash(strings.Repeat("12", 20)), func(w io.Writer) error {
		_, err := io.Copy(w, io.LimitReader(zeros{}, 4<<20))
		return err
	})
	wants(t, err, remote.ErrDeclined, "unpack")
}

// zeros is an endless stream.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestPushReadOnly(t *testing.T) {
	home := isolate(t)
	require.Component(t, "root", "setpriv")
	dir := newRepository(t, 1)
	ours := fetch(t, open(t, dir, remote.Options{}))
	new := newCommit(t, ours, "ours\n")
	program, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	git(t, "", "config", "--global", "safe.directory", "*")
	for path := dir; path != os.TempDir(); path = filepath.Dir(path) {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script(t, filepath.Join(home, "bin", "git"), "case $1 in receive-pack) exec setpriv --reuid=65534 --clear-groups '"+program+"' \"$@\";; esac\nexec '"+program+"' \"$@\"\n")
	t.Setenv("PATH", filepath.Join(home, "bin")+":"+os.Getenv("PATH"))
	wants(t, push(t, open(t, dir, remote.Options{}), ours, new), remote.ErrAccess, dir)
}

// A pack that is not read to its end leaves nothing behind.
func TestPackAbandoned(t *testing.T) {
	isolate(t)
	clean(t)
	dir := newRepository(t, 1)
	big := make([]byte, 8<<20)
	for i := range big {
		big[i] = byte(i * i >> 7)
	}
	commit(t, dir, string(big))
	s, err := open(t, dir, remote.Options{}).Fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	pack, err := s.Pack(t.Context(), tip(t, dir), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pack.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := pack.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := pack.Read(make([]byte, 10)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("reading a closed pack: %v", err)
	}
}

// The end of the context ends everything, wherever the other side hangs.
func TestCancel(t *testing.T) {
	isolate(t)
	dir := newRepository(t, 1)
	r := open(t, dir, remote.Options{})
	ours := fetch(t, r)
	new := newCommit(t, ours, "ours\n")
	fifo := filepath.Join(t.TempDir(), "reached")
	script(t, filepath.Join(dir, "hooks", "pre-receive"), `sleep 1000 & echo $! >'`+fifo+`'; wait`)

	t.Run("before", func(t *testing.T) {
		clean(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := r.Fetch(ctx)
		wants(t, err, context.Canceled)
	})
	t.Run("while a hook runs", func(t *testing.T) {
		clean(t)
		ctx, pid := cancelAt(t, fifo)
		s, err := r.Push(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		wants(t, s.Update(ctx, main, s.Refs()[main], new, packer(t, ours, new)), context.Canceled)
		gone(t, <-pid)
		if tip(t, dir) == new {
			t.Error("the branch was moved")
		}
	})
	t.Run("while a pack is made", func(t *testing.T) {
		clean(t)
		s, err := r.Push(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		ctx, cancel := context.WithCancel(t.Context())
		err = s.Update(ctx, main, s.Refs()[main], new, func(w io.Writer) error {
			cancel()
			_, err := io.Copy(w, zeros{})
			return err
		})
		wants(t, err, context.Canceled)
	})
	t.Run("while a pack comes", func(t *testing.T) {
		clean(t)
		s, err := r.Fetch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		ctx, cancel := context.WithCancel(t.Context())
		pack, err := s.Pack(ctx, tip(t, dir), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer pack.Close()
		cancel()
		// What was read already may still come.
		if _, err = io.Copy(io.Discard, pack); err != nil {
			wants(t, err, context.Canceled)
		}
	})
}
