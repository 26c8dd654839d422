// Package executor knows kinds of commands. An executor recognises its commands, says how
// they are executed, follows the jobs that they start and has actions for their tasks.
// docs/executors.md teaches how to add one.
package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"qme/record"
)

// A Command is a user's command, recognised.
type Command struct {
	Executor string   // the executor's name, which begins the task's id
	Argv     []string // the program to execute and its arguments
	Line     string   // one line that a POSIX shell reads as the same words
}

// An Executor knows one kind of command. Its methods may be called from several
// goroutines.
type Executor interface {
	// Name begins the ids of its tasks, as record.CheckExecutor allows.
	Name() string
	// Recognise returns how words, of which there is one at least, are run; false means
	// that they are none of its commands. It is called before every run, and so starts no
	// program and waits for nothing.
	Recognise(words []string) (Command, bool)
	// Actions lists the actions for a task, in the order in which they are shown.
	Actions() []Action
}

// A Tracker is an Executor whose commands start jobs that go on without them.
type Tracker interface {
	Executor
	// Submitted reads from the record of a command that has ended which job it has
	// started; nil when it has started none. A command may have failed, or have been
	// interrupted, and its job goes on: a command that waits for its job ends as the job
	// did. The error is for the user, after return code 0, and says why the job cannot be
	// followed, or, together with a job, which others are not. No scheduler is asked.
	Submitted(rec *record.Record) (*record.Job, error)
	// Refresh asks how the jobs of tasks go, all at once where it can: one answer for
	// each record, in their order. The records have jobs and are not changed. Errors wrap
	// record.ErrUnavailable when the scheduler does not answer and record.ErrNotYet when it
	// does not know the job yet.
	Refresh(ctx context.Context, recs []*record.Record) []record.JobAnswer
	// Output opens a stream of a job up to now: record.JobStdout or record.JobStderr. It is
	// nil for record.JobStderr where both go to one place. The error wraps record.ErrNotYet
	// when the stream is not there yet.
	Output(ctx context.Context, rec *record.Record, name record.StreamName) (io.ReadCloser, error)
}

// A ScriptSource says where the script of a job comes from. The zero value: there is none.
type ScriptSource struct {
	Path      string // of a file, absolute
	Stdin     bool   // the command's standard input
	Elsewhere bool   // it can only be told by the scheduler
}

// A Scripted is a Tracker whose jobs execute a script.
type Scripted interface {
	Tracker
	// Script returns where a command in the directory dir takes the script of its job from.
	Script(argv []string, dir string) ScriptSource
	// JobScript asks the scheduler for the script of a job that was just submitted. The errors
	// are as those of Refresh.
	JobScript(ctx context.Context, job *record.Job) ([]byte, error)
}

// A Submitter is a Tracker that runs any command as a job.
type Submitter interface {
	Tracker
	// Submit returns the command that starts a job. The error wraps record.ErrInvalid
	// when an option does not fit.
	Submit(s Submission) (Command, error)
	// Resources lists the options that Submit takes.
	Resources() []Option
}

// A Submission is a command that is to be run as a job, in the present directory and
// with the present environment.
type Submission struct {
	Words   []string          // the command, as Recognise takes it
	Shell   string            // runs command lines, such as "sh"
	Options map[string]string // of those that Resources lists
	// Stdout and Stderr are the files to which the job is to print.
	Stdout, Stderr string
}

// ErrMaybeStarted means that a scheduler has refused a job in a way that leaves open whether it has started it all the same.
var ErrMaybeStarted = errors.New("it may have started it all the same")

// An ArraySubmitter is a Submitter that runs many commands as the elements of one job.
type ArraySubmitter interface {
	Submitter
	// SubmitArray returns the command that starts the job, and what it reads from standard input. The error wraps
	// record.ErrInvalid when an option does not fit, or there are too many commands for one job.
	SubmitArray(a ArraySubmission) (c Command, stdin []byte, err error)
	// ArrayJobs reads which jobs that command has started, from what it has printed: one for each of n elements, in
	// their order. The error says why there are none, and what the user can do.
	ArrayJobs(n int, stdout, stderr []byte) ([]*record.Job, error)
}

// An ArraySubmission is commands that are to be run as the elements of one job, with the environment of the process
// that starts it.
type ArraySubmission struct {
	Elements []ArrayElement
	Shell    string            // runs command lines, such as "sh"
	Options  map[string]string // of those that Resources lists
	Slots    int               // how many may run at the same time; 0: all
	// Folder has a folder for each element, with its number, from 1, as the name. The element prints to the files
	// stdout and stderr there.
	Folder string
}

// An ArrayElement is one of the commands of an ArraySubmission.
type ArrayElement struct {
	Words []string // the command, as Recognise takes it
	Dir   string   // where it runs; "" for the directory in which the job is started
	Env   []string // further variables, as NAME=value, with names that a shell knows
}

// A Set is the executors of an invocation. The shell, which takes whatever no other
// recognises, is always one of them.
type Set struct {
	shell  *Shell
	others []Executor
}

// NewSet returns a set in which the earlier of others recognises first.
func NewSet(shell *Shell, others ...Executor) *Set { return &Set{shell, others} }

// All lists the executors, the shell last.
func (s *Set) All() []Executor { return append(s.others[:len(s.others):len(s.others)], s.shell) }

// Get returns the executor of that name.
func (s *Set) Get(name string) (Executor, bool) {
	for _, e := range s.All() {
		if e.Name() == name {
			return e, true
		}
	}
	return nil, false
}

// Recognise says how the words of a command are run. The error wraps record.ErrInvalid
// when there is no command.
func (s *Set) Recognise(words []string) (Command, error) {
	if len(words) == 0 || len(words) == 1 && strings.TrimSpace(words[0]) == "" {
		return Command{}, fmt.Errorf("there is no command to run: %w", record.ErrInvalid)
	}
	for _, e := range s.others {
		if c, ok := e.Recognise(words); ok {
			return c, nil
		}
	}
	c, _ := s.shell.Recognise(words)
	return c, nil
}
