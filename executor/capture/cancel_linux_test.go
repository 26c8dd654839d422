package capture

import (
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"qme/tests/require"
)

// The first process of a container reaps what has lost its parent.
func TestFirstProcessReaps(t *testing.T) {
	require.Component(t, "root", "mount", "ps")
	c, dir := qmeLike(t, "sh", "-c", `mount -t proc proc /proc; (sleep 0.01 & echo $! >orphan); for i in $(seq 500); do ps -p $(cat orphan) >/dev/null || exit 0; sleep 0.02; done; exit 9`)
	c.Dir = dir
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS, Unshareflags: unix.CLONE_NEWNS}
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
