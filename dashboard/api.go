package dashboard

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"qme/record"
	"qme/tasks"
)

// A route is one thing that can be asked for. openapi.json describes those below /api.
type route struct {
	method, path string
	serve        func(http.ResponseWriter, *http.Request) error
	writes       bool // it changes tasks
}

func (s *Server) routes() []route {
	return []route{
		{"GET", "/api/info", s.getInfo, false},
		{"GET", "/api/openapi.json", s.getOpenAPI, false},
		{"GET", "/api/tasks", s.listTasks, false},
		{"GET", "/api/tasks/executor/{name}", s.listTasks, false},
		{"POST", "/api/tasks/clear", s.clearTasks, true},
		{"GET", "/api/tasks/{id}", s.getTask, false},
		{"DELETE", "/api/tasks/{id}", s.clearTask, true},
		{"POST", "/api/tasks/{id}/rerun", s.rerun, true},
		{"POST", "/api/tasks/{id}/cancel", s.cancel, true},
		{"GET", "/api/tasks/{id}/{part}", s.getPart, false},
		{"GET", "/api/tasks/{id}/output/{stream}", s.getOutput, false},
		{"GET", "/api/tasks/{id}/raw/{stream}", s.getRaw, false},
		{"POST", "/api/tasks/{id}/actions/{action}", s.act, false}, // some only look
		{"GET", "/api/tasks/{id}/plots/duration.svg", s.plotDuration, false},
		{"GET", "/api/plots/days.svg", s.plotDays, false},
		{"GET", "/api/plots/success.svg", s.plotSuccess, false},
		{"GET", "/api/facets", s.getFacets, false},
		{"GET", "/api/overview", s.getOverview, false},
		{"GET", "/api/live", s.live, false},
		{"GET", "/assets/{path...}", s.getAsset, false},
		{"GET", "/{$}", s.getPage, false},
		{"GET", "/overview", s.getPage, false},
		{"GET", "/tasks/{id}", s.getPage, false},
	}
}

// parts are the answers below /api/tasks/{id}. They have one pattern in common, since
// http.ServeMux takes none of them beside /api/tasks/executor/{name}.
func (s *Server) parts() map[string]func(http.ResponseWriter, *http.Request) error {
	return map[string]func(http.ResponseWriter, *http.Request) error{"runs": s.listRuns, "diff": s.compareRuns, "actions": s.listActions}
}

func (s *Server) getPart(w http.ResponseWriter, r *http.Request) error {
	serve, ok := s.parts()[r.PathValue("part")]
	if !ok {
		return notThere(r)
	}
	return serve(w, r)
}

func notThere(r *http.Request) error {
	return problem(http.StatusNotFound, "not-found", "there is nothing at "+r.URL.Path+"; /api/openapi.json describes what there is")
}

// Handler answers requests. What it shows is kept up to date by Serve alone.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, rt := range s.routes() {
		mux.HandleFunc(rt.method+" "+rt.path, func(w http.ResponseWriter, r *http.Request) {
			var err error
			if rt.writes && s.o.ReadOnly {
				err = readOnly()
			} else {
				err = safely(func() error { return rt.serve(w, r) })
			}
			if err != nil {
				s.fail(w, r, err)
			}
		})
	}
	return s.debug(s.guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// What no route takes is answered as other errors are, and not by the mux in plain text.
		if _, pattern := mux.Handler(r); pattern == "" {
			s.fail(w, r, s.unrouted(mux, r))
			return
		}
		mux.ServeHTTP(w, r)
	})))
}

func readOnly() error {
	return problem(http.StatusForbidden, "read-only", "this server is read-only; \"qme start\" without --read-only is not")
}

// unrouted tells a path that is not there from a method that is not.
func (s *Server) unrouted(mux *http.ServeMux, r *http.Request) error {
	for _, method := range []string{"GET", "POST", "DELETE"} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := mux.Handler(other); pattern != "" {
			return problem(http.StatusMethodNotAllowed, "unsupported", r.Method+" is not for "+r.URL.Path+", "+method+" is")
		}
	}
	return notThere(r)
}

// debug logs requests.
func (s *Server) debug(next http.Handler) http.Handler {
	if s.o.Debug == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		next.ServeHTTP(w, r)
		// The query is left out: it may hold the key.
		s.o.Debug("%s %s %s from %s", time.Since(start).Round(time.Microsecond), r.Method, r.URL.EscapedPath(), r.RemoteAddr)
	})
}

// current waits until there is something to show and brings it up to date.
func (s *Server) current(ctx context.Context) error {
	select {
	case <-s.begun:
	case <-ctx.Done():
		return ctx.Err()
	}
	s.refresh(ctx)
	if detail := s.behind.now(); detail != "" && s.table.state().Total == 0 {
		return problem(http.StatusServiceUnavailable, "busy", "the history cannot be read: "+detail)
	}
	return nil
}

// An Info is about the server.
type Info struct {
	QME      string `json:"qme"`
	ReadOnly bool   `json:"read_only"`
	Home     string `json:"home"`
	Host     string `json:"host"`
	User     string `json:"user"`
	Remote   bool   `json:"remote"`
	Version  string `json:"version"`
	Loaded   Loaded `json:"loaded"`
	Total    int    `json:"total"`
}

func (s *Server) getInfo(w http.ResponseWriter, r *http.Request) error {
	st := s.table.state()
	return s.answer(w, r, http.StatusOK, Info{s.o.Version, s.o.ReadOnly, s.o.Home, s.o.Host, s.o.User, s.o.Remote, st.Version, st.Loaded, st.Total})
}

// numberOf reads a parameter that is a number within bounds.
func numberOf(r *http.Request, name string, otherwise, least, most int64) (int64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		return 0, badRequest(fmt.Sprintf("%s %q is no number from %d to %d", name, text, least, most))
	}
	return n, nil
}

// find returns the run that a request is about.
func (s *Server) find(r *http.Request) (tasks.Version, error) {
	n, err := numberOf(r, "run", 0, 1, 1<<31)
	if err != nil {
		return tasks.Version{}, err
	}
	ref, err := taskRef(r)
	if err != nil {
		return tasks.Version{}, err
	}
	return s.tasks.Find(ref, int(n))
}

// longestRef is more than any id has.
const longestRef = 200

// taskRef returns the task that a request names, as a whole: "@1" may be another one a moment
// later, and "" too.
func taskRef(r *http.Request) (string, error) { return checkRef(r.PathValue("id")) }

func checkRef(ref string) (string, error) {
	if len(ref) > longestRef {
		return "", badRequest(fmt.Sprintf("%q… is too long for the id of a task", ref[:20]))
	}
	if ref == "" || strings.ContainsRune(ref, '@') {
		return "", badRequest(fmt.Sprintf("%q is not the id of a task, nor the beginning of one", ref))
	}
	return ref, nil
}

// wholeID is checkRef for requests that change something: the beginning of an id may fit
// another task a moment later, and "shell-" fits the only one of its executor.
func wholeID(ref string) (record.ID, error) {
	if _, err := checkRef(ref); err != nil {
		return "", err
	}
	id, err := record.ParseID(ref)
	if err != nil {
		return "", badRequest(fmt.Sprintf("%q is not the whole id of a task, which is what this takes", ref))
	}
	return id, nil
}

func (s *Server) getTask(w http.ResponseWriter, r *http.Request) error {
	run, err := s.find(r)
	if err != nil {
		return err
	}
	b, err := record.Encode(run.Record)
	if err != nil {
		return err
	}
	if s.unchanged(w, r, tagOf(b)) {
		return nil
	}
	return s.answerBytes(w, r, http.StatusOK, "application/json", b)
}
