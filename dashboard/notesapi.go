package dashboard

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"qme/record"
)

// A noteList is what people say of a task.
type noteList struct {
	Name    *record.Name  `json:"name"` // null: it has none
	Tags    []string      `json:"tags"`
	Notes   []record.Note `json:"notes"`
	LeftOut int           `json:"left_out,omitempty"`
}

func (t *taskAPI) getNotes(w http.ResponseWriter, r *http.Request) error {
	run, err := findRun(t.home, r)
	if err != nil {
		return err
	}
	return writeNotes(w, r, run.Record.Notes)
}

func writeNotes(w http.ResponseWriter, r *http.Request, notes *record.Notes) error {
	n := notes.Clone()
	return writeJSON(w, r, http.StatusOK, noteList{n.Name, append([]string{}, n.Tags...), append([]record.Note{}, n.Notes...), n.LeftOut})
}

func (t *taskAPI) addNote(w http.ResponseWriter, r *http.Request) error {
	text, err := noteText(w, r)
	if err != nil {
		return err
	}
	return t.noted(w, r, func(ctx context.Context, id record.ID) error { return t.home.AddNote(ctx, id, text) })
}

func (t *taskAPI) editNote(w http.ResponseWriter, r *http.Request) error {
	text, err := noteText(w, r)
	if err != nil {
		return err
	}
	return t.noted(w, r, func(ctx context.Context, id record.ID) error {
		return t.home.EditNote(ctx, id, r.PathValue("note"), text)
	})
}

// noteText reads the text of a note from the body of a request.
func noteText(w http.ResponseWriter, r *http.Request) (string, error) {
	var body struct {
		Text string `json:"text"`
	}
	if err := readBody(w, r, &body); err != nil {
		return "", err
	}
	text := strings.TrimSpace(body.Text)
	if text == "" {
		return "", badRequest("the text of a note is empty")
	}
	return text, nil
}

func (t *taskAPI) removeNote(w http.ResponseWriter, r *http.Request) error {
	return t.noted(w, r, func(ctx context.Context, id record.ID) error { return t.home.RemoveNote(ctx, id, r.PathValue("note")) })
}

func (t *taskAPI) tag(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Add    []string `json:"add"`
		Remove []string `json:"remove"`
	}
	if err := readBody(w, r, &body); err != nil {
		return err
	}
	if len(body.Add)+len(body.Remove) == 0 || len(body.Add)+len(body.Remove) > record.MostTags {
		return badRequest("add and remove have no tag, or too many")
	}
	return t.noted(w, r, func(ctx context.Context, id record.ID) error { return t.home.Tag(ctx, id, body.Add, body.Remove) })
}

func (t *taskAPI) name(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Name string `json:"name"`
		Move bool   `json:"move"`
	}
	if err := readBody(w, r, &body); err != nil {
		return err
	}
	return t.noted(w, r, func(ctx context.Context, id record.ID) error { return t.home.Name(ctx, id, body.Name, body.Move) })
}

// noted calls change for the task of a request, and responds with what people then say of the task.
func (t *taskAPI) noted(w http.ResponseWriter, r *http.Request, change func(context.Context, record.ID) error) error {
	id, err := wholeID(r.PathValue("id"))
	if err == nil {
		err = change(r.Context(), id)
	}
	if err != nil {
		return t.worded(err)
	}
	run, err := t.home.Find(string(id), 0)
	if err != nil {
		return err
	}
	return writeNotes(w, r, run.Record.Notes)
}

// worded returns an error of noting something as the command line would say it.
func (t *taskAPI) worded(err error) error {
	var own *problem
	if errors.As(err, &own) {
		return err
	}
	p := *problemOf(err)
	if errors.Is(err, record.ErrInvalid) {
		p = *newProblem(http.StatusBadRequest, "invalid", p.Detail)
	}
	if _, msg, _ := t.explain(err); msg != "" {
		p.Detail = msg
	}
	return &p
}
