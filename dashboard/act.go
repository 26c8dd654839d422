package dashboard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"qme/dashboard/paint"
	"qme/executor"
	"qme/internal/panics"
	"qme/internal/program"
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

// An optionItem is an option of an action in a list.
type optionItem struct {
	Name    string `json:"name"`
	Value   string `json:"value,omitempty"` // the name of its value; empty for a switch
	Summary string `json:"summary"`
}

func (t *taskAPI) listActions(w http.ResponseWriter, r *http.Request) error {
	run, err := findRun(t.home, r)
	if err != nil {
		return err
	}
	list := []actionItem{}
	for _, a := range t.home.Actions(run.Record) {
		item := actionItem{a.Name, a.Summary, a.Alters, []optionItem{}}
		for _, o := range a.Options {
			item.Options = append(item.Options, optionItem{o.Name, o.Value, o.Usage})
		}
		list = append(list, item)
	}
	return writeJSON(w, r, http.StatusOK, map[string][]actionItem{"actions": list})
}

const (
	// resultMost is the maximal size of a stream of an action in a response, in bytes.
	resultMost = 1 << 20
	// actionTime is the time limit of an action, and actionGrace the time to end after
	// it.
	actionTime  = 30 * time.Second
	actionGrace = 2 * time.Second
)

// within calls a function that may hang because it runs other programs. It returns the
// error of run or, after actionTime, one that wraps record.ErrUnavailable. In that case
// run may still be running, and its output must not be read.
func within(ctx context.Context, what string, run func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, actionTime)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- panics.Catch(func() error { return run(ctx) }) }()
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

// An actionResult is the output and exit code of an action. It must not be used
// concurrently.
type actionResult struct {
	exit     int
	out, err program.Buffer
}

// say adds a message to err, as a command would print it.
func (a *actionResult) say(text string) {
	_, _ = a.err.Write([]byte(safe.Message(text) + "\n")) // without Stop it never fails
}

// Write implements io.Writer for the messages of the action.
func (a *actionResult) Write(b []byte) (int, error) {
	a.say(strings.TrimSuffix(string(b), "\n"))
	return len(b), nil
}

// perform performs an action. It returns an error if the action did not end or the user has not
// confirmed it; one that fails is a result with the exit code and messages of "qme exec".
func (t *taskAPI) perform(ctx context.Context, id record.ID, req live.Request) (*actionResult, error) {
	result := &actionResult{out: program.Buffer{Most: resultMost}, err: program.Buffer{Most: resultMost}}
	req.Out, req.Err = &result.out, result
	req.Warn = func(format string, args ...any) {
		_, msg, _ := t.explain(fmt.Errorf(format, args...))
		result.say("qme: " + msg)
	}
	var failed error
	err := within(ctx, fmt.Sprintf("%s of task %s", req.Action, id), func(ctx context.Context) error {
		err := t.home.Act(ctx, id, req)
		var foreign *tasks.ForeignError
		if ctx.Err() != nil || errors.As(err, &foreign) {
			return err
		}
		failed = err
		return nil
	})
	if err != nil || failed == nil {
		return result, err
	}
	exit, msg, hint := t.explain(failed)
	if result.exit = exit; msg != "" {
		result.say("qme: " + msg)
	}
	if hint != "" {
		result.say(hint)
	}
	return result, nil
}

func (t *taskAPI) act(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Args []string `json:"args"`
		live.Agreement
	}
	if err := readBody(w, r, &body); err != nil {
		return err
	}
	if len(body.Args) > 64 {
		return badRequest("args has more than 64 elements")
	}
	run, err := findRun(t.home, r)
	if err != nil {
		return err
	}
	name := r.PathValue("action")
	offered := t.home.Actions(run.Record)
	i := slices.IndexFunc(offered, func(a executor.Action) bool { return a.Name == name })
	switch {
	case i >= 0 && offered[i].Alters && t.readOnly:
		return readOnly()
	case i < 0:
		return newProblem(http.StatusNotFound, "not-found", fmt.Sprintf("task %s has no action %q", run.Record.UID, name))
	}
	if offered[i].Alters && r.PathValue("id") != string(run.Record.UID) {
		return badRequest("what changes something takes the whole id of a task, " + string(run.Record.UID))
	}
	options, err := optionsOf(offered[i], body.Args)
	if err != nil {
		return err
	}
	result, err := t.perform(r.Context(), run.Record.UID, live.Request{Action: name, Options: options, Agreed: body.Agreement})
	if err != nil {
		return err
	}
	return result.respond(w, r)
}

func (a *actionResult) respond(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Exit   int      `json:"exit"`
		Stdout []string `json:"stdout"`
		Stderr []string `json:"stderr"`
		Cut    bool     `json:"cut"`
	}
	body.Exit, body.Cut = a.exit, a.out.Full() || a.err.Full()
	body.Stdout, body.Stderr = paint.Lines(a.out.Bytes()), paint.Lines(a.err.Bytes())
	return writeJSON(w, r, http.StatusOK, body)
}

// optionsOf parses the options of an action. Options that are not listed are refused: they may be for
// a terminal, or name a file.
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
