package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"qme/internal/safe"
	"qme/record"
)

// An Action is something that can be done with a task.
type Action struct {
	Name    string // one word, as it is typed
	Summary string // one line for people, without a full stop
	Options []Option
	// Alters says that it changes something, such as the state of a job; others only
	// look.
	Alters bool
	// Do performs the action and returns when it is done. Errors wrap record.ErrNotYet,
	// record.ErrUnavailable or record.ErrConflict where these are meant.
	Do func(ctx context.Context, c *Call) error
}

// FileValue is the Value of an option that names a file of this machine. Such options are for
// the owner of the account: the dashboard does not offer them.
const FileValue = "FILE"

// An Option is one that an action or a submission takes.
type Option struct {
	Name  string // without dashes
	Value string // the name of the value in help texts; empty for a switch
	Usage string
}

// A Call is one performance of an action.
type Call struct {
	// Record is the task, with only those fields that may be acted on.
	Record *record.Record
	// Foreign says that this home has not made the run, or has no note of it: Record has few
	// fields, and the place of the output is not known.
	Foreign bool
	// Told is the task's job as it is recorded, nil for none. It is for people, and must not
	// be acted on.
	Told *record.Job
	// Fresh says that the job of Record is an answer of this moment, so that the scheduler
	// need not be asked again.
	Fresh bool
	// Options are those that were given, by name; a switch has "true".
	Options map[string]string
	// Out takes the result, Err messages for people. Bytes from commands go to Out as
	// they are.
	Out, Err io.Writer
	// Unattended says that no user waits at a terminal: programs that are run for the action
	// read nothing, and all that they start ends with the context.
	Unattended bool
	Host       Host
}

// Perform does the action. For a run of another home it prints the recorded output, and opens
// and runs nothing, whatever the executor does for its own runs. A file that the user names is
// opened all the same.
func (a Action) Perform(ctx context.Context, c *Call) error {
	if c.Foreign && (a.Name == "output" || a.Name == "error") && !a.givenFile(c) {
		return recorded(a.Name, c)
	}
	return a.Do(ctx, c)
}

// givenFile reports whether an option names a file of this machine.
func (a Action) givenFile(c *Call) bool {
	return slices.ContainsFunc(a.Options, func(o Option) bool { return o.Value == FileValue && c.Options[o.Name] != "" })
}

// recorded prints a stream as it is recorded: that of the job, where there is one.
func recorded(action string, c *Call) error {
	name, job := map[string]record.StreamName{"output": record.Stdout, "error": record.Stderr}[action], c.Told
	if job != nil {
		name = map[string]record.StreamName{"output": record.JobStdout, "error": record.JobStderr}[action]
	}
	switch {
	case c.Options["element"] != "" && (job == nil || len(job.Elements) == 0):
		return fmt.Errorf("task %s: job %s is no array, so it has no element %s: %w", c.Record.UID, idOf(job), safe.Line(c.Options["element"]), record.ErrConflict)
	case c.Options["element"] != "":
		return fmt.Errorf("task %s: this home has not noted where the elements of job %s print: without --element there is what is recorded of all: %w", c.Record.UID, idOf(job), record.ErrConflict)
	case job == nil:
	case job.Output == nil && !job.Final:
		return fmt.Errorf("task %s: where job %s prints is known to the home that started it alone, and is recorded there when it has ended: %w", c.Record.UID, idOf(job), record.ErrNotYet)
	case job.Output == nil && job.OutputError != "":
		return fmt.Errorf("task %s: %w: %s", c.Record.UID, ErrNoOutput, safe.Line(job.OutputError))
	case job.Output == nil:
		return fmt.Errorf("task %s: the output of job %s is not in its record, and only the home that started it knows where it was: %w", c.Record.UID, idOf(job), ErrNoOutput)
	case name == record.JobStderr && len(job.Error) == 0 && job.StderrFile == job.StdoutFile:
		return c.SayOneStream(job)
	}
	return c.PrintRecorded(name)
}

func idOf(job *record.Job) string {
	if job == nil {
		return "(none)"
	}
	return safe.Line(job.ID)
}

// ErrNoOutput says that there is no output, and that none will come.
var ErrNoOutput = errors.New("there is no output")

// Print copies a stream to c.Out and closes it.
func (c *Call) Print(r io.ReadCloser) error {
	_, err := io.Copy(c.Out, r)
	return errors.Join(err, r.Close())
}

// PrintRecorded prints a stream of the task as it is recorded.
func (c *Call) PrintRecorded(name record.StreamName) error {
	r, err := c.Host.Stream(name)
	if err != nil {
		return err
	}
	return c.Print(r)
}

// SayOneStream tells the user that a job has no error output of its own.
func (c *Call) SayOneStream(job *record.Job) error {
	_, err := fmt.Fprintf(c.Err, "Job %s prints its errors to its output.\n", idOf(job))
	return err
}

// Switch reports whether a switch was given.
func (c *Call) Switch(name string) bool { return c.Options[name] == "true" }

// A Host gives actions access to the task itself.
type Host interface {
	// Stream opens a stream of the task as it is recorded, up to now if the task is running.
	Stream(name record.StreamName) (io.ReadCloser, error)
	// Cancel ends the run of the task. The error wraps record.ErrConflict when it is not
	// running.
	Cancel(ctx context.Context) error
}

// Find returns the action of that name. The error wraps record.ErrNotFound and names
// those that there are.
func Find(e Executor, name string) (Action, error) {
	var names []string
	for _, a := range e.Actions() {
		if a.Name == name {
			return a, nil
		}
		names = append(names, a.Name)
	}
	return Action{}, fmt.Errorf("executor %s has no action %q, only %s: %w", e.Name(), name, strings.Join(names, ", "), record.ErrNotFound)
}

// Takes reports whether the action has an option of that name, and returns it.
func (a Action) Takes(name string) (Option, bool) {
	i := slices.IndexFunc(a.Options, func(o Option) bool { return o.Name == name })
	if i < 0 {
		return Option{}, false
	}
	return a.Options[i], true
}
