package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"qme/record"
	"qme/tests/require"
)

// TestFullDisk fills the disk of the home. The command runs, its code is passed
// on, and once there is room the next command commits what the spool kept.
func TestFullDisk(t *testing.T) {
	h := newSmallHome(t, "2m")
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

// TestKeptOnFullDisk has outputs kept only as long as there is room for the records of further runs.
func TestKeptOnFullDisk(t *testing.T) {
	h := newSmallHome(t, "64m")
	h.must("config", "run.keep_files", "1MiB")
	h.cwd = t.TempDir()
	for _, want := range []string{"", record.NotKeptDisk} {
		if want != "" {
			fillDisk(t, filepath.Join(h.dir, "fill"), 20<<20)
		}
		h.must("-q", "run", "echo output > file")
		r := h.records()[0]
		if part, ok := r.Data.Parts[record.PartKept]; ok != (want == "") || r.Data.Files.Out[0].NotKept != want {
			t.Errorf("want %q: %+v, %+v", want, part, r.Data.Files.Out)
		}
	}
	h.verify()
}

// newSmallHome is newHome on a file system of its own, of the given size.
func newSmallHome(t *testing.T, size string) *home {
	t.Helper()
	require.Component(t, "root", "mount")
	h := newHome(t)
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "mode=700,size="+size, "tmpfs", h.dir).CombinedOutput(); err != nil {
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
	return h
}

// TestDiskFillsMeanwhile runs commands that fill the disk of the home themselves. How they
// ended is shown as long as the disk is full, and is in the history when there is room.
func TestDiskFillsMeanwhile(t *testing.T) {
	for name, test := range map[string]struct {
		script string
		code   int
		status record.Status
	}{
		"a file":        {`cat /dev/zero >"$QME_HOME"/fill 2>/dev/null; echo out; sleep 0.1; exit 5`, 5, record.Complete},
		"its output":    {`cat /dev/zero >"$QME_HOME"/fill 2>/dev/null; seq 200000; exit 6`, 6, record.Complete},
		"then a signal": {`cat /dev/zero >"$QME_HOME"/fill 2>/dev/null; kill -TERM $$`, 143, record.Complete},
		"qme is killed": {`cat /dev/zero >"$QME_HOME"/fill 2>/dev/null; kill -KILL $PPID`, 137, record.Cancelled},
	} {
		t.Run(name, func(t *testing.T) {
			h := newSmallHome(t, "3m")
			h.must("-q", "run", "true")
			_, errs, code := h.run("-m", "filling", "run", "sh", "-c", test.script)
			if killed := name == "qme is killed"; code != test.code || killed == strings.Contains(errs, "NOT RECORDED") {
				t.Fatalf("code %d, stderr %q", code, errs)
			}
			var before float64
			for _, full := range []bool{true, true, false} {
				if !full {
					if err := os.Remove(filepath.Join(h.dir, "fill")); err != nil {
						t.Fatal(err)
					}
				}
				d := h.records()[0].Data
				if d.Message != "filling" || d.Status != test.status {
					t.Errorf("disk full %v: the task %q is %s", full, d.Message, d.Status)
				}
				if test.status == record.Complete && (d.ReturnCode == nil || *d.ReturnCode != test.code || d.Duration == 0 || d.Finished == nil) {
					t.Errorf("disk full %v: data %+v", full, d)
				}
				// What could not be stored is said, and how much it was.
				if size := map[string]int64{"a file": 4, "its output": 1288895}[name]; size > 0 && (d.Stdout == nil || d.Stdout.Size != size || d.Stdout.Cut == nil || d.Stdout.Stored()+d.Stdout.Cut.Bytes != size) {
					t.Errorf("disk full %v: of %d bytes the record says %+v and has %q", full, size, d.Stdout, d.Output)
				}
				if before != 0 && d.Duration != before {
					t.Errorf("disk full %v: it took %v, and %v before", full, d.Duration, before)
				}
				before = d.Duration
			}
			h.verify()
		})
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

// TestCachesLeaveRoom has a disk with little room, which is left to the record and not taken by what
// can be made again.
func TestCachesLeaveRoom(t *testing.T) {
	h := newSmallHome(t, "3m")
	h.must("-q", "run", "cat", "/etc/passwd")
	if in := h.records()[0].Data.Files.In; len(in) != 1 || in[0].SHA256 == "" {
		t.Fatalf("the files are %+v", in)
	}
	if info, err := os.Stat(filepath.Join(h.dir, "hashes")); err == nil && info.Size() > 0 {
		t.Errorf("%d bytes of hashes are kept", info.Size())
	}
	h.verify()
}
