package executor

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

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

// FileValue is what the value of an option is called where it names a file of this machine. Such
// options are for who has the account: the dashboard does not offer them.
const FileValue = "FILE"

// An Option is one that an action or a submission takes.
type Option struct {
	Name  string // without dashes
	Value string // what the value is called in help texts; empty for a switch
	Usage string
}

// A Call is one performance of an action.
type Call struct {
	Record *record.Record
	// Fresh says that Record has an answer of this moment about the task's job, so that
	// nobody need be asked again how it goes.
	Fresh bool
	// Options are those that were given, by name; a switch has "true".
	Options map[string]string
	// Out takes the result, Err messages for people. Bytes from commands go to Out as
	// they are.
	Out, Err io.Writer
	Host     Host
}

// Switch reports whether a switch was given.
func (c *Call) Switch(name string) bool { return c.Options[name] == "true" }

// A Host is what qme itself can do for an action.
type Host interface {
	// Stream opens what is recorded of a stream of the task, so far if it is running.
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
