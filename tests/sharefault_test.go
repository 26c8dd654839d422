package tests

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"qme/tests/await"
	"qme/tests/require"
)

// hold is a script that says "waiting" and then never ends of itself.
const hold = "echo waiting >&2; exec cat '%s'"

// newFIFO makes a FIFO, whose readers wait for a writer.
func newFIFO(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// holdPacks has what a remote sends to the home stop before its first byte.
func (h *home) holdPacks() {
	h.t.Helper()
	h.packHook(fmt.Sprintf(hold, newFIFO(h.t)))
}

// packHook has a script run where git makes a pack for the home. "$@" makes it.
func (h *home) packHook(script string) {
	h.t.Helper()
	path := filepath.Join(filepath.Dir(h.dir), "pack-hook")
	writeScript(h.t, path, script)
	if err := os.WriteFile(h.gitconfig(), []byte("[uploadpack]\n\tpackObjectsHook = "+path+"\n"), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// gitconfig is the settings of the user whose home it is.
func (h *home) gitconfig() string { return filepath.Join(filepath.Dir(h.dir), ".gitconfig") }

// TestShareInterrupt presses Ctrl-C while packs are under way.
func TestShareInterrupt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		push bool // it is the push that is interrupted
	}{
		"pull":           {args: []string{"pull"}},
		"push":           {args: []string{"push"}, push: true},
		"sync, pulling":  {args: []string{"sync"}},
		"sync, pushing":  {args: []string{"sync"}, push: true},
		"status --fetch": {args: []string{"status", "--fetch"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hub, ours := newHub(t), newHome(t)
			ours.must("-q", "run", "echo", "ours")
			ours.must("remote", hub.dir)
			if test.push {
				hub.hook("pre-receive", fmt.Sprintf(hold, newFIFO(t)))
			} else {
				other := newHome(t)
				other.must("-q", "run", "echo", "theirs")
				other.must("remote", hub.dir)
				other.must("push")
				ours.holdPacks()
			}
			before, refs := ours.head(), hub.git("for-each-ref")
			interrupt(t, ours, "remote: waiting", test.args...)
			if after := ours.head(); after != before {
				t.Errorf("the head has moved from %s to %s", before, after)
			}
			if after := hub.git("for-each-ref"); after != refs {
				t.Errorf("the hub has moved from %s to %s", refs, after)
			}
			noRests(t, ours)
			if test.push {
				hub.hook("pre-receive", "exit 0")
			} else if err := os.Remove(ours.gitconfig()); err != nil {
				t.Fatal(err)
			}
			ours.must("sync")
			ours.verify()
			hub.verify()
		})
	}
}

// interrupt starts qme, sends SIGINT once it has said something, and expects it to
// say so and to leave nothing behind that goes on.
func interrupt(t *testing.T, h *home, when string, args ...string) {
	t.Helper()
	cmd := h.command(args...)
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	s := h.startCommand(cmd)
	lines, said, sent := bufio.NewScanner(errs), "", false
	for lines.Scan() {
		said += lines.Text() + "\n"
		if !sent && strings.Contains(said, when) {
			sent = true
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
	}
	if code := s.wait(); code != 130 || !strings.Contains(said, "qme: interrupted") || strings.Contains(said, "context") {
		t.Errorf("qme %s ended with %d\n%s", strings.Join(args, " "), code, said)
	}
	s.waitAll()
}

// noRests looks for files that a transfer must not leave when it was not killed.
func noRests(t *testing.T, h *home) {
	t.Helper()
	packs, err := os.ReadDir(filepath.Join(h.dir, "tasks.git/objects/pack"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range packs {
		if strings.HasPrefix(e.Name(), "qme_") || strings.HasPrefix(e.Name(), "tmp_") || strings.HasSuffix(e.Name(), ".keep") {
			t.Errorf("%s is left", e.Name())
		}
	}
}

// TestShareInterruptClone presses Ctrl-C in a clone: the home is as one that was
// never used, so the clone can be tried again.
func TestShareInterruptClone(t *testing.T) {
	t.Parallel()
	hub, other, ours := newHub(t), newHome(t), newHome(t)
	other.must("-q", "run", "echo", "theirs")
	other.must("remote", hub.dir)
	other.must("push")
	ours.holdPacks()
	interrupt(t, ours, "remote: waiting", "clone", hub.dir)
	if remotes := ours.remotes(); remotes != "" || len(ours.records()) > 0 {
		t.Errorf("the home has the remotes %q and %d records", remotes, len(ours.records()))
	}
	noRests(t, ours)
	if err := os.Remove(ours.gitconfig()); err != nil {
		t.Fatal(err)
	}
	if out := ours.must("clone", hub.dir); out != "pulled 1 task\n" {
		t.Errorf("clone says %q", out)
	}
}

// TestShareInterruptWaiting presses Ctrl-C while qme waits for another exchange of
// the same home.
func TestShareInterruptWaiting(t *testing.T) {
	t.Parallel()
	hub, ours := newHub(t), newHome(t)
	ours.must("remote", hub.dir)
	ours.must("-q", "run", "true")
	lock, err := os.OpenFile(filepath.Join(ours.dir, "tasks.git/qme-exchange.lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	interrupt(t, ours, "Waiting for another", "sync")
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	ours.must("sync")
}

// TestSyncAuto starts twenty runs at once with sync.auto on: once all that was
// started in the background has ended, the hub has them all.
func TestSyncAuto(t *testing.T) {
	t.Parallel()
	const n = 20
	hub, h := newHub(t), newHome(t)
	h.must("remote", hub.dir)
	h.must("config", "sync.auto", "true")
	var all []*started
	for i := range n {
		all = append(all, h.start("-q", "run", "echo", fmt.Sprint(i)))
	}
	for i, s := range all {
		if code := s.wait(); code != 0 {
			t.Errorf("run %d ended with %d\n%s", i, code, s.errs.String())
		}
	}
	waitAll(all)
	if got := strings.Count(hub.git("log", "--format=%s", "main")+"\n", "run: "); got != n {
		t.Errorf("the hub has %d runs of %d", got, n)
	}
	if hub.git("rev-parse", "main") != h.head() {
		t.Error("the hub is not where the home is")
	}
	if out := h.must("status"); !strings.Contains(out, "origin: up to date\n") {
		t.Errorf("status says %q", out)
	}
	h.verify()
	hub.verify()
}

// TestSyncAutoOffline runs something while the remote cannot be reached: the run ends
// while the sync still tries, status tells of the failure, and the message goes with
// the first sync that works.
func TestSyncAutoOffline(t *testing.T) {
	t.Parallel()
	hub, h, fifo := newHub(t), newHome(t), newFIFO(t)
	h.must("remote", "ssh://far.invalid"+hub.dir)
	h.must("config", "sync.auto", "true")
	ssh := filepath.Join(t.TempDir(), "ssh")
	run := func(args ...string) *started {
		cmd := h.command(append([]string{"-q", "run"}, args...)...)
		cmd.Env = append(cmd.Env, "GIT_SSH_COMMAND="+ssh, "GIT_SSH_VARIANT=simple")
		return h.startCommand(cmd)
	}
	writeScript(t, ssh, "cat '"+fifo+"'; echo 'ssh: connect to host far.invalid port 22: Connection refused' >&2; exit 255")
	s := run("sh", "-c", "exit 7")
	if code := s.wait(); code != 7 || s.errs.Len() > 0 {
		t.Errorf("the run ended with %d\n%s", code, s.errs.String())
	}
	release(t, fifo) // up to here nothing could come of the sync
	s.waitAll()
	out := h.must("status")
	if !strings.Contains(out, "the last automatic sync failed: ") || !strings.Contains(out, "Connection refused") || !strings.Contains(out, "1 task not pushed") {
		t.Errorf("status says %q", out)
	}
	writeScript(t, ssh, `for last do :; done; exec sh -c "$last"`)
	s = run("true")
	if code := s.wait(); code != 0 {
		t.Errorf("the run ended with %d\n%s", code, s.errs.String())
	}
	s.waitAll()
	if out := h.must("status"); !strings.Contains(out, "origin: up to date\n") {
		t.Errorf("status says %q", out)
	}
	if got := hub.git("rev-parse", "main"); got != h.head() {
		t.Errorf("the hub is at %s, the home at %s", got, h.head())
	}
}

// release waits for a reader of the FIFO and lets it go on.
func release(t *testing.T, fifo string) {
	t.Helper()
	f, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// fails expects qme to end with a code, and to say certain things.
func (h *home) fails(code int, args []string, says ...string) {
	h.t.Helper()
	out, errs, got := h.run(args...)
	if got != code {
		h.t.Errorf("qme %s ended with %d, want %d\n%s%s", strings.Join(args, " "), got, code, out, errs)
	}
	for _, s := range says {
		if !strings.Contains(errs, s) {
			h.t.Errorf("qme %s does not say %q:\n%s", strings.Join(args, " "), s, errs)
		}
	}
}

// diverged returns a hub and a home that have both what the other lacks.
func diverged(t *testing.T) (*hub, *home) {
	t.Helper()
	hub, ours, theirs := newHub(t), newHome(t), newHome(t)
	for _, h := range []*home{theirs, ours} {
		h.must("-q", "run", "echo", h.dir)
		h.must("remote", hub.dir)
	}
	theirs.must("push")
	return hub, ours
}

// TestShareDeclined pushes to a hub whose hook refuses.
func TestShareDeclined(t *testing.T) {
	t.Parallel()
	hub, h := diverged(t)
	hub.hook("pre-receive", "echo closed for today >&2; exit 1")
	at := hub.git("rev-parse", "main")
	for _, command := range []string{"push", "sync"} {
		h.fails(8, []string{command}, hub.dir, "declined", "closed for today")
	}
	if got := hub.git("rev-parse", "main"); got != at {
		t.Errorf("the hub has moved to %s", got)
	}
	if out := h.must("status"); !strings.Contains(out, "origin: 1 task not pushed\n") {
		t.Errorf("status says %q", out)
	}
	noRests(t, h)
	hub.hook("pre-receive", "exit 0")
	if out := h.must("sync"); out != "pushed 1 task\n" {
		t.Errorf("sync says %q", out)
	}
	h.verify()
	hub.verify()
}

// TestShareGone exchanges with a hub that is not there any more, and with one that
// goes away in the middle of a push.
func TestShareGone(t *testing.T) {
	t.Parallel()
	hub, h := diverged(t)
	head, gone := h.head(), hub.dir+".gone"
	if err := os.Rename(hub.dir, gone); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"push", "pull", "sync"} {
		h.fails(8, []string{command}, hub.dir, "no such repository", "git init --bare")
	}
	if got := h.head(); got != head {
		t.Errorf("the head has moved to %s", got)
	}
	if err := os.Rename(gone, hub.dir); err != nil {
		t.Fatal(err)
	}
	hub.hook("pre-receive", fmt.Sprintf("cp -R '%s' '%s'; rm -rf '%[1]s'", hub.dir, gone))
	h.fails(8, []string{"sync"}, hub.dir)
	h.verify()
	if err := os.Rename(gone, hub.dir); err != nil {
		t.Fatal(err)
	}
	hub.hook("pre-receive", "exit 0")
	h.must("sync")
	h.verify()
	hub.verify()
	if got := hub.git("rev-parse", "main"); got != h.head() {
		t.Errorf("the hub is at %s, the home at %s", got, h.head())
	}
}

// TestShareStaleLock pushes to a hub in which a git was killed while it had the lock
// of the branch: the message has to name the file.
func TestShareStaleLock(t *testing.T) {
	t.Parallel()
	hub, h := diverged(t)
	lock := filepath.Join(hub.dir, "refs/heads/main.lock")
	if err := os.WriteFile(lock, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	h.fails(8, []string{"sync"}, hub.dir, "may have left its lock", "refs/heads/main.lock")
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	h.must("sync")
	hub.verify()
}

// mount mounts a file system for the time of the test.
func mount(t *testing.T, dir string, args ...string) {
	t.Helper()
	require.Component(t, "root", "mount")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", append(args, dir)...).CombinedOutput(); err != nil {
		if os.Getenv(require.Variable) != "" {
			t.Fatalf("mount: %v\n%s", err, out)
		}
		t.Skipf("this test mounts a file system, which is not allowed here: %s", out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
}

// TestShareReadOnlyHub exchanges with a hub that cannot be written to.
func TestShareReadOnlyHub(t *testing.T) {
	t.Parallel()
	hub, h := diverged(t)
	mount(t, hub.dir, "--bind", "-o", "ro", hub.dir)
	h.must("pull")
	for _, command := range []string{"push", "sync"} {
		h.fails(8, []string{command}, hub.dir, "access denied")
	}
	h.verify()
}

// TestShareFullHome pulls more than the disk of the home holds.
func TestShareFullHome(t *testing.T) {
	t.Parallel()
	hub, other, ours := newHub(t), newHome(t), newHome(t)
	mount(t, ours.dir, "-t", "tmpfs", "-o", "mode=700,size=2m", "tmpfs")
	ours.must("-q", "run", "echo", "ours")
	ours.must("remote", hub.dir)
	other.must("-q", "run", "head -c 200000 /dev/urandom")
	other.must("remote", hub.dir)
	other.must("push")
	head, fill := ours.head(), filepath.Join(ours.dir, "fill")
	for _, left := range []int{0, 4, 12, 40, 120, 190, 200} {
		fillDisk(t, fill, left<<10)
		for _, command := range []string{"pull", "sync"} {
			ours.fails(1, []string{command}, "no space left on device")
		}
		if err := os.Remove(fill); err != nil {
			t.Fatal(err)
		}
		if got := ours.head(); got != head {
			t.Fatalf("with %d KiB left the head has moved to %s", left, got)
		}
		noRests(t, ours)
		ours.verify()
	}
	if out := ours.must("sync"); out != "pulled 1 task; pushed 1 task\n" {
		t.Errorf("sync says %q", out)
	}
	ours.verify()
	hub.verify()
}

// TestShareFullHub pushes more than the disk of the hub holds.
func TestShareFullHub(t *testing.T) {
	t.Parallel()
	require.Component(t, "git")
	h := newHome(t)
	disk := t.TempDir()
	mount(t, disk, "-t", "tmpfs", "-o", "size=2m", "tmpfs")
	hub := &hub{t: t, dir: filepath.Join(disk, "hub.git")}
	hub.create()
	h.must("remote", hub.dir)
	h.must("-q", "run", "head -c 200000 /dev/urandom")
	head, fill := h.head(), filepath.Join(disk, "fill")
	for _, left := range []int{0, 12, 100} {
		fillDisk(t, fill, left<<10)
		h.fails(8, []string{"push"}, hub.dir, "more room on the other side")
		if err := os.Remove(fill); err != nil {
			t.Fatal(err)
		}
		if refs := hub.git("for-each-ref"); refs != "" || h.head() != head {
			t.Errorf("with %d KiB left: the hub has %q, the home is at %s", left, refs, h.head())
		}
	}
	if out := h.must("push"); out != "pushed 1 task\n" {
		t.Errorf("push says %q", out)
	}
	hub.verify()
	h.verify()
}

// TestSyncAutoMeanwhile runs something while the sync of the run before is at work,
// and has looked at the history already: another sync must follow.
func TestSyncAutoMeanwhile(t *testing.T) {
	t.Parallel()
	hub, h, fifo := newHub(t), newHome(t), newFIFO(t)
	h.must("remote", hub.dir)
	h.must("config", "sync.auto", "true")
	hub.hook("pre-receive", "if mkdir once 2>/dev/null; then cat '"+fifo+"'; fi")
	first := h.start("-q", "run", "echo", "first")
	first.wait()
	held, err := os.OpenFile(fifo, os.O_WRONLY, 0) // waits for the hook
	if err != nil {
		t.Fatal(err)
	}
	turn, err := os.OpenFile(filepath.Join(h.dir, "tasks.git/qme-turn.lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer turn.Close()
	free := func() bool {
		if unix.Flock(int(turn.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
			return false
		}
		return unix.Flock(int(turn.Fd()), unix.LOCK_UN) == nil
	}
	if !free() {
		t.Error("the sync at work keeps others from waiting for it")
	}
	second := h.start("-q", "run", "echo", "second")
	second.wait()
	await.That(t, "another sync that waits", func() bool { return !free() })
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	waitAll([]*started{first, second})
	if got := hub.git("rev-parse", "main"); got != h.head() {
		t.Errorf("the hub is at %s, the home at %s", got, h.head())
	}
}

// TestSyncAutoLeft runs something while another sync is about to begin and takes the
// run with it: what went wrong with the last sync is not forgotten for that.
func TestSyncAutoLeft(t *testing.T) {
	t.Parallel()
	hub, h := newHub(t), newHome(t)
	h.must("remote", hub.dir+".gone")
	h.must("config", "sync.auto", "true")
	run := func() {
		s := h.start("-q", "run", "true")
		if code := s.wait(); code != 0 {
			t.Errorf("the run ended with %d\n%s", code, s.errs.String())
		}
		s.waitAll()
	}
	run()
	before := h.must("status")
	if !strings.Contains(before, "the last automatic sync failed") {
		t.Fatalf("status says %q", before)
	}
	turn, err := os.OpenFile(filepath.Join(h.dir, "tasks.git/qme-turn.lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer turn.Close()
	if err := unix.Flock(int(turn.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	run()
	if out := h.must("status"); !strings.Contains(out, "the last automatic sync failed") {
		t.Errorf("status said\n%s, and now\n%s", before, out)
	}
}
