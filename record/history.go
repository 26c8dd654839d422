package record

import (
	"strings"
	"time"
)

// The names of a run's streams. The file of a stream is named after the task and one of these.
// The last two are the streams of the job that the command has started.
const (
	Stdout    StreamName = "stdout"
	Stderr    StreamName = "stderr"
	JobStdout StreamName = "job-stdout"
	JobStderr StreamName = "job-stderr"
)

// StreamNames lists all stream names. It must not be changed.
var StreamNames = []StreamName{Stdout, Stderr, JobStdout, JobStderr}

// A StreamName identifies one of a run's streams.
type StreamName string

// Of returns the lines of the stream and nil, or its preview and the description of the file
// that stores it.
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

// Set puts a stream into a record. To set a stream of a job, the record must have one.
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

// A Range limits a walk to the tasks whose UUID begins with Prefix and, if Executor is set,
// that belong to that executor. The zero value means every task.
type Range struct {
	Prefix   string // lower-case hex digits with their dashes
	Executor string
	// Brief reads only the fields that a listing shows; see DecodeBrief.
	Brief bool
	// Order is the order of the tasks, and must be that of the commit that is read. If nil, the
	// newest task comes first.
	Order *Order
	// Reversed has the walk begin at the end of the order.
	Reversed bool
}

// Has reports whether a task is in the range.
func (rg Range) Has(id ID) bool {
	return strings.HasPrefix(id.UUID(), rg.Prefix) && (rg.Executor == "" || id.Executor() == rg.Executor)
}

// A Result is a record, or the error of reading it. A result without an ID means that the walk
// could not continue.
type Result struct {
	ID     ID
	Record *Record
	Err    error
	// Unique is ID.Unique in the history, or 0 when unknown.
	Unique int
}

// A Difference is a task whose runs or notes differ between two commits. Its record is the same in
// both if only its notes differ, or the later commit only adds an earlier run from another machine.
type Difference struct {
	ID      ID
	Added   bool // only the later commit has the task
	Removed bool // only the earlier commit has it
	Noted   bool // only the notes differ
	Versions
}

// Versions gives access to a task in two commits. Its methods are safe for concurrent use.
type Versions interface {
	// Old returns the record in the earlier commit with its notes, or nil if the task is not in
	// it. The error wraps ErrInvalid or ErrCorrupt when the record or its notes cannot be read.
	Old() (*Record, error)
	// New is Old for the later commit.
	New() (*Record, error)
	// OtherRuns returns the commits that hold the runs that data.previous does not lead to, as
	// of the later commit.
	OtherRuns() ([]string, error)
}

// A Clearing is the removal of a task from a history.
type Clearing struct {
	ID     ID        `json:"-"`
	Commit string    `json:"commit"` // the commit that removed it
	Before string    `json:"before"` // the parent of that commit which has its last record
	When   time.Time `json:"when"`   // the time of the commit
	// Also are further commits that had the task, and whose later notes a merge has removed with it. It is
	// set by those who say so.
	Also []string `json:"-"`
}

// Cleared are tasks that a history has had, and has no more.
type Cleared struct {
	Tasks []Clearing // each task once, by its last removal; those of one Before together
	// Gap says why there may be more: a commit or a folder cannot be read. Nil: these are all.
	Gap error
}
