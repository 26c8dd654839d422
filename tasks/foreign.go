package tasks

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"qme/executor"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks/given"
)

// A ForeignError says that a command was not given in this home, or that a task was not started
// here, and that the user has not agreed to run the command or change the task. Its texts are
// safe to print on a terminal. It is a record.ErrConflict.
type ForeignError struct {
	User      string `json:"user"`
	Host      string `json:"host"`
	Directory string `json:"directory"`
	Command   string `json:"command"`
	Digest    string `json:"digest"` // of the command or the action
	// Action is the action on the task, such as "cancel", and Target its object, such as "job
	// 4711". Both are empty for a rerun.
	Action string `json:"action,omitempty"`
	Target string `json:"target,omitempty"`
}

// Foreign returns the error for running the command of a record.
func Foreign(rec *record.Record) *ForeignError {
	d := rec.Data
	return &ForeignError{User: safe.Bounded(d.User), Host: safe.Bounded(d.Host), Directory: safe.Bounded(d.PWD), Command: safe.Bounded(CommandLine(rec)), Digest: given.Digest(rec)}
}

// ForeignAction returns the error for an action that would change the task of a record.
func ForeignAction(rec *record.Record, action string) *ForeignError {
	e := Foreign(rec)
	e.Action, e.Target = safe.Bounded(action), "what it has started"
	digest := []string{string(rec.UID), e.Digest, action}
	if job := rec.Data.Job; job != nil {
		digest = append(digest, job.ID, job.Cluster)
		e.Target = "job " + safe.Bounded(job.ID)
		if job.Cluster != "" {
			e.Target += " of cluster " + safe.Bounded(job.Cluster)
		}
	}
	sum := sha256.Sum256([]byte(strings.Join(digest, "\x00")))
	e.Digest = hex.EncodeToString(sum[:])
	return e
}

// Error implements error.
func (e *ForeignError) Error() string {
	if e.Action != "" {
		return fmt.Sprintf("%s would change %s of a task that this home has not started; by its record it is of %s on %s, in %s: %s", e.Action, e.Target, e.User, e.Host, e.Directory, e.Command)
	}
	return fmt.Sprintf("this command was not given in this home; by its record it is of %s on %s, in %s: %s", e.User, e.Host, e.Directory, e.Command)
}

// Is makes the error a record.ErrConflict.
func (e *ForeignError) Is(target error) bool { return target == record.ErrConflict }

// CommandLine returns the command of a record as it would be run again. The line stored in the
// record may differ from it.
func CommandLine(rec *record.Record) string {
	if len(rec.Data.Cmd) == 0 {
		return rec.Command
	}
	return executor.Quote(rec.Data.Cmd)
}
