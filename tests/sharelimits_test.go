package tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFullDiskGC packs a history on a disk that has no room for that. It is not the
// history that is damaged.
func TestFullDiskGC(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	mount(t, h.dir, "-t", "tmpfs", "-o", "mode=700,size=2m", "tmpfs")
	for range 3 {
		h.must("-q", "run", "head -c 200000 /dev/urandom")
	}
	fill := filepath.Join(h.dir, "fill")
	for _, left := range []int{0, 4, 100, 300, 500} {
		fillDisk(t, fill, left<<10)
		h.fails(1, []string{"gc"}, "no space left on device")
		if err := os.Remove(fill); err != nil {
			t.Fatal(err)
		}
		noRests(t, h)
	}
	h.must("gc")
	h.verify()
}

// TestDamagedPack pulls from a remote whose packs arrive damaged. The message speaks of
// the remote.
func TestDamagedPack(t *testing.T) {
	t.Parallel()
	_, h := diverged(t)
	for _, damage := range []string{"head -c 300", "tr a-z b-za", "cat; echo more"} {
		h.packHook(`"$@" | (` + damage + `)`)
		_, out, code := h.run("pull")
		if code != 6 || !strings.Contains(out, "What the remote sent is damaged") || strings.Contains(out, "qme check") {
			t.Errorf("%s: pull ends with %d: %s", damage, code, out)
		}
		noRests(t, h)
	}
	h.packHook(`exec "$@"`)
	h.must("pull")
	h.verify()
}

// TestTalkativeRemote pushes to a remote whose hook does not stop talking.
func TestTalkativeRemote(t *testing.T) {
	t.Parallel()
	hub, h := newHub(t), newHome(t)
	h.must("-q", "run", "true")
	h.must("remote", hub.dir)
	hub.hook("pre-receive", `echo "first words"; yes "and so on, and so on, and so on, and so on" | head -c 3000000; printf '\033[31mlast words\n'`)
	_, out, code := h.run("push")
	if code != 0 || !strings.Contains(out, "remote: first words\n") || len(out) > 200_000 || strings.Count(out, "is not shown") != 1 {
		t.Errorf("push ends with %d, and has shown %d bytes: ...%s", code, len(out), out[max(0, len(out)-200):])
	}
	h.must("-q", "run", "true")
	hub.hook("pre-receive", `yes | head -c 1000000; echo "this is why not"; exit 1`)
	if _, out, code := h.run("push"); code != 8 || !strings.Contains(out, "this is why not") || len(out) > 400_000 {
		t.Errorf("push ends with %d, and has shown %d bytes: ...%s", code, len(out), out[max(0, len(out)-400):])
	}
	hub.hook("pre-receive", `yes "endless"`)
	if _, out, code := h.run("push"); code != 8 || len(out) > 400_000 {
		t.Errorf("push ends with %d, and has shown %d bytes: ...%s", code, len(out), out[max(0, len(out)-400):])
	}
}

// TestQuietRace has somebody move the remote's branch while a push is at work: what the
// remote says of the try that is repeated is not shown.
func TestQuietRace(t *testing.T) {
	t.Parallel()
	hub, h := diverged(t)
	once := filepath.Join(t.TempDir(), "once")
	hub.hook("update", `
		if mkdir "`+once+`" 2>/dev/null; then
			touch "$GIT_DIR/refs/heads/main.lock"
			(sleep 1; rm -f "$GIT_DIR/refs/heads/main.lock") >/dev/null 2>&1 &
		fi`)
	out, errs, code := h.run("push")
	if code != 0 || strings.Contains(errs, "cannot lock") {
		t.Errorf("push ends with %d: %s%s", code, out, errs)
	}
	hub.verify()
}

// TestSyncAutoHangs pushes to one remote while a sync in the background hangs with
// another. It makes way, and the message says what is waited for.
func TestSyncAutoHangs(t *testing.T) {
	t.Parallel()
	hub, h, fifo := newHub(t), newHome(t), newFIFO(t)
	h.must("remote", "ssh://far.invalid/r.git")
	h.must("remote", "ok", hub.dir)
	h.must("config", "sync.auto", "true")
	ssh := filepath.Join(t.TempDir(), "ssh")
	writeScript(t, ssh, "exec cat '"+fifo+"'")
	cmd := h.command("-q", "run", "true")
	cmd.Env = append(cmd.Env, "GIT_SSH_COMMAND="+ssh, "GIT_SSH_VARIANT=simple")
	s := h.startCommand(cmd)
	if code := s.wait(); code != 0 {
		t.Fatalf("the run ended with %d\n%s", code, s.errs.String())
	}
	w, err := os.OpenFile(fifo, os.O_WRONLY, 0) // ssh is at work from here on
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	out, errs, code := h.run("push", "ok")
	if code != 0 || out != "pushed 1 task\n" || !strings.Contains(errs, "Waiting for the sync in the background with origin (process ") {
		t.Errorf("push ends with %d: %s%s", code, out, errs)
	}
	s.waitAll()
	if out := h.must("status"); !strings.Contains(out, "made way") {
		t.Errorf("status says %q", out)
	}
	hub.verify()
}
