// Package tasks implements the use cases on tasks: run, rerun, list, show, compare, clear,
// cancel, recover and check tasks, and track the jobs that they have started.
package tasks

import (
	"context"
	"os"
	"time"

	"qme/executor"
	"qme/executor/capture"
	"qme/gitstore"
	"qme/gitstore/worktree"
	"qme/internal/mask"
	"qme/provenance"
	"qme/record"
	"qme/tasks/given"
	"qme/tasks/jobs"
	"qme/tasks/spool"
	"qme/tasks/waiting"
)

// Settings are the settings for recording and searching runs.
type Settings struct {
	Inline int             // maximum bytes of a stream inside the record
	Keep   int64           // maximum bytes of a stream that are stored
	Env    func() []string // the environment variables to record, as NAME=value
	// GitState returns the state of the git repository that contains a directory, nil if there is
	// none; see worktree.Look.
	GitState func(dir string) (*record.Git, worktree.Finding)
	// Mask returns what is masked in records; nil, or a nil result, means nothing. It is called
	// for each run.
	Mask func() *mask.Set
	Host string
	User string
	// Within is the id of the task whose command started this process, or "".
	Within string
	// WithinRun is the data.run_id of that run, or "".
	WithinRun string
	// Stdin, Stdout and Stderr are the streams of the commands. If nil, they are not described
	// in the record.
	Stdin, Stdout, Stderr *os.File
	Drain, KillGrace      time.Duration // see capture.Spec
	Searched              int64         // maximum bytes of a stream that a search reads
	Files                 bool          // whether the files are recorded that a command names
	Hashes                provenance.Limits
	KeepFiles             int64    // maximum bytes of an output that is kept as a part; 0: none
	Patch                 int64    // maximum bytes of the difference of a working tree
	Shared                []string // the parts that pushes send, by record.PartName
	Software              bool     // whether programs, packages, modules and containers are recorded
	Packages              provenance.SoftwareLimits
	// HashStdin says whether what comes to a command through a pipe is counted and hashed, if no
	// other process can read from that pipe.
	HashStdin bool
	// KeepStdin is up to how many bytes of that are kept, as a part. It needs HashStdin.
	KeepStdin int64
	Usage     time.Duration // between samples of what a run uses; 0: none
	Metrics   MetricOptions // what each run is asked for, besides what its own options name
}

// A Service implements the use cases of one home. It is for use by one goroutine.
type Service struct {
	// Store returns the history. It is called only when needed, because a history that cannot
	// be opened must not prevent a command from running.
	Store func() (*gitstore.Store, error)
	Home  string // the folder of the home
	Spool *spool.Spool
	// Waiting are the tasks that wait in the queue.
	Waiting *waiting.Folder
	// Reasons, if not nil, says of tasks that wait in the queue why they wait. Of others it says nothing.
	Reasons func(ctx context.Context, ids []record.ID) (map[record.ID]WaitReason, error)
	Given   *given.File  // the commands that the user has given in this home
	Names   *given.Names // the names of tasks that were given in this home
	// Accepted are the changes that do not matter: see Staleness.
	Accepted *given.Accepted
	// Changing says that the command changes what it names: a name that was given in another home
	// names nothing then.
	Changing bool
	// Run runs commands; nil means capture.Run.
	Run      func(context.Context, capture.Spec) (*capture.Result, error)
	Settings Settings
	// Jobs holds the open jobs of this home.
	Jobs *jobs.Folder
	// Executors are the known executors; nil for none.
	Executors *executor.Set
	Following Following
	// Sharing is called for each exchange.
	Sharing func(ctx context.Context) (*Sharing, error)
	// Warn reports a problem that does not end the operation.
	Warn func(format string, args ...any)
	// Tell, if not nil, reports progress unless the user has asked for silence.
	Tell func(format string, args ...any)
	// Progress, if not nil, shows the progress of long work; show may be nil.
	Progress func(what string) (show func(n int), done func())
	// TryEnded, if not nil, is called when a run of the queue is in the history, also that of a process
	// that was killed. again says whether it is to be tried again. The task still has its place among
	// those that run, so it may be called again for the run if this process dies.
	TryEnded func(rec *record.Record, e *waiting.Entry, again bool)
	// TryLeft, if not nil, is called with the last run of a task of the queue when the task has left that, also
	// by the end of a process that was killed. It is called once.
	TryLeft func(rec *record.Record)
	// ReadOnly does not write files that only speed things up.
	ReadOnly bool

	// kept is the standard input of the commands if it was kept by an earlier run; nil: it is
	// Settings.Stdin.
	kept *keptInput
	// looked is what AddAll has seen; nil elsewhere.
	looked *looked
	// commitTo replaces the store's Commit in tests.
	commitTo func(context.Context, *gitstore.Store, ...gitstore.Change) (version string, err error)
}

// tell is Tell, if set.
func (q *Service) tell(format string, args ...any) {
	if q.Tell != nil {
		q.Tell(format, args...)
	}
}

// executor returns the executor of that name, or nil if it is unknown here.
func (q *Service) executor(name string) executor.Executor {
	if q.Executors == nil {
		return nil
	}
	e, _ := q.Executors.Get(name)
	return e
}

// tracker returns the tracker for the jobs of an executor. It is nil if the executor is unknown
// here or its commands start no jobs.
func (q *Service) tracker(name string) executor.Tracker {
	t, _ := q.executor(name).(executor.Tracker)
	return t
}

// commitChanges makes one commit for each change. On return, all of them are durable, or none
// was made.
func (q *Service) commitChanges(ctx context.Context, changes ...gitstore.Change) (version string, err error) {
	store, err := q.Store()
	switch {
	case err != nil:
		return "", err
	case q.commitTo != nil:
		return q.commitTo(ctx, store, changes...)
	}
	return store.Commit(ctx, changes...)
}
