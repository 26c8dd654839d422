package remote_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/gitstore/remote"
	"qme/tests/require"
)

const main = "refs/heads/main"

// isolate keeps the configuration of who runs the tests away from git, and gives
// the test a home of its own, which it returns.
func isolate(t *testing.T) string {
	t.Helper()
	require.Component(t, "git")
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(home, ".config"))
	for _, name := range []string{"GIT_SSH", "GIT_SSH_COMMAND", "GIT_ASKPASS", "SSH_ASKPASS", "SSH_AUTH_SOCK", "QME_TOKEN", "GIT_SSL_NO_VERIFY",
		"GIT_SSL_CAINFO", "HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"} {
		t.Setenv(name, "")
		os.Unsetenv(name)
	}
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	git(t, "", "config", "--global", "init.defaultBranch", "main")
	git(t, "", "config", "--global", "user.name", "Tester")
	git(t, "", "config", "--global", "user.email", "tester@example.org")
	return home
}

// git runs git in dir and returns what it prints.
func git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Env = ownEnviron()
	cmd.Dir = dir
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, stderr.Bytes())
	}
	return strings.TrimSpace(out.String())
}

// strangers are variables that are none of the gits of a test, see TestLocal.
var strangers = map[string]string{"GIT_DIR": "/nowhere", "GIT_PROTOCOL": "version=2", "GIT_OBJECT_DIRECTORY": "/nowhere"}

func ownEnviron() []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, value, _ := strings.Cut(kv, "=")
		strange, ok := strangers[name]
		return ok && strange == value
	})
}

// newRepository makes a bare repository with n commits.
func newRepository(t testing.TB, n int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "some repo's.git")
	git(t, "", "init", "-q", "--bare", dir)
	for i := range n {
		commit(t, dir, strings.Repeat("line\n", i+1))
	}
	return dir
}

// commit adds a commit to the branch main and returns it.
func commit(t testing.TB, dir, text string) plumbing.Hash {
	t.Helper()
	h := newCommit(t, dir, text)
	git(t, dir, "update-ref", main, h.String())
	return h
}

// newCommit makes a commit on top of main that no ref knows of.
func newCommit(t testing.TB, dir, text string) plumbing.Hash {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	blob := git(t, dir, "hash-object", "-w", file)
	cmd := exec.Command("git", "mktree")
	cmd.Env, cmd.Dir, cmd.Stdin = ownEnviron(), dir, strings.NewReader("100644 blob "+blob+"\tfile\n")
	tree, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"commit-tree", "-m", "text", strings.TrimSpace(string(tree))}
	if tip := tip(t, dir); !tip.IsZero() {
		args = append(args, "-p", tip.String())
	}
	return plumbing.NewHash(git(t, dir, args...))
}

// tip returns where main is.
func tip(t testing.TB, dir string) plumbing.Hash {
	t.Helper()
	return plumbing.NewHash(git(t, dir, "for-each-ref", "--format=%(objectname)", main))
}

// packer returns what writes a pack with what new reaches and the others do not.
func packer(t testing.TB, dir string, new plumbing.Hash, without ...plumbing.Hash) func(io.Writer) error {
	return func(w io.Writer) error {
		list := new.String() + "\n"
		for _, h := range without {
			list += "^" + h.String() + "\n"
		}
		cmd := exec.Command("git", "pack-objects", "--revs", "--stdout", "-q")
		cmd.Env, cmd.Dir, cmd.Stdin, cmd.Stdout = ownEnviron(), dir, strings.NewReader(list), w
		return cmd.Run()
	}
}

// open is remote.Open for a URL that is right.
func open(t testing.TB, url string, opts remote.Options) *remote.Remote {
	t.Helper()
	r, err := remote.Open(url, opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// fetch takes all that main reaches there into a new repository, and returns it.
func fetch(t testing.TB, r *remote.Remote) string {
	t.Helper()
	s, err := r.Fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	dir := newRepository(t, 0)
	store(t, dir, s, s.Refs()[main], nil)
	git(t, dir, "update-ref", main, s.Refs()[main].String())
	git(t, dir, "fsck", "--strict")
	return dir
}

// store takes a pack into a repository and returns how many objects it has.
func store(t testing.TB, dir string, s *remote.FetchSession, want plumbing.Hash, haves []plumbing.Hash) int {
	t.Helper()
	pack, err := s.Pack(t.Context(), want, haves)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(pack)
	if err != nil {
		t.Fatal(err)
	}
	if err := pack.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("git", "index-pack", "--stdin", "--strict")
	cmd.Env = ownEnviron()
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(b)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("index-pack: %v\n%s", err, out)
	}
	return int(b[8])<<24 | int(b[9])<<16 | int(b[10])<<8 | int(b[11])
}

// push moves main there to a commit of dir.
func push(t testing.TB, r *remote.Remote, dir string, new plumbing.Hash) error {
	t.Helper()
	s, err := r.Push(t.Context())
	if err != nil {
		return err
	}
	defer s.Close()
	old := s.Refs()[main]
	without := []plumbing.Hash{old}
	if old.IsZero() {
		without = nil
	}
	return s.Update(t.Context(), main, old, new, packer(t, dir, new, without...))
}

// roundTrip fetches from a repository, pushes a commit to it and fetches that.
func roundTrip(t *testing.T, dir, url string, opts remote.Options) {
	t.Helper()
	r := open(t, url, opts)
	ours := fetch(t, r)
	if tip(t, ours) != tip(t, dir) {
		t.Fatalf("fetched %s, not %s", tip(t, ours), tip(t, dir))
	}
	old := tip(t, ours)
	new := commit(t, ours, "ours\n")
	if err := push(t, r, ours, new); err != nil {
		t.Fatal(err)
	}
	if tip(t, dir) != new {
		t.Fatalf("main is at %s there, not at the pushed %s", tip(t, dir), new)
	}
	git(t, dir, "fsck", "--strict")
	theirs := commit(t, dir, "theirs\n")
	s, err := r.Fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if n := store(t, ours, s, theirs, []plumbing.Hash{plumbing.NewHash(strings.Repeat("12", 20)), new, old}); n != 3 {
		t.Errorf("the pack has %d objects, want the commit, its tree and its blob", n)
	}
}

// wants checks what kind of error err is, and what it says.
func wants(t testing.TB, err, kind error, says ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("the error is %v\nwant one that is %q", err, kind)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("the error is %v\nwant one that says %q", err, s)
		}
	}
}

// fetchError is what Fetch fails with.
func fetchError(t testing.TB, r *remote.Remote) error {
	t.Helper()
	s, err := r.Fetch(t.Context())
	if err == nil {
		s.Close()
		t.Fatal("Fetch has worked")
	}
	return err
}

// clean checks at the test's end that no goroutine and no child is left of it.
func clean(t *testing.T) {
	t.Helper()
	goroutines, had := runtime.NumGoroutine(), children(t)
	t.Cleanup(func() {
		var left []string
		for range 500 {
			left = slices.DeleteFunc(children(t), func(pid string) bool { return slices.Contains(had, pid) })
			if runtime.NumGoroutine() <= goroutines && len(left) == 0 {
				return
			}
			time.Sleep(10 * time.Millisecond) // what has been told to end may need a moment
		}
		stacks := make([]byte, 1<<20)
		t.Errorf("left: children %q, goroutines\n%s", left, stacks[:runtime.Stack(stacks, true)])
	})
}

// children returns the processes that this one has started and not waited for.
func children(t *testing.T) (pids []string) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == strconv.Itoa(os.Getpid()) {
			pids = append(pids, filepath.Base(filepath.Dir(name)))
		}
	}
	return pids
}

// A safeBuffer may be written to and read by several goroutines.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// script writes an executable shell script and returns its path.
func script(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// cancelAt returns a context that ends when somebody writes a process id to a named
// pipe, which it makes, and that id.
func cancelAt(t *testing.T, fifo string) (context.Context, <-chan string) {
	t.Helper()
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	pid := make(chan string, 1)
	go func() {
		b, _ := os.ReadFile(fifo)
		pid <- strings.TrimSpace(string(b))
		cancel()
	}()
	return ctx, pid
}

// gone checks that a process ends, which need not be a child of ours.
func gone(t *testing.T, pid string) {
	t.Helper()
	for range 500 {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if _, rest, _ := strings.Cut(string(stat), ") "); err != nil || strings.HasPrefix(rest, "Z") {
			return // nobody may be there to reap it
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %s is still there", pid)
}

// noSignal only asks whether a process is there.
const noSignal = syscall.Signal(0)
