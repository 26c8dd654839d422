package record

import "strings"

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
	// Unique is that of ID.Unique in the history; 0 where it is not known.
	Unique int
}

// A Difference is a task of which two commits have different runs. Its record is the same in
// both where only an earlier run of another machine came to be known.
type Difference struct {
	ID      ID
	Added   bool // only the later commit has the task
	Removed bool // only the earlier commit has it
	Versions
}

// Versions are a task in two commits. Its methods may be called from several goroutines.
type Versions interface {
	// Old returns the earlier commit's record, nil where there is none. The error wraps
	// ErrInvalid or ErrCorrupt when it cannot be read.
	Old() (*Record, error)
	// New is Old of the later commit.
	New() (*Record, error)
	// OtherRuns returns the commits with those runs to which data.previous does not lead, as
	// of the later commit.
	OtherRuns() ([]string, error)
}
