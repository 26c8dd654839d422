package record

import (
	"io"
	"time"
)

// A Stream's file is named after the task and one of these.
const (
	Stdout StreamName = "stdout"
	Stderr StreamName = "stderr"
)

// A StreamName tells a run's two streams apart.
type StreamName string

// Of returns the stream's lines, or its preview, and what describes the file that
// holds it, nil when the lines are all of it.
func (n StreamName) Of(r *Record) ([]string, *Stream) {
	if n == Stderr {
		return r.Data.Error, r.Data.Stderr
	}
	return r.Data.Output, r.Data.Stdout
}

// Set puts a stream into a record.
func (n StreamName) Set(r *Record, lines []string, s *Stream) {
	if n == Stderr {
		r.Data.Error, r.Data.Stderr = lines, s
	} else {
		r.Data.Output, r.Data.Stdout = lines, s
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
	Verb string // "run", "rerun" or "clear"
	What string // for people: the command, or what was cleared
	When time.Time

	// ID is the task whose record is put.
	ID ID
	// Build returns the record to store, given the task's present one, nil when
	// there is none, and the commit that holds it. A nil record means that there
	// is nothing to do. It is called again when another writer was faster.
	Build func(current *Record, commit string) (*Record, error)
	// Streams holds the content of those streams for which the record has a
	// Stream.
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
