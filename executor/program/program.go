// Package program makes executors of programs: qme-executor-NAME answers in JSON how jobs go,
// and describes and performs actions. docs/executors.md specifies the protocol.
package program

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"qme/executor"
	"qme/executor/ask"
	"qme/executor/section"
	"qme/internal/safe"
	"qme/record"
)

// prefix begins the name of a program; that of the executor follows.
const prefix = "qme-executor-"

// Is reports whether a section is one of an executor by program.
func Is(s section.Section) bool { return s.Has("program") }

// How long a program may take to answer.
const (
	describeTime  = 5 * time.Second
	submittedTime = 5 * time.Second
	refreshTime   = time.Minute
	silence       = time.Minute // between two pieces of output

	// describeAgain is how long after a failed answer to describe a process that goes on
	// asks again.
	describeAgain = 10 * time.Second
)

// New makes the executor of a section: program = true is qme-executor-NAME in PATH, or
// else the text is the program's path. The program is not started, nor looked for,
// before a command that match takes has ended or a user asks about such a task. The error
// wraps record.ErrInvalid and names the key and its place. warn gets the error of a program
// that does not describe its actions.
func New(s section.Section, shell *executor.Shell, warn func(error)) (executor.Tracker, error) {
	t := s.Read()
	p := &program{name: s.Name, match: t.Match(shell)}
	if _, on := s.Values["program"].(bool); on {
		if !t.Bool("program") {
			t.Fail("program", "it is true, or the path of the program; to leave the executor out, remove its section")
		}
		p.path = prefix + s.Name
	} else {
		p.path = t.Text("program")
	}
	p.warn = warn
	return p, t.Done()
}

type program struct {
	name, path string
	match      *section.Match
	warn       func(error)

	describing sync.Mutex // guards the fields below
	described  bool
	tried      time.Time // when it was last asked in vain
	actions    []executor.Action
}

// Made reports whether an executor is one by program, whose Actions start that.
func Made(e executor.Executor) bool {
	_, ok := e.(*program)
	return ok
}

// Name implements executor.Executor.
func (p *program) Name() string { return p.name }

// Recognise implements executor.Executor.
func (p *program) Recognise(words []string) (executor.Command, bool) { return p.match.Recognise(words) }

// Submitted implements executor.Tracker.
func (p *program) Submitted(rec *record.Record) (*record.Job, error) {
	if code := rec.Data.ReturnCode; code == nil || *code != 0 {
		return nil, nil // no process is started for a command that has failed
	}
	// A signal ends the question, and the run is recorded all the same.
	ctx, stop := ask.UntilSignalled(context.Background())
	said, err := p.ask(ctx, submittedTime, request{Method: "submitted", Task: rec})
	stop()
	if err != nil || said.Job == nil {
		return nil, err
	}
	if err := p.check(said.Job); err != nil {
		return nil, err
	}
	return said.Job, nil
}

// check refuses an invalid job, and leaves out the fields that qme itself fills in.
func (p *program) check(job *record.Job) error {
	if job.ID == "" {
		return p.wrong("names a job without an id")
	}
	if rc := job.ReturnCode; rc != nil && (*rc < 0 || *rc > 255) {
		return p.wrong("gives job %s the return code %d, which is not from 0 to 255", job.ID, *rc)
	}
	job.History, job.Extra = nil, nil
	job.Output, job.Error, job.Stdout, job.Stderr, job.OutputError = nil, nil, nil, nil, ""
	return nil
}

// Refresh implements executor.Tracker.
func (p *program) Refresh(ctx context.Context, recs []*record.Record) []record.JobAnswer {
	answers := make([]record.JobAnswer, len(recs))
	said, err := p.ask(ctx, refreshTime, request{Method: "refresh", Tasks: recs})
	if err == nil && len(said.Jobs) != len(recs) {
		err = p.wrong("was asked about %d jobs and answers about %d", len(recs), len(said.Jobs))
	}
	for i := range answers {
		if answers[i].Err = err; err == nil {
			answers[i] = p.answer(said.Jobs[i])
		}
	}
	return answers
}

// answer reads the answer about one job.
func (p *program) answer(said jobAnswer) record.JobAnswer {
	switch {
	case said.Error != nil:
		return record.JobAnswer{Err: fmt.Errorf("%s: %s: %w", safe.Line(p.path), safe.Line(said.Error.Message), kindOf(said.Error.Code))}
	case said.Job == nil:
		return record.JobAnswer{Err: p.wrong("answers with neither a job nor an error")}
	}
	if err := p.check(said.Job); err != nil {
		return record.JobAnswer{Err: err}
	}
	now := record.Now()
	said.Job.Checked, said.Job.Source = &now, prefix+p.name
	return record.JobAnswer{Job: said.Job}
}

// Output implements executor.Tracker.
func (p *program) Output(ctx context.Context, rec *record.Record, name record.StreamName) (io.ReadCloser, error) {
	in, err := p.encode(request{Method: "output", Task: rec, Stream: string(name)})
	if err != nil {
		return nil, err
	}
	return ask.Stream(ctx, ask.Question{Argv: []string{p.path}, Stdin: in}, silence, p.ended)
}

// ended returns the error of a program that has ended, nil for exit code 0.
func (p *program) ended(a ask.Answer) error {
	if a.Code == 0 {
		return nil
	}
	because := a.Because()
	if because == "" {
		because = fmt.Sprintf(" ended with %d", a.Code)
	}
	return fmt.Errorf("%s%s: %w", safe.Line(p.path), because, kindOf(a.Code))
}

// Actions implements executor.Executor. It starts the program, until that has answered once.
func (p *program) Actions() []executor.Action {
	all := []executor.Action{executor.StatusAction(p)}
	names := map[string]bool{"status": true}
	for _, a := range p.own() {
		if names[a.Name] {
			continue
		}
		names[a.Name] = true
		all = append(all, a)
	}
	for _, name := range executor.JobStreams {
		if !names[executor.PrintAction(name)] {
			all = append(all, executor.OutputAction(p, name, nil))
		}
	}
	return all
}

// own returns the actions that the program describes, none while it does not answer.
func (p *program) own() []executor.Action {
	p.describing.Lock()
	defer p.describing.Unlock()
	if p.described || time.Since(p.tried) < describeAgain {
		return p.actions
	}
	actions, err := p.describe()
	if err != nil {
		p.tried = time.Now()
		p.warn(err)
		return nil
	}
	p.actions, p.described = actions, true
	return actions
}

// describe asks for the actions.
func (p *program) describe() ([]executor.Action, error) {
	ctx, stop := ask.UntilSignalled(context.Background())
	said, err := p.ask(ctx, describeTime, request{Method: "describe"})
	ask.Die(stop())
	if err != nil {
		return nil, err
	}
	var all []executor.Action
	for _, a := range said.Actions {
		if a.Name == "" {
			return nil, p.wrong("describes an action without a name")
		}
		act := executor.Action{Name: a.Name, Summary: a.Summary, Alters: a.Alters, Do: func(ctx context.Context, c *executor.Call) error {
			return p.act(ctx, a.Name, c)
		}}
		for _, o := range a.Options {
			act.Options = append(act.Options, executor.Option(o))
		}
		all = append(all, act)
	}
	return all, nil
}

// act performs an action. The output of the program is the result. There is no time limit: the
// user waits for it.
func (p *program) act(ctx context.Context, action string, c *executor.Call) error {
	in, err := p.encode(request{Method: "act", Action: action, Options: c.Options, Task: c.Record})
	if err != nil {
		return err
	}
	said, err := ask.Show(ctx, ask.Question{Argv: []string{p.path}, Stdin: in, Unattended: c.Unattended}, c.Out, c.Err)
	if err != nil {
		return p.missing(err)
	}
	return p.ended(said)
}

// ask asks a question that is answered in JSON.
func (p *program) ask(ctx context.Context, limit time.Duration, r request) (*response, error) {
	in, err := p.encode(r)
	if err != nil {
		return nil, err
	}
	said, err := ask.Run(ctx, ask.Question{Argv: []string{p.path}, Stdin: in, Limit: limit})
	if err != nil {
		return nil, p.missing(err)
	}
	if err := p.ended(said); err != nil {
		return nil, err
	}
	return p.decode(said.Stdout)
}

// missing adds to the error of a program that is not there which section names it.
func (p *program) missing(err error) error {
	if _, lookErr := exec.LookPath(p.path); lookErr != nil && os.Getenv("PATH") != "" {
		return fmt.Errorf("%w (section [executor.%s] in config.toml names it)", err, p.name)
	}
	return err
}

func (p *program) encode(r request) ([]byte, error) {
	r.Version, r.Executor = version, p.name
	b, err := json.Marshal(r)
	return append(b, '\n'), err
}

// decode reads an answer, if it is of this version.
func (p *program) decode(b []byte) (*response, error) {
	var of struct {
		Version *int `json:"version"`
	}
	if err := json.Unmarshal(b, &of); err != nil {
		return nil, p.wrong("has printed what is no answer (%v)", err)
	}
	switch {
	case of.Version == nil:
		return nil, p.wrong("does not say the version of its answer: it prints \"version\": %d", version)
	case *of.Version != version:
		return nil, p.wrong("answers in version %d of the protocol, and this qme speaks %d", *of.Version, version)
	}
	said := new(response)
	if err := json.Unmarshal(b, said); err != nil {
		return nil, p.wrong("has printed what is no answer (%v)", err)
	}
	return said, nil
}

// wrong makes an error about an answer. It wraps record.ErrUnavailable: the program may
// be put right, and be asked again.
func (p *program) wrong(format string, args ...any) error {
	return fmt.Errorf("%s %s: %w", safe.Line(p.path), safe.Line(fmt.Sprintf(format, args...)), record.ErrUnavailable)
}
