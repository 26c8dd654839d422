package custom

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"

	"qme/executor"
	"qme/executor/section"
	"qme/record"
)

// sectionOf returns [executor.x] of a text in TOML.
func sectionOf(t *testing.T, text string) section.Section {
	t.Helper()
	var values map[string]any
	if err := toml.Unmarshal([]byte(text), &values); err != nil {
		t.Fatal(err)
	}
	return section.Section{Name: "x", Values: values, Where: func(...string) string { return "" }}
}

// executorOf makes an executor that has to be right.
func executorOf(t *testing.T, text string) executor.Executor {
	t.Helper()
	e, err := New(sectionOf(t, text), &executor.Shell{Program: "sh"}, func(err error) { t.Error(err) })
	if err == nil {
		err = e.(Checker).Check()
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func trackerOf(t *testing.T, text string) *tracker {
	t.Helper()
	tr, ok := executorOf(t, text).(*tracker)
	if !ok {
		t.Fatal("it follows no jobs")
	}
	return tr
}

// ran is a task that has printed a text.
func ran(output string) *record.Record {
	zero := 0
	return &record.Record{UID: "x-1", Data: record.Data{Status: record.Complete, ReturnCode: &zero, PWD: "/", Output: strings.SplitAfter(output, "\n")}}
}

func withJob(job record.Job) *record.Record {
	rec := ran("")
	rec.Data.Job = &job
	return rec
}

// A section that is wrong is refused, at the latest when it is checked.
func TestWrongSections(t *testing.T) {
	const refresh = "match = 'x'\ncapture = ['(?P<id>\\d+)']\n[refresh]\nfinal = ['*']\n"
	for text, want := range map[string]string{
		"match = 'x'\nrefresh = 1": "executor.x.refresh: it is a table",
		"match = 'x'\n[refresh]\ncmd = ['q']\ncapture = ['(?P<state>.)']\nfinal = []": "executor.x.capture: refresh needs the job's id",
		refresh + "capture = ['(?P<state>.)']":                                        "executor.x.refresh.cmd: it is missing",
		refresh + "cmd = ['{id}']\ncapture = ['(?P<state>.)']":                        "executor.x.refresh.cmd: its first element has to name a program",
		refresh + "cmd = ['q', '{other}']\ncapture = ['(?P<state>.)']":                "nothing fills in {other}: there are {id}, {pwd}, {uid}",
		refresh + "cmd = ['q']":                                                       "it has to say which part of the answer is the state",
		refresh + "cmd = ['q']\ncapture = ['x']":                                      `"x" captures nothing`,
		refresh + "cmd = ['q']\ncapture = ['(?P<st>.)']":                              "none of its groups is (?P<state>…)",
		refresh + "cmd = ['q']\ncapture = ['(?P<state>.)(?P<id>.)']":                  "a job's id does not change",
		refresh + "cmd = ['q']\ncapture = ['(?P<state>.)']\njoin = '('":               "executor.x.refresh.join: error parsing regexp",
		"match = 'x'\n[actions.a]\ncmd = ['sh', '-c', 'kill {id}']":                   "is a command line for a shell",
		"match = 'x'\n[actions.a]\ncmd = ['su', '-lc', 'kill {id}']":                  "is a command line for a shell",
		"match = 'x'\n[actions.a]\nsummary = 'x'":                                     "executor.x.actions.a.cmd: it is missing",
		"match = 'x'\n[actions.'a b']\ncmd = ['a']":                                   `"a b" is no name for an action`,
		"match = 'x'\nmatchh = 'y'":                                                   "there is no such key, only",
	} {
		e, err := New(sectionOf(t, text), &executor.Shell{Program: "sh"}, func(error) {})
		if err == nil {
			err = e.(Checker).Check()
		}
		if !errors.Is(err, record.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\nis refused with %v, want %q", text, err, want)
		}
	}
}

// An executor whose expressions are wrong takes no command, and says so.
func TestRecogniseWrong(t *testing.T) {
	var warned error
	e, err := New(sectionOf(t, "match = '^sub'\ncapture = ['(']"), &executor.Shell{Program: "sh"}, func(err error) { warned = err })
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := e.Recognise([]string{"other"}); ok || warned != nil {
		t.Errorf("of another command: %v, %v", ok, warned)
	}
	if _, ok := e.Recognise([]string{"sub"}); ok || !errors.Is(warned, record.ErrInvalid) {
		t.Errorf("of its own: %v, %v", ok, warned)
	}
}

func TestSubmitted(t *testing.T) {
	tr := trackerOf(t, `match = 'sub'
capture = ['^job (?P<id>\d+)(?: in (?P<partition>\w+))?', '^at (?P<submitted>.*)', '^colour (?P<colour>\w+)', '^cpus (?P<cpus>.*)']
[refresh]
cmd = ['q']
capture = ['(?P<state>\w+)']
final = []`)
	job, err := tr.Submitted(ran("hello\njob 12 in long\njob 13\nat 2020-06-24T15:33:18Z\ncolour red\ncpus many\n"))
	if err != nil || job.ID != "12" || job.Partition != "long" || job.Submitted.UTC().Format(time.DateTime) != "2020-06-24 15:33:18" {
		t.Fatalf("the job is %+v, %v", job, err)
	}
	if job.Fields["colour"] != "red" || job.Fields["cpus"] != "many" || job.CPUs != 0 || job.Fields["id"] != "" {
		t.Errorf("its fields are %v", job.Fields)
	}
	if job, err := tr.Submitted(ran("no job\n")); job != nil || !errors.Is(err, record.ErrInvalid) {
		t.Errorf("of a command that prints none: %+v, %v", job, err)
	}
}

// TestFields reads what schedulers print.
func TestFields(t *testing.T) {
	at := func(text string) *record.Time {
		when, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return &record.Time{Time: when}
	}
	code := func(n int) *int { return &n }
	local := time.Local
	t.Cleanup(func() { time.Local = local })
	time.Local = time.UTC
	for _, c := range []struct {
		field, text string
		want        record.Job
	}{
		{"returncode", "3", record.Job{ReturnCode: code(3)}},
		{"returncode", "-11", record.Job{ReturnCode: code(1)}},
		{"returncode", "271", record.Job{ReturnCode: code(143)}},
		{"signal", "9", record.Job{ReturnCode: code(137)}},
		{"signal", "0", record.Job{}},
		{"cpus", "8", record.Job{CPUs: 8}},
		{"cpus", "-1", record.Job{Fields: map[string]string{"cpus": "-1"}}},
		{"elapsed", "1-02:03:04.5", record.Job{Elapsed: 93784.5}},
		{"elapsed", "02:03", record.Job{Elapsed: 123}},
		{"elapsed", "12s", record.Job{Elapsed: 12}},
		{"elapsed", "NaN", record.Job{Fields: map[string]string{"elapsed": "NaN"}}},
		{"max_rss", "3548kb", record.Job{MaxRSS: 3633152}},
		{"max_rss", "1.5 GiB", record.Job{MaxRSS: 1610612736}},
		{"max_rss", "12", record.Job{MaxRSS: 12}},
		{"max_rss", "-12", record.Job{Fields: map[string]string{"max_rss": "-12"}}},
		{"started", "1471518210", record.Job{Started: at("2016-08-18T11:03:30Z")}},
		{"started", "2020-06-24T15:33:18+02:00", record.Job{Started: at("2020-06-24T15:33:18+02:00")}},
		{"started", "Wed Jun  3 15:33:18 2020", record.Job{Started: at("2020-06-03T15:33:18Z")}},
		{"started", "0", record.Job{}},
		{"started", "0001-01-01T00:00:00Z", record.Job{}},
		{"started", "tomorrow", record.Job{Fields: map[string]string{"started": "tomorrow"}}},
		{"nodes", "n1,n2", record.Job{Nodes: "n1,n2"}},
	} {
		var job record.Job
		answer{c.field: c.text}.fill(&job)
		got, gotErr := job.MarshalJSON()
		want, wantErr := c.want.MarshalJSON()
		if err := errors.Join(gotErr, wantErr); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s %q is read as %s, %v, want %s", c.field, c.text, got, err, want)
		}
	}
}

// asking is a section that asks a shell script.
func asking(script, more string) string {
	return fmt.Sprintf("match = 'sub'\ncapture = ['(?P<id>[-\\w]+)']\n[refresh]\ncmd = ['sh', '-c', '''%s''', 'sh', '{id}']\n"+
		"capture = ['^state (?P<state>\\w+)', '^code (?P<returncode>\\d+)', '^of {id} (?P<reason>\\w+)']\nfinal = ['DONE', 'FAILED']\n%s", script, more)
}

func TestRefresh(t *testing.T) {
	rc := func(n int) *int { return &n }
	for _, c := range []struct {
		name, script, more string
		before             record.Job
		want               record.Job
		is                 error
		message            string
	}{
		{"runs", `echo state RUNNING; echo code 0; echo of 8 no; echo "of $1 yes"`, "", record.Job{}, record.Job{State: "RUNNING", Reason: "yes"}, nil, ""},
		{"ended", "echo state FAILED; echo code 3", "", record.Job{}, record.Job{State: "FAILED", Final: true, ReturnCode: rc(3)}, nil, ""},
		{"ended, as states say", "echo state FAILED", "states = {FAILED = 'BROKEN'}\nreturncodes = {FAILED = 4, '*' = 5}", record.Job{}, record.Job{State: "BROKEN", Final: true, ReturnCode: rc(4)}, nil, ""},
		{"ended, as all states", "echo state DONE", "returncodes = {FAILED = 4, '*' = 5}", record.Job{}, record.Job{State: "DONE", Final: true, ReturnCode: rc(5)}, nil, ""},
		{"joined", "printf 'sta\\n\\tte DONE'", "join = '\\n\\t'", record.Job{}, record.Job{State: "DONE", Final: true}, nil, ""},
		{"known although it fails", "echo state RUNNING; exit 1", "", record.Job{}, record.Job{State: "RUNNING"}, nil, ""},
		{"fails", "echo why >&2; exit 3", "", record.Job{}, record.Job{}, record.ErrUnavailable, "sh ended with 3: why"},
		{"says nothing", ":", "", record.Job{}, record.Job{}, record.ErrUnavailable, "sh has printed no state that capture finds"},
		{"hangs", "sleep 1000", "timeout = '100ms'", record.Job{}, record.Job{}, record.ErrUnavailable, "has not answered in time"},
		{"not known so far", "echo no such job >&2; exit 1", "unknown = '^no such'", record.Job{}, record.Job{}, record.ErrNotYet, "does not know it"},
		{"nothing means not known", ":", "unknown = '^$'", record.Job{}, record.Job{}, record.ErrNotYet, "does not know it"},
		{"nothing of one that fails does not", "exit 1", "unknown = '^$'", record.Job{}, record.Job{}, record.ErrUnavailable, "sh ended with 1"},
		{"not known any more", ":", "unknown = '^$'", record.Job{State: "RUNNING"}, record.Job{State: unseen}, nil, ""},
		{"not known for long", ":", "unknown = '^$'\nforget = '1m'", record.Job{State: unseen, History: []record.JobState{{State: unseen, At: record.Time{Time: time.Now().Add(-time.Hour)}}}}, record.Job{State: gone, Final: true}, nil, ""},
		{"found by another", ":", "unknown = '^$'\n[refresh.else]\ncmd = ['echo', 'DONE']\ncapture = ['(?P<state>\\w+)']", record.Job{}, record.Job{State: "DONE", Final: true}, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.before.ID = "7"
			answer := trackerOf(t, asking(c.script, c.more)).Refresh(context.Background(), []*record.Record{withJob(c.before)})[0]
			if !errors.Is(answer.Err, c.is) || answer.Err != nil && !strings.Contains(answer.Err.Error(), c.message) {
				t.Fatalf("the error is %v, want %q", answer.Err, c.message)
			}
			if answer.Err != nil {
				return
			}
			got := answer.Job
			if got.State != c.want.State || got.Final != c.want.Final || got.Reason != c.want.Reason || got.Checked == nil ||
				(got.ReturnCode == nil) != (c.want.ReturnCode == nil) || got.ReturnCode != nil && *got.ReturnCode != *c.want.ReturnCode {
				t.Errorf("the job is %+v, want %+v", got, c.want)
			}
		})
	}
}

// Each job is asked about by itself, in any number, and answers keep their order.
func TestRefreshMany(t *testing.T) {
	var recs []*record.Record
	for i := range 3 * atOnce {
		recs = append(recs, withJob(record.Job{ID: fmt.Sprint(i)}))
	}
	tr := trackerOf(t, asking(`test "$1" = 5 && exit 1; echo "state DONE"; echo "of $1 is$1"`, ""))
	for i, answer := range tr.Refresh(context.Background(), recs) {
		if i == 5 && !errors.Is(answer.Err, record.ErrUnavailable) || i != 5 && (answer.Err != nil || answer.Job.Reason != fmt.Sprintf("is%d", i)) {
			t.Errorf("job %d: %+v, %v", i, answer.Job, answer.Err)
		}
	}
}

// What a record says becomes an argument only where the section could have found it.
func TestFill(t *testing.T) {
	e := executorOf(t, `match = 'sub'
capture = ['^(?P<id>\d+)$', '^name (?P<name>.+)$']
[actions.a]
cmd = ['prog', '{id}', '--name={name}', '{{id}}', '{uid} {pwd}']
[actions.bare]
cmd = ['prog', '{name}']`).(*plain)
	act := func(name string) action {
		for _, a := range e.spec.actions {
			if a.name == name {
				return a
			}
		}
		panic(name)
	}
	for _, c := range []struct {
		name, action string
		rec          *record.Record
		want         string
		is           error
	}{
		{"of a job", "a", withJob(record.Job{ID: "7", Name: "a b;$(x)"}), "prog|7|--name=a b;$(x)|{{id}}|x-1 /", nil},
		{"of what was printed", "a", ran("7\nname n\n"), "prog|7|--name=n|{{id}}|x-1 /", nil},
		{"that is not one", "a", withJob(record.Job{ID: "7; rm", Name: "n"}), "", record.ErrInvalid},
		{"with a control character", "a", withJob(record.Job{ID: "7", Name: "\x1b[2J"}), "", record.ErrInvalid},
		{"that becomes an option", "bare", withJob(record.Job{ID: "7", Name: "--force"}), "", record.ErrInvalid},
		{"that is missing while it may come", "a", withJob(record.Job{ID: "7"}), "", record.ErrNotYet},
		{"that is missing for ever", "a", withJob(record.Job{ID: "7", Final: true}), "", record.ErrConflict},
	} {
		t.Run(c.name, func(t *testing.T) {
			argv, err := e.argv(act(c.action), c.rec)
			if !errors.Is(err, c.is) || strings.Join(argv, "|") != c.want {
				t.Errorf("it became %q, %v, want %q", argv, err, c.want)
			}
		})
	}
	elsewhere := withJob(record.Job{ID: "7", Name: "n"})
	elsewhere.Data.PWD = "../x"
	if _, err := e.argv(act("a"), elsewhere); !errors.Is(err, record.ErrInvalid) {
		t.Errorf("with a directory that is none: %v", err)
	}
}

// do performs an action, and returns what it prints.
func do(t *testing.T, e executor.Executor, name string, rec *record.Record) (out, messages string, err error) {
	t.Helper()
	act, err := executor.Find(e, name)
	if err != nil {
		t.Fatal(err)
	}
	var o, m bytes.Buffer
	err = act.Do(context.Background(), &executor.Call{Record: rec, Out: &o, Err: &m, Fresh: true})
	return o.String(), m.String(), err
}

func TestActions(t *testing.T) {
	tr := trackerOf(t, asking(":", `[actions.show]
cmd = ['sh', '-c', 'echo "show $1"; echo note >&2', 'sh', '{id}']
[actions.output]
cmd = ['sh', '-c', 'echo "out of $1"', 'sh', '{id}']
[actions.error]
cmd = ['sh', '-c', 'echo more >&2; echo why >&2; exit 3']`))
	var names []string
	for _, a := range tr.Actions() {
		names = append(names, a.Name)
	}
	if got := strings.Join(names, " "); got != "status error output show" {
		t.Errorf("its actions are %s", got)
	}
	active := withJob(record.Job{ID: "7", State: "RUNNING"})
	if out, messages, err := do(t, tr, "show", active); out != "show 7\n" || messages != "note\n" || err != nil {
		t.Errorf("show printed %q and %q, %v", out, messages, err)
	}
	if out, _, err := do(t, tr, "output", active); out != "out of 7\n" || err != nil {
		t.Errorf("output printed %q, %v", out, err)
	}
	if _, messages, err := do(t, tr, "error", active); messages != "more\n" || !errors.Is(err, record.ErrNotYet) || !strings.Contains(err.Error(), "sh ended with 3: why") {
		t.Errorf("error printed %q, %v", messages, err)
	}
	if out, _, err := do(t, tr, "status", active); !strings.Contains(out, `"state":"RUNNING"`) || err != nil {
		t.Errorf("status printed %q, %v", out, err)
	}
	p := executorOf(t, "match = 'x'\n[actions.cancel]\ncmd = ['echo', 'mine']")
	if out, _, err := do(t, p, "cancel", ran("")); out != "mine\n" || err != nil {
		t.Errorf("cancel printed %q, %v", out, err)
	}
}

func TestOutput(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "out"), []byte("in the file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const files = "match = 'x'\ncapture = ['(?P<id>\\d+)', 'out (?P<stdout_file>.+)', 'err (?P<stderr_file>.+)']\n[refresh]\ncmd = ['q']\ncapture = ['(?P<state>\\w+)']\nfinal = []\n"
	const byAction = "match = 'x'\ncapture = ['(?P<id>\\d+)']\n[refresh]\ncmd = ['q']\ncapture = ['(?P<state>\\w+)']\nfinal = []\n" +
		"[actions.output]\ncmd = ['sh', '-c', 'echo printed; exit $1', 'sh', '{id}']\n"
	for _, c := range []struct {
		name, section string
		stream        record.StreamName
		job           record.Job
		want          string // "" is no such stream
		is            error
	}{
		{"a file", files, record.JobStdout, record.Job{StdoutFile: filepath.Join(dir, "out")}, "in the file\n", nil},
		{"a file in the task's directory", files, record.JobStdout, record.Job{StdoutFile: "out"}, "in the file\n", nil},
		{"one file for both", files, record.JobStderr, record.Job{StdoutFile: "out", StderrFile: "out"}, "", nil},
		{"a file that is not there", files, record.JobStderr, record.Job{StderrFile: "err"}, "", record.ErrNotYet},
		{"a file that is gone", files, record.JobStderr, record.Job{StderrFile: "err", Final: true}, "", executor.ErrNoOutput},
		{"a file that is not known", files, record.JobStdout, record.Job{StderrFile: "err"}, "", record.ErrNotYet},
		{"a file that was never known", files, record.JobStdout, record.Job{StderrFile: "err", Final: true}, "", executor.ErrNoOutput},
		{"no files", byAction, record.JobStderr, record.Job{}, "", nil},
		{"an action", byAction, record.JobStdout, record.Job{ID: "0"}, "printed\n", nil},
		{"an action that fails", byAction, record.JobStdout, record.Job{ID: "3"}, "printed\n", record.ErrNotYet},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.job.ID == "" {
				c.job.ID = "7"
			}
			rec := withJob(c.job)
			rec.Data.PWD = dir
			r, err := trackerOf(t, c.section).Output(context.Background(), rec, c.stream)
			var got []byte
			if r != nil && err == nil {
				got, err = io.ReadAll(r)
				err = errors.Join(err, r.Close())
			}
			if !errors.Is(err, c.is) || string(got) != c.want || err == nil && (r == nil) != (c.want == "") {
				t.Errorf("it is %q, %v, want %q, %v", got, err, c.want, c.is)
			}
		})
	}
}
