package slurm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"qme/record"
)

func TestRecognise(t *testing.T) {
	e := New(Options{Shell: "sh"})
	for _, tt := range []struct {
		words []string
		want  bool
	}{
		{[]string{"sbatch", "job.sh"}, true},
		{[]string{"/opt/slurm/bin/sbatch", "--wrap", "true; false"}, true},
		{[]string{"env", "A=1", "sbatch", "job.sh"}, true},
		{[]string{"/usr/bin/env", "-i", "-u", "X", "--unset=Y", "-uZ", "A=1", "--", "sbatch", "job.sh"}, true},
		{[]string{"env", "-C", "/tmp", "sbatch", "job.sh"}, false},
		{[]string{"sh", "-c", "sbatch job.sh"}, true},
		{[]string{"bash", "-e", "-c", "exec sbatch job.sh"}, true},
		{[]string{"/bin/bash", "-ec", "X=1 sbatch -o 'a b' job.sh 2>/dev/null"}, true},
		{[]string{"env", "A=1", "sh", "-c", "env B=2 sbatch job.sh"}, true},
		{[]string{"sbatch job.sh"}, true},
		{[]string{"sbatch <job.sh"}, true},
		{[]string{"sbatch --export=X=$X job.sh # night"}, true},
		{[]string{"sbatch a.sh; sbatch b.sh"}, false},
		{[]string{"sbatch a.sh && echo yes"}, false},
		{[]string{"sbatch a.sh | tee log"}, false},
		{[]string{"sbatch a.sh &"}, false},
		{[]string{"for i in 1 2; do sbatch a.sh; done"}, false},
		{[]string{"echo sbatch"}, false},
		{[]string{"echo", "sbatch"}, false},
		{[]string{"sh", "sbatch"}, false},
		{[]string{"sh", "-c"}, false},
		{[]string{"sbatch 'unfinished"}, false},
		{[]string{"$SBATCH job.sh"}, false},
		{[]string{"srun", "sbatch"}, false},
		{[]string{"make"}, false},
	} {
		c, ok := e.Recognise(tt.words)
		if ok != tt.want {
			t.Errorf("Recognise(%q) = %v", tt.words, ok)
		}
		if ok && c.Executor != Name {
			t.Errorf("Recognise(%q) is of executor %q", tt.words, c.Executor)
		}
	}
	c, _ := e.Recognise([]string{"sbatch job.sh"})
	if !slices.Equal(c.Argv, []string{"sh", "-c", "sbatch job.sh"}) || c.Line != "sbatch job.sh" {
		t.Errorf("a command line is run as %q, %q", c.Argv, c.Line)
	}
}

// submission is the record of an sbatch that has ended.
func submission(dir string, cmd []string, output ...string) *record.Record {
	zero := 0
	return &record.Record{Executor: Name, Data: record.Data{PWD: dir, User: "ada", Cmd: cmd, Output: output, ReturnCode: &zero,
		Status: record.Complete, Timestamp: record.Now()}}
}

func TestSubmitted(t *testing.T) {
	e := New(Options{Shell: "sh"})
	for _, tt := range []struct {
		cmd         []string
		output      []string
		id, cluster string
		err         string
	}{
		{[]string{"sbatch", "x"}, []string{"Submitted batch job 907484\n"}, "907484", "", ""},
		{[]string{"sbatch", "x"}, []string{"a site's greeting\r\n", "Submitted batch job 17 on cluster qmetest\r\n"}, "17", "qmetest", ""},
		{[]string{"sbatch", "--parsable", "x"}, []string{"3\n"}, "3", "", ""},
		{[]string{"sbatch", "--parsable", "x"}, []string{"16;qmetest\n"}, "16", "qmetest", ""},
		{[]string{"sbatch", "--parsable", "x"}, []string{"16;--all\n"}, "", "", "no id"},
		{[]string{"sbatch", "-Q", "x"}, nil, "", "", "--quiet"},
		{[]string{"sbatch", "--quiet", "--parsable", "x"}, nil, "", "", "--quiet"},
		{[]string{"sh", "-c", "sbatch x >log"}, nil, "", "", "no id"},
		{[]string{"sbatch", "x"}, []string{"Submitted batch job 12345678901\n"}, "", "", "no id"},
		{[]string{"sbatch", "--test-only", "x"}, nil, "", "", ""},
		{[]string{"sbatch", "--help"}, []string{"Usage\n"}, "", "", ""},
		{[]string{"sbatch"}, []string{"sbatch: Job 12 to start at 2026-11-28T16:00:00 using 1 processors on nodes n1 in partition debug\r\n"}, "", "", ""},
		{[]string{"sbatch"}, []string{"sbatch: Job 12 is lost\n"}, "", "", "no id"},
	} {
		job, err := e.Submitted(submission(t.TempDir(), tt.cmd, tt.output...))
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q, %q: %v, want %q", tt.cmd, tt.output, err, tt.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q, %q: %v", tt.cmd, tt.output, err)
		} else if tt.id == "" && job != nil || tt.id != "" && (job == nil || job.ID != tt.id || job.Cluster != tt.cluster) {
			t.Errorf("%q, %q: %+v", tt.cmd, tt.output, job)
		}
	}
}

// TestPlaces compares with what Slurm 22.05 did, by its precedence.
func TestPlaces(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\n#SBATCH -J scr # a comment\n\n#SBATCH --output='from script-%j'\n#SBATCH -e e-%x\necho\n#SBATCH -o late\n"
	if err := os.WriteFile(filepath.Join(dir, "job.sh"), []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	plain := filepath.Join(dir, "plain.sh")
	if err := os.WriteFile(plain, []byte("#!/bin/sh\n#SBATCH -n1\n#SBATCH hetjob\n#SBATCH -o second\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	e := New(Options{Shell: "sh"})
	for _, tt := range []struct {
		cmd            []string
		env            map[string]string
		stdout, stderr string // "" for not known; of relative files without the folder
	}{
		{[]string{"sbatch", plain}, nil, "slurm-7.out", "slurm-7.out"},
		{[]string{"sbatch", "job.sh"}, nil, "from script-7", "e-scr"},
		{[]string{"sbatch", "-oX-%4j", "job.sh"}, nil, "X-0007", "e-scr"},
		{[]string{"sbatch", "-o", "X", "--error=Y", "job.sh"}, nil, "X", "Y"},
		{[]string{"sbatch", "-vo", "X", "-eX", "job.sh"}, nil, "X", "X"},
		{[]string{"sbatch", "--output", "X", "job.sh", "-o", "Z"}, nil, "X", "e-scr"},
		{[]string{"sbatch", "--out=X", plain}, nil, "X", "X"},
		{[]string{"sbatch", plain}, map[string]string{"SBATCH_OUTPUT": "env-%A", "SBATCH_ERROR": "err-%u"}, "env-7", "err-ada"},
		{[]string{"sbatch", "job.sh"}, map[string]string{"SBATCH_OUTPUT": "env"}, "env", "e-scr"},
		{[]string{"sbatch", "-o", "X", plain}, map[string]string{"SBATCH_OUTPUT": "env"}, "X", "X"},
		{[]string{"env", "SBATCH_OUTPUT=inner", "sbatch", plain}, map[string]string{"SBATCH_OUTPUT": "env"}, "inner", "inner"},
		{[]string{"env", "-u", "SBATCH_OUTPUT", "sbatch", plain}, map[string]string{"SBATCH_OUTPUT": "env"}, "slurm-7.out", "slurm-7.out"},
		{[]string{"sh", "-c", `SBATCH_OUTPUT="in line" sbatch ` + plain}, nil, "in line", "in line"},
		{[]string{"sh", "-c", "sbatch <job.sh"}, nil, "from script-7", "e-scr"},
		{[]string{"sh", "-c", "sbatch -o $X job.sh"}, nil, "", ""},
		{[]string{"sbatch"}, nil, "", ""},
		{[]string{"sbatch", "-o", "X", "-e", "Y"}, nil, "X", "Y"},
		{[]string{"sbatch", "missing.sh"}, nil, "", ""},
		{[]string{"sbatch", "--wrap=true"}, nil, "slurm-7.out", "slurm-7.out"},
		{[]string{"sbatch", "--wrap", "true", "-o%x"}, nil, "wrap", "wrap"},
		{[]string{"sbatch", "-o", "none", plain}, nil, "/dev/null", "/dev/null"},
		{[]string{"sbatch", "-o", "/abs/%N-%n-%t-%s-%J-%%-%b-%y", plain}, nil, "/abs/n01-0-0-batch-7-%-%b-%y", "/abs/n01-0-0-batch-7-%-%b-%y"},
		{[]string{"sbatch", "-o", `back\slash-%j`, plain}, nil, "backslash-%j", "backslash-%j"},
		{[]string{"sbatch", "-n1", "-oA", ":", "-n1", "-oB", plain}, nil, "A", "A"},
		{[]string{"sbatch", "--exclusive", "--nice", "-k", "-oA", plain}, nil, "A", "A"},
	} {
		rec := submission(dir, tt.cmd, "Submitted batch job 7\n")
		rec.Data.Env = tt.env
		job, err := e.Submitted(rec)
		if err != nil {
			t.Errorf("%q: %v", tt.cmd, err)
			continue
		}
		rec.Data.Job = job
		locateOne(job, row{raw: "7", name: job.Name, nodes: "n[01-04,9]"}, job.Fields[userField])
		for _, f := range []struct{ got, want string }{{job.StdoutFile, tt.stdout}, {job.StderrFile, tt.stderr}} {
			if f.want != "" && !filepath.IsAbs(f.want) {
				f.want = filepath.Join(dir, f.want)
			}
			if f.got != f.want {
				t.Errorf("%q prints to %q, want %q", tt.cmd, f.got, f.want)
			}
		}
	}
}

func TestFirstNode(t *testing.T) {
	for list, want := range map[string]string{"": "", "vm": "vm", "a,b": "a", "n[001-004,7],m2": "n001", "n[3,5]-ib": "n3-ib", "a,n[1-2]": "a", "n[": ""} {
		if got := firstNode(list); got != want {
			t.Errorf("firstNode(%q) = %q, want %q", list, got, want)
		}
	}
}

func TestElements(t *testing.T) {
	for id, want := range map[string]string{
		"12": "12", "12_3": "12_3", "12+1": "12+1", "12_[4]": "12_4", "12_[0-2]": "12_0 12_1 12_2", "12_[1-5:2,9%3]": "12_1 12_3 12_5 12_9",
		"12_[0-4294967293]": "12_[0-4294967293]", "12_[5-1]": "12_[5-1]", "12_[x]": "12_[x]", "12_[1-2,...]": "12_[1-2,...]",
	} {
		if got := strings.Join(elements(id), " "); got != want {
			t.Errorf("elements(%q) = %q, want %q", id, got, want)
		}
	}
}

func at(sec int64) *record.Time { return &record.Time{Time: time.Unix(sec, 0)} }

// TestChain tells jobs with one id apart, and follows one through its requeues.
func TestChain(t *testing.T) {
	rec := submission("/", []string{"sbatch", "x"})
	rec.Data.Timestamp = *at(1000)
	rec.Data.Finished = at(1001)
	old := row{id: "7", state: "COMPLETED", submit: at(10), end: at(20)}
	first := row{id: "7", state: "REQUEUED", submit: at(1000), end: at(1100)}
	second := row{id: "7", state: "RUNNING", submit: at(1100)}
	later := row{id: "7", state: "COMPLETED", submit: at(90000)}
	for name, tt := range map[string]struct {
		known *record.Time
		rows  []row
		want  int // runs
		state string
	}{
		"by the record's time":    {nil, []row{old, second, first}, 2, "RUNNING"},
		"by the submit time":      {at(1000), []row{first, second}, 2, "RUNNING"},
		"the next job of that id": {at(1100), []row{second, later}, 1, "RUNNING"},
		"none of them":            {at(1000), []row{old, later}, 0, ""},
		"none by time":            {nil, []row{old, later}, 0, ""},
	} {
		rec.Data.Job = &record.Job{ID: "7", Submitted: tt.known}
		runs := chain(slices.Clone(tt.rows), rec)
		if len(runs) != tt.want || tt.want > 0 && runs[len(runs)-1].state != tt.state {
			t.Errorf("%s: %+v", name, runs)
		}
	}
	rec.Data.Job = &record.Job{ID: "7", Submitted: at(1000)}
	job := build(rec, chains([]row{first, second}, rec), "sacct")
	if len(job.History) != 1 || job.History[0].State != "REQUEUED" || !job.Submitted.Equal(time.Unix(1000, 0)) {
		t.Errorf("after a requeue: %+v", job)
	}
}

// These are answers of Slurm 22.05.8.
const (
	arrayAnswer = "3|3|allocation||RUNNING|0:0|1795486053|1795486054|Unknown|1|1|vm|None|4G|1|1-00:00:00\n" + "3_0|9|wrap|debug|COMPLETED|0:0|1795486053|1795486054|1795486055|1|1|vm|None|4G|1|1-00:00:00\n" +
		"3_1|10|wrap|debug|RUNNING|0:0|1795486053|1795486056|Unknown|1|1|vm|JobArrayTaskLimit|512Mc|1|UNLIMITED\n" +
		"3_2|11|na|me\nx|debug|FAILED|1:0|1795486053|1795486058|1795486059|1|1|vm|JobArrayTaskLimit|512Mc|1|UNLIMITED\n" +
		"3_[3-4%1]|3|wrap|debug|PENDING|0:0|1795486053|Unknown|Unknown|0|1|None assigned|JobArrayTaskLimit|512Mc|1|UNLIMITED\n"
	controllerAnswer = "JobId=2 JobName=na|me\nx UserId=root(0) GroupId=root(0) MCS_label=N/A Priority=4294901758 Nice=0 Account=root QOS=normal JobState=FAILED Reason=NonZeroExitCode Dependency=(null) Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=200:0 RunTime=1-00:00:07 TimeLimit=UNLIMITED TimeMin=N/A SubmitTime=1795486053 EligibleTime=1795486053 AccrueTime=1795486053 StartTime=1795486053 EndTime=1795486053 Deadline=N/A SuspendTime=None SecsPreSuspend=0 LastSchedEval=1795486053 Scheduler=Main Partition=debug AllocNode:Sid=localhost:18066 ReqNodeList=(null) ExcNodeList=(null) NodeList=vm BatchHost=vm NumNodes=1 NumCPUs=1 NumTasks=1 CPUs/Task=1 ReqB:S:C:T=0:0:*:* TRES=cpu=1,mem=1536M,node=1,billing=1 Command=(null) WorkDir=/tmp/a b StdErr=/tmp/a b/err 2 StdIn=/dev/null StdOut=/tmp/a b/out 2|a.txt Power= \n" +
		"JobId=6 ArrayJobId=6 ArrayTaskId=1-5%2 ArrayTaskThrottle=2 JobName=wrap UserId=root(0) JobState=PENDING Reason=Resources Restarts=0 ExitCode=0:0 RunTime=00:00:00 SubmitTime=1795486053 StartTime=1795489999 EndTime=Unknown Partition=never NodeList= NumCPUs=1-2 StdErr=/tmp/slurm-6_4294967294.out StdIn=/dev/null StdOut=/tmp/slurm-6_4294967294.out Power= \n" +
		"JobId=15 HetJobId=14 HetJobOffset=1 JobName=het.sh HetJobIdSet=14-15 UserId=root(0) JobState=PENDING Reason=None SubmitTime=1795486158 Partition=debug NodeList= NumCPUs=1 StdErr=/tmp/slurm-15.out StdIn=/dev/null StdOut=/tmp/slurm-15.out\n"
)

// bars writes an answer with the separator.
func bars(text string) string { return strings.ReplaceAll(text, "|", separator) }

func TestArray(t *testing.T) {
	rec := submission("/w", []string{"sbatch", "-a", "0-4%1", "--wrap", "x"}, "Submitted batch job 3\n")
	rec.Data.Timestamp, rec.Data.Finished = *at(1795486052), at(1795486053)
	e := New(Options{Shell: "sh"})
	job, err := e.Submitted(rec)
	if err != nil {
		t.Fatal(err)
	}
	rec.Data.Job = job
	parts := chains(readAccounting(bars(arrayAnswer)), rec)
	job = build(rec, parts, "sacct")
	locate(job, rec, parts)
	var got []string
	for _, el := range job.Elements {
		got = append(got, el.ID+" "+el.State+" "+el.StdoutFile)
	}
	want := []string{"3_0 COMPLETED /w/slurm-3_0.out", "3_1 RUNNING /w/slurm-3_1.out", "3_2 FAILED /w/slurm-3_2.out", "3_3 PENDING /w/slurm-3_3.out", "3_4 PENDING /w/slurm-3_4.out"}
	if !slices.Equal(got, want) {
		t.Errorf("elements %q, want %q", got, want)
	}
	if job.State != "RUNNING" || job.Final || job.ReturnCode != nil || job.Ended != nil {
		t.Errorf("the array is %+v", job)
	}
	if job.RequestedMemory != 4<<30 || job.TimeLimit != 86400 {
		t.Errorf("the array asked for %d bytes and %v s", job.RequestedMemory, job.TimeLimit)
	}
	if name := parts["3_2"][0].name; name != "na"+separator+"me\nx" {
		t.Errorf("element 2 is called %q", name)
	}
	if *job.Elements[2].ReturnCode != 1 {
		t.Errorf("element 2 has the return code %d", *job.Elements[2].ReturnCode)
	}
}

// Each element of an array may be that of a task of its own, which finds itself also among those that wait together.
func TestElementAlone(t *testing.T) {
	all := byJob(readAccounting(bars(arrayAnswer)))
	for id, want := range map[string]string{"3_0": "COMPLETED", "3_1": "RUNNING", "3_2": "FAILED", "3_3": "PENDING", "3_4": "PENDING", "3_5": ""} {
		rec := submission("/w", []string{"sbatch", "--wrap", "x"})
		rec.Data.Timestamp, rec.Data.Finished = *at(1795486052), at(1795486053)
		rec.Data.Job = &record.Job{ID: id, StdoutFile: "/j/stdout", StderrFile: "/j/stderr"}
		s := &subject{rec: rec}
		parts := s.own(all)
		if want == "" {
			if len(parts) > 0 || !s.among || s.other {
				t.Errorf("%s is %v, among others: %v, another: %v", id, parts, s.among, s.other)
			}
			continue
		}
		job := build(rec, parts, "sacct")
		if locate(job, rec, parts); job.ID != id || job.State != want || len(job.Elements) > 0 || job.StdoutFile != "/j/stdout" || job.StderrFile != "/j/stderr" || s.other {
			t.Errorf("%s is %+v, want %s", id, job, want)
		}
	}
	if got := ids([]*subject{{rec: withID("3_0")}, {rec: withID("7")}, {rec: withID("3_1")}, {rec: withID("7")}, {rec: withID("8+1")}}); !slices.Equal(got, []string{"3", "7", "8+1"}) {
		t.Errorf("it is asked about %q", got)
	}
}

func withID(id string) *record.Record {
	return &record.Record{Data: record.Data{Job: &record.Job{ID: id}}}
}

// An element that the controller and the accounting do not know, but others of its array, was cancelled before it started, unless it
// has run.
func TestElementGone(t *testing.T) {
	for _, tt := range []struct {
		among, asked bool
		state, want  string
	}{{true, true, "PENDING", "CANCELLED"}, {true, true, "", "CANCELLED"}, {true, true, "RUNNING", ""}, {false, true, "PENDING", ""}, {true, false, "PENDING", ""}} {
		rec := submission("/w", []string{"sbatch", "--wrap", "x"})
		rec.Data.Job = &record.Job{ID: "3_5", State: tt.state, StdoutFile: "/j/stdout"}
		s := &subject{rec: rec, among: tt.among, controller: map[string][]row{}}
		if tt.asked {
			s.accounting = map[string][]row{}
		}
		job, err := s.unanswered(nil, nil)
		if tt.want == "" && !errors.Is(err, record.ErrNotYet) {
			t.Errorf("%+v: %+v, %v", tt, job, err)
		} else if tt.want != "" && (err != nil || job.State != tt.want || !job.Final || *job.ReturnCode != 1 || job.StdoutFile != "/j/stdout") {
			t.Errorf("%+v: %+v, %v", tt, job, err)
		}
	}
}

// Memory is asked for in all, for each node or for each processor; there are times of all kinds.
func TestRequests(t *testing.T) {
	for text, want := range map[string]int64{"4G": 4 << 30, "4Gn": 8 << 30, "512Mc": 3 << 30, "0": 0, "": 0, "?": 0, "-1G": 0, "1000000Pc": 0} {
		if got := memoryOf(text, 2, 6); got != want {
			t.Errorf("%q: %d bytes, want %d", text, got, want)
		}
	}
	for text, want := range map[string]float64{"00:01.234": 1.234, "01:02:03": 3723, "1-00:00:01": 86401, "00:00:00": 0, "UNLIMITED": 0, "Partition_Limit": 0, "": 0, "00:01.x": 1} {
		if got := lengthOf(text); got != want {
			t.Errorf("%q: %v s, want %v", text, got, want)
		}
	}
	steps := readSteps(bars("7|COMPLETED|0:0||01:01.750\n7.batch|COMPLETED|0:0|2M|00:01.500\n7.0|COMPLETED|0:0|5M|01:00.250\n"))
	if u := steps["7"]; u.maxRSS != 5<<20 || u.cpu != 61.75 {
		t.Errorf("the steps used %+v", u)
	}
}

func TestController(t *testing.T) {
	rows := readController(controllerAnswer)
	if len(rows) != 3 {
		t.Fatalf("%d rows", len(rows))
	}
	r := rows[0]
	if r.id != "2" || r.name != "na|me\nx" || r.exit != "200:0" || r.elapsed != 86407 || r.memory != 1536<<20 || r.stdout != "/tmp/a b/out 2|a.txt" || r.stderr != "/tmp/a b/err 2" || r.node != "vm" {
		t.Errorf("a plain job: %+v", r)
	}
	if r := rows[1]; r.id != "6_[1-5%2]" || r.start != nil || r.cpus != 1 || template(r.stdout) != "/tmp/slurm-6_%a.out" {
		t.Errorf("an array: %+v", r)
	}
	if r := rows[2]; r.id != "14+1" || r.name != "het.sh" || r.stdout != "/tmp/slurm-15.out" {
		t.Errorf("a heterogeneous job: %+v", r)
	}
}

func TestCodes(t *testing.T) {
	for _, tt := range []struct {
		state, exit string
		want        int
	}{
		{"COMPLETED", "0:0", 0}, {"FAILED", "3:0", 3}, {"FAILED", "0:9", 137}, {"FAILED", "200:0", 200}, {"CANCELLED by 0", "0:0", 1}, {"CANCELLED", "0:15", 143},
		{"TIMEOUT", "0:0", 1}, {"NODE_FAIL", "1:0", 1}, {"OUT_OF_MEMORY", "0:125", 253}, {"FAILED", "0:53", 1}, {"FAILED", "nonsense", 1},
	} {
		if got := *code(tt.state, tt.exit); got != tt.want {
			t.Errorf("%s %s: %d, want %d", tt.state, tt.exit, got, tt.want)
		}
	}
}

// TestForeign: nothing of a record that is not of the form becomes an argument.
func TestForeign(t *testing.T) {
	e := New(Options{Shell: "sh"})
	t.Setenv("PATH", t.TempDir())
	for _, job := range []record.Job{{ID: "--all"}, {ID: "7;rm"}, {ID: ""}, {ID: "7\n8"}, {ID: "7", Cluster: "-a"}, {ID: "7", Cluster: "a,b"}, {ID: "7_[1-3]"}} {
		rec := submission("/", []string{"sbatch", "x"})
		rec.Data.Job = &job
		if got := e.Refresh(t.Context(), []*record.Record{rec})[0]; !errors.Is(got.Err, record.ErrInvalid) {
			t.Errorf("%+v: %v", job, got.Err)
		}
	}
	rec := submission("/", []string{"sbatch", "x"})
	rec.Data.Job = &record.Job{ID: "7"}
	got := e.Refresh(t.Context(), []*record.Record{rec})[0]
	if !errors.Is(got.Err, record.ErrUnavailable) || !strings.Contains(got.Err.Error(), "no program scontrol") {
		t.Errorf("without Slurm: %v", got.Err)
	}
}

func FuzzCommandLine(f *testing.F) {
	for _, line := range []string{"sbatch job.sh", "A=1 sbatch -o \"x\\\"y\" 'z w' <in", "env -u X sh -c 'sbatch a'", "sbatch $(x) ${y} {a,b} ~"} {
		f.Add(line)
	}
	e := New(Options{Shell: "sh"})
	f.Fuzz(func(t *testing.T, line string) {
		c, ok := e.Recognise([]string{line})
		if !ok {
			return
		}
		rec := submission("/nosuch", c.Argv, "Submitted batch job 1\n")
		if job, err := e.Submitted(rec); err != nil || job != nil && job.ID != "1" {
			t.Errorf("%+v, %v", job, err)
		}
	})
}

func FuzzScript(f *testing.F) {
	f.Add([]byte("#!/bin/sh\n#SBATCH -o 'a b' -e\\ x\n#SBATCH hetjob\n"))
	f.Fuzz(func(t *testing.T, script []byte) { inScript(script) })
}

func FuzzOutput(f *testing.F) {
	f.Add("Submitted batch job 1 on cluster x\n")
	f.Add("12;c\n")
	f.Fuzz(func(t *testing.T, text string) {
		if job := inOutput(record.Lines(text)); job != nil && identity(job) != nil {
			t.Errorf("%q gives %+v", text, job)
		}
	})
}

func FuzzPattern(f *testing.F) {
	f.Add("/a/%j-%4A-%%-%x%", "7", "name")
	f.Fuzz(func(t *testing.T, pattern, job, name string) {
		path, ok := expand(pattern, values{job: job, master: job, element: "1", name: name, user: "u", node: "n"})
		if !ok && job != "" && name != "" {
			t.Errorf("expand(%q) is not known", pattern)
		}
		if !strings.ContainsAny(pattern, `%\`) && path != pattern {
			t.Errorf("expand(%q) = %q", pattern, path)
		}
	})
}

func FuzzAccounting(f *testing.F) {
	f.Add(bars(arrayAnswer))
	f.Fuzz(func(t *testing.T, text string) { answer(t, readAccounting(text)); readSteps(text) })
}

func FuzzController(f *testing.F) {
	f.Add(controllerAnswer)
	f.Fuzz(func(t *testing.T, text string) { answer(t, readController(text)) })
}

// answer makes a job of whatever rows there are.
func answer(t *testing.T, rows []row) {
	for _, r := range rows {
		rec := submission("/", []string{"sbatch", "x"})
		rec.Data.Job = &record.Job{ID: base(r.id), Submitted: r.submit, Elements: []record.JobElement{{ID: base(r.id) + "_1"}}}
		parts := chains(rows, rec)
		if len(parts) == 0 {
			continue
		}
		job := build(rec, parts, "sacct")
		keepElements(job, rec.Data.Job, "CANCELLED")
		apply(job, rec.Data.Job, nil)
		locate(job, rec, parts)
		job.Follow(rec.Data.Job)
		if job.Final && job.ReturnCode == nil {
			t.Errorf("%+v has ended without a return code", job)
		}
	}
}

// TestLost says what becomes of a job of which Slurm says nothing.
func TestLost(t *testing.T) {
	down := errors.Join(&refusal{"sacct", "Problem talking to the database"}, record.ErrUnavailable)
	none := errors.Join(&refusal{"sacct", "Slurm accounting storage is disabled"}, record.ErrUnavailable)
	fresh, old := record.Now(), record.Time{Time: time.Now().Add(-48 * time.Hour)}
	for name, tt := range map[string]struct {
		at                     record.Time
		state                  string
		other                  bool
		accounting, controller error
		err                    error // nil: it has ended
	}{
		"new":                              {fresh, "", false, nil, nil, record.ErrNotYet},
		"seen, and late in the accounting": {fresh, "RUNNING", false, nil, nil, record.ErrNotYet},
		"nobody answers":                   {old, "RUNNING", false, down, down, record.ErrUnavailable},
		"the accounting may know it":       {old, "RUNNING", false, down, nil, record.ErrUnavailable},
		"the controller may know it":       {old, "RUNNING", false, none, down, record.ErrUnavailable},
		"forgotten":                        {fresh, "RUNNING", false, none, nil, nil},
		"never seen":                       {fresh, "", false, none, nil, record.ErrNotYet},
		"never seen, long ago":             {old, "", false, none, nil, nil},
		"removed from the accounting":      {old, "RUNNING", false, nil, nil, nil},
		"its id is another job's":          {fresh, "RUNNING", true, nil, nil, nil},
		"perhaps another one's":            {fresh, "", true, nil, nil, record.ErrConflict},
	} {
		rec := submission("/", []string{"sbatch", "x"})
		rec.Data.Timestamp = tt.at
		rec.Data.Job = &record.Job{ID: "7", State: tt.state}
		if tt.state != "" {
			rec.Data.Job.Submitted = &tt.at
		}
		job, err := (&subject{rec: rec, other: tt.other}).unanswered(tt.accounting, tt.controller)
		if tt.err != nil && !errors.Is(err, tt.err) {
			t.Errorf("%s: %+v, %v, want %v", name, job, err, tt.err)
		}
		if tt.err == nil && (err != nil || !job.Final || job.State != "UNKNOWN" || job.ReturnCode != nil) {
			t.Errorf("%s: %+v, %v", name, job, err)
		}
	}
}

// TestCarry keeps elements that Slurm lists no more.
func TestCarry(t *testing.T) {
	zero := 0
	before := &record.Job{ID: "7", Elements: []record.JobElement{
		{ID: "7_0", State: "COMPLETED", Final: true, ReturnCode: &zero}, {ID: "7_1", State: "PENDING"}, {ID: "7_2", State: "RUNNING", Nodes: "n"}, {ID: "7_10", State: "PENDING"}}}
	for vanished, want := range map[string]string{"": "COMPLETED PENDING RUNNING RUNNING", "CANCELLED": "COMPLETED CANCELLED RUNNING RUNNING", "UNKNOWN": "COMPLETED UNKNOWN UNKNOWN RUNNING"} {
		job := &record.Job{ID: "7", Elements: []record.JobElement{{ID: "7_10", State: "RUNNING", Nodes: "n"}}}
		keepElements(job, before, vanished)
		var got []string
		for _, el := range job.Elements {
			got = append(got, el.State)
		}
		if strings.Join(got, " ") != want || job.State != "RUNNING" {
			t.Errorf("vanished %q: %q, job %s", vanished, got, job.State)
		}
	}
}

// TestSummarise has an array of which one element failed count as failed, also after one that was
// cancelled.
func TestSummarise(t *testing.T) {
	element := func(state string, code int) record.JobElement {
		return record.JobElement{State: state, Final: true, ReturnCode: &code}
	}
	done, gone, bad := element(completed, 0), element("CANCELLED by 0", 1), element("FAILED", 7)
	for want, elements := range map[string][]record.JobElement{
		"COMPLETED 0": {done, done}, "CANCELLED by 0 1": {done, gone, gone, done}, "FAILED 7": {gone, done, bad, element("TIMEOUT", 9)}, "TIMEOUT 9": {element("TIMEOUT", 9), gone, bad},
	} {
		job := &record.Job{Elements: elements}
		summarise(job)
		if got := fmt.Sprint(job.State, " ", *job.ReturnCode); got != want || !job.Final {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestCorrected: the controller is asked after sacct, and knows some things better.
func TestCorrected(t *testing.T) {
	for name, tt := range map[string]struct {
		accounting, controller row
		want                   string
	}{
		"its processes are being ended": {row{state: "CANCELLED by 0", exit: "0:0", submit: at(1)}, row{state: "COMPLETING", exit: "0:15", submit: at(1)}, "COMPLETING 0:15"},
		"it was requeued":               {row{state: "NODE_FAIL", exit: "1:0", submit: at(1)}, row{state: "PENDING", exit: "0:0", submit: at(5)}, "NODE_FAIL 1:0, PENDING 0:0"},
		"the highest bit":               {row{state: "FAILED", exit: "72:0", submit: at(1)}, row{state: "FAILED", exit: "200:0", submit: at(1)}, "FAILED 200:0"},
		"the signal":                    {row{state: "TIMEOUT", exit: "0:0", submit: at(1)}, row{state: "TIMEOUT", exit: "0:15", submit: at(1)}, "TIMEOUT 0:15"},
		"it runs already":               {row{state: "PENDING", exit: "0:0", submit: at(1)}, row{state: "RUNNING", exit: "0:0", submit: at(1)}, "RUNNING 0:0"},
		"it goes on":                    {row{state: "RUNNING", exit: "0:0", submit: at(1)}, row{state: "FAILED", exit: "1:0", submit: at(1)}, "RUNNING 0:0"},
	} {
		var got []string
		for _, r := range corrected([]row{tt.accounting}, []row{tt.controller}) {
			got = append(got, r.state+" "+r.exit)
		}
		if strings.Join(got, ", ") != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// TestForward: sacct is late, and a job does not go back.
func TestForward(t *testing.T) {
	one := map[string][]row{"7": {{id: "7", state: "PENDING"}}}
	for name, tt := range map[string]struct {
		parts  map[string][]row
		before string
		want   string
	}{
		"late":              {one, "RUNNING", "RUNNING"},
		"it waits":          {one, "PENDING", "PENDING"},
		"requeued":          {map[string][]row{"7": {{id: "7", state: "REQUEUED"}, {id: "7", state: "PENDING"}}}, "RUNNING", "PENDING"},
		"by the controller": {map[string][]row{"7": {{id: "7", state: "PENDING", controller: true}}}, "RUNNING", "PENDING"},
	} {
		job := &record.Job{ID: "7", State: "PENDING"}
		if keepProgress(job, &record.Job{ID: "7", State: tt.before}, tt.parts); job.State != tt.want {
			t.Errorf("%s: %s, want %s", name, job.State, tt.want)
		}
	}
	job := &record.Job{ID: "7", State: "PENDING", Elements: []record.JobElement{{ID: "7_1", State: "PENDING"}, {ID: "7_2", State: "PENDING"}}}
	keepProgress(job, &record.Job{Elements: []record.JobElement{{ID: "7_1", State: "PENDING"}, {ID: "7_2", State: "RUNNING", Nodes: "n"}}}, map[string][]row{"7_[1-2]": {{id: "7_[1-2]"}}})
	if job.State != "RUNNING" || job.Elements[0].State != "PENDING" || job.Elements[1].Nodes != "n" {
		t.Errorf("an array: %+v", job)
	}
}

// TestApply: a job has ended once its steps have.
func TestApply(t *testing.T) {
	ago := func(d time.Duration) *record.Time { return &record.Time{Time: time.Now().Add(-d)} }
	one := 1
	for name, tt := range map[string]struct {
		ended *record.Time
		steps map[string]used
		want  string
	}{
		"all is there":         {ago(0), map[string]used{"7": {maxRSS: 5, exit: "0:15"}}, "ended with 143"},
		"its script runs":      {ago(time.Minute), map[string]used{"7": {running: true}}, "goes on"},
		"its script is stuck":  {ago(time.Hour), map[string]used{"7": {running: true}}, "ended with 1"},
		"no steps so far":      {ago(0), nil, "goes on"},
		"no steps at all":      {ago(time.Minute), nil, "ended with 1"},
		"a clock that is late": {ago(-time.Hour), nil, "ended with 1"},
	} {
		job := &record.Job{ID: "7", State: "CANCELLED", Final: true, ReturnCode: &one, Nodes: "n", Ended: tt.ended}
		apply(job, &record.Job{}, tt.steps)
		got := "goes on"
		if job.Final {
			got = fmt.Sprintf("ended with %d", *job.ReturnCode)
		}
		if got != tt.want {
			t.Errorf("%s: it %s, want %s", name, got, tt.want)
		}
	}
}
