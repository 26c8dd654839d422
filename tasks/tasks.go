// Package tasks holds what can be done with tasks: run, rerun, list, show, compare,
// clear, cancel, recover, check, and follow the jobs that they have started.
package tasks

import (
	"context"
	"os"
	"time"

	"qme/executor"
	"qme/executor/capture"
	"qme/gitstore"
	"qme/record"
	"qme/tasks/given"
	"qme/tasks/jobs"
	"qme/tasks/spool"
)

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
	// Stdin, Stdout and Stderr are the streams of the commands that are run; nil says nothing of them.
	Stdin, Stdout, Stderr *os.File
	Drain, KillGrace      time.Duration // see capture.Spec
	Searched              int64         // bytes of a stream that a search looks at
}

// A Service does things with tasks. It is for one goroutine, as is one command.
type Service struct {
	// Store returns the history. It is asked for when it is needed: a history
	// that cannot be opened must not keep a command from running.
	Store func() (*gitstore.Store, error)
	Home  string // the folder
	Spool *spool.Spool
	Given *given.File // what the user of this home has given it to run
	// Run runs commands; nil is capture.Run.
	Run      func(context.Context, capture.Spec) (*capture.Result, error)
	Settings Settings
	// Jobs are the open jobs of this home.
	Jobs *jobs.Folder
	// Executors are those that are known here; nil for none.
	Executors *executor.Set
	Following Following
	// Sharing is asked for with each exchange.
	Sharing func(ctx context.Context) (*Sharing, error)
	// Warn tells the user of something that went wrong and does not end what is
	// being done.
	Warn func(format string, args ...any)
	// Tell, if not nil, tells a user who has not asked for silence how things go.
	Tell func(format string, args ...any)
	// Progress, if not nil, shows how far work is that takes its time; show may be nil.
	Progress func(what string) (show func(n int), done func())
	// ReadOnly leaves files as they are that only make things faster.
	ReadOnly bool

	// commitTo, in tests, commits in place of the store.
	commitTo func(context.Context, *gitstore.Store, ...gitstore.Change) (version string, err error)
}

// tell is Tell where there is one.
func (q *Service) tell(format string, args ...any) {
	if q.Tell != nil {
		q.Tell(format, args...)
	}
}

// executor returns the executor of that name, nil for one that is not known here.
func (q *Service) executor(name string) executor.Executor {
	if q.Executors == nil {
		return nil
	}
	e, _ := q.Executors.Get(name)
	return e
}

// tracker returns what follows the jobs of an executor, nil for one whose commands start
// none, or that is not known here.
func (q *Service) tracker(name string) executor.Tracker {
	t, _ := q.executor(name).(executor.Tracker)
	return t
}

// commitChanges makes one commit for each change, all of them durable when it returns, or
// none.
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
