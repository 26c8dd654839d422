package record

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// A Queue says how a run went through the queue.
type Queue struct {
	// Added is when the task was added, for all tries the same.
	Added Time `json:"added"`
	// Name is the name of the queue; "" for the default one.
	Name string `json:"name,omitempty"`
	// Try is the number of the try, from 1, and Tries how many there may be; both 0 if there is one.
	Try   int `json:"try,omitempty"`
	Tries int `json:"tries,omitempty"`
	// After are the tasks for whose end it has waited.
	After []ID `json:"after,omitempty"`
	// CPUs, Memory (bytes) and GPUs are what was set aside for it; 0 and nil for nothing. The GPUs
	// are named as in CUDA_VISIBLE_DEVICES.
	CPUs   int      `json:"cpus,omitempty"`
	Memory int64    `json:"memory,omitempty"`
	GPUs   []string `json:"gpus,omitempty"`
	// Limit is for how many seconds it was to run at most; 0: no limit. TimedOut says that it was ended
	// for that.
	Limit    float64 `json:"limit,omitempty"`
	TimedOut bool    `json:"timed_out,omitempty"`
	// Stopped is for how many seconds it stood still when the queue was paused. They are not in
	// Data.Duration.
	Stopped float64 `json:"stopped,omitempty"`
	// Changed is what of its code was another at the start than when it was added.
	Changed []QueueChange `json:"changed,omitempty"`
	// Snapshot is the folder with the code as it was when the task was added, in which it ran; "" if
	// there is none.
	Snapshot string `json:"snapshot,omitempty"`
}

// A QueueChange is a part of the code that changed while the task waited.
type QueueChange struct {
	// Kind is "script", "program" or "code".
	Kind string `json:"kind"`
	// Name is the path of a file, or of the top of a working tree.
	Name string `json:"name"`
	// From and To tell what it was and is, for display; "" for what is not known or not there.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

// Limits of Queue.
const (
	// LongestQueueName is how long the name of a queue may be, in bytes.
	LongestQueueName = 40
	// MostAfter is for how many tasks a task can wait.
	MostAfter = 1000
	// MostTries is how often a task can be tried.
	MostTries = 1000
	// MostQueueChanges bounds Queue.Changed.
	MostQueueChanges = 50
	mostQueueGPUs    = 256
	longestGPU       = 100  // bytes
	longestQueueRef  = 4096 // bytes of a text of a change
)

// CheckQueueName checks that name is valid for a queue: small letters, digits, "-" and "_", of which the
// first is a letter. The error wraps ErrInvalid.
func CheckQueueName(name string) error {
	if name == "" || len(name) > LongestQueueName || name[0] < 'a' || name[0] > 'z' || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return fmt.Errorf("%w name of a queue: %.60q; small letters, digits, - and _ make one, such as gpu", ErrInvalid, name)
	}
	return nil
}

// IsQueued reports whether the task waits in the queue of a home for its start. No record of the
// history does.
func (r *Record) IsQueued() bool { return r.Data.Status == None && r.Data.Queue != nil }

func (q *Queue) check() error {
	if q == nil {
		return nil
	}
	if q.Name != "" {
		if err := CheckQueueName(q.Name); err != nil {
			return err
		}
	}
	if q.Try < 0 || q.Tries < 0 || q.Try > MostTries || q.Tries > MostTries || q.CPUs < 0 || q.CPUs > maxRun || q.Memory < 0 {
		return fmt.Errorf("%w queue: a number is out of range", ErrInvalid)
	}
	for _, s := range []float64{q.Limit, q.Stopped} {
		if !(s >= 0) || math.IsInf(s, 0) {
			return fmt.Errorf("%w queue: a time of %g s", ErrInvalid, s)
		}
	}
	if len(q.After) > MostAfter || len(q.GPUs) > mostQueueGPUs || len(q.Changed) > MostQueueChanges {
		return fmt.Errorf("%w queue: a list is too long", ErrInvalid)
	}
	for _, id := range q.After {
		if _, err := ParseID(string(id)); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(q.GPUs, func(g string) bool { return g == "" || len(g) > longestGPU }) {
		return fmt.Errorf("%w queue: the name of a GPU", ErrInvalid)
	}
	for _, c := range q.Changed {
		if !slices.Contains([]string{"script", "program", "code"}, c.Kind) || max(len(c.Name), len(c.From), len(c.To)) > longestQueueRef {
			return fmt.Errorf("%w queue: a change of the code", ErrInvalid)
		}
	}
	if len(q.Snapshot) > longestQueueRef {
		return fmt.Errorf("%w queue: the path of the snapshot has %d bytes", ErrInvalid, len(q.Snapshot))
	}
	return nil
}
