package dashboard

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

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
func ofJob(run tasks.Version, name record.StreamName) error {
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
	content, err := contentOf(run, name)
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
	if utf8.Valid(safe.Whole(look[:n])) {
		h.Set("Content-Type", "text/plain; charset=utf-8")
	}
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s@%d.%s"`, run.Record.UID, max(run.Number, run.Record.Data.Run), name))
	h.Set("Content-Security-Policy", picturePolicy)
	h.Set("Cache-Control", "private, no-cache")
	if run.Record.Data.Status != record.Running {
		h.Set("ETag", `"`+tagOf([]byte(fmt.Sprint(streamOf(run, name))))+`"`)
	}
	http.ServeContent(&slowly{ResponseWriter: w, control: http.NewResponseController(w)}, r, "", time.Time{}, content)
	return nil
}

// contentOf returns the stored bytes of a stream of a run. Of one that goes on it is those of
// now.
func contentOf(r tasks.Version, name record.StreamName) (io.ReadSeekCloser, error) {
	if r.Record.Data.Status != record.Running {
		return storedStream(r, name), nil
	}
	in, err := r.Stream(name)
	if err != nil {
		return nil, err
	}
	if s, ok := in.(io.ReadSeekCloser); ok {
		return s, nil
	}
	return nil, fmt.Errorf("task %s: what its run has printed so far cannot be read from any place: %w", r.Record.UID, record.ErrConflict)
}

// slowly gives a download more time for each part that gets through, and answers as other errors
// are that there is no such part.
type slowly struct {
	http.ResponseWriter
	control *http.ResponseController
	refused bool
}

// WriteHeader implements http.ResponseWriter.
func (s *slowly) WriteHeader(status int) {
	if s.refused = status == http.StatusRequestedRangeNotSatisfiable; s.refused {
		s.Header().Set("Content-Type", "application/problem+json")
	}
	s.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (s *slowly) Write(b []byte) (int, error) {
	if s.refused {
		p, err := json.Marshal(problem(http.StatusRequestedRangeNotSatisfiable, "invalid", strings.TrimSpace(string(b))))
		if err == nil {
			_, err = s.ResponseWriter.Write(p)
		}
		return len(b), err
	}
	if err := s.control.SetWriteDeadline(time.Now().Add(answerTimeout)); err != nil {
		return 0, err
	}
	return s.ResponseWriter.Write(b)
}
