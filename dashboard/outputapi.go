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

	"qme/dashboard/paint"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

// An outputAPI serves the output of runs. Its methods may be called from several goroutines.
type outputAPI struct {
	home    home
	runs    runs
	readers readers
}

func streamName(r *http.Request) (record.StreamName, error) {
	name := record.StreamName(r.PathValue("stream"))
	if !slices.Contains(streams, name) {
		return "", newProblem(http.StatusNotFound, "not-found", fmt.Sprintf("there is no stream %q, only stdout, stderr, job-stdout and job-stderr", name))
	}
	return name, nil
}

// streams are the streams of a command and of the job that it started.
var streams = []record.StreamName{record.Stdout, record.Stderr, record.JobStdout, record.JobStderr}

// checkStream returns a *problem if the stream is that of a job and is not recorded.
func checkStream(run tasks.Version, name record.StreamName) error {
	lines, _ := name.Of(run.Record)
	if name == record.Stdout || name == record.Stderr || lines != nil && run.Record.Data.Status != record.Running {
		return nil
	}
	job := run.Record.Data.Job
	switch {
	case job == nil:
		return newProblem(http.StatusNotFound, "not-found", fmt.Sprintf("task %s has started no job", run.Record.UID))
	case job.OutputError != "":
		return newProblem(http.StatusNotFound, "not-found", fmt.Sprintf("the output of the job of task %s could not be brought: %s", run.Record.UID, job.OutputError))
	}
	return newProblem(http.StatusNotFound, "not-found", fmt.Sprintf("the output of the job of task %s is not recorded; it is when the job has ended, and the actions output and error show it before", run.Record.UID))
}

const (
	pieceDefault = 256 << 10
	pieceMost    = 1 << 20
)

func (o *outputAPI) getOutput(w http.ResponseWriter, r *http.Request) error {
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
	if !paint.ValidStyle(style) {
		return badRequest("style is that of another piece, or empty")
	}
	run, err := findRun(o.home, r)
	if err == nil {
		err = checkStream(run, name)
	}
	if err != nil {
		return err
	}
	p, err := o.piece(run, name, offset, limit, style)
	if err != nil && run.Record.Data.Status == record.Running { // the run may have ended in between
		if run, err = findRun(o.home, r); err == nil {
			p, err = o.piece(run, name, offset, limit, style)
		}
	}
	if err != nil {
		return err
	}
	return writeJSON(w, r, http.StatusOK, p)
}

// sniffed is the number of bytes of a stream that decide whether it is text.
const sniffed = 64 << 10

func (o *outputAPI) getRaw(w http.ResponseWriter, r *http.Request) error {
	name, err := streamName(r)
	if err != nil {
		return err
	}
	run, err := findRun(o.home, r)
	if err == nil {
		err = checkStream(run, name)
	}
	if err != nil {
		return err
	}
	content, err := contentOf(run, name)
	if err != nil {
		return err
	}
	defer content.Close()
	start := make([]byte, sniffed)
	n, err := io.ReadFull(content, start)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	if utf8.Valid(safe.Whole(start[:n])) {
		h.Set("Content-Type", "text/plain; charset=utf-8")
	}
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s@%d.%s"`, run.Record.UID, max(run.Number, run.Record.Data.Run), name))
	h.Set("Content-Security-Policy", picturePolicy)
	h.Set("Cache-Control", "private, no-cache")
	if run.Record.Data.Status != record.Running {
		h.Set("ETag", `"`+tagOf([]byte(fmt.Sprint(streamOf(run, name))))+`"`)
	}
	http.ServeContent(&download{ResponseWriter: w, control: http.NewResponseController(w)}, r, "", time.Time{}, content)
	return nil
}

// contentOf returns a stream of a run: the stored bytes, or the output so far of a
// running command.
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

// A download extends the time limit with each part that the client reads, and turns the
// response to an invalid range into a problem.
type download struct {
	http.ResponseWriter
	control *http.ResponseController
	refused bool
}

// WriteHeader implements http.ResponseWriter.
func (d *download) WriteHeader(status int) {
	if d.refused = status == http.StatusRequestedRangeNotSatisfiable; d.refused {
		d.Header().Set("Content-Type", "application/problem+json")
	}
	d.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (d *download) Write(b []byte) (int, error) {
	if d.refused {
		p, err := json.Marshal(newProblem(http.StatusRequestedRangeNotSatisfiable, "invalid", strings.TrimSpace(string(b))))
		if err == nil {
			_, err = d.ResponseWriter.Write(p)
		}
		return len(b), err
	}
	if err := d.control.SetWriteDeadline(time.Now().Add(responseTimeout)); err != nil {
		return 0, err
	}
	return d.ResponseWriter.Write(b)
}
