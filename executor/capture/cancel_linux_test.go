package capture

import (
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"qme/tests/require"
)

func TestParseStat(t *testing.T) {
	line := "4711 (a) Z 5 (x) S 12 34 56 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2 3\n"
	p, ok := parseStat([]byte(line))
	if want := (proc{pid: 4711, ppid: 12, pgrp: 34, session: 56, born: 987654}); !ok || p != want {
		t.Errorf("got %+v, %v; want %+v", p, ok, want)
	}
	for _, bad := range []string{"", "1 (x", "1 (x) S 1 2", "x (y) S 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9"} {
		if p, ok := parseStat([]byte(bad)); ok {
			t.Errorf("%q gives %+v", bad, p)
		}
	}
}

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
