package record

import "errors"

// The errors that every package speaks of. They are wrapped with the name of
// the thing they are about; test for them with errors.Is.
var (
	// ErrNotFound says that no task, run or object answers to a name.
	ErrNotFound = errors.New("not found")
	// ErrAmbiguous says that a prefix fits more than one task.
	ErrAmbiguous = errors.New("ambiguous")
	// ErrInvalid says that a record, an id or a name is not of the format.
	ErrInvalid = errors.New("invalid")
	// ErrConflict says that a task's state does not allow what was asked,
	// such as rerunning a task that is running.
	ErrConflict = errors.New("conflict")
	// ErrBusy says that another process has held a lock for too long. Nothing was
	// changed; trying again later may succeed.
	ErrBusy = errors.New("locked")
	// ErrCorrupt says that stored bytes are damaged or missing.
	ErrCorrupt = errors.New("corrupt")
	// ErrNotYet says that what was asked for will be there, and is not so far: the output
	// of a job that waits, a job that its scheduler does not know yet.
	ErrNotYet = errors.New("not there yet")
	// ErrUnavailable says that a scheduler, or the program that asks it, does not answer.
	// Asking again later may succeed.
	ErrUnavailable = errors.New("no answer")
	// ErrNewerFormat says that a repository was written by a later version.
	ErrNewerFormat = errors.New("newer format")
)
