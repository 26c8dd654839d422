package dashboard

import (
	"net/http"
	"time"

	"qme/internal/panics"
)

type handler func(http.ResponseWriter, *http.Request) error

// A route is a request that the server handles. openapi.json describes those below /api.
type route struct {
	method, path string
	serve        handler
	writes       bool // it changes tasks
}

func (s *Server) routes() []route {
	return []route{
		{"GET", "/api/info", s.getInfo, false},
		{"GET", "/api/openapi.json", getOpenAPI, false},
		{"GET", "/api/tasks", s.lists.listTasks, false},
		{"GET", "/api/tasks/executor/{name}", s.lists.listTasks, false},
		{"POST", "/api/tasks/clear", s.tasks.clearTasks, true},
		{"GET", "/api/tasks/{id}", s.tasks.getTask, false},
		{"DELETE", "/api/tasks/{id}", s.tasks.clearTask, true},
		{"POST", "/api/tasks/{id}/rerun", s.tasks.rerun, true},
		{"POST", "/api/tasks/{id}/cancel", s.tasks.cancel, true},
		{"POST", "/api/tasks/{id}/hold", s.tasks.hold, true},
		{"POST", "/api/tasks/{id}/release", s.tasks.release, true},
		{"GET", "/api/tasks/{id}/{part}", s.tasks.getPart, false},
		{"POST", "/api/tasks/{id}/notes", s.tasks.addNote, true},
		{"POST", "/api/tasks/{id}/notes/{note}", s.tasks.editNote, true},
		{"DELETE", "/api/tasks/{id}/notes/{note}", s.tasks.removeNote, true},
		{"POST", "/api/tasks/{id}/tags", s.tasks.tag, true},
		{"POST", "/api/tasks/{id}/name", s.tasks.name, true},
		{"GET", "/api/tasks/{id}/output/{stream}", s.outputs.getOutput, false},
		{"GET", "/api/tasks/{id}/raw/{stream}", s.outputs.getRaw, false},
		{"POST", "/api/tasks/{id}/actions/{action}", s.tasks.act, false}, // some actions only read
		{"GET", "/api/tasks/{id}/plots/duration.svg", s.tasks.plotDuration, false},
		{"GET", "/api/tasks/{id}/plots/memory.svg", s.tasks.plotMemory, false},
		{"GET", "/api/plots/days.svg", s.lists.plotDays, false},
		{"GET", "/api/plots/success.svg", s.lists.plotSuccess, false},
		{"GET", "/api/facets", s.lists.getFacets, false},
		{"GET", "/api/overview", s.lists.getOverview, false},
		{"GET", "/api/live", s.sockets.connect, false},
		{"GET", "/assets/{path...}", getAsset, false},
		{"GET", "/{$}", getPage, false},
		{"GET", "/overview", getPage, false},
		{"GET", "/tasks/{id}", getPage, false},
	}
}

// Handler returns the handler of all requests. Serve keeps the tasks that it shows up to date.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, rt := range s.routes() {
		mux.HandleFunc(rt.method+" "+rt.path, func(w http.ResponseWriter, r *http.Request) {
			err := checkParameters(r)
			switch {
			case rt.writes && s.options.ReadOnly:
				err = readOnly()
			case err == nil:
				err = panics.Catch(func() error { return rt.serve(w, r) })
			}
			if err != nil {
				fail(s.options.Log, w, r, err)
			}
		})
	}
	return logged(s.options.Debug, s.gate.guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The mux would respond in plain text to a request without a route.
		if _, pattern := mux.Handler(r); pattern == "" {
			fail(s.options.Log, w, r, unrouted(mux, r))
			return
		}
		mux.ServeHTTP(w, r)
	})))
}

// unrouted returns the error for a path without a route or for a method that the path
// does not have.
func unrouted(mux *http.ServeMux, r *http.Request) error {
	for _, method := range []string{"GET", "POST", "DELETE"} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := mux.Handler(other); pattern != "" {
			return newProblem(http.StatusMethodNotAllowed, "unsupported", r.Method+" is not for "+r.URL.Path+", "+method+" is")
		}
	}
	return noSuchPath(r)
}

// logged writes each request to debug, which may be nil.
func logged(debug logFunc, next http.Handler) http.Handler {
	if debug == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		next.ServeHTTP(w, r)
		// Without the query, which may hold the key.
		debug("%s %s %s from %s", time.Since(start).Round(time.Microsecond), r.Method, r.URL.EscapedPath(), r.RemoteAddr)
	})
}

// An info describes the server.
type info struct {
	QME      string `json:"qme"`
	ReadOnly bool   `json:"read_only"`
	Home     string `json:"home"`
	Host     string `json:"host"`
	User     string `json:"user"`
	Remote   bool   `json:"remote"`
	Version  string `json:"version"`
	Loaded   loaded `json:"loaded"`
	Total    int    `json:"total"`
}

func (s *Server) getInfo(w http.ResponseWriter, r *http.Request) error {
	st, o := s.feed.table.state(), &s.options
	return writeJSON(w, r, http.StatusOK, info{o.Version, o.ReadOnly, o.Home, o.Host, o.User, o.Remote, st.Version, st.Loaded, st.Total})
}
