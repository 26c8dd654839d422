package dashboard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"qme/executor"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
	"qme/tasks/live"
)

// An actionItem is an action in a list.
type actionItem struct {
	Name    string       `json:"name"`
	Summary string       `json:"summary"`
	Alters  bool         `json:"alters"`
	Options []optionItem `json:"options"`
}

// An optionItem is an option of an action.
type optionItem struct {
	Name    string `json:"name"`
	Value   string `json:"value,omitempty"` // what its value is called; empty for a switch
	Summary string `json:"summary"`
}

func (s *Server) listActions(w http.ResponseWriter, r *http.Request) error {
	run, err := s.find(r)
	if err != nil {
		return err
	}
	list := []actionItem{}
	for _, a := range s.tasks.Actions(run.Record) {
		item := actionItem{a.Name, a.Summary, a.Alters, []optionItem{}}
		for _, o := range a.Options {
			item.Options = append(item.Options, optionItem{o.Name, o.Value, o.Usage})
		}
		list = append(list, item)
	}
	return s.answer(w, r, http.StatusOK, map[string][]actionItem{"actions": list})
}

const (
	// resultMost bounds what is shown of a stream of an action.
	resultMost = 1 << 20
	// actionTime bounds how long an action takes, and actionGrace how long its end does.
	actionTime  = 30 * time.Second
	actionGrace = 2 * time.Second
)

// within runs something that may hang, such as what asks other programs, for actionTime at the
// most. What run writes to may be read only when there is no error.
func within(ctx context.Context, what string, run func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, actionTime)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- safely(func() error { return run(ctx) }) }()
	select {
	case err := <-done:
		if err == nil || ctx.Err() == nil {
			return err
		}
	case <-ctx.Done():
		select {
		case err := <-done:
			if err == nil {
				return nil
			}
		case <-time.After(actionGrace):
		}
	}
	return fmt.Errorf("%s took longer than %s: %w", what, actionTime, record.ErrUnavailable)
}

// A performance is an action that is performed, and what comes of it. It is for one goroutine.
type performance struct {
	exit     int
	out, err limited
}

// A limited keeps a little more than resultMost of what is written to it.
type limited struct{ b bytes.Buffer }

// Write implements io.Writer. It never fails.
func (l *limited) Write(p []byte) (int, error) {
	l.b.Write(p[:min(len(p), max(0, resultMost+1-l.b.Len()))])
	return len(p), nil
}

// say adds a message as a command would print it.
func (p *performance) say(text string) {
	_, _ = p.err.Write([]byte(safe.Message(text) + "\n")) // it never fails
}

// Write takes messages of the action.
func (p *performance) Write(b []byte) (int, error) {
	p.say(strings.TrimSuffix(string(b), "\n"))
	return len(b), nil
}

// perform performs an action. The error is for one that did not end, or was not agreed to; one
// that fails says so as the command "qme exec" does.
func (s *Server) perform(ctx context.Context, id record.ID, a live.Request) (*performance, error) {
	p := &performance{}
	a.Out, a.Err = &p.out, p
	a.Warn = func(format string, args ...any) {
		_, msg, _ := s.o.Explain(fmt.Errorf(format, args...))
		p.say("qme: " + msg)
	}
	var failed error
	err := within(ctx, fmt.Sprintf("%s of task %s", a.Action, id), func(ctx context.Context) error {
		err := s.tasks.Act(ctx, id, a)
		var foreign *tasks.ForeignError
		if ctx.Err() != nil || errors.As(err, &foreign) {
			return err
		}
		failed = err
		return nil
	})
	if err != nil || failed == nil {
		return p, err
	}
	exit, msg, hint := s.o.Explain(failed)
	if p.exit = exit; msg != "" {
		p.say("qme: " + msg)
	}
	if hint != "" {
		p.say(hint)
	}
	return p, nil
}

func (s *Server) act(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Args []string `json:"args"`
		live.Agreement
	}
	if err := s.read(w, r, &body); err != nil {
		return err
	}
	if len(body.Args) > 64 {
		return badRequest("args has more than 64 elements")
	}
	run, err := s.find(r)
	if err != nil {
		return err
	}
	name := r.PathValue("action")
	offered := s.tasks.Actions(run.Record)
	i := slices.IndexFunc(offered, func(a executor.Action) bool { return a.Name == name })
	switch {
	case i >= 0 && offered[i].Alters && s.o.ReadOnly:
		return readOnly()
	case i < 0:
		return problem(http.StatusNotFound, "not-found", fmt.Sprintf("task %s has no action %q", run.Record.UID, name))
	}
	if offered[i].Alters && r.PathValue("id") != string(run.Record.UID) {
		return badRequest("what changes something takes the whole id of a task, " + string(run.Record.UID))
	}
	options, err := optionsOf(offered[i], body.Args)
	if err != nil {
		return err
	}
	p, err := s.perform(r.Context(), run.Record.UID, live.Request{Action: name, Options: options, Agreed: body.Agreement})
	if err != nil {
		return err
	}
	return s.answerPerformance(w, r, p)
}

func (s *Server) answerPerformance(w http.ResponseWriter, r *http.Request, p *performance) error {
	var answer struct {
		Exit   int      `json:"exit"`
		Stdout []string `json:"stdout"`
		Stderr []string `json:"stderr"`
		Cut    bool     `json:"cut"`
	}
	out, errs := p.out.b.Bytes(), p.err.b.Bytes()
	answer.Exit, answer.Cut = p.exit, len(out) > resultMost || len(errs) > resultMost
	var oerr, eerr error
	answer.Stdout, _, oerr = paint(out[:min(len(out), resultMost)], "")
	answer.Stderr, _, eerr = paint(errs[:min(len(errs), resultMost)], "")
	if err := errors.Join(oerr, eerr); err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, answer)
}

// optionsOf reads the options of an action. Those that it is not listed with are refused: they
// may be for a terminal, or name a file.
func optionsOf(a executor.Action, args []string) (map[string]string, error) {
	options := map[string]string{}
	for i := 0; i < len(args); i++ {
		name, value, given := strings.Cut(args[i], "=")
		known, ok := a.Takes(strings.TrimPrefix(name, "--"))
		switch {
		case !ok || "--"+known.Name != name:
			return nil, badRequest(fmt.Sprintf("%s has no option %q here", a.Name, name))
		case known.Value == "" && given:
			return nil, badRequest(name + " takes no value")
		case known.Value == "":
			value = "true"
		case !given && i+1 == len(args):
			return nil, badRequest(fmt.Sprintf("%s needs a value: %s %s", name, name, known.Value))
		case !given:
			i++
			value = args[i]
		}
		options[known.Name] = value
	}
	return options, nil
}
