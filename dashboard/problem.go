package dashboard

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"qme/index/query"
	"qme/record"
	"qme/tasks"
)

// A problem is the response to a failed request (RFC 9457). It is an error, too.
type problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Code     string `json:"code"`
	Position *int   `json:"position,omitempty"`
	// Foreign is the command that the client has not confirmed, for the code
	// "unconfirmed".
	Foreign *tasks.ForeignError `json:"foreign,omitempty"`
	// Task is the task that has the name, for the code "name-taken".
	Task record.ID `json:"task,omitempty"`

	retry int // seconds until another attempt makes sense; 0: not sent
}

// Error implements error.
func (p *problem) Error() string { return p.Detail }

func newProblem(status int, code, detail string) *problem {
	return &problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Code: code}
}

func badRequest(detail string) error { return newProblem(http.StatusBadRequest, "invalid", detail) }

func readOnly() error {
	return newProblem(http.StatusForbidden, "read-only", "this server is read-only; \"qme start\" without --read-only is not")
}

func noSuchPath(r *http.Request) error {
	return newProblem(http.StatusNotFound, "not-found", "there is nothing at "+r.URL.Path+"; /api/openapi.json describes what there is")
}

// problems maps the errors of the use cases to status and code; the first match applies.
var problems = []struct {
	err    error
	status int
	code   string
}{
	{tasks.ErrReference, http.StatusBadRequest, "invalid"},
	{record.ErrCorrupt, http.StatusInternalServerError, "failed"},
	{record.ErrNewerFormat, http.StatusInternalServerError, "failed"},
	{record.ErrNotFound, http.StatusNotFound, "not-found"},
	{record.ErrAmbiguous, http.StatusConflict, "ambiguous"},
	{record.ErrConflict, http.StatusConflict, "conflict"},
	{record.ErrNotYet, http.StatusConflict, "conflict"},
	{record.ErrBusy, http.StatusServiceUnavailable, "busy"},
	{record.ErrUnavailable, http.StatusServiceUnavailable, "busy"},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, "busy"},
}

// problemOf returns the response to an error.
func problemOf(err error) *problem {
	var p *problem
	var wrong *query.SyntaxError
	var large *http.MaxBytesError
	var foreign *tasks.ForeignError
	var taken *tasks.NameTakenError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &wrong):
		p = newProblem(http.StatusBadRequest, "invalid", wrong.Explain())
		p.Position = &wrong.Pos
		return p
	case errors.As(err, &foreign):
		p = newProblem(http.StatusConflict, "unconfirmed", err.Error())
		p.Foreign = foreign
		return p
	case errors.As(err, &taken):
		p = newProblem(http.StatusConflict, "name-taken", err.Error())
		p.Task = taken.ID
		return p
	case errors.As(err, &large):
		return newProblem(http.StatusRequestEntityTooLarge, "too-large", "the body is larger than "+strconv.FormatInt(large.Limit, 10)+" bytes")
	}
	for _, c := range problems {
		if errors.Is(err, c.err) {
			p = newProblem(c.status, c.code, err.Error())
			if c.code == "busy" {
				p.retry = 2
			}
			return p
		}
	}
	return newProblem(http.StatusInternalServerError, "failed", err.Error())
}

// fail responds with an error. It logs errors of the server.
func fail(log logFunc, w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if p.Status >= http.StatusInternalServerError && r.Context().Err() == nil {
		log("%s %s: %v", r.Method, r.URL.EscapedPath(), err)
	}
	body, err := json.Marshal(p)
	if err != nil {
		log("%v", err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Del("ETag")
	h.Set("Cache-Control", "no-store")
	if p.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retry))
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // the client may be gone
}
