package dashboard

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

func (s *Server) listActions(w http.ResponseWriter, r *http.Request) error {
	run, err := s.find(r)
	if err != nil {
		return err
	}
	list := []Action{}
	for _, a := range s.o.Tasks.Actions(run.Record) {
		a.Options = append([]ActionOption{}, a.Options...)
		list = append(list, a)
	}
	return s.answer(w, r, http.StatusOK, map[string][]Action{"actions": list})
}

// resultMost bounds what is shown of what an action prints.
const resultMost = 1 << 20

func (s *Server) act(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Args []string `json:"args"`
		Agreement
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
	offered := s.o.Tasks.Actions(run.Record)
	i := slices.IndexFunc(offered, func(a Action) bool { return a.Name == name })
	switch {
	case i >= 0 && offered[i].Alters && s.o.ReadOnly:
		return readOnly()
	case i < 0:
		return problem(http.StatusNotFound, "not-found", fmt.Sprintf("task %s has no action %q", run.Record.UID, name))
	}
	if offered[i].Alters && r.PathValue("id") != string(run.Record.UID) {
		return badRequest("what changes something takes the whole id of a task, " + string(run.Record.UID))
	}
	args, err := offered[i].words(body.Args)
	if err != nil {
		return err
	}
	res, err := s.o.Tasks.Act(r.Context(), run.Record.UID, name, args, body.Agreement)
	if err != nil {
		return err
	}
	var answer struct {
		Exit   int      `json:"exit"`
		Stdout []string `json:"stdout"`
		Stderr []string `json:"stderr"`
		Cut    bool     `json:"cut"`
	}
	answer.Exit, answer.Cut = res.Exit, len(res.Stdout) > resultMost || len(res.Stderr) > resultMost
	if answer.Stdout, _, err = paint(res.Stdout[:min(len(res.Stdout), resultMost)], ""); err != nil {
		return err
	}
	if answer.Stderr, _, err = paint(res.Stderr[:min(len(res.Stderr), resultMost)], ""); err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, answer)
}

// words returns the options that were given, each as one word. What the action is not listed with
// is refused: it may be for a terminal, or name a file.
func (a Action) words(args []string) (words []string, err error) {
	for i := 0; i < len(args); i++ {
		name, value, given := strings.Cut(args[i], "=")
		at := slices.IndexFunc(a.Options, func(o ActionOption) bool { return "--"+o.Name == name })
		switch {
		case at < 0:
			return nil, badRequest(fmt.Sprintf("%s has no option %q here", a.Name, name))
		case a.Options[at].Value == "" && given:
			return nil, badRequest(name + " takes no value")
		case a.Options[at].Value == "":
			words = append(words, name)
			continue
		case !given && i+1 == len(args):
			return nil, badRequest(fmt.Sprintf("%s needs a value: %s %s", name, name, a.Options[at].Value))
		case !given:
			i++
			value = args[i]
		}
		words = append(words, name+"="+value)
	}
	return words, nil
}
