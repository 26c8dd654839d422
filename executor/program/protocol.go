package program

import (
	"errors"

	"qme/record"
)

// version is the version of the protocol that is spoken here.
const version = 1

// A request is what a program reads from standard input, on one line.
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

// A response is what a program prints in answer to describe, submitted and refresh.
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

// A jobAnswer is what is said of one job: how it goes, or why that is not known.
type jobAnswer struct {
	Job   *record.Job `json:"job"`
	Error *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// errFailed is why a program that has ended with a code without a meaning of its own.
var errFailed = errors.New("it has failed")

// kindOf returns what an exit code means, as docs/exit-codes.md has it.
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
