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

// A Problem is an error as it is answered (RFC 9457). It is an error.
type Problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Code     string `json:"code"`
	Position *int   `json:"position,omitempty"`
	// Foreign is the command that was not agreed to, where the code is "unconfirmed".
	Foreign *tasks.ForeignError `json:"foreign,omitempty"`

	retry int // seconds; 0: not said
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

func problem(status int, code, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Code: code}
}

func badRequest(detail string) error { return problem(http.StatusBadRequest, "invalid", detail) }

// problems says how the errors of the use cases are answered; the first that fits counts.
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

// problemOf returns how an error is answered.
func problemOf(err error) *Problem {
	var p *Problem
	var wrong *query.SyntaxError
	var large *http.MaxBytesError
	var foreign *tasks.ForeignError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &wrong):
		p = problem(http.StatusBadRequest, "invalid", wrong.Explain())
		p.Position = &wrong.Pos
		return p
	case errors.As(err, &foreign):
		p = problem(http.StatusConflict, "unconfirmed", err.Error())
		p.Foreign = foreign
		return p
	case errors.As(err, &large):
		return problem(http.StatusRequestEntityTooLarge, "too-large", "the body is larger than "+strconv.FormatInt(large.Limit, 10)+" bytes")
	}
	for _, c := range problems {
		if errors.Is(err, c.err) {
			p = problem(c.status, c.code, err.Error())
			if c.code == "busy" {
				p.retry = 2
			}
			return p
		}
	}
	return problem(http.StatusInternalServerError, "failed", err.Error())
}

// fail answers with an error.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if p.Status >= http.StatusInternalServerError && r.Context().Err() == nil {
		s.o.Log("%s %s: %v", r.Method, r.URL.EscapedPath(), err)
	}
	body, err := json.Marshal(p)
	if err != nil {
		s.o.Log("%v", err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Del("ETag")
	h.Set("Cache-Control", "no-store")
	if p.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retry))
	}
	w.WriteHeader(p.Status)
	s.sent(w.Write(body))
}

// sent takes what a write to a client returned: one that is gone is nobody's concern.
func (s *Server) sent(int, error) {}
