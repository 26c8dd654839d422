package tests

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"qme/record"
	"qme/tests/require"
)

// hostileConfig has executors whose actions use all that a record can say.
const hostileConfig = `
[executor.batch]
match_program = "bsubmit"
capture = ['^id=(?P<id>\S+)$', '^log=(?P<log>.*)$', '^out=(?P<stdout_file>.*)$']
[executor.batch.refresh]
cmd = ["bask", "{id}"]
capture = ['^state (?P<state>\w+)$', '^nodes (?P<nodes>.*)$']
final = ["DONE"]
[executor.batch.actions.log]
cmd = ["cat", "{log}"]
[executor.batch.actions.file]
cmd = ["cat", "{stdout_file}"]
[executor.batch.actions.node]
cmd = ["cat", "{nodes}"]
[executor.batch.actions.here]
cmd = ["cat", "{pwd}/private.txt"]
[executor.batch.actions.cancel]
cmd = ["bkill", "{id}"]
alters = true

[executor.own]
match_program = "osubmit"
capture = ['^id=(?P<id>.*)$', '^log=(?P<log>.*)$']
[executor.own.refresh]
cmd = ["bask", "{id}"]
capture = ['^state (?P<state>\w+)$']
final = ["DONE"]
[executor.own.actions.output]
cmd = ["cat", "{log}"]
[executor.own.actions.error]
cmd = ["sh", "-c", 'cat "$1"/private.txt', "sh", "{pwd}"]

[executor.plain]
match_program = "psubmit"
capture = ['^log=(?P<log>.*)$']
[executor.plain.actions.output]
cmd = ["cat", "{log}"]
[executor.plain.actions.show]
cmd = ["cat", "{log}"]

[executor.prog]
program = true
match_program = "gsubmit"
`

// hostileProgram trusts whatever it is told: it prints all files that a record names.
const hostileProgram = `#!/bin/sh
read -r request
printf '%s\n' "$request" >>BIN/requests
case $request in
*'"method":"describe"'*) echo '{"version":1,"actions":[{"name":"act","summary":"a","alters":true},{"name":"output","summary":"o"}]}' ;;
*'"method":"submitted"'*) echo '{"version":1,"job":{"id":"7"}}' ;;
*'"method":"refresh"'*) echo '{"version":1,"jobs":[{"job":{"id":"7","state":"RUNNING"}}]}' ;;
*) printf '%s\n' "$request" | grep -o '/[^"]*' | while read -r f; do cat "$f" 2>/dev/null; done; printf '%s\n' "$request" ;;
esac
`

// forgeRecords makes a remote with hostile records of all executors and returns its path, and the
// ids.
func forgeRecords(t *testing.T, variants map[string]func(r *record.Record)) (remote string, ids map[string][]record.ID) {
	t.Helper()
	base := t.TempDir()
	git := func(dir string, args ...string) {
		t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=m", "GIT_AUTHOR_EMAIL=m@x", "GIT_COMMITTER_NAME=m", "GIT_COMMITTER_EMAIL=m@x")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	remote = filepath.Join(base, "e.git")
	git(base, "init", "--quiet", "--bare", "--initial-branch=main", remote)
	m := newHome(t)
	m.must("-q", "run", "true")
	m.must("remote", remote)
	m.must("push")
	git(base, "clone", "--quiet", remote, "w")
	files, err := filepath.Glob(filepath.Join(base, "w/tasks/*/*/*/*/*/*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the records are %v, %v", files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	ids = map[string][]record.ID{}
	n := 0
	for _, executor := range []string{"slurm", "batch", "own", "plain", "prog", "shell"} {
		for _, name := range slices.Sorted(maps.Keys(variants)) {
			rec, err := record.Decode(b)
			if err != nil {
				t.Fatal(err)
			}
			uuid := rec.UID.UUID()
			n++
			rec.UID = record.ID(fmt.Sprintf("%s-%s%04x", executor, uuid[:len(uuid)-4], n))
			rec.Executor = executor
			variants[name](rec)
			text, err := json.MarshalIndent(rec, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(filepath.Dir(files[0]), string(rec.UID)+".json"), append(text, '\n'), 0o600); err != nil {
				t.Fatal(err)
			}
			ids[executor] = append(ids[executor], rec.UID)
		}
	}
	git(filepath.Join(base, "w"), "add", ".")
	git(filepath.Join(base, "w"), "commit", "--quiet", "-m", "x")
	git(filepath.Join(base, "w"), "push", "--quiet")
	return remote, ids
}

// hostileVariants are records that name a file of who reads them in all places.
func hostileVariants(secret string) map[string]func(r *record.Record) {
	dir := filepath.Dir(secret)
	printed := []string{"Submitted batch job 7\n", "id=7\n", "log=" + secret + "\n", "out=" + secret + "\n"}
	job := func(r *record.Record, change func(j *record.Job)) {
		now := record.Now()
		r.Data.Job = &record.Job{ID: "7", State: "COMPLETED", Final: true, StdoutFile: secret, StderrFile: secret, Nodes: secret, Name: secret, Reason: secret,
			Partition: secret, Checked: &now, Fields: map[string]string{"log": secret, "stdout_pattern": secret, "stderr_pattern": secret, "user": "x", "stdout_file": secret}}
		r.Data.PWD, r.Data.Output = dir, printed
		r.Data.Cmd = []string{"sbatch", "-o", secret, "-e", secret, secret}
		change(r.Data.Job)
	}
	return map[string]func(r *record.Record){
		"ended": func(r *record.Record) { job(r, func(*record.Job) {}) },
		"open":  func(r *record.Record) { job(r, func(j *record.Job) { j.Final, j.State = false, "RUNNING" }) },
		"new":   func(r *record.Record) { job(r, func(j *record.Job) { j.Final, j.State, j.Checked = false, "", nil }) },
		"none": func(r *record.Record) {
			job(r, func(*record.Job) {})
			r.Data.Job = nil
		},
		"failed to bring it": func(r *record.Record) {
			job(r, func(j *record.Job) { j.Output, j.OutputError = []string{"known\n"}, "no such file" })
		},
		"array": func(r *record.Record) {
			job(r, func(j *record.Job) {
				for i := range 3000 {
					j.Elements = append(j.Elements, record.JobElement{ID: fmt.Sprintf("7_%d", i), State: "COMPLETED", Final: i > 0, Nodes: "n", Elapsed: 1,
						StdoutFile: secret, StderrFile: secret})
				}
				j.Final = false
			})
		},
		"option": func(r *record.Record) { job(r, func(j *record.Job) { j.ID, j.Final = "--evil="+secret, false }) },
		"words":  func(r *record.Record) { job(r, func(j *record.Job) { j.ID, j.Final = "7 evil\nline", false }) },
		"cluster": func(r *record.Record) {
			job(r, func(j *record.Job) { j.Cluster, j.Final = "-evil", false })
		},
		"numbers": func(r *record.Record) {
			job(r, func(j *record.Job) {
				rc := -4294967296
				j.ReturnCode, j.Elapsed, j.CPUs, j.MaxRSS = &rc, -1e300, -1<<40, -1<<60
			})
		},
	}
}

// newHostile returns a home to which the records have come, with fakes of all programs.
func newHostile(t *testing.T) (b *batch, ids map[string][]record.ID) {
	t.Helper()
	require.Component(t, "git")
	b = newBatch(t, hostileConfig)
	secret := filepath.Join(b.work, "private.txt")
	b.write(secret, "SECRET\n", 0o600)
	for _, name := range []string{"sacct", "scontrol", "squeue", "scancel", "sbatch", "bask", "bkill"} {
		b.fake(name)
	}
	// It is a job that another has submitted, and that prints to the secret file.
	b.write(filepath.Join(b.bin, "scontrol.out"), "JobId=7 JobName=x UserId=u(1) JobState=RUNNING Reason=None SubmitTime=1 StdErr="+secret+" StdIn=/dev/null StdOut="+secret+" Power=\n", 0o600)
	b.write(filepath.Join(b.bin, "bask.out"), "state RUNNING\nnodes n1\n", 0o600)
	b.write(filepath.Join(b.bin, "qme-executor-prog"), strings.ReplaceAll(hostileProgram, "BIN", b.bin), 0o755)
	b.write(filepath.Join(b.bin, "requests"), "", 0o600)
	b.write(filepath.Join(b.bin, "calls"), "", 0o600)
	remote, ids := forgeRecords(t, hostileVariants(secret))
	b.ok("-q", "run", "true")
	b.ok("remote", remote)
	b.ok("pull")
	return b, ids
}

// unharmed checks what was printed, and with which words programs were called.
func (b *batch) unharmed(what, printed string) {
	b.t.Helper()
	if strings.Contains(printed, "SECRET") {
		b.t.Errorf("%s prints the secret file:\n%s", what, printed)
	}
	if calls := b.calls(); strings.Contains(calls, "private.txt") || strings.Contains(calls, "evil") {
		b.t.Errorf("%s has called programs with hostile words:\n%s", what, calls)
	}
	requests, err := os.ReadFile(filepath.Join(b.bin, "requests"))
	if err != nil || strings.Contains(string(requests), "private.txt") || strings.Contains(string(requests), "evil") || strings.Contains(string(requests), b.work) {
		b.t.Errorf("%s has handed hostile words to a program: %v\n%s", what, err, requests)
	}
	b.write(filepath.Join(b.bin, "calls"), "", 0o600)
	b.write(filepath.Join(b.bin, "requests"), "", 0o600)
}

var hostileActions = map[string][]string{
	"slurm": {"status", "output", "error", "cancel"},
	"batch": {"status", "output", "error", "log", "file", "node", "here", "cancel"},
	"own":   {"status", "output", "error", "cancel"},
	"plain": {"output", "error", "show", "cancel"},
	"prog":  {"status", "output", "error", "act"},
	"shell": {"output", "error", "cancel"},
}

// TestHostileRecords acts on records that another home has made to harm, in all ways.
func TestHostileRecords(t *testing.T) {
	t.Parallel()
	b, ids := newHostile(t)
	for executor, actions := range hostileActions {
		for _, id := range ids[executor] {
			try := func(args ...string) {
				t.Helper()
				out, code := b.qme(args...)
				if code < 0 || code > 9 && code != 124 || strings.Contains(out, "panic") {
					t.Errorf("qme %q ended with %d:\n%s", args, code, out)
				}
				b.unharmed(fmt.Sprintf("qme %q", args), out)
			}
			for _, action := range actions {
				try("exec", string(id), action)
			}
			if executor == "slurm" {
				try("exec", string(id), "output", "--element", "1")
				try("exec", string(id), "error", "--element", "0")
				try("exec", string(id), "cancel", "--element", "0")
			}
			try("cancel", string(id))
			try("refresh", string(id))
			try("wait", string(id), "--timeout", "50ms")
			// After it was asked about, a scheduler's word may have come into the record.
			try("exec", string(id), "output")
			try("exec", string(id), "error")
			try("__complete", "exec", string(id), "")
			try("get", string(id), "--json")
			try("show", string(id))
			try("show", string(id), "--command")
			try("lineage", string(id), "--json")
		}
	}
	out, _ := b.qme("refresh")
	b.unharmed("refresh", out)
}

// TestHostileRecordsServed does so with a dashboard, read-only and not.
func TestHostileRecordsServed(t *testing.T) {
	t.Parallel()
	b, ids := newHostile(t)
	for _, args := range [][]string{{"--read-only"}, nil} {
		s := b.serve(args...)
		for executor, actions := range hostileActions {
			for _, id := range ids[executor] {
				for _, action := range actions {
					if args == nil && action != "cancel" && action != "act" {
						continue // it is as on the other
					}
					_, body := s.do("POST", "/api/tasks/"+string(id)+"/actions/"+action, `{"args":[]}`)
					b.unharmed(fmt.Sprint(args, id, action), body)
				}
				for _, path := range []string{"", "/output/job-stdout", "/raw/job-stderr"} {
					_, body := s.do("GET", "/api/tasks/"+string(id)+path, "")
					b.unharmed(fmt.Sprint(args, id, path), body)
				}
			}
		}
		for _, id := range ids["slurm"] {
			_, body := s.do("POST", "/api/tasks/"+string(id)+"/actions/output", `{"args":["--element","1"]}`)
			b.unharmed(fmt.Sprint(args, id, "output --element"), body)
		}
		s.stop(os.Interrupt)
	}
}

// TestOwnRecords lets actions use all that a record of this home says, also when the job has
// ended, and forgets what was cleared.
func TestOwnRecords(t *testing.T) {
	t.Parallel()
	b := newBatch(t, hostileConfig)
	log := filepath.Join(b.work, "log.txt")
	b.write(log, "the log\n", 0o600)
	b.write(filepath.Join(b.work, "private.txt"), "mine\n", 0o600)
	for _, name := range []string{"bsubmit", "osubmit", "psubmit"} {
		b.write(filepath.Join(b.bin, name), "#!/bin/sh\necho id=7; echo log="+log+"; echo out="+log+"\n", 0o755)
	}
	b.fake("bask")
	for _, state := range []string{"RUNNING", "DONE"} {
		b.write(filepath.Join(b.bin, "bask.out"), "state "+state+"\nnodes "+log+"\n", 0o600)
		for name, actions := range map[string][]string{"bsubmit": {"log", "file", "node", "output"}, "osubmit": {"output"}, "psubmit": {"output", "show"}} {
			b.ok("-q", "run", name)
			id := string(b.records()[0].UID)
			if name != "psubmit" {
				b.ok("refresh", id)
			}
			for _, action := range actions {
				if out := b.ok("exec", id, action); out != "the log\n" {
					t.Errorf("%s: %s of %s prints %q", state, action, name, out)
				}
			}
			if name == "bsubmit" {
				if out := b.ok("exec", id, "here"); out != "mine\n" {
					t.Errorf("%s: here prints %q", state, out)
				}
			}
		}
		if state == "RUNNING" {
			b.write(filepath.Join(b.bin, "bask.out"), "state DONE\n", 0o600)
			b.ok("refresh")
		}
	}
	b.ok("clear", "--force")
	if left, err := filepath.Glob(filepath.Join(b.dir, "jobs/ended/*")); err != nil || len(left) > 0 {
		t.Errorf("notes are left: %v, %v", left, err)
	}
}
