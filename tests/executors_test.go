package tests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"qme/record"
	"qme/tests/require"
)

// example returns a fenced block of docs/executors.md, by the name in the comment before it.
func example(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("../docs/executors.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)<!-- example: " + regexp.QuoteMeta(name) + " -->\n```[a-z]+\n(.*?)```\n").FindSubmatch(b)
	if block == nil {
		t.Fatalf("docs/executors.md has no example %s", name)
	}
	return string(block[1])
}

// A batch is a home with fakes of a batch system's programs, and a folder in which its
// commands run.
type batch struct {
	*home
	work, bin string
}

// newBatch makes one whose config.toml holds the text.
func newBatch(t testing.TB, config string) *batch {
	t.Helper()
	b := &batch{home: newHome(t), work: t.TempDir(), bin: t.TempDir()}
	b.env = []string{"PATH=" + b.bin + ":" + os.Getenv("PATH"), "TZ=UTC"}
	b.write(filepath.Join(b.dir, "config.toml"), config, 0o600)
	return b
}

func (b *batch) write(path, text string, mode os.FileMode) {
	b.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		b.t.Fatal(err)
	}
}

// fake makes a program that notes how it is called and prints what says has last said.
func (b *batch) fake(name string) {
	b.write(filepath.Join(b.bin, name), fmt.Sprintf(`#!/bin/sh
# This is a fake: it prints what another program once did.
for arg in %[2]s "$@"; do printf '<%%s>' "$arg"; done >>%[1]s/calls
echo >>%[1]s/calls
[ ! -e %[1]s/%[2]s.out ] || cat %[1]s/%[2]s.out
[ ! -e %[1]s/%[2]s.err ] || { cat %[1]s/%[2]s.err >&2; exit 153; }
`, b.bin, name), 0o755)
}

// says lets a fake print a recorded output, and with failed end with 153 and print it to
// standard error.
func (b *batch) says(name, recorded string, failed bool) {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/schedulers", recorded))
	if err != nil {
		b.t.Fatal(err)
	}
	this, other := ".out", ".err"
	if failed {
		this, other = other, this
	}
	b.write(filepath.Join(b.bin, name+this), string(text), 0o600)
	if err := os.Remove(filepath.Join(b.bin, name+other)); err != nil && !os.IsNotExist(err) {
		b.t.Fatal(err)
	}
}

// calls returns how the fakes were called, one a line.
func (b *batch) calls() string {
	text, err := os.ReadFile(filepath.Join(b.bin, "calls"))
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text)
}

// qme runs qme in the folder and returns what it printed, both streams, and its code.
func (b *batch) qme(args ...string) (string, int) {
	b.t.Helper()
	cmd := b.command(args...)
	cmd.Dir = b.work
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		b.t.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// ok is qme for what has to succeed.
func (b *batch) ok(args ...string) string {
	b.t.Helper()
	out, code := b.qme(args...)
	if code != 0 {
		b.t.Fatalf("qme %s ended with %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// fails is qme for what has to end with a code and say something.
func (b *batch) fails(want int, says string, args ...string) {
	b.t.Helper()
	out, code := b.qme(args...)
	if code != want || !strings.Contains(out, says) {
		b.t.Fatalf("qme %s ended with %d, want %d, and says\n%s\nwithout %q", strings.Join(args, " "), code, want, out, says)
	}
}

// job returns the job of the newest task.
func (b *batch) job() *record.Job {
	b.t.Helper()
	rec := b.records()[0]
	if rec.Data.Job == nil {
		b.t.Fatalf("task %s has no job", rec.UID)
	}
	return rec.Data.Job
}

// A step is one answer of a scheduler and what the job is then.
type step struct {
	program, recorded string
	failed            bool
	want              string // STATE, or STATE CODE when it is final
}

// TestSchedulers runs the examples of docs/executors.md against fakes that print what the
// real programs printed.
func TestSchedulers(t *testing.T) {
	for _, tt := range []struct {
		example  string
		fakes    []string
		run      []string
		printed  string // by the first fake
		steps    []step
		id       string
		has      string // in the job's JSON at the end
		cancelBy string
	}{
		{"pbs", []string{"qsub", "qstat", "qdel"}, []string{"qsub", "job.sh"}, "pbs/qsub", []step{
			{"qstat", "pbs/queued", false, "QUEUED"},
			{"qstat", "pbs/running", false, "RUNNING"},
			{"qstat", "pbs/finished", false, "FINISHED 143"},
		}, "49230.gc-prd-hpcadm", `"name":"simple_failing_test","partition":"workq","state":"FINISHED","final":true,"returncode":143,` +
			`"submitted":"2020-06-24T15:33:18.000000+00:00","started":"2020-06-24T15:33:18.000000+00:00","elapsed":49,"cpus":1,"nodes":"gc-prd-hpcn001/3","max_rss":3633152,` +
			`"reason":"Job run at Wed Jun 24 at 15:33 on (gc-prd-hpcn001:ncpus=1) and failed"`, "<qdel><49230.gc-prd-hpcadm>"},
		{"pbs", []string{"qsub", "qstat", "qdel"}, []string{"/usr/bin/env", "/bin/sh", "-c", "/x/../$0 || exec qsub", "bin/qsub"}, "pbs/qsub", []step{
			{"qstat", "pbs/running", false, "RUNNING"},
			{"qstat", "pbs/torque", false, "COMPLETED 143"},
		}, "49230.gc-prd-hpcadm", `"stdout_file":"/path/to/output/filesomething2/more/down/the/path/GLP-1R.o546437"`, "<qdel><49230.gc-prd-hpcadm>"},
		{"pbs", []string{"qsub", "qstat", "qdel"}, []string{"qsub"}, "pbs/qsub", []step{
			{"qstat", "pbs/running", false, "RUNNING"},
			{"qstat", "pbs/unknown", true, "UNKNOWN"},
			{"qstat", "pbs/unknown", true, "GONE"},
		}, "49230.gc-prd-hpcadm", `"stdout_file":"/scratch/user02/QMMM-CuPhens/dbp/NOSE/RUN7/Cu-dbp.o69301"`, "<qdel><49230.gc-prd-hpcadm>"},
		{"condor", []string{"condor_submit", "condor_q", "condor_history", "condor_rm"}, []string{"condor_submit", "job.sub"}, "condor/submit", []step{
			{"condor_q", "condor/running", false, "RUNNING"},
			{"condor_q", "condor/held", false, "HELD"},
			{"condor_q", "condor/down", true, "HELD"}, // which is no answer
			{"condor_q", "nothing", false, "UNKNOWN"}, // neither has it, for a moment
			{"condor_history", "condor/history", false, "COMPLETED 0"},
		}, "19", `"started":"2022-05-25T19:28:49.000000+00:00","ended":"2016-08-18T11:03:30.000000+00:00"`, "<condor_rm><19>"},
		{"lsf", []string{"bsub", "bjobs", "bkill"}, []string{"bsub < job.lsf"}, "lsf/bsub", []step{
			{"bjobs", "lsf/bjobs", false, "RUN"},
			{"bjobs", "lsf/unknown", true, "UNKNOWN"},
			{"bjobs", "lsf/bjobs", false, "RUN"},
			{"bjobs", "lsf/unknown", true, "UNKNOWN"},
			{"bjobs", "lsf/unknown", true, "GONE"},
		}, "764254593", `"partition":"test"`, "<bkill><764254593>"},
		{"sge", []string{"qsub", "qstat", "qacct", "qdel"}, []string{"qsub", "job.sh"}, "sge/qsub", []step{
			{"qstat", "sge/qstat", false, "QUEUED"},
			{"qstat", "nothing", false, "QUEUED"}, // and qacct says nothing
			{"qacct", "sge/killed", false, "KILLED 137"},
		}, "2466409", `"reason":"assumedly after job"`, "<qdel><2466409>"},
		{"sge", []string{"qsub", "qstat", "qacct", "qdel"}, []string{"qsub", "job.sh"}, "sge/qsub", []step{
			{"qstat", "nothing", false, ""},
			{"qacct", "sge/qacct", false, "FINISHED 0"},
		}, "2466409", `"started":"2020-10-19T21:23:19.000000+00:00","ended":"2020-10-19T21:23:20.000000+00:00","elapsed":1,"cpus":1,"nodes":"abner-601-2.local","max_rss":18648`, "<qdel><2466409>"},
		{"docker", []string{"docker"}, []string{"docker", "run", "-d", "python"}, "docker/id", []step{
			{"docker", "docker/running", false, "running"},
			{"docker", "docker/exited", false, "exited 137"},
		}, "9642b2755401fafe761cf0cbe15b6f953db735787548274e6cf396527f2b2689", `"started":"2023-03-07T11:39:51.465946+00:00"`,
			"<docker><stop><9642b2755401fafe761cf0cbe15b6f953db735787548274e6cf396527f2b2689>"},
		{"kubectl", []string{"kubectl"}, []string{"kubectl", "create", "job", "pi", "--image=perl:5.34.0"}, "kubectl/created", []step{
			{"kubectl", "kubectl/active", false, "RUNNING"},
			{"kubectl", "kubectl/complete", false, "COMPLETE 0"},
		}, "pi", `"elapsed":91`, "<kubectl><delete><job><pi>"},
		{"kubectl", []string{"kubectl"}, []string{"kubectl", "create", "job", "pi", "--image=perl:5.34.0"}, "kubectl/created", []step{
			{"kubectl", "kubectl/failed", false, "FAILED 1"},
		}, "pi", `"reason":"BackoffLimitExceeded"`, "<kubectl><delete><job><pi>"},
	} {
		t.Run(fmt.Sprintf("%s to %s", tt.example, tt.steps[len(tt.steps)-1].want), func(t *testing.T) {
			// A job that is unknown twice is given up.
			refresh := "[executor." + tt.example + ".refresh]\n"
			b := newBatch(t, strings.Replace(example(t, tt.example+".toml"), refresh, refresh+"forget = '1ns'\n", 1))
			b.write(filepath.Join(b.work, "job.lsf"), "", 0o600)
			for _, name := range tt.fakes {
				b.fake(name)
			}
			b.says(tt.fakes[0], tt.printed, false)
			if out := b.ok(append([]string{"run"}, tt.run...)...); !strings.Contains(out, " job "+tt.id+"\n") || !strings.Contains(out, "["+tt.example+"-") {
				t.Fatalf("run says %q", out)
			}
			for _, s := range tt.steps {
				b.says(s.program, s.recorded, s.failed)
				b.qme("refresh")
				b.wantJob(tt.id, s)
			}
			got, err := json.Marshal(b.job())
			if err != nil || !strings.Contains(string(got), tt.has) {
				t.Errorf("the job is\n%s\nwithout\n%s", got, tt.has)
			}
			b.qme("exec", "cancel")
			if !strings.Contains(b.calls(), "\n"+tt.cancelBy+"\n") {
				t.Errorf("cancel did not call %s:\n%s", tt.cancelBy, b.calls())
			}
		})
	}
}

func (b *batch) wantJob(id string, s step) {
	b.t.Helper()
	job := b.job()
	got := job.State
	if job.Final && job.ReturnCode != nil {
		got += fmt.Sprintf(" %d", *job.ReturnCode)
	}
	if got != s.want || job.ID != id {
		b.t.Fatalf("after %s job %s is %q, want job %s to be %q\n%s", s.recorded, job.ID, got, id, s.want, b.calls())
	}
	if final := strings.Contains(s.want, " ") || s.want == "GONE"; job.Final != final {
		b.t.Fatalf("after %s the job is final: %v", s.recorded, job.Final)
	}
	if !job.Final && job.ReturnCode != nil {
		b.t.Fatalf("after %s the job goes on and has return code %d", s.recorded, *job.ReturnCode)
	}
}

// A job that its scheduler has forgotten a moment ago may be found again.
func TestUnknownForAWhile(t *testing.T) {
	b := newBatch(t, example(t, "lsf.toml"))
	b.fake("bsub")
	b.fake("bjobs")
	b.says("bsub", "lsf/bsub", false)
	b.says("bjobs", "lsf/bjobs", false)
	b.ok("run", "bsub", "x")
	for _, s := range []step{
		{"bjobs", "lsf/unknown", true, "UNKNOWN"}, {"bjobs", "lsf/unknown", true, "UNKNOWN"}, {"bjobs", "lsf/bjobs", false, "RUN"},
	} {
		b.says(s.program, s.recorded, s.failed)
		b.ok("refresh")
		b.wantJob("764254593", s)
	}
}

// TestSchedulerOutput brings the files that a scheduler has named into the record.
func TestSchedulerOutput(t *testing.T) {
	b := newBatch(t, example(t, "condor.toml"))
	for _, name := range []string{"condor_submit", "condor_q", "condor_history"} {
		b.fake(name)
	}
	b.says("condor_submit", "condor/submit", false)
	b.says("condor_q", "condor/running", false)
	b.ok("run", "condor_submit", "job.sub")
	b.fails(9, "processMef.out is not there, job 19 is RUNNING", "exec", "output")
	b.write(filepath.Join(b.work, "processMef.out"), "first\n", 0o600)
	b.says("condor_q", "condor/down", true)
	b.fails(8, "condor_q ended with 153: AUTHENTICATE:1003:Failed to authenticate with any method: no answer", "refresh")
	if out := b.ok("exec", "output"); out != "first\n" {
		t.Errorf("exec output prints %q of a job that runs", out)
	}
	b.write(filepath.Join(b.work, "processMef.out"), "first\nlast\n", 0o600)
	b.says("condor_q", "nothing", false)
	b.says("condor_history", "condor/history", false)
	b.ok("refresh")
	job := b.job()
	if strings.Join(job.Output, "") != "first\nlast\n" || !strings.Contains(job.OutputError, "processMef.err") {
		t.Errorf("the record has output %q and says %q", job.Output, job.OutputError)
	}
	b.ok("wait")
	b.verify()
}

// TestManyJobs refreshes twenty jobs, one of which nobody knows.
func TestManyJobs(t *testing.T) {
	b := newBatch(t, example(t, "lsf.toml"))
	b.write(filepath.Join(b.bin, "bsub"), "#!/bin/sh\necho \"Job <$1> is submitted to queue <normal>.\"\n", 0o755)
	b.write(filepath.Join(b.bin, "bjobs"), `#!/bin/sh
for id in "$@"; do :; done
[ $id != 7 ] || { echo "Job <$id> is not found" >&2; exit 255; }
echo "$id|`+"$(cat "+b.bin+"/state)"+`|-|node1|me|1|-|node1|normal|-|-|-|Feb  2 00:44|x"
`, 0o755)
	b.write(filepath.Join(b.bin, "state"), "PEND", 0o600)
	for i := range 20 {
		b.ok("run", "bsub", fmt.Sprint(i+1))
	}
	b.write(filepath.Join(b.bin, "state"), "DONE", 0o600)
	out, code := b.qme("refresh")
	if code != 9 || strings.Count(out, "DONE") != 19 || !strings.Contains(out, "job 7: the scheduler does not know it") {
		t.Fatalf("refresh ended with %d and says\n%s", code, out)
	}
	for _, rec := range b.records() {
		if job := rec.Data.Job; job.Final != (job.ID != "7") || rec.Data.Cmd[1] != job.ID {
			t.Errorf("job %s of %q is %q, final: %v", job.ID, rec.Command, job.State, job.Final)
		}
	}
	b.verify()
}

// hostile are ids that a command may print.
var hostile = []struct {
	id      string
	refused string // by an action that takes it as an argument
}{
	{"; touch pwned #", ""},
	{"$(touch pwned)", ""},
	{"'\"`touch pwned`", ""},
	{"../../x y", ""},
	{"--force", `"--force" would be an option`},
	{"-", `"-" would be an option`},
	{"a\x1b[2Jb", `"a\x1b[2Jb", is none that capture could have found`},
	{"a\rb", `"a\rb", is none`},
	{"a\u202eb", ""},
}

// TestHostileOutput runs actions on what commands have printed to harm them.
func TestHostileOutput(t *testing.T) {
	for _, tracked := range []bool{true, false} {
		config := `
[executor.odd]
match_program = "odd"
capture = ['^id=(?P<id>.*)$']
[executor.odd.actions.show]
cmd = ["show", "{id}", "{{id}}"]
[executor.odd.actions.job]
cmd = ["show", "--job={id}"]
`
		if tracked {
			config += "[executor.odd.refresh]\ncmd = [\"show\", \"--job={id}\"]\ncapture = ['(?P<state>job)']\nfinal = []\n"
		}
		b := newBatch(t, config)
		b.fake("show")
		b.write(filepath.Join(b.bin, "odd"), "#!/bin/sh\nprintf 'id=%s\\nmore\\n' \"$ID\"\n", 0o755)
		b.fake("show")
		for _, h := range hostile {
			b.env = append(b.env[:2:2], "ID="+h.id)
			b.ok("-q", "run", "odd")
			if h.refused != "" {
				b.fails(6, h.refused, "exec", "show")
				continue
			}
			b.ok("exec", "show")
			if call := "\n<show><" + h.id + "><{{id}}>\n"; !strings.Contains("\n"+b.calls(), call) {
				t.Errorf("%q was not handed over as one argument:\n%s", h.id, b.calls())
			}
		}
		b.env = append(b.env[:2:2], "ID=--force")
		b.ok("-q", "run", "odd")
		b.ok("exec", "job")
		if !strings.Contains(b.calls(), "<show><--job=--force>\n") {
			t.Errorf("behind fixed text --force was not handed over:\n%s", b.calls())
		}
		if found, err := filepath.Glob(filepath.Join(b.work, "*")); err != nil || len(found) > 0 {
			t.Errorf("something was run: %v (%v)", found, err)
		}
	}
}

// TestForgedRecord refuses the values of a record that another home has made.
func TestForgedRecord(t *testing.T) {
	require.Component(t, "git")
	forger := newBatch(t, strings.Replace(example(t, "lsf.toml"), `(?P<id>\d+)`, `(?P<id>[^>]+)`, 1))
	forger.write(filepath.Join(forger.bin, "bsub"), "#!/bin/sh\necho 'Job <-u all> is submitted to queue <normal>.'\n", 0o755)
	forger.ok("-q", "run", "bsub")
	remote := filepath.Join(t.TempDir(), "tasks.git")
	if out, err := exec.Command("git", "init", "--quiet", "--bare", "--initial-branch=main", remote).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	forger.ok("remote", remote)
	forger.ok("push")

	b := newBatch(t, example(t, "lsf.toml"))
	b.fake("bkill")
	b.fake("bjobs")
	b.ok("clone", remote)
	id := string(b.records()[0].UID)
	const refused = `its id, "-u all", is none of a single one`
	b.fails(6, refused, "exec", id, "cancel")
	b.fails(6, refused, "refresh", id)
	if calls, err := os.ReadFile(filepath.Join(b.bin, "calls")); err == nil {
		t.Errorf("programs were called:\n%s", calls)
	}
}

// TestForeignJobInTheDashboard cancels a job that another home has started, which has to be
// agreed to.
func TestForeignJobInTheDashboard(t *testing.T) {
	t.Parallel()
	require.Component(t, "git")
	other := newBatch(t, example(t, "lsf.toml"))
	other.write(filepath.Join(other.bin, "bsub"), "#!/bin/sh\necho 'Job <99> is submitted to queue <normal>.'\n", 0o755)
	other.ok("-q", "run", "bsub")
	remote := filepath.Join(t.TempDir(), "tasks.git")
	if out, err := exec.Command("git", "init", "--quiet", "--bare", "--initial-branch=main", remote).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	other.ok("remote", remote)
	other.ok("push")

	b := newBatch(t, example(t, "lsf.toml"))
	b.fake("bkill")
	b.fake("bjobs")
	b.ok("clone", remote)
	task := "/api/tasks/" + string(b.records()[0].UID)
	board := b.serve()
	for _, path := range []string{task + "/actions/cancel", task + "/cancel"} {
		body := func(agreed string) string {
			if strings.HasSuffix(path, "/actions/cancel") {
				return `{"args": []` + agreed + `}`
			}
			return `{` + strings.TrimPrefix(agreed, ", ") + `}`
		}
		var problem struct {
			Code    string
			Foreign struct{ Action, Target, Command, Digest string }
		}
		for _, agreed := range []string{"", `, "confirm": true, "digest": "0"`} {
			resp, text := board.do("POST", path, body(agreed))
			if err := json.Unmarshal([]byte(text), &problem); err != nil || resp.StatusCode != 409 || problem.Code != "unconfirmed" ||
				problem.Foreign.Action != "cancel" || problem.Foreign.Target != "job 99" || problem.Foreign.Command != "bsub" {
				t.Fatalf("%s%s: %s, %v\n%s", path, agreed, resp.Status, err, text)
			}
		}
		if calls, err := os.ReadFile(filepath.Join(b.bin, "calls")); err == nil && strings.Contains(string(calls), "<bkill>") {
			t.Fatalf("it was cancelled without an agreement:\n%s", calls)
		}
		if resp, text := board.do("POST", path, body(`, "confirm": true, "digest": "`+problem.Foreign.Digest+`"`)); resp.StatusCode/100 != 2 {
			t.Errorf("%s: %s\n%s", path, resp.Status, text)
		}
		if !strings.Contains(b.calls(), "<bkill><99>") {
			t.Errorf("it was not cancelled:\n%s", b.calls())
		}
		if err := os.Remove(filepath.Join(b.bin, "calls")); err != nil {
			t.Fatal(err)
		}
	}
}

// spooler is a batch whose tsp is task-spooler itself, with a queue of its own.
func spooler(t *testing.T, config string) *batch {
	t.Helper()
	require.Component(t, "tsp")
	b := newBatch(t, config)
	socket := filepath.Join(b.work, "tsp")
	b.env = append(b.env, "TS_SOCKET="+socket, "TMPDIR="+b.work)
	t.Cleanup(func() {
		cmd := exec.Command("tsp", "-K")
		cmd.Env = append(os.Environ(), "TS_SOCKET="+socket)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("tsp -K: %v\n%s", err, out)
		}
	})
	return b
}

// useSpooler starts jobs of task-spooler and follows them.
func useSpooler(t *testing.T, b *batch, finished, killed string) {
	b.ok("run", "tsp", "sh", "-c", "echo out; echo err >&2; exit 3")
	if out, code := b.qme("wait", "--timeout", "1m"); code != 3 {
		t.Fatalf("wait ended with %d\n%s", code, out)
	}
	job := b.job()
	if got := strings.Join(job.Output, ""); job.State != finished || got != "out\nerr\n" {
		t.Errorf("the job is %q with output %q (%s)", job.State, got, job.OutputError)
	}
	if out := b.ok("exec", "output"); out != "out\nerr\n" {
		t.Errorf("exec output prints %q", out)
	}
	b.ok("run", "tsp", "sleep", "100")
	b.ok("exec", "cancel")
	if out, code := b.qme("wait", "--timeout", "1m"); code != 143 || b.job().State != killed {
		t.Errorf("after cancel wait ended with %d, the job is %q\n%s", code, b.job().State, out)
	}
	b.verify()
}

func TestSpoolerByConfiguration(t *testing.T) {
	b := spooler(t, example(t, "tsp.toml"))
	useSpooler(t, b, "FINISHED", "KILLED")
	if job := b.job(); job.Started == nil || job.Ended == nil {
		t.Errorf("the job began at %v and ended at %v", job.Started, job.Ended)
	}
	b.ok("run", "tsp", "true")
	if out := b.ok("exec", "status"); !strings.Contains(out, `{"id":"2",`) {
		t.Errorf("exec status prints %q", out)
	}
}

func TestSpoolerByProgram(t *testing.T) {
	require.Component(t, "python3")
	b := spooler(t, example(t, "program.toml"))
	b.write(filepath.Join(b.bin, "qme-executor-spool"), example(t, "qme-executor-spool"), 0o755)
	useSpooler(t, b, "finished", "finished")
	if out := b.ok("exec", "spool"); !strings.Contains(out, "cancel  send it SIGTERM\n") || !strings.Contains(out, "output  ") {
		t.Errorf("exec spool lists\n%s", out)
	}
}

// A program that hangs does not keep a run from being recorded, and is waited for only
// so long.
func TestProgramHangs(t *testing.T) {
	b := newBatch(t, "[executor.x]\nprogram = true\nmatch_program = \"echo\"\n")
	b.write(filepath.Join(b.bin, "qme-executor-x"), `#!/bin/sh
read -r request
case $request in
*'"method":"submitted"'*follow*) echo '{"version": 1, "job": {"id": "7"}}' ;;
*) while :; do sleep 1; done ;;
esac
`, 0o755)
	if out := b.ok("run", "echo", "follow"); !strings.Contains(out, " job 7\n") {
		t.Errorf("run says %q", out)
	}
	if job := b.job(); job.State != "" || job.Final {
		t.Errorf("the job is %q, final: %v", job.State, job.Final)
	}
	if out := b.ok("exec", "x"); !strings.Contains(out, "qme-executor-x has not answered in time") || !strings.Contains(out, "status  ") {
		t.Errorf("exec x says %q", out)
	}
	out := b.ok("run", "echo", "on")
	if !strings.Contains(out, "its job cannot be followed: qme-executor-x has not answered in time") || strings.Contains(out, "NOT RECORDED") {
		t.Errorf("run says %q", out)
	}
	b.verify()
}

// A run whose command has ended is recorded as it ended, also when qme is killed while a
// program is asked about its job.
func TestKilledWhileAsking(t *testing.T) {
	b := newBatch(t, "[executor.x]\nprogram = true\nmatch_program = \"echo\"\n")
	b.write(filepath.Join(b.bin, "qme-executor-x"), "#!/bin/sh\nkill -9 $PPID\n", 0o755)
	if out, code := b.qme("run", "echo", "hi"); code == 0 {
		t.Fatalf("qme was not killed: %s", out)
	}
	rec := b.records()[0]
	if rec.Data.Status != record.Complete || rec.Data.ReturnCode == nil || *rec.Data.ReturnCode != 0 {
		t.Errorf("the run is recorded as %q with return code %v", rec.Data.Status, rec.Data.ReturnCode)
	}
	b.verify()
}

// The example in Go in the documentation is one that is built and run.
func TestGoExample(t *testing.T) {
	code, err := os.ReadFile("../executor/example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(code, []byte(example(t, "example_test.go"))) {
		t.Error("executor/example_test.go does not hold the example of docs/executors.md")
	}
}

// Every example of configuration is tested.
func TestEveryExample(t *testing.T) {
	b, err := os.ReadFile("../docs/executors.md")
	if err != nil {
		t.Fatal(err)
	}
	tested := []string{"tsp", "pbs", "condor", "lsf", "sge", "docker", "kubectl", "program"}
	for _, name := range regexp.MustCompile(`<!-- example: (\w+)\.toml -->`).FindAllSubmatch(b, -1) {
		if !slices.Contains(tested, string(name[1])) {
			t.Errorf("no test uses %s.toml", name[1])
		}
	}
}
