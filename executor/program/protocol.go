package program

import (
	"errors"

	"qme/record"
)

// version is the version of the protocol that is spoken here.
const version = 1

// A request is read by a program from standard input, on one line.
type request struct {
	Version  int    `json:"version"`
	Method   string `json:"method"`
	Executor string `json:"executor"`

	Task    *record.Record    `json:"task,omitempty"`    // of submitted, output and act
	Tasks   []*record.Record  `json:"tasks,omitempty"`   // of refresh
	Stream  string            `json:"stream,omitempty"`  // of output
	Action  string            `json:"action,omitempty"`  // of act
	Options map[string]string `json:"options,omitempty"` // of act
}

// A response is printed by a program in answer to describe, submitted and refresh.
type response struct {
	Actions []struct {
		Name    string   `json:"name"`
		Summary string   `json:"summary"`
		Alters  bool     `json:"alters"`
		Options []option `json:"options"`
	} `json:"actions"` // to describe
	Job  *record.Job `json:"job"`  // to submitted
	Jobs []jobAnswer `json:"jobs"` // to refresh
}

type option struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Usage string `json:"usage"`
}

// A jobAnswer is the answer about one job: its state, or why that is not known.
type jobAnswer struct {
	Job   *record.Job `json:"job"`
	Error *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// errFailed is the error of a program that has ended with any other code.
var errFailed = errors.New("it has failed")

// kindOf returns the meaning of an exit code, as in docs/exit-codes.md.
func kindOf(code int) error {
	switch code {
	case 5:
		return record.ErrConflict
	case 7:
		return errors.New("it does not speak this version of the protocol")
	case 8:
		return record.ErrUnavailable
	case 9:
		return record.ErrNotYet
	}
	return errFailed
}
