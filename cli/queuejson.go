package cli

import (
	"qme/queue"
	"qme/record"
	"qme/tasks/waiting"
)

// A queueJSON is what goes on in the queue as JSON. Its keys are stable.
type queueJSON struct {
	Here   string `json:"here"`
	Worker bool   `json:"worker"` // one is at work here
	slotsJSON
	// Running and Waiting are at most as many as were asked for, and RunningCount and WaitingCount all.
	Running      []queueRunJSON  `json:"running"`
	RunningCount int             `json:"running_count"`
	Waiting      []queueWaitJSON `json:"waiting"`
	WaitingCount int             `json:"waiting_count"`
	Ended        queueEndedJSON  `json:"ended_today"`
}

// A slotsJSON is how many tasks run at once, and what they may have together.
type slotsJSON struct {
	Machine queue.Machine  `json:"machine"`
	Queues  []oneQueueJSON `json:"queues"`
}

type oneQueueJSON struct {
	Name    string       `json:"name"`
	Slots   int          `json:"slots"`
	Auto    bool         `json:"auto"`
	Paused  *queue.Pause `json:"paused"` // null: it is not
	Running int          `json:"running"`
	Waiting int          `json:"waiting"`
}

// A queueTaskJSON is a task of the queue.
type queueTaskJSON struct {
	UID     record.ID `json:"uid"`
	Command string    `json:"command"`
	PWD     string    `json:"pwd"`
	Message string    `json:"message"`
	Try     int       `json:"try"`
	Tries   int       `json:"tries"`
	CPUs    int       `json:"cpus"`
	Memory  int64     `json:"memory"` // bytes
}

type queueRunJSON struct {
	queueTaskJSON
	Queue string     `json:"queue"`
	State queue.Word `json:"state"` // "running", "unsupervised" or "unrecorded"
	// Stopped says of an unsupervised one that its processes stand still.
	Stopped bool        `json:"stopped"`
	Since   record.Time `json:"since"`
	GPUs    []string    `json:"gpus"`
	Place   string      `json:"place"`
}

type queueWaitJSON struct {
	queueTaskJSON
	queue.Reason
	Queue    string          `json:"queue"`
	Added    record.Time     `json:"added"`
	Priority int             `json:"priority"`
	After    []waiting.After `json:"after"`
	At       *record.Time    `json:"at"` // null: at once
	GPUs     int             `json:"gpus"`
	Place    string          `json:"place"` // where it may start; "" anywhere
}

type queueEndedJSON struct {
	queueEnded
	Failures []queueFailureJSON `json:"failures"`
}

type queueFailureJSON struct {
	UID        record.ID    `json:"uid"`
	Command    string       `json:"command"`
	Queue      string       `json:"queue"`
	Finished   *record.Time `json:"finished"`
	ReturnCode *int         `json:"returncode"`
	TimedOut   bool         `json:"timed_out"`
}

// queueJSONOf returns a picture as JSON, with at most limit tasks of a kind unless that is 0.
func queueJSONOf(p *queue.Picture, limit int) queueJSON {
	out := queueJSON{Here: p.Here, Worker: p.Worker, slotsJSON: slotsJSONOf(p, p.Queues), RunningCount: len(p.Running), WaitingCount: len(p.Waiting),
		Running: []queueRunJSON{}, Waiting: []queueWaitJSON{}, Ended: queueEndedJSON{countEnded(p.Ended), []queueFailureJSON{}}}
	for _, r := range p.Running[:most(len(p.Running), limit)] {
		out.Running = append(out.Running, queueRunOf(r))
	}
	for _, w := range p.Waiting[:most(len(p.Waiting), limit)] {
		out.Waiting = append(out.Waiting, queueWaitOf(w))
	}
	failures := out.Ended.failures
	for _, r := range failures[:most(len(failures), limit)] {
		out.Ended.Failures = append(out.Ended.Failures, queueFailureJSON{r.UID, r.Command, queue.Called(r.Data.Queue.Name), r.Data.Finished, r.Code(), r.Data.Queue.TimedOut})
	}
	return out
}

// slotsJSONOf returns what some queues of a picture have.
func slotsJSONOf(p *queue.Picture, queues []queue.OneQueue) slotsJSON {
	out := slotsJSON{Machine: p.Machine, Queues: []oneQueueJSON{}}
	if out.Machine.GPUs == nil {
		out.Machine.GPUs = []string{}
	}
	for _, q := range queues {
		out.Queues = append(out.Queues, oneQueueJSON{queue.Called(q.Name), q.Slots, q.Auto, q.Paused, q.Running, q.Waiting})
	}
	return out
}

// most returns how many of n are shown; a limit of 0 is none.
func most(n, limit int) int {
	if limit == 0 {
		return n
	}
	return min(n, limit)
}

func queueTaskOf(r *record.Record) queueTaskJSON {
	t := queueTaskJSON{UID: r.UID, Command: r.Command, PWD: r.Data.PWD, Message: r.Data.Message, Try: 1, Tries: 1}
	if q := r.Data.Queue; q != nil {
		t.Try, t.Tries, t.CPUs, t.Memory = max(1, q.Try), max(1, q.Tries), q.CPUs, q.Memory
	}
	return t
}

func queueRunOf(r queue.Run) queueRunJSON {
	out := queueRunJSON{queueTaskJSON: queueTaskOf(r.Record), Queue: queue.Called(r.Queue), State: r.Reason.Word, Stopped: r.Stopped, Since: r.Record.Data.Timestamp, GPUs: []string{}, Place: r.Place}
	if q := r.Record.Data.Queue; q != nil && q.GPUs != nil {
		out.GPUs = q.GPUs
	}
	return out
}

func queueWaitOf(w queue.Wait) queueWaitJSON {
	out := queueWaitJSON{queueTaskJSON: queueTaskOf(w.Record), Reason: w.Reason, Queue: queue.Called(w.Queue),
		Added: w.Record.Data.Queue.Added, Priority: w.Priority, After: w.After, GPUs: w.GPUs, Place: w.Place}
	out.Try, out.Tries, out.CPUs, out.Memory = w.Try, max(1, w.Tries), w.CPUs, w.Memory
	if out.After == nil {
		out.After = []waiting.After{}
	}
	if !w.At.IsZero() {
		out.At = &w.At
	}
	return out
}
