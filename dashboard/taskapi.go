package dashboard

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"qme/record"
	"qme/tasks"
	"qme/tasks/live"
)

// A taskAPI serves requests about a task, and requests that change tasks. It is safe for
// concurrent use.
type taskAPI struct {
	home     home
	table    *table
	reasons  *reasons
	readOnly bool
	explain  func(err error) (exit int, msg, hint string)
}

// findRun returns the run in a request, given by task and optionally by number.
func findRun(h home, r *http.Request) (tasks.Version, error) {
	n, err := numberOf(r, "run", 0, 1, 1<<31)
	if err != nil {
		return tasks.Version{}, err
	}
	ref, err := taskRef(r)
	if err != nil {
		return tasks.Version{}, err
	}
	return h.Find(ref, int(n))
}

func (t *taskAPI) getTask(w http.ResponseWriter, r *http.Request) error {
	run, err := findRun(t.home, r)
	if err != nil {
		return err
	}
	rec := *run.Record
	if r.URL.Query().Get("summary") == "1" {
		one := summaryOf(run.Record)
		if run.Record.IsQueued() {
			one.Waits = t.table.reasonOf(one.ID)
		}
		summary, err := json.Marshal(one)
		if err != nil {
			return err
		}
		extra := map[string]json.RawMessage{}
		maps.Copy(extra, rec.Extra)
		extra["summary"] = summary
		rec.Extra = extra
	}
	b, err := record.Encode(&rec)
	if err != nil {
		return err
	}
	if notModified(w, r, tagOf(b)) {
		return nil
	}
	return writeBytes(w, r, http.StatusOK, "application/json", b)
}

// clearMost is the maximal number of tasks cleared by a request.
const clearMost = 20000

func (t *taskAPI) clearTasks(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		IDs []string `json:"ids"`
	}
	if err := readBody(w, r, &body); err != nil {
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
	n, err := t.home.Clear(r.Context(), ids)
	if err != nil {
		return err
	}
	return writeJSON(w, r, http.StatusOK, map[string]int{"cleared": n})
}

func (t *taskAPI) clearTask(w http.ResponseWriter, r *http.Request) error {
	id, err := wholeID(r.PathValue("id"))
	if err != nil {
		return err
	}
	if _, err := t.home.Clear(r.Context(), []record.ID{id}); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (t *taskAPI) rerun(w http.ResponseWriter, r *http.Request) error {
	return t.confirmed(w, r, t.home.Rerun)
}

func (t *taskAPI) cancel(w http.ResponseWriter, r *http.Request) error {
	return t.confirmed(w, r, func(ctx context.Context, id record.ID, agreed live.Agreement) error {
		what := fmt.Sprintf("cancel of task %s", id)
		return within(ctx, what, func(ctx context.Context) error { return t.home.Cancel(ctx, id, agreed) })
	})
}

// confirmed calls do for the task of a request. The body of the request, if any, has the
// confirmation of the user.
func (t *taskAPI) confirmed(w http.ResponseWriter, r *http.Request, do func(context.Context, record.ID, live.Agreement) error) error {
	var agreed live.Agreement
	if r.ContentLength != 0 {
		if err := readBody(w, r, &agreed); err != nil {
			return err
		}
	}
	id, err := wholeID(r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := do(r.Context(), id, agreed); err != nil {
		return err
	}
	return writeJSON(w, r, http.StatusAccepted, map[string]record.ID{"id": id})
}

// parts are the handlers of paths directly below /api/tasks/{id}. They share a pattern,
// since http.ServeMux rejects single patterns beside /api/tasks/executor/{name}.
func (t *taskAPI) parts() map[string]handler {
	return map[string]handler{"runs": t.listRuns, "diff": t.compareRuns, "actions": t.listActions, "notes": t.getNotes}
}

func (t *taskAPI) getPart(w http.ResponseWriter, r *http.Request) error {
	serve, ok := t.parts()[r.PathValue("part")]
	if !ok {
		return noSuchPath(r)
	}
	return serve(w, r)
}
