package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"qme/tests/require"
)

// TestFullDisk fills the disk of the home. The command runs, its code is passed
// on, and once there is room the next command commits what the spool kept.
func TestFullDisk(t *testing.T) {
	require.Component(t, "root", "mount")
	h := newHome(t)
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", h.dir).CombinedOutput(); err != nil {
		if os.Getenv(require.Variable) != "" {
			t.Fatalf("mount: %v\n%s", err, out)
		}
		t.Skipf("this test mounts a small file system, which is not allowed here: %s", out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", h.dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
	h.must("-q", "run", "echo", "before")
	fill := filepath.Join(h.dir, "fill")
	// Random sizes of what is left bring the error to different writes.
	for _, left := range []int{0, 4, 8, 12, 16, 24, 32} {
		fillDisk(t, fill, left<<10)
		out, errs, code := h.run("-m", "full", "run", "sh", "-c", "echo out; exit 7")
		if code != 7 || out != "out\n" {
			t.Fatalf("with %d KiB left: code %d, stdout %q, stderr %q", left, code, out, errs)
		}
		recorded := !strings.Contains(errs, "NOT RECORDED")
		if err := os.Remove(fill); err != nil {
			t.Fatal(err)
		}
		kept := strings.Contains(errs, "the next qme command tries again")
		r := h.records()[0]
		if (recorded || kept) != (r.Data.Message == "full") {
			t.Fatalf("with %d KiB left: newest is %q; the run said %q", left, r.Command, errs)
		}
		h.must("clear", "--force", "@1")
		h.verify()
		if r.Data.Message != "full" {
			h.must("-q", "run", "echo", "before")
		}
	}
}

// fillDisk writes until the disk is full, and then gives some bytes back.
func fillDisk(t *testing.T, path string, left int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size := 0
	for b := make([]byte, 1024); ; {
		n, err := f.Write(b)
		size += n
		if err != nil {
			break
		}
	}
	if err := f.Truncate(int64(max(0, size-left))); err != nil {
		t.Fatal(err)
	}
}

// TestReadOnlyHome runs a command whose home cannot be written.
func TestReadOnlyHome(t *testing.T) {
	require.Component(t, "root", "mount")
	h := newHome(t)
	h.must("-q", "run", "echo", "before")
	if out, err := exec.Command("mount", "--bind", "-o", "ro", h.dir, h.dir).CombinedOutput(); err != nil {
		if os.Getenv(require.Variable) != "" {
			t.Fatalf("mount: %v\n%s", err, out)
		}
		t.Skipf("this test mounts a folder, which is not allowed here: %s", out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", h.dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
	out, errs, code := h.run("run", "sh", "-c", "echo out; exit 7")
	if code != 7 || out != "out\n" || !strings.Contains(errs, "NOT RECORDED") || !strings.Contains(errs, "read-only") {
		t.Errorf("code %d, stdout %q, stderr %q", code, out, errs)
	}
	if r := h.records(); len(r) != 1 {
		t.Errorf("%d records, want the one from before", len(r))
	}
	h.must("get")
	h.must("log")
}

// TestStaleLocks leaves the locks of crashed processes.
func TestStaleLocks(t *testing.T) {
	h := newHome(t)
	h.must("-q", "run", "echo", "before")
	git := filepath.Join(h.dir, "tasks.git")
	lock := filepath.Join(git, "refs/heads/main.lock")
	head, err := os.ReadFile(filepath.Join(git, "refs/heads/main"))
	if err != nil {
		t.Fatal(err)
	}
	// A qme that died between making the lock and renaming it.
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Skip("the note of qme.lock names the boot, which this system does not tell")
	}
	note := strings.TrimSpace(string(head)) + " " + string(boot)
	for name, content := range map[string]string{lock: string(head), filepath.Join(git, "qme.lock"): note} {
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, errs, code := h.run("run", "true")
	if code != 0 || !strings.Contains(errs, "which a crash left") {
		t.Errorf("code %d, stderr %q", code, errs)
	}
	// A git that died, an hour ago.
	if err := os.WriteFile(lock, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := exec.Command("touch", "-d", "1 hour ago", lock).Run(); err != nil {
		t.Fatal(err)
	}
	_, errs, code = h.run("run", "true")
	if code != 0 || !strings.Contains(errs, "which a crash left") {
		t.Errorf("code %d, stderr %q", code, errs)
	}
	if n := len(h.records()); n != 3 {
		t.Errorf("%d records, want 3", n)
	}
	h.verify()
}
