package record

import (
	"io"
	"strings"
	"time"
)

// A Stream's file is named after the task and one of these. The last two are those of
// the job that a command has started.
const (
	Stdout    StreamName = "stdout"
	Stderr    StreamName = "stderr"
	JobStdout StreamName = "job-stdout"
	JobStderr StreamName = "job-stderr"
)

// StreamNames are all of them. It must not be changed.
var StreamNames = []StreamName{Stdout, Stderr, JobStdout, JobStderr}

// A StreamName tells a run's streams apart.
type StreamName string

// Of returns the stream's lines, or its preview, and what describes the file that
// holds it, nil when the lines are all of it.
func (n StreamName) Of(r *Record) ([]string, *Stream) {
	switch job := r.Data.Job; {
	case n == Stderr:
		return r.Data.Error, r.Data.Stderr
	case n == Stdout:
		return r.Data.Output, r.Data.Stdout
	case job == nil:
		return nil, nil
	case n == JobStderr:
		return job.Error, job.Stderr
	default:
		return job.Output, job.Stdout
	}
}

// Set puts a stream into a record. Those of a job are for a record that has one.
func (n StreamName) Set(r *Record, lines []string, s *Stream) {
	switch n {
	case Stderr:
		r.Data.Error, r.Data.Stderr = lines, s
	case Stdout:
		r.Data.Output, r.Data.Stdout = lines, s
	case JobStderr:
		r.Data.Job.Error, r.Data.Job.Stderr = lines, s
	default:
		r.Data.Job.Output, r.Data.Job.Stdout = lines, s
	}
}

// A Blob is the content of a stream that is stored beside its record.
type Blob struct {
	Size int64
	// Open returns a reader of all of it. It may be called more than once.
	Open func() (io.ReadCloser, error)
}

// A Change is what one commit does to a history: it puts one record, or deletes
// tasks.
type Change struct {
	Verb string // "run", "rerun", "refresh" or "clear"
	What string // for people: the command, or what was cleared
	When time.Time

	// ID is the task whose record is put.
	ID ID
	// Build returns the record to store, given the task's present one, nil when
	// there is none, and the commit that holds it. A nil record means that there
	// is nothing to do. It is called again when another writer was faster.
	Build func(current *Record, commit string) (*Record, error)
	// Streams holds the content of those streams for which the record has a
	// Stream. One that it does not hold stays as it is, and the record's Stream has to
	// be that of the present record.
	Streams map[StreamName]Blob

	// Delete lists the tasks to remove, instead. Their runs stay in the history.
	Delete []ID
}

// A Range limits a walk to the tasks whose UUID begins with Prefix, and, if
// Executor is set, to those of that executor. The zero value means every task.
type Range struct {
	Prefix   string // lower-case hex digits with their dashes
	Executor string
	// Brief reads of each record what a listing shows; see DecodeBrief.
	Brief bool
	// Order is that in which the tasks come, as of its commit; nil is the newest task
	// first, as of now.
	Order *Order
}

// Has reports whether a task is in the range.
func (rg Range) Has(id ID) bool {
	return strings.HasPrefix(id.UUID(), rg.Prefix) && (rg.Executor == "" || id.Executor() == rg.Executor)
}

// A Result is a record, or why it could not be read. A result without an ID means
// that the walk could not go on.
type Result struct {
	ID     ID
	Record *Record
	Err    error
	// Unique is how many characters of the UUID no other task of the history begins
	// with; 0 where that is not known.
	Unique int
}
