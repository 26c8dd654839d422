package record

import "errors"

// The errors shared by all packages. They are wrapped with the name of their subject; test for
// them with errors.Is.
var (
	// ErrNotFound says that no task, run or object has the given name.
	ErrNotFound = errors.New("not found")
	// ErrAmbiguous says that a prefix matches more than one task.
	ErrAmbiguous = errors.New("ambiguous")
	// ErrInvalid says that a record, an id or a name violates the format.
	ErrInvalid = errors.New("invalid")
	// ErrConflict says that the state of a task does not allow the operation, such as rerunning
	// a task that is running.
	ErrConflict = errors.New("conflict")
	// ErrBusy says that another process has held a lock for too long. Nothing was changed; a
	// later attempt may succeed.
	ErrBusy = errors.New("locked")
	// ErrCorrupt says that stored bytes are damaged or missing.
	ErrCorrupt = errors.New("corrupt")
	// ErrNotYet says that the requested object does not exist yet but is expected to: the
	// output of a job that waits, or a job that its scheduler does not know yet.
	ErrNotYet = errors.New("not there yet")
	// ErrUnavailable says that a scheduler, or the program that queries it, does not answer. A
	// later attempt may succeed.
	ErrUnavailable = errors.New("no answer")
	// ErrNewerFormat says that a repository was written by a later version.
	ErrNewerFormat = errors.New("newer format")
)
