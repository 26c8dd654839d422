package dashboard

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"qme/record"
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
				err = rt.serve(w, r)
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
		s.o.Debug("%s %s %s from %s", time.Since(start).Round(time.Microsecond), r.Method, r.URL.Path, r.RemoteAddr)
	})
}

// compressFrom is from how many bytes on an answer is compressed.
const compressFrom = 1400

// answer sends v as JSON.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.answerBytes(w, r, status, "application/json", append(b, '\n'))
}

func (s *Server) answerBytes(w http.ResponseWriter, r *http.Request, status int, kind string, b []byte) error {
	h := w.Header()
	h.Set("Content-Type", kind)
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-cache")
	}
	h.Add("Vary", "Accept-Encoding")
	if len(b) < compressFrom || !takesGzip(r) {
		h.Set("Content-Length", strconv.Itoa(len(b)))
		w.WriteHeader(status)
		s.sent(w.Write(b))
		return nil
	}
	h.Set("Content-Encoding", "gzip")
	w.WriteHeader(status)
	z, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return err
	}
	s.sent(z.Write(b))
	s.sent(0, z.Close())
	return nil
}

func takesGzip(r *http.Request) bool {
	for one := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(one), ";")
		if name == "gzip" && strings.TrimSpace(q) != "q=0" {
			return true
		}
	}
	return false
}

// unchanged reports whether the client has the answer already, and says so. The tag is
// that of this URL, weak since the answer may be compressed.
func (s *Server) unchanged(w http.ResponseWriter, r *http.Request, tag string) bool {
	tag = `W/"` + tag + `"`
	h := w.Header()
	h.Set("ETag", tag)
	h.Set("Cache-Control", "private, no-cache")
	for one := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if one = strings.TrimSpace(one); one == tag || one == "*" {
			w.WriteHeader(http.StatusNotModified)
			return true
		}
	}
	return false
}

// current waits until there is something to show and brings it up to date.
func (s *Server) current(ctx context.Context) error {
	select {
	case <-s.begun:
	case <-ctx.Done():
		return ctx.Err()
	}
	s.refresh(ctx)
	if detail := s.behindNow(); detail != "" && s.table.state().Total == 0 {
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

// A TaskPage is a part of the tasks that a filter chooses.
type TaskPage struct {
	Version string    `json:"version"`
	Total   int       `json:"total"`
	Matched int       `json:"matched"`
	Offset  int       `json:"offset"`
	Loaded  Loaded    `json:"loaded"`
	Tasks   []Summary `json:"tasks"`
}

const (
	pageDefault = 100
	pageMost    = 1000
)

func (s *Server) listTasks(w http.ResponseWriter, r *http.Request) error {
	if err := s.current(r.Context()); err != nil {
		return err
	}
	f, err := filterOf(r)
	if err != nil {
		return err
	}
	offset, err := numberOf(r, "offset", 0, 0, 1<<31)
	if err != nil {
		return err
	}
	limit, err := numberOf(r, "limit", pageDefault, 0, pageMost)
	if err != nil {
		return err
	}
	if f.Query != "" {
		if f.found, err = s.search(r.Context(), f.Query); err != nil {
			return err
		}
	} else if s.unchanged(w, r, s.shown()) {
		return nil
	}
	p := s.table.page(f, int(offset), int(limit))
	return s.answer(w, r, http.StatusOK, TaskPage{p.Version, p.Total, p.Matched, int(offset), p.Loaded, s.printed.put(p.Rows)})
}

// shown names what is shown of the tasks and of what the running ones have printed last.
func (s *Server) shown() string {
	return s.table.state().Version + "-" + strconv.FormatUint(s.printed.changes(), 36)
}

// filterOf reads a filter from the parameters of a request.
func filterOf(r *http.Request) (*filter, error) {
	q := r.URL.Query()
	f := &filter{
		Query: strings.TrimSpace(q.Get("q")), Executors: q["executor"], Statuses: q["status"], Hosts: q["host"], Users: q["user"],
		PWD: q.Get("pwd"), Sort: q.Get("sort"),
	}
	if name := r.PathValue("name"); name != "" {
		f.Executors = []string{name}
	}
	if len(f.Query) > 4096 {
		return nil, badRequest("q is longer than 4096 bytes")
	}
	for _, st := range f.Statuses {
		if !slices.Contains(outcomes, st) {
			return nil, badRequest(fmt.Sprintf("status %q is none of %s", st, strings.Join(outcomes, ", ")))
		}
	}
	if f.Sort == "" {
		f.Sort = sortNewest
	}
	if !slices.Contains(columns, strings.TrimPrefix(f.Sort, "-")) {
		return nil, badRequest(fmt.Sprintf("sort %q is none of %s, nor one with - before it", f.Sort, strings.Join(columns, ", ")))
	}
	var err error
	if f.After, err = timeOf("after", q.Get("after")); err != nil {
		return nil, err
	}
	f.Before, err = timeOf("before", q.Get("before"))
	return f, err
}

func timeOf(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	t, err := time.ParseInLocation(time.DateOnly, text, time.Local)
	if err != nil {
		return t, badRequest(fmt.Sprintf("%s %q is no time such as 2026-11-23T09:31:00Z, and no date such as 2026-11-23", name, text))
	}
	return t, nil
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
func (s *Server) find(r *http.Request) (Run, error) {
	n, err := numberOf(r, "run", 0, 1, 1<<31)
	if err != nil {
		return Run{}, err
	}
	return s.o.Tasks.Find(r.PathValue("id"), int(n))
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

// maxBody bounds the body of a request.
const maxBody = 2 << 20

// read reads the body of a request.
func (s *Server) read(w http.ResponseWriter, r *http.Request, v any) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return problem(http.StatusUnsupportedMediaType, "unsupported", "the body has to be application/json")
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		if p := problemOf(err); p.Code == "too-large" {
			return p
		}
		return badRequest("the body is not what openapi.json says: " + err.Error())
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return badRequest("more follows the JSON object")
	}
	return nil
}

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
	n, err := s.o.Tasks.Clear(r.Context(), body.IDs)
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, map[string]int{"cleared": n})
}

func (s *Server) clearTask(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.o.Tasks.Clear(r.Context(), []string{r.PathValue("id")}); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) rerun(w http.ResponseWriter, r *http.Request) error {
	id, err := s.o.Tasks.Rerun(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusAccepted, map[string]record.ID{"id": id})
}

func (s *Server) cancel(w http.ResponseWriter, r *http.Request) error {
	id, err := s.o.Tasks.Cancel(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusAccepted, map[string]record.ID{"id": id})
}

// A RunItem is a run in a list.
type RunItem struct {
	Number  int     `json:"number"`
	Commit  string  `json:"commit"`
	Summary Summary `json:"summary"`
}

func itemOf(r Run) RunItem { return RunItem{r.Number, r.Commit, summaryOf(r.Record)} }

// Runs are a task's runs, the latest first.
type Runs struct {
	Runs []RunItem `json:"runs"`
	More bool      `json:"more"`
}

const runsMost = 1000

func (s *Server) listRuns(w http.ResponseWriter, r *http.Request) error {
	limit, err := numberOf(r, "limit", 200, 1, runsMost)
	if err != nil {
		return err
	}
	runs, err := s.runsOf(r.PathValue("id"), int(limit))
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, runs)
}

func (s *Server) runsOf(ref string, limit int) (*Runs, error) {
	list := &Runs{Runs: []RunItem{}}
	for run, err := range s.o.Tasks.Runs(ref) {
		if err != nil {
			return nil, err
		}
		if len(list.Runs) == limit {
			list.More = true
			break
		}
		list.Runs = append(list.Runs, itemOf(run))
	}
	return list, nil
}

func (s *Server) compareRuns(w http.ResponseWriter, r *http.Request) error {
	var numbers [2]int64
	for i, name := range []string{"a", "b"} {
		n, err := numberOf(r, name, 0, 1, 1<<31)
		if err != nil {
			return err
		}
		if numbers[i] = n; n == 0 {
			return badRequest("a and b are the numbers of two runs")
		}
	}
	c, err := s.o.Tasks.Compare(r.PathValue("id"), int(numbers[0]), int(numbers[1]))
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, struct {
		A       RunItem        `json:"a"`
		B       RunItem        `json:"b"`
		Fields  []FieldChange  `json:"fields"`
		Streams []StreamChange `json:"streams"`
	}{itemOf(c.A), itemOf(c.B), append([]FieldChange{}, c.Fields...), append([]StreamChange{}, c.Streams...)})
}

func streamName(r *http.Request) (record.StreamName, error) {
	name := record.StreamName(r.PathValue("stream"))
	if !slices.Contains(streams, name) {
		return "", problem(http.StatusNotFound, "not-found", fmt.Sprintf("there is no stream %q, only stdout, stderr, job-stdout and job-stderr", name))
	}
	return name, nil
}

// streams are those of a command, and those of the job that it has started.
var streams = []record.StreamName{record.Stdout, record.Stderr, record.JobStdout, record.JobStderr}

// ofJob refuses the output of a job where it is not recorded.
func ofJob(run Run, name record.StreamName) error {
	lines, _ := name.Of(run.Record)
	if name == record.Stdout || name == record.Stderr || lines != nil && run.Record.Data.Status != record.Running {
		return nil
	}
	job := run.Record.Data.Job
	switch {
	case job == nil:
		return problem(http.StatusNotFound, "not-found", fmt.Sprintf("task %s has started no job", run.Record.UID))
	case job.OutputError != "":
		return problem(http.StatusNotFound, "not-found", fmt.Sprintf("the output of the job of task %s could not be brought: %s", run.Record.UID, job.OutputError))
	}
	return problem(http.StatusNotFound, "not-found", fmt.Sprintf("the output of the job of task %s is not recorded; it is when the job has ended, and the actions output and error show it before", run.Record.UID))
}

const (
	pieceDefault = 256 << 10
	pieceMost    = 1 << 20
)

func (s *Server) getOutput(w http.ResponseWriter, r *http.Request) error {
	name, err := streamName(r)
	if err != nil {
		return err
	}
	offset, err := numberOf(r, "offset", 0, 0, 1<<62)
	if err != nil {
		return err
	}
	limit, err := numberOf(r, "limit", pieceDefault, 1, pieceMost)
	if err != nil {
		return err
	}
	style := r.URL.Query().Get("style")
	if !validStyle(style) {
		return badRequest("style is that of another piece, or empty")
	}
	run, err := s.find(r)
	if err == nil {
		err = ofJob(run, name)
	}
	if err != nil {
		return err
	}
	p, err := s.piece(run, name, offset, limit, style)
	if err != nil && run.Record.Data.Status == record.Running { // it may have ended meanwhile
		if run, err = s.find(r); err == nil {
			p, err = s.piece(run, name, offset, limit, style)
		}
	}
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, p)
}

// kindLook is how much of a stream is looked at to tell text from other bytes.
const kindLook = 64 << 10

func (s *Server) getRaw(w http.ResponseWriter, r *http.Request) error {
	name, err := streamName(r)
	if err != nil {
		return err
	}
	run, err := s.find(r)
	if err == nil {
		err = ofJob(run, name)
	}
	if err != nil {
		return err
	}
	content, err := run.content(name)
	if err != nil {
		return err
	}
	defer content.Close()
	look := make([]byte, kindLook)
	n, err := io.ReadFull(content, look)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	if utf8.Valid(record.TrimRune(look[:n])) {
		h.Set("Content-Type", "text/plain; charset=utf-8")
	}
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s@%d.%s"`, run.Record.UID, max(run.Number, run.Record.Data.Run), name))
	h.Set("Content-Security-Policy", picturePolicy)
	h.Set("Cache-Control", "private, no-cache")
	if run.Record.Data.Status != record.Running {
		h.Set("ETag", `"`+tagOf([]byte(fmt.Sprint(streamOf(run, name))))+`"`)
	}
	http.ServeContent(slowly{w, http.NewResponseController(w)}, r, "", time.Time{}, content)
	return nil
}

// content returns the stored bytes of a stream. Those of a run in flight are as of now.
func (r Run) content(name record.StreamName) (io.ReadSeekCloser, error) {
	if r.Record.Data.Status != record.Running {
		return r.stream(name), nil
	}
	in, err := r.Open(name)
	if err != nil {
		return nil, err
	}
	if s, ok := in.(io.ReadSeekCloser); ok {
		return s, nil
	}
	return nil, fmt.Errorf("task %s: what its run has printed so far cannot be read from any place: %w", r.Record.UID, record.ErrConflict)
}

// slowly gives a download more time for each part that gets through.
type slowly struct {
	http.ResponseWriter
	control *http.ResponseController
}

// Write implements io.Writer.
func (s slowly) Write(b []byte) (int, error) {
	if err := s.control.SetWriteDeadline(time.Now().Add(answerTimeout)); err != nil {
		return 0, err
	}
	return s.ResponseWriter.Write(b)
}

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
	args, err := offered[i].words(body.Args)
	if err != nil {
		return err
	}
	res, err := s.o.Tasks.Act(r.Context(), run.Record.UID, name, args)
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

func (s *Server) getFacets(w http.ResponseWriter, r *http.Request) error {
	if err := s.current(r.Context()); err != nil {
		return err
	}
	if s.unchanged(w, r, s.table.state().Version) {
		return nil
	}
	return s.answer(w, r, http.StatusOK, s.table.facets())
}
