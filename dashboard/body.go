package dashboard

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
)

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
		return badBody(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return badRequest("more follows the JSON object")
	}
	return nil
}

// badBody says what is wrong with a body, in words that are not those of a program.
func badBody(err error) error {
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	var late net.Error
	switch {
	case problemOf(err).Code == "too-large":
		return problemOf(err)
	case errors.As(err, &kind):
		return badRequest(fmt.Sprintf("the body is not what openapi.json says: %s is a JSON %s there", cmp.Or(kind.Field, "all of it"), kind.Value))
	case errors.As(err, &syntax):
		return badRequest(fmt.Sprintf("the body is no JSON: %v at byte %d", syntax, syntax.Offset))
	case errors.As(err, &late) && late.Timeout():
		return problem(http.StatusRequestTimeout, "invalid", "the body has not come in time")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return badRequest("the body ends too early")
	}
	return badRequest("the body is not what openapi.json says: " + strings.TrimPrefix(err.Error(), "json: "))
}
