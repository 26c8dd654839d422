package program

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qme/executor"
	"qme/executor/section"
	"qme/record"
)

// programOf makes the executor of a shell script, which finds the request in $request. Warnings
// go to the slice.
func programOf(t *testing.T, script string) (p *program, warnings *[]string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "speaks")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nread -r request\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	warnings = new([]string)
	return made(t, map[string]any{"match_program": "sub", "program": path}, warnings), warnings
}

func made(t *testing.T, values map[string]any, warnings *[]string) *program {
	t.Helper()
	s := section.Section{Name: "x", Values: values, Where: func(...string) string { return "" }}
	e, err := New(s, &executor.Shell{Program: "sh"}, func(err error) { *warnings = append(*warnings, err.Error()) })
	if err != nil || !Is(s) || !Made(e) {
		t.Fatalf("it is %v, %v", e, err)
	}
	return e.(*program)
}

func ran(rc int) *record.Record {
	return &record.Record{UID: "x-1", Executor: "x", Data: record.Data{Status: record.Complete, ReturnCode: &rc}}
}

func withJob(id string) *record.Record {
	rec := ran(0)
	rec.Data.Job = &record.Job{ID: id, State: "RUNNING"}
	return rec
}

func TestNew(t *testing.T) {
	for wrong, values := range map[string]map[string]any{
		"executor.x.program: it is true, or the path": {"match": "x", "program": false},
		"executor.x.program: it takes text":           {"match": "x", "program": int64(1)},
		"executor.x.refresh: there is no such key":    {"match": "x", "program": true, "refresh": map[string]any{}},
		"neither match nor match_program":             {"program": true},
	} {
		s := section.Section{Name: "x", Values: values, Where: func(...string) string { return "" }}
		if _, err := New(s, &executor.Shell{Program: "sh"}, nil); !errors.Is(err, record.ErrInvalid) || !strings.Contains(err.Error(), wrong) {
			t.Errorf("%v: %v, want %q", values, err, wrong)
		}
	}
	p := made(t, map[string]any{"match_program": "sub", "program": true}, nil)
	if c, ok := p.Recognise([]string{"sub", "a"}); !ok || c.Executor != "x" || p.path != "qme-executor-x" {
		t.Errorf("it takes %+v: %v, by %s", c, ok, p.path)
	}
	if _, ok := p.Recognise([]string{"other"}); ok {
		t.Error("it takes another command")
	}
}

// TestSubmitted asks which job a command has started.
func TestSubmitted(t *testing.T) {
	for _, c := range []struct {
		name, script, id string
		is               error
		message          string
	}{
		{"a job", `echo '{"version": 1, "job": {"id": "7", "state": "RUNNING", "output": ["x"], "output_error": "y", "history": [{"state": "A"}], "more": 1}, "more": 2}'`, "7", nil, ""},
		{"of the request", `case $request in '{"version":1,"method":"submitted","executor":"x","task":{'*) echo '{"version": 1, "job": {"id": "8"}}';; esac`, "8", nil, ""},
		{"none", `echo '{"version": 1, "job": null}'`, "", nil, ""},
		{"a job without an id", `echo '{"version": 1, "job": {"state": "A"}}'`, "", record.ErrUnavailable, "names a job without an id"},
		{"a code that is none", `echo '{"version": 1, "job": {"id": "7", "returncode": 256}}'`, "", record.ErrUnavailable, "the return code 256"},
		{"another version", `echo '{"version": 2, "job": {"id": 7}}'`, "", record.ErrUnavailable, "answers in version 2 of the protocol, and this qme speaks 1"},
		{"no version", `echo '{"job": {"id": "7"}}'`, "", record.ErrUnavailable, "does not say the version"},
		{"no JSON", `printf '\033[2J{'`, "", record.ErrUnavailable, "has printed what is no answer"},
		{"another kind of JSON", `echo '{"version": 1, "job": "7"}'`, "", record.ErrUnavailable, "has printed what is no answer"},
		{"nothing", ":", "", record.ErrUnavailable, "has printed what is no answer"},
		{"an error", "echo why >&2; exit 8", "", record.ErrUnavailable, "speaks: why"},
		{"an error without a meaning", "exit 42", "", errFailed, "speaks ended with 42"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, _ := programOf(t, c.script)
			job, err := p.Submitted(ran(0))
			if !errors.Is(err, c.is) || err != nil && !strings.Contains(err.Error(), c.message) {
				t.Fatalf("the error is %v, want %q", err, c.message)
			}
			if (job == nil) != (c.id == "") || job != nil && (job.ID != c.id || job.Output != nil || job.OutputError != "" || job.History != nil || job.Extra != nil) {
				t.Errorf("the job is %+v, want %q", job, c.id)
			}
		})
	}
	p, _ := programOf(t, "exit 1")
	if job, err := p.Submitted(ran(3)); job != nil || err != nil {
		t.Errorf("of a command that has failed: %+v, %v", job, err)
	}
}

func TestRefresh(t *testing.T) {
	p, _ := programOf(t, `echo '{"version": 1, "jobs": [{"job": {"id": "7", "state": "DONE", "final": true, "returncode": 4}},
		{"error": {"code": 9, "message": "not \u001b yet"}}, {"error": {"code": 5, "message": "no"}}, {}, {"job": {"state": "A"}}]}'`)
	answers := p.Refresh(context.Background(), []*record.Record{withJob("7"), withJob("8"), withJob("9"), withJob("10"), withJob("11")})
	if job := answers[0].Job; answers[0].Err != nil || job.State != "DONE" || *job.ReturnCode != 4 || job.Source != "qme-executor-x" || job.Checked == nil {
		t.Errorf("the first is %+v, %v", job, answers[0].Err)
	}
	for i, want := range []struct {
		is      error
		message string
	}{1: {record.ErrNotYet, `not \x1b yet`}, 2: {record.ErrConflict, "no"}, 3: {record.ErrUnavailable, "neither a job nor an error"}, 4: {record.ErrUnavailable, "without an id"}} {
		if i > 0 && (!errors.Is(answers[i].Err, want.is) || !strings.Contains(answers[i].Err.Error(), want.message)) {
			t.Errorf("answer %d is %+v", i, answers[i])
		}
	}
	p, _ = programOf(t, `echo '{"version": 1, "jobs": []}'`)
	for _, answer := range p.Refresh(context.Background(), []*record.Record{withJob("7"), withJob("8")}) {
		if !errors.Is(answer.Err, record.ErrUnavailable) || !strings.Contains(answer.Err.Error(), "was asked about 2 jobs and answers about 0") {
			t.Errorf("of too few answers: %v", answer.Err)
		}
	}
}

func TestOutput(t *testing.T) {
	for _, c := range []struct {
		name, script, want string
		is                 error
	}{
		{"printed", `case $request in *'"stream":"job-stderr"'*) printf 'a\nb';; esac`, "a\nb", nil},
		{"printed in part", "echo part; echo why >&2; exit 9", "part\n", record.ErrNotYet},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, _ := programOf(t, c.script)
			r, err := p.Output(context.Background(), withJob("7"), record.JobStderr)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r)
			if string(b) != c.want || !errors.Is(err, c.is) || r.Close() != nil {
				t.Errorf("it is %q, %v", b, err)
			}
		})
	}
}

// Actions are what the program describes, and those that every executor of jobs has.
func TestActions(t *testing.T) {
	p, warnings := programOf(t, `case $request in
*describe*) echo '{"version": 1, "actions": [{"name": "frob", "summary": "frobnicate", "alters": true, "options": [{"name": "with", "value": "TOOL", "usage": "with what"}]}, {"name": "error"}, {"name": "frob"}, {"name": "status"}]}' ;;
*'"action":"frob","options":{"with":"hammer"}'*) echo done; echo note >&2 ;;
*) echo no >&2; exit 5 ;;
esac`)
	var names []string
	for _, a := range p.Actions() {
		names = append(names, a.Name)
	}
	if got := strings.Join(names, " "); got != "status frob error output" || len(*warnings) > 0 {
		t.Errorf("the actions are %s, with %q", got, *warnings)
	}
	frob, err := executor.Find(p, "frob")
	if o, ok := frob.Takes("with"); err != nil || !frob.Alters || frob.Summary != "frobnicate" || !ok || o.Value != "TOOL" || o.Usage != "with what" {
		t.Fatalf("the action is %+v, %v", frob, err)
	}
	var out, messages bytes.Buffer
	call := &executor.Call{Record: withJob("7"), Options: map[string]string{"with": "hammer"}, Out: &out, Err: &messages}
	if err := frob.Do(context.Background(), call); err != nil || out.String() != "done\n" || messages.String() != "note\n" {
		t.Errorf("it printed %q and %q, %v", out.String(), messages.String(), err)
	}
	call.Options = nil
	if err := frob.Do(context.Background(), call); !errors.Is(err, record.ErrConflict) || !strings.HasSuffix(err.Error(), "speaks: no: "+record.ErrConflict.Error()) {
		t.Errorf("without a tool: %v", err)
	}
}

// A program that does not say what it can do is asked again, but not at once.
func TestDescribe(t *testing.T) {
	for script, want := range map[string]string{
		"exit 3": "speaks ended with 3: it has failed",
		`echo '{"version": 1, "actions": [{"summary": "x"}]}'`: "describes an action without a name",
	} {
		p, warnings := programOf(t, `echo asked >>"$0.log"`+"\n"+script)
		for range 3 {
			if got := p.Actions(); len(got) != 3 {
				t.Errorf("%s: the actions are %+v", script, got)
			}
		}
		log, err := os.ReadFile(p.path + ".log")
		if err != nil || string(log) != "asked\n" || len(*warnings) != 1 || !strings.Contains((*warnings)[0], want) {
			t.Errorf("%s: asked %q, %v, warned %q", script, log, err, *warnings)
		}
		p.tried = p.tried.Add(-2 * describeAgain)
		p.Actions()
		if len(*warnings) != 2 {
			t.Errorf("%s: it is not asked again", script)
		}
	}
	warnings := new([]string)
	p := made(t, map[string]any{"match": "x", "program": "/no/such/program"}, warnings)
	if p.Actions(); len(*warnings) != 1 || !strings.Contains((*warnings)[0], "(section [executor.x] in config.toml names it)") {
		t.Errorf("a program that is not there: %q", *warnings)
	}
}
