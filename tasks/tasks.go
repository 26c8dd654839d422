// Package tasks holds what can be done with tasks: run, rerun, list, show, compare,
// clear, cancel, recover, check, and follow the jobs that they have started.
package tasks

import (
	"context"
	"io"
	"iter"
	"time"

	"qme/gitstore"
	"qme/record"
	"qme/tasks/given"
	"qme/tasks/jobs"
	"qme/tasks/spool"
)

// A Store keeps the records of runs that have ended. Its methods may be called
// from several goroutines. A version is a commit's name; "" means the newest.
type Store interface {
	// Commit makes one commit for each change, all of them durable when it
	// returns, or none.
	Commit(ctx context.Context, changes ...gitstore.Change) (version string, err error)
	// Get returns a record; the error wraps record.ErrNotFound.
	Get(version string, id record.ID) (*record.Record, error)
	// Stream returns the stored bytes of a record that is of this version.
	Stream(version string, rec *record.Record, name record.StreamName) (io.ReadCloser, error)
	// OtherRuns returns versions that hold runs of a task to which the chain of
	// data.previous does not lead.
	OtherRuns(id record.ID) ([]string, error)
	// IDs yields the tasks in a range, in its order.
	IDs(rg record.Range) iter.Seq2[record.ID, error]
	// Records yields the records in a range, in its order.
	Records(rg record.Range) iter.Seq[record.Result]
}

// An Execution is a command to be executed, connected with the caller's own
// streams.
type Execution struct {
	ID    record.ID // of the task, for the command to know
	Cmd   []string  // run in the current directory
	Quiet bool      // pass no output on
	// Out and Err record the streams; nil when nothing can be recorded.
	Out, Err io.Writer
	// OnStart is called once with the process id when the command runs.
	OnStart func(pid int)
}

// An Outcome is how an execution ended.
type Outcome struct {
	PID        int
	ReturnCode int
	Signal     string
	Duration   time.Duration
	Usage      *record.Usage
	Cancelled  bool
	Merged     bool  // both streams are in Out
	PassErr    error // why a part of the output did not reach the caller's streams
	RecordErr  error // why a part of the output is not recorded
}

// A Runner executes a command to its end; the end of ctx cancels it. An error
// means that it could not be tried.
type Runner func(ctx context.Context, e Execution) (*Outcome, error)

// A Tracker says how the jobs go that the commands of an executor have started. See
// executor.Tracker, which has the same methods and their contract.
type Tracker interface {
	Submitted(rec *record.Record) (*record.Job, error)
	Refresh(ctx context.Context, recs []*record.Record) []record.JobAnswer
	Output(ctx context.Context, rec *record.Record, name record.StreamName) (io.ReadCloser, error)
}

// Settings bound what is kept of a run.
type Settings struct {
	Inline   int             // bytes of a stream that may stand in the record
	Keep     int64           // bytes of a stream that are stored
	Env      func() []string // the environment variables to record, as NAME=value
	GitState func(dir string) *record.Git
	Host     string
	User     string
	// Within is the task whose command has started this process, "" for none.
	Within string
	// Streams says what is known of the caller's own streams.
	Streams func() (*record.Terminal, *record.Stdin)
}

// A Service does things with tasks. It is for one goroutine, as is one command.
type Service struct {
	// Store returns the history. It is asked for when it is needed: a history
	// that cannot be opened must not keep a command from running.
	Store func() (Store, error)
	// Order returns the order in which tasks are listed, as of the newest commit; nil is
	// that of the ids.
	Order    func() (*record.Order, error)
	Usual    string // the executor of most tasks
	Spool    *spool.Spool
	Given    *given.File // what the user of this home has given it to run
	Run      Runner
	Settings Settings
	// Jobs are the open jobs of this home.
	Jobs *jobs.Folder
	// Tracker returns what follows the jobs of an executor, nil for one whose commands
	// start none, or that is not known here.
	Tracker func(executor string) Tracker
	// Remembers reports whether actions of an executor that has no tracker use what its
	// commands have printed; nil for none.
	Remembers func(executor string) bool
	// Warn tells the user of something that went wrong and does not end what is
	// being done.
	Warn func(format string, args ...any)

	answers map[record.ID]*record.Job // of a refresh, until they are recorded
}
