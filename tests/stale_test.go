package tests

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"qme/record"
)

// TestStaleOfHostile asks for a file that a record from elsewhere has made: nothing that it names is looked
// at unless the user agrees, and then no FIFO or device is opened, whatever its names are.
func TestStaleOfHostile(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(at("out.txt"), []byte("made elsewhere\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(at("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256([]byte("made elsewhere\n"))
	sum := hex.EncodeToString(hash[:])
	r := ran(t, "", "")
	r.Data.PWD, r.Data.Cmd, r.Data.User = dir, []string{"sh", "-c", "cat fifo > out.txt; cat $(("}, "\x1b[31mmallory"
	r.Data.Declared = &record.Declared{In: []string{"/**", "{a,b", strings.Repeat("*/", 500)}}
	r.Data.Git = &record.Git{Commit: "--output=" + at("written"), Dirty: new(true)}
	r.Data.Stdin = &record.Stdin{Kind: "file", Path: at("fifo")}
	r.Data.Masked = map[string]int{"TOKEN": 1}
	r.Data.Files = &record.Files{
		In: []record.File{
			{Path: "fifo", SHA256: sum, By: record.ByWord}, {Path: "/dev/zero", SHA256: sum, Size: 1 << 62, By: record.ByWord}, {Path: "/proc/kmsg", By: record.ByWord},
			{Path: "a\x00b", SHA256: sum, By: record.ByTrace}, {Path: "[masked:TOKEN]/x", By: record.ByWord}, {Path: "../" + strings.Repeat("x/", 4000), By: record.ByWord},
			{Path: "out.txt", SHA256: sum, Size: 15, By: record.ByWord, Partial: true}, {Path: "\x1b[2J\u202e", By: record.ByWord},
		},
		Out:   []record.File{{Path: "out.txt", Size: 15, SHA256: sum, By: record.ByRedirect}, {Path: "fifo", Size: 15, SHA256: sum, By: record.ByWord}},
		Trace: &record.Trace{Software: []record.Tree{{Path: "relative", Commit: "--exec=x", Files: 1}, {Path: dir, Commit: "--output=" + at("written"), Files: 1}}},
	}
	h.put(r)
	out, errs, code := h.run("stale", at("out.txt"))
	if code != 1 || !strings.Contains(out, "not known, it was made by a command that was not given in this home") || strings.ContainsAny(out, "\x1b\u202e") {
		t.Errorf("ended with %d: %q %q", code, out, errs)
	}
	out, errs, code = h.run("rerun", "--stale", "--yes", "--dry-run", "--by", "inputs,script,code,host,software,environment,program", at("out.txt"))
	if code != 5 || out != "" || strings.ContainsAny(errs, "\x1b\u202e") {
		t.Errorf("ended with %d: %q %q", code, out, errs)
	}
	if _, err := os.Stat(at("written")); err == nil {
		t.Error("the name of a commit was an option of git")
	}
}
