package queue

import (
	"fmt"
	"strings"

	"qme/record"
)

// A Word says in one word why a task waits, or that it runs. The words are stable.
type Word string

// The words.
const (
	Running      Word = "running"
	Unsupervised Word = "unsupervised" // it runs, but the process that would record its end is gone
	Unrecorded   Word = "unrecorded"   // its command has ended, and that is not in the history yet
	Slots        Word = "slots"        // its queue has no free slot, or it is about to start
	Resources    Word = "resources"    // processors, memory or GPUs
	After        Word = "after"        // a task has to end before
	Time         Word = "time"         // it was to start later
	Retry        Word = "retry"        // it is tried again later
	Held         Word = "held"         // by the user
	Paused       Word = "paused"       // the queue
	Blocked      Word = "blocked"      // a task on which it depends has ended otherwise
	Host         Word = "host"         // it starts elsewhere
	CannotStart  Word = "cannot start" // its start was tried, and it is held
)

// A Reason says why a task waits.
type Reason struct {
	Word Word `json:"reason"`
	// Tasks are those of After that have not ended, and those of Blocked.
	Tasks []record.ID `json:"tasks,omitempty"`
	// Until is when it may start: of Time and Retry.
	Until record.Time `json:"until,omitzero"`
	// Queue is the one of the slots, or that is paused, as people call it, and Halted the task
	// whose failure has paused it.
	Queue  string    `json:"queue,omitempty"`
	Halted record.ID `json:"halted,omitempty"`
	// Place is where it starts: of Host.
	Place string `json:"place,omitempty"`
	// Why is a text for people, of Resources and CannotStart, and of Blocked, where it says how Tasks have ended: "was not
	// successful".
	Why string `json:"why,omitempty"`
	// Gone are those tasks of Blocked that are not there any more, as after they were cleared.
	Gone []record.ID `json:"-"`
	// Free says of Slots that the queue has a free slot: the worker is about to start the task.
	Free bool `json:"free,omitempty"`
	// Never says of Resources that the task asks for more than there is at all, and of Host that no worker is at work in the
	// allocation on this machine in which the task starts, as after its end.
	Never bool `json:"never,omitempty"`
}

// WhySucceeded is the Why of Blocked if the tasks should have failed.
const WhySucceeded = "was successful"

// never says of a task that asks for more than there is what that is.
func (p *plan) never(n need) string {
	all := p.Machine.all()
	var list []string
	if n.cpus > all.cpus {
		list = append(list, fmt.Sprintf("%s, of %d", counted(n.cpus, "CPU"), all.cpus))
	}
	if n.memory > all.memory {
		list = append(list, fmt.Sprintf("%s memory, of %s", size(n.memory), size(all.memory)))
	}
	if n.gpus > all.gpus {
		list = append(list, fmt.Sprintf("%s, of %d", counted(n.gpus, "GPU"), all.gpus))
	}
	return "asks for more than there is: " + strings.Join(list, ", ")
}

// lacks says what a task lacks.
func (p *plan) lacks(n need) string {
	var list []string
	if n.cpus > 0 && n.cpus > p.free.cpus {
		list = append(list, fmt.Sprintf("%s, %d free", counted(n.cpus, "CPU"), max(0, p.free.cpus)))
	}
	if n.memory > 0 && n.memory > p.free.memory {
		list = append(list, fmt.Sprintf("%s memory, %s free", size(n.memory), size(max(0, p.free.memory))))
	}
	if n.gpus > 0 && n.gpus > p.free.gpus {
		list = append(list, fmt.Sprintf("%s, %d free", counted(n.gpus, "GPU"), max(0, p.free.gpus)))
	}
	return strings.Join(list, "; ")
}

// counted writes a number of what one is called.
func counted(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// size writes an amount of memory in the largest unit that leaves a whole number or some hundred.
func size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	return fmt.Sprintf("%.4g %s", f, units[i])
}
