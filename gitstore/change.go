package gitstore

import (
	"io"
	"time"

	"qme/record"
)

// A Blob is the content of a stream that is stored in a file of its own.
type Blob struct {
	Size int64
	// Open returns a reader of all of it. It may be called more than once.
	Open func() (io.ReadCloser, error)
}

// A Change is the content of one commit: it puts one record, or deletes tasks.
type Change struct {
	Verb string // "run", "rerun", "check", "refresh", "note", "clear" or "restore"
	What string // for people: the command, or the tasks that were cleared
	When time.Time

	// ID is the task whose record is put.
	ID record.ID
	// Build returns the record to store, given the task's present one, nil when
	// there is none, and the commit that holds it. A nil record means that there
	// is nothing to do. It is called again when another writer was faster.
	Build func(current *record.Record, commit string) (*record.Record, error)
	// Streams holds the content of those streams for which the record has a
	// Stream. One that it does not hold stays as it is, and the record's Stream has to
	// be that of the present record.
	Streams map[record.StreamName]Blob
	// Parts holds the content of the parts that the record describes. One that it does not
	// hold stays as it is, and has to be described as in the present record.
	Parts map[record.PartName][]byte

	// Beside has the record be stored as a run of another machine is that a merge has brought: beside the
	// present record of the task, which stays as it is. If the task has none, the record becomes it.
	Beside bool

	// Annotate lists tasks whose notes Edit changes, instead. Edit gets a copy of a task's present
	// notes and returns those to store; empty ones are none. It is called again when another
	// writer was faster. Commit fails with record.ErrNotFound if a task is not in the history.
	Annotate []record.ID
	Edit     func(id record.ID, present *record.Notes) (*record.Notes, error)

	// Restore lists tasks to bring back, instead, with all their files as of the commit Before.
	// Commit fails with record.ErrConflict if one of them is in the history, and with
	// record.ErrNotFound if it was not in that commit.
	Restore []record.Clearing

	// Delete lists the tasks to remove, instead. Their runs stay in the history.
	Delete []record.ID
}
