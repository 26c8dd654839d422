package tests

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qme/record"
)

// planted is a secret that no file of a home may have.
const planted = "ghp_Planted0123456789"

// unplanted fails if a file of the home, or an object of its history, has the secret.
func (h *home) unplanted() {
	h.t.Helper()
	err := filepath.WalkDir(h.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(planted)) {
			h.t.Errorf("%s has the secret", path)
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, rec := range h.records() {
		for _, stream := range []string{"--stdout", "--stderr"} {
			if out := h.must("get", stream, string(rec.UID)); strings.Contains(out, planted) {
				h.t.Errorf("%s of %s has the secret", stream, rec.UID)
			}
		}
		if out := h.must("get", string(rec.UID)); strings.Contains(out, planted) {
			h.t.Errorf("the record of %s has the secret: %s", rec.UID, out)
		}
	}
}

// TestMaskedJob runs a job that prints a secret of the environment.
func TestMaskedJob(t *testing.T) {
	t.Parallel()
	b := newBatch(t, example(t, "condor.toml"))
	b.env = append(b.env, "GITHUB_TOKEN="+planted)
	for _, name := range []string{"condor_submit", "condor_q", "condor_history"} {
		b.fake(name)
	}
	b.says("condor_submit", "condor/submit", false)
	b.says("condor_q", "condor/running", false)
	b.ok("run", "condor_submit", "-append", "arguments="+planted, "job.sub")
	b.write(filepath.Join(b.work, "processMef.out"), "first "+planted+"\n"+strings.Repeat("line\n", 20000)+planted, 0o600)
	b.says("condor_q", "nothing", false)
	b.says("condor_history", "condor/history", false)
	b.ok("refresh")
	rec := b.records()[0]
	if got := rec.Data.Cmd[2]; got != "arguments=[masked:GITHUB_TOKEN]" {
		t.Errorf("the record has the word %q", got)
	}
	if got := rec.Data.Masked["GITHUB_TOKEN"]; got != 3 {
		t.Errorf("%d places are masked, want 3", got)
	}
	job, size := rec.Data.Job, int64(len("first [masked:GITHUB_TOKEN]\n")+20000*len("line\n")+len("[masked:GITHUB_TOKEN]"))
	if out := strings.Join(job.Output, ""); !strings.HasPrefix(out, "first [masked:GITHUB_TOKEN]\nline\n") || !strings.HasSuffix(out, "line\n[masked:GITHUB_TOKEN]") || job.Stdout == nil || job.Stdout.Size != size {
		t.Errorf("the output of the job is %.40q … %q, with %+v", out, out[max(0, len(out)-40):], job.Stdout)
	}
	b.unplanted()
	b.verify()
	b.ok("rerun")
	if calls := b.calls(); strings.Count(calls, "<condor_submit><-append><arguments="+planted+">") != 2 {
		t.Errorf("the scheduler was called with\n%s", calls)
	}
	b.unplanted()
}

// TestMaskedOnFullDisk fills the disk of the home while a secret is printed.
func TestMaskedOnFullDisk(t *testing.T) {
	h := newSmallHome(t, "3m")
	h.env = append(h.env, "GITHUB_TOKEN="+planted)
	h.must("-q", "run", "true")
	out, _, code := h.run("run", "sh", "-c", `cat /dev/zero >"$QME_HOME"/fill 2>/dev/null; seq 200000; echo $GITHUB_TOKEN`)
	if code != 0 || !strings.HasSuffix(out, "\n200000\n"+planted+"\n") {
		t.Fatalf("code %d, the output ends with %q", code, out[max(0, len(out)-40):])
	}
	if err := os.Remove(filepath.Join(h.dir, "fill")); err != nil {
		t.Fatal(err)
	}
	size := int64(1288895 + len("[masked:GITHUB_TOKEN]\n"))
	if d := h.records()[0].Data; d.Stdout == nil || d.Stdout.Size != size || d.Stdout.Cut == nil || d.Status != record.Complete {
		t.Errorf("the record says %+v", d.Stdout)
	}
	h.unplanted()
	h.verify()
}

// TestMaskedOnTerminal prints a secret on a terminal, where both streams are one.
func TestMaskedOnTerminal(t *testing.T) {
	p := newPane(t)
	p.shell("export GITHUB_TOKEN=ghp_Planted; GITHUB_TOKEN=${GITHUB_TOKEN}0123456789", 0)
	p.shell(`qme run sh -c 'printf "a ${GITHUB_TOKEN%456789}"; sleep 0.1; echo 456789 >&2'`, 0)
	p.sees("a " + planted)
	rec, out := p.latest()
	if out != "a [masked:GITHUB_TOKEN]\n" || rec.Data.Masked["GITHUB_TOKEN"] != 1 {
		t.Errorf("the record has %q and %v", out, rec.Data.Masked)
	}
	p.shell("qme run echo $GITHUB_TOKEN; unset GITHUB_TOKEN", 0)
	p.enter("qme rerun")
	p.sees("Value of GITHUB_TOKEN (not shown):")
	p.enter("ghp_another0123456789")
	p.sees("ghp_another0123456789")
	p.wantCode(0)
	if _, out := p.latest(); out != "[masked:GITHUB_TOKEN]\n" {
		t.Errorf("the rerun has %q", out)
	}
}
