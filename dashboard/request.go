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
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // for machines that know no zones, or not by the names that browsers use

	"qme/internal/lazy"
	"qme/record"
)

// maxBody is the maximal size of the body of a request, in bytes.
const maxBody = 2 << 20

// readBody decodes the JSON body of a request into v.
func readBody(w http.ResponseWriter, r *http.Request, v any) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return newProblem(http.StatusUnsupportedMediaType, "unsupported", "the body has to be application/json")
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

// badBody describes an error of the JSON decoder without terms of Go.
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
		return newProblem(http.StatusRequestTimeout, "invalid", "the body has not come in time")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return badRequest("the body ends too early")
	}
	return badRequest("the body is not what openapi.json says: " + strings.TrimPrefix(err.Error(), "json: "))
}

// numberOf parses a numeric parameter from least to most, and returns otherwise if it is
// missing.
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

// longestRef is larger than the length of any id.
const longestRef = 200

// taskRef returns the id of the task in a request, or its beginning. It rejects "@1" and
// "", which may mean another task a moment later.
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

// wholeID is checkRef for requests that change tasks: the beginning of an id may match
// another task a moment later, and "shell-" would match the only task of its executor.
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

// zoneName matches names of the time zone database, but no paths.
var zoneName = lazy.Regexp(`^[A-Za-z][A-Za-z0-9_+-]{0,30}(/[A-Za-z0-9_+-]{1,30}){0,2}$`)

// zoneOf returns the zone for the days in a response: the parameter tz, or the zone of
// the server.
func zoneOf(r *http.Request) (*time.Location, error) {
	name := r.URL.Query().Get("tz")
	if name == "" {
		return time.Local, nil
	}
	if zoneName().MatchString(name) && name != "Local" {
		if loc, err := time.LoadLocation(name); err == nil {
			return loc, nil
		}
	}
	return nil, newProblem(http.StatusBadRequest, "unknown-zone", fmt.Sprintf("tz %.100q is no time zone, such as Europe/Zurich", name))
}
