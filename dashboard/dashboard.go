// Package dashboard serves the tasks of a home to a browser and to programs: a REST
// interface (openapi.json), a websocket that tells of each change, and the page.
// docs/dashboard.md describes all of it. It holds no logic of tasks: what it needs of
// the packages around it is declared here, and cli puts them together.
package dashboard

import (
	"context"
	"fmt"
	"io"
	"iter"
	"time"

	"qme/record"
)

// A History is the record of runs that have ended. Its methods may be called from
// several goroutines.
type History interface {
	// Head names the newest version. It is asked many times a second.
	Head() (string, error)
	// Latest returns the newest version.
	Latest() (Snapshot, error)
	// Differences yields the tasks that differ between two versions, as they are in
	// the later one: without record and error, one is gone. A result without an ID ends it.
	Differences(ctx context.Context, from, to string) iter.Seq[record.Result]
}

// A Snapshot is the history as of one version.
type Snapshot interface {
	// Commit names the version.
	Commit() string
	// Records yields the records in a range, newest task first. A result without an
	// ID ends it.
	Records(rg record.Range) iter.Seq[record.Result]
}

// A Flight is a run that is not in the history yet. Its record has changed when its
// stamp has.
type Flight struct {
	ID    record.ID
	Stamp string
}

// A Written is how many bytes a run in flight has written to its streams so far.
type Written struct{ Stdout, Stderr int64 }

// A Following is what was read of the output of a run in flight.
type Following struct {
	At   int64 // the position of Data in what the command wrote: behind the one asked for where bytes are not kept
	Data []byte
	Size int64 // how many bytes the command has written so far
}

// Flights are the runs in flight. Its methods may be called from several goroutines.
type Flights interface {
	// Flights lists them. It is asked many times a second.
	Flights() ([]Flight, error)
	// Flight returns the record of one of them, with as little of its output as can be.
	// The error wraps record.ErrNotFound when it is in the history by now.
	Flight(id record.ID) (*record.Record, error)
	// Written returns how much a run in flight has written so far; zero when it is in the history
	// by now.
	Written(id record.ID) (Written, error)
	// Follow returns at most limit bytes of a stream from a position on. The error is as that of Flight.
	Follow(id record.ID, name record.StreamName, from, limit int64) (Following, error)
	// Recover brings what dead processes have left into the history.
	Recover(ctx context.Context) error
}

// A Run is one run of a task.
type Run struct {
	Record *record.Record
	Commit string // the version that it was read from; "" for the latest run
	Number int    // which run of the task, from 1
	// Open returns the stored bytes of a stream.
	Open func(record.StreamName) (io.ReadCloser, error)
}

// Tasks are the use cases of the command line. Its methods may be called from several
// goroutines. Where a reference or a query is wrong, the error is a RequestError; otherwise it wraps
// one of record's sentinels.
type Tasks interface {
	// Find returns a run of the task that ref names; number 0 is the latest run.
	Find(ref string, number int) (Run, error)
	// Runs yields a task's runs, the latest first.
	Runs(ref string) iter.Seq2[Run, error]
	// Compare compares two runs of a task.
	Compare(ref string, a, b int) (Comparison, error)
	// Clear clears tasks in one step, or none, and returns how many that were. Like all
	// that changes something it takes whole ids.
	Clear(ctx context.Context, ids []string) (int, error)
	// Cancel tells a run to end, or the job that it has started. The error is as that of Act.
	Cancel(ctx context.Context, id string, agreed Agreement) (record.ID, error)
	// Rerun runs a task again in a process of its own, and returns once that has begun. The
	// error is a Foreign for a command that was not given in this home and was not agreed to.
	Rerun(ctx context.Context, id string, agreed Agreement) (record.ID, error)
	// Search returns the tasks that answer to a query of "qme search", whose days are those of the
	// zone of now.
	Search(ctx context.Context, text string, now time.Time) ([]record.ID, error)
	// Refresh asks how the open jobs go and records what is new. It returns what kept it from
	// that, which says the same again when it is the same.
	Refresh(ctx context.Context) error
	// Actions lists what the executor of a task can do with it.
	Actions(rec *record.Record) []Action
	// Act does it. An action that fails says so by its exit code. The error is a Foreign for
	// an action that alters a task that this home has not started, and was not agreed to.
	Act(ctx context.Context, id record.ID, action string, args []string, agreed Agreement) (Result, error)
}

// An Agreement says that somebody agrees to run a command that was not given in this home, or to
// change a task that it has not started: any, or, where there is a digest, the one that was shown.
type Agreement struct {
	Confirm bool   `json:"confirm"`
	Digest  string `json:"digest"`
}

// A Foreign is an error that says whose command it is that was not agreed to, in texts for
// people. It is a record.ErrConflict.
type Foreign struct {
	User      string `json:"user"`
	Host      string `json:"host"`
	Directory string `json:"directory"`
	Command   string `json:"command"`
	Digest    string `json:"digest"` // of what would be run, or done
	// Action is what would be done, such as "cancel", and Target with what; empty where the
	// command would be run.
	Action string `json:"action,omitempty"`
	Target string `json:"target,omitempty"`
}

// Error implements error.
func (f *Foreign) Error() string {
	if f.Action != "" {
		return fmt.Sprintf("%s would change %s of a task that this home has not started; by its record it is of %s on %s, in %s: %s", f.Action, f.Target, f.User, f.Host, f.Directory, f.Command)
	}
	return fmt.Sprintf("this command was not given in this home; by its record it is of %s on %s, in %s: %s", f.User, f.Host, f.Directory, f.Command)
}

// Is makes the error a record.ErrConflict.
func (f *Foreign) Is(target error) bool { return target == record.ErrConflict }

// An Action is one thing that an executor can do with its tasks.
type Action struct {
	Name    string `json:"name"`
	Summary string `json:"summary"`
	// Alters says that it changes something; others only look.
	Alters  bool           `json:"alters"`
	Options []ActionOption `json:"options"`
}

// An ActionOption is a flag of an action.
type ActionOption struct {
	Name    string `json:"name"`
	Value   string `json:"value,omitempty"` // what its value is called; empty for a switch
	Summary string `json:"summary"`
}

// A Result is what an action printed, and its exit code. Its streams are as untrusted as any
// command's.
type Result struct {
	Stdout, Stderr []byte
	Exit           int
}

// A Comparison says what differs between two runs.
type Comparison struct {
	A, B    Run
	Fields  []FieldChange
	Streams []StreamChange
}

// A FieldChange is one value that differs; "" means that there is none.
type FieldChange struct {
	Name string `json:"name"`
	A    string `json:"a"`
	B    string `json:"b"`
}

// A StreamChange is a stream that may differ.
type StreamChange struct {
	Name record.StreamName `json:"name"`
	Same bool              `json:"same"`
	Diff string            `json:"diff"`
	Note string            `json:"note"`
}

// A RequestError is a request that makes no sense. Its text says why, for people.
type RequestError struct {
	Detail string
	// Position is the byte of a query at which it goes wrong; nil elsewhere.
	Position *int
}

// Error implements error.
func (e *RequestError) Error() string { return e.Detail }
