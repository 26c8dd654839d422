package dashboard

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"qme/record"
	"qme/tasks/live"
)

// clearMost bounds how many tasks are cleared at a time.
const clearMost = 20000

func (s *Server) clearTasks(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		IDs []string `json:"ids"`
	}
	if err := s.read(w, r, &body); err != nil {
		return err
	}
	if len(body.IDs) == 0 || len(body.IDs) > clearMost {
		return badRequest(fmt.Sprintf("ids has %d elements; it takes 1 to %d", len(body.IDs), clearMost))
	}
	if slices.Contains(body.IDs, "") {
		return badRequest("an id is empty")
	}
	ids := make([]record.ID, len(body.IDs))
	for i, ref := range body.IDs {
		var err error
		if ids[i], err = wholeID(ref); err != nil {
			return err
		}
	}
	n, err := s.tasks.Clear(r.Context(), ids)
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, map[string]int{"cleared": n})
}

func (s *Server) clearTask(w http.ResponseWriter, r *http.Request) error {
	id, err := wholeID(r.PathValue("id"))
	if err != nil {
		return err
	}
	if _, err := s.tasks.Clear(r.Context(), []record.ID{id}); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) rerun(w http.ResponseWriter, r *http.Request) error {
	agreed, err := s.agreement(w, r)
	if err != nil {
		return err
	}
	id, err := wholeID(r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := s.tasks.Rerun(r.Context(), id, agreed); err != nil {
		return err
	}
	return s.answer(w, r, http.StatusAccepted, map[string]record.ID{"id": id})
}

func (s *Server) cancel(w http.ResponseWriter, r *http.Request) error {
	agreed, err := s.agreement(w, r)
	if err != nil {
		return err
	}
	id, err := wholeID(r.PathValue("id"))
	if err != nil {
		return err
	}
	what := fmt.Sprintf("cancel of task %s", id)
	if err := within(r.Context(), what, func(ctx context.Context) error { return s.tasks.Cancel(ctx, id, agreed) }); err != nil {
		return err
	}
	return s.answer(w, r, http.StatusAccepted, map[string]record.ID{"id": id})
}

// agreement reads the body of a request that need not have one.
func (s *Server) agreement(w http.ResponseWriter, r *http.Request) (agreed live.Agreement, err error) {
	if r.ContentLength != 0 {
		err = s.read(w, r, &agreed)
	}
	return agreed, err
}
