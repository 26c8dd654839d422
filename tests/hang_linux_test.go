package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"qme/tests/require"
)

// hangingFolder returns a folder of a file server that never responds. Until the end of the test, what
// looks into it waits.
func hangingFolder(t *testing.T) string {
	t.Helper()
	require.Component(t, "root")
	dir := t.TempDir()
	server, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err == nil {
		err = unix.Mount("hanging", dir, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", server.Fd()))
	}
	if err != nil {
		require.Missing(t, "fuse", err.Error())
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil { // this ends what still waits
			t.Error(err)
		}
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestHangingServer has files of a run on a server that does not respond, which the command itself does
// not use. The run begins and ends all the same.
func TestHangingServer(t *testing.T) {
	t.Parallel()
	require.Component(t, "git")
	hangs := hangingFolder(t)
	h := newHome(t)
	h.must("-q", "run", "true")
	link, dirty := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(link, ".git"), []byte("gitdir: "+hangs+"/x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	script := `git init -q && echo 1 >file && git add . && git -c user.name=n -c user.email=e commit -qm first && echo 22 >file && ln -s ` + hangs + `/file untracked`
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = dirty
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, test := range map[string]struct {
		dir string
		env []string
		run []string
	}{
		"word":           {run: []string{"true", hangs + "/file"}},
		"pattern":        {run: []string{"sh", "-c", "true || ls " + hangs + "/*"}},
		"environment":    {run: []string{"true"}, env: []string{"VIRTUAL_ENV=" + hangs}},
		"program":        {run: []string{"sh", "-c", "true || no-such-program"}, env: []string{"PATH=" + os.Getenv("PATH") + ":" + hangs}},
		"repository":     {run: []string{"true"}, dir: link},
		"untracked link": {run: []string{"true"}, dir: dirty},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := h.command(append([]string{"-q", "run"}, test.run...)...)
			cmd.Dir, cmd.Env = test.dir, append(cmd.Environ(), test.env...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			select {
			case err := <-ended:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(time.Minute):
				_ = cmd.Process.Kill()
				t.Fatalf("it has not ended: %v", <-ended)
			}
		})
	}
}
