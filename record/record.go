// Package record defines the record of a task: what it holds, how it is written
// as JSON, how its streams are kept, and the ids and errors that every other
// package speaks of. docs/format.md is its specification.
package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Status is how far a run has come.
type Status string

// The values of Status. None is null in JSON.
const (
	None      Status = ""
	Running   Status = "running"
	Complete  Status = "complete"
	Cancelled Status = "cancelled"
)

// MarshalJSON writes None as null.
func (s Status) MarshalJSON() ([]byte, error) {
	if s == None {
		return []byte("null"), nil
	}
	return json.Marshal(string(s))
}

// A Record is a task's latest run, or one earlier run of it.
type Record struct {
	Executor string `json:"executor"`
	UID      ID     `json:"uid"`
	// Command is the command as one line that a shell would read as the same
	// words, for people; Data.Cmd is what was executed.
	Command string `json:"command"`
	Data    Data   `json:"data"`

	// Extra holds the top-level keys that this version does not know. They
	// are kept when the record is written again.
	Extra map[string]json.RawMessage `json:"-"`
}

// Data is what was captured of one run.
type Data struct {
	PWD       string   `json:"pwd"`
	User      string   `json:"user"`
	Timestamp Time     `json:"timestamp"`
	Message   string   `json:"message"`
	Cmd       []string `json:"cmd"`
	Status    Status   `json:"status"`
	// ReturnCode is the command's exit code, 128+n when signal n ended it,
	// 127 when it was not found and 126 when it could not be executed. It is
	// nil while no code is known.
	ReturnCode *int `json:"returncode"`
	PID        int  `json:"pid"`
	// Output and Error are the streams line by line, newlines kept, or a
	// preview of them when Stdout or Stderr is set.
	Output []string `json:"output"`
	Error  []string `json:"error"`
	// Stdout and Stderr describe a stream that is stored in a file of its own.
	Stdout *Stream `json:"stdout,omitempty"`
	Stderr *Stream `json:"stderr,omitempty"`
	Host   string  `json:"host"`
	// Finished is when the run ended, nil before.
	Finished *Time `json:"finished,omitempty"`
	// Duration is the wall time of the run in seconds, by a clock that does
	// not jump.
	Duration float64 `json:"duration,omitempty"`
	// Signal names the signal that ended the command, such as "SIGKILL".
	Signal string            `json:"signal,omitempty"`
	Usage  *Usage            `json:"usage,omitempty"`
	Git    *Git              `json:"git,omitempty"`
	Env    map[string]string `json:"env,omitempty"`
	// Job is what the command has started that goes on without it, nil for most.
	Job *Job `json:"job,omitempty"`
	// Terminal says which of the caller's streams were terminals; nil where that was
	// not recorded.
	Terminal *Terminal `json:"terminal,omitempty"`
	// Merged says that standard output and standard error were one stream, as on a
	// terminal, and are both in Output.
	Merged bool `json:"merged,omitempty"`
	// Stdin says where standard input came from; nil where that was not recorded.
	Stdin *Stdin `json:"stdin,omitempty"`
	// RunID names the run for life; empty in records of before there were such names.
	RunID RunID `json:"run_id,omitempty"`
	// Run counts the task's runs from 1. A merge of histories can change it.
	Run int `json:"run"`
	// Previous is the commit whose tree holds the run before this one.
	Previous string `json:"previous,omitempty"`

	// Extra holds the keys under data that this version does not know.
	Extra map[string]json.RawMessage `json:"-"`
}

// Next returns the record of the task's next run before it begins: with what a rerun carries
// on from the run before, which is the command, where it runs, its message, and what this
// version does not know. All else is captured anew.
func (r *Record) Next() *Record {
	return &Record{Executor: r.Executor, UID: r.UID, Command: r.Command, Extra: r.Extra, Data: Data{
		PWD: r.Data.PWD, Cmd: r.Data.Cmd, Message: r.Data.Message, Run: NextRun(r.Data.Run), Extra: r.Data.Extra,
	}}
}

// Terminal says which of the caller's streams were terminals: some of "stdin", "stdout"
// and "stderr", in that order.
type Terminal struct {
	Streams []string `json:"streams"`
}

// Has reports whether the stream of that name was a terminal.
func (t *Terminal) Has(stream string) bool { return t != nil && slices.Contains(t.Streams, stream) }

// Stdin says where a command's standard input came from.
type Stdin struct {
	// Kind is "terminal", "null" (/dev/null), "file", "pipe", "socket", "closed" or
	// "other".
	Kind string `json:"kind"`
	Path string `json:"path,omitempty"` // of a file, absolute; for people, never opened
	Size int64  `json:"size,omitempty"` // of a file, in bytes, when the run began
}

// Usage is what the command and those of its descendants that it waited for
// have used (getrusage(2)).
type Usage struct {
	User   float64 `json:"user"`   // seconds of processor time
	System float64 `json:"system"` // seconds of processor time
	// MaxRSS is in bytes, of the largest process; 0 where it was not recorded, since it
	// cannot be told from what qme itself occupied.
	MaxRSS int64 `json:"max_rss,omitempty"`
}

// Git is the state of the repository that holds the working directory.
type Git struct {
	Commit string `json:"commit,omitempty"` // empty before the first commit
	Branch string `json:"branch,omitempty"` // empty when HEAD is detached
	// Dirty says whether a tracked file differs from HEAD, as in
	// "git describe --dirty"; nil (null) means that finding out would have
	// taken too long.
	Dirty *bool `json:"dirty"`
}

// A Stream describes output that is stored in a file beside the record, because
// it is not UTF-8 or is too long to stand in the record.
type Stream struct {
	Size   int64  `json:"size"`   // bytes that the command wrote
	SHA256 string `json:"sha256"` // of all bytes that the command wrote
	// Cut is set when not all bytes are stored.
	Cut *Cut `json:"cut,omitempty"`
}

// A Cut says which bytes of a stream are not stored: Bytes of them, from Offset.
// The stored file holds what was before them and, at once, what came after.
type Cut struct {
	Offset int64 `json:"offset"`
	Bytes  int64 `json:"bytes"`
}

// Stored returns how many bytes the file beside the record holds.
func (s *Stream) Stored() int64 {
	if s.Cut == nil {
		return s.Size
	}
	return s.Size - s.Cut.Bytes
}

// Code returns how the run has ended: the return code of its job where it has started
// one, else that of the command; nil while that is not known.
func (r *Record) Code() *int {
	if r.Data.Job != nil {
		return r.Data.Job.ReturnCode
	}
	return r.Data.ReturnCode
}

// ErrorsInOutput reports whether standard error and standard output of the run were one stream,
// its output: those of its job where it has started one, else those of the command.
func (r *Record) ErrorsInOutput() bool {
	if j := r.Data.Job; j != nil {
		return j.StdoutFile != "" && j.StdoutFile == j.StderrFile && len(j.Error) == 0 && j.Stderr == nil
	}
	return r.Data.Merged && len(r.Data.Error) == 0 && r.Data.Stderr == nil
}

// Failed reports whether the run, with its job, has ended by itself with a return code
// other than 0. One that was cancelled has not failed.
func (r *Record) Failed() bool { return r.Outcome() == Failed }

// Took returns how long the run took, or has taken until now: its job where it has
// started one. ok is false when that is not known, as of a job that waits.
func (r *Record) Took(now time.Time) (d time.Duration, ok bool) {
	job := r.Data.Job
	switch {
	case r.Data.Status == Running:
		return max(0, now.Sub(r.Data.Timestamp.Time)), true
	case job != nil && job.Final:
		return seconds(job.Elapsed), true
	case job != nil && job.Started != nil:
		return max(0, now.Sub(job.Started.Time)), true
	case job != nil || r.Data.Finished == nil:
		return 0, false
	}
	return seconds(r.Data.Duration), true
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// Active reports whether the command runs, or the job that it has started may still
// come to another state.
func (r *Record) Active() bool {
	return r.Data.Status == Running || r.Data.Job != nil && !r.Data.Job.Final
}

// timeLayout is ISO 8601 as Python's datetime.isoformat writes it, the layout of
// the original QueueMe.
const timeLayout = "2006-01-02T15:04:05.000000-07:00"

// Time is an instant with its offset from UTC, to the microsecond.
type Time struct{ time.Time }

// Now returns the present instant in the local zone, to the microsecond, so that
// it equals itself once written and read again.
func Now() Time { return Time{time.Now().Round(0).Truncate(time.Microsecond)} }

// MarshalJSON writes the time in the format's layout.
func (t Time) MarshalJSON() ([]byte, error) {
	return []byte(`"` + t.Format(timeLayout) + `"`), nil
}

// UnmarshalJSON reads any RFC 3339 time with an offset whose year, in UTC, has four
// digits: others cannot be written again.
func (t *Time) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	parsed, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return err
	}
	if y := parsed.UTC().Year(); y < 1 || y > 9999 {
		return fmt.Errorf("the time %s is in the year %d", s, y)
	}
	t.Time = parsed.Truncate(time.Microsecond)
	return nil
}

// Encode writes the record as it is stored: indented JSON in a fixed order of
// keys, with a newline at the end. Strings must be valid UTF-8; Split and
// preview see to it for streams.
func Encode(r *Record) ([]byte, error) {
	var data bytes.Buffer
	if err := encodeWith(&data, r.Data, r.Data.Extra); err != nil {
		return nil, fmt.Errorf("encode record %s: %w", r.UID, err)
	}
	var whole bytes.Buffer
	outer := struct {
		Executor string          `json:"executor"`
		UID      ID              `json:"uid"`
		Command  string          `json:"command"`
		Data     json.RawMessage `json:"data"`
	}{r.Executor, r.UID, r.Command, data.Bytes()}
	if err := encodeWith(&whole, outer, r.Extra); err != nil {
		return nil, fmt.Errorf("encode record %s: %w", r.UID, err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, whole.Bytes(), "", "  "); err != nil {
		return nil, fmt.Errorf("encode record %s: %w", r.UID, err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// EncodeLine writes the record as one line of JSON with a newline at the end.
func EncodeLine(r *Record) ([]byte, error) {
	b, err := Encode(r)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Compact(&out, b); err != nil {
		return nil, fmt.Errorf("encode record %s: %w", r.UID, err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// encodeWith writes the JSON object v with the members of extra, sorted by name,
// behind its own.
func encodeWith(out *bytes.Buffer, v any, extra map[string]json.RawMessage) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	out.Truncate(out.Len() - 1) // the newline that Encode adds
	if len(extra) == 0 {
		return nil
	}
	more, err := marshalExtra(extra)
	if err != nil {
		return err
	}
	out.Truncate(out.Len() - 1) // }
	out.WriteByte(',')
	out.Write(more[1:])
	return nil
}

func marshalExtra(extra map[string]json.RawMessage) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(extra); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
