// Package queue decides which of the waiting tasks of a home may start, starts them, and tells why
// the others wait. docs/design.md ("The queue") describes what runs in the background, and when.
//
// The tasks themselves wait in tasks/waiting, and are run by tasks: a worker of this package only
// counts slots and starts one supervising process for each task, and can be killed at any moment.
package queue

import (
	"context"
	"os/exec"
	"path/filepath"
	"time"

	"qme/record"
	"qme/tasks"
)

// DefaultName is how people call the queue of tasks for which none is named. In entries and in
// records its name is empty.
const DefaultName = "default"

// A Queue is the queue of a home, with all its named queues. It is for use by one goroutine, as its
// service is.
type Queue struct {
	Service *tasks.Service
	options Options
	warden  warden // of a worker or supervisor in an allocation
}

// Options are the options of a Queue. The zero value works.
type Options struct {
	// Here is where this process is; nil means Here.
	Here func() Place
	// Say tells the user something once, such as that logging out ends the queue; nil if it is not to be told.
	Say func(format string, args ...any)
	// Notices say when the user is told of ends.
	Notices Notices
	// Itself returns this program as a command with arguments; nil means Service.Itself. Tests set it.
	Itself func(ctx context.Context, words ...string) (*exec.Cmd, error)

	noLocks bool // as on a file system without locks; in tests
}

// New returns the queue of the home of a service. From then on the service pauses a queue if a task has failed for which that was
// wished, and has the user told of the end of a task, also when it records a run that was cut off.
func New(s *tasks.Service, o Options) *Queue {
	if o.Here == nil {
		o.Here = Here
	}
	if o.Say == nil {
		o.Say = func(string, ...any) {}
	}
	if o.Itself == nil {
		o.Itself = s.Itself
	}
	q := &Queue{Service: s, options: o}
	if s.TryEnded == nil {
		s.TryEnded = q.halt
	}
	if s.TryLeft == nil {
		s.TryLeft = q.tellApart
	}
	return q
}

// Name returns the name of a queue as entries and records have it: empty for the default one. The
// error wraps record.ErrInvalid.
func Name(typed string) (string, error) {
	if typed == "" || typed == DefaultName {
		return "", nil
	}
	return typed, record.CheckQueueName(typed)
}

// Called returns the name of a queue for people.
func Called(name string) string {
	if name == "" {
		return DefaultName
	}
	return name
}

// Here returns where this process is.
func (q *Queue) Here() Place { return q.options.Here() }

// Log returns the log of the last failure of a worker or supervisor, which has no terminal.
func (q *Queue) Log() tasks.Log { return LogOf(q.Service) }

// LogOf is Queue.Log for the home of a service.
func LogOf(s *tasks.Service) tasks.Log { return tasks.NewLog(s.Home, "queue.log") }

// file returns the path of a file of the queue. Its name begins with a dot, since the others are of
// tasks.
func (q *Queue) file(name string) string { return filepath.Join(q.Service.Waiting.Dir(), name) }

// now is the present time as records have it.
func now() time.Time { return record.Now().Time }
