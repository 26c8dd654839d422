package record

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// A Job is what a command has started that goes on without it, such as the batch job
// of an sbatch: how far it has come, by the last answer of its scheduler. The words
// of State are the scheduler's own.
type Job struct {
	ID        string `json:"id"`                  // as the scheduler names it
	Cluster   string `json:"cluster,omitempty"`   // where ids of several clusters may be equal
	Name      string `json:"name,omitempty"`      // for people
	Partition string `json:"partition,omitempty"` // or queue
	// State is the scheduler's word, such as "RUNNING"; empty while it has not been
	// asked.
	State string `json:"state,omitempty"`
	// Final says that no other state follows.
	Final bool `json:"final"`
	// ReturnCode is the exit code, 128+n when signal n ended the job; nil while it is
	// not known. A job that failed without one of its own (a node that died) has 1.
	ReturnCode *int  `json:"returncode,omitempty"`
	Submitted  *Time `json:"submitted,omitempty"`
	Started    *Time `json:"started,omitempty"`
	Ended      *Time `json:"ended,omitempty"`
	// Elapsed is how long it ran, in seconds.
	Elapsed float64 `json:"elapsed,omitempty"`
	CPUs    int     `json:"cpus,omitempty"`
	Nodes   string  `json:"nodes,omitempty"`   // as the scheduler lists them
	MaxRSS  int64   `json:"max_rss,omitempty"` // bytes, of the largest task
	Reason  string  `json:"reason,omitempty"`  // why it waits, or ended
	// Source is what the scheduler was asked with, such as "sacct".
	Source string `json:"source,omitempty"`
	// Checked is when the scheduler gave this answer.
	Checked *Time `json:"checked,omitempty"`
	// History is every state that was seen, the first one first. A scheduler forgets
	// that a job was requeued; this does not.
	History []JobState `json:"history,omitempty"`
	// Elements are the parts of an array or of a heterogeneous job.
	Elements []JobElement `json:"elements,omitempty"`
	// StdoutFile and StderrFile are where the scheduler writes the job's output; they
	// are equal where it writes both to one file.
	StdoutFile string `json:"stdout_file,omitempty"`
	StderrFile string `json:"stderr_file,omitempty"`
	// Fields is what else is known, by names of the executor's.
	Fields map[string]string `json:"fields,omitempty"`

	// Output and Error are the job's own streams, brought here when it was final, as
	// Data has those of the command. OutputError says why they could not be.
	// Output is nil while it was not brought, and empty of a job that has printed nothing.
	Output []string `json:"output,omitzero"`
	Error  []string `json:"error,omitempty"`
	Stdout *Stream  `json:"stdout,omitempty"`
	Stderr *Stream  `json:"stderr,omitempty"`

	OutputError string `json:"output_error,omitempty"`

	// Extra holds the keys that this version does not know.
	Extra map[string]json.RawMessage `json:"-"`
}

// A JobState is a state that a job was seen in.
type JobState struct {
	State string `json:"state"`
	At    Time   `json:"at"` // when it was seen first
}

// A JobElement is one part of a job that consists of several.
type JobElement struct {
	ID         string  `json:"id"`
	State      string  `json:"state,omitempty"`
	Final      bool    `json:"final"`
	ReturnCode *int    `json:"returncode,omitempty"`
	Elapsed    float64 `json:"elapsed,omitempty"` // seconds
	Nodes      string  `json:"nodes,omitempty"`
	MaxRSS     int64   `json:"max_rss,omitempty"` // bytes
	Reason     string  `json:"reason,omitempty"`
	StdoutFile string  `json:"stdout_file,omitempty"`
	StderrFile string  `json:"stderr_file,omitempty"`
}

// Follow makes j, an answer of the scheduler, the next one after before, which may be
// nil: states seen so far, and what the new answer does not say, are kept. j.History may
// hold earlier states that the scheduler itself remembers. Of a job that was started again
// after its end, see Again, nothing that came of the run before is kept but its states. It
// reports whether anything but the moment of the answer is new.
func (j *Job) Follow(before *Job) (changed bool) {
	if before == nil {
		before = &Job{}
	}
	keepText(&j.ID, before.ID)
	keepText(&j.Cluster, before.Cluster)
	keepText(&j.Name, before.Name)
	keepText(&j.Partition, before.Partition)
	keepText(&j.State, before.State)
	keepText(&j.StdoutFile, before.StdoutFile)
	keepText(&j.StderrFile, before.StderrFile)
	if j.Submitted == nil {
		j.Submitted = before.Submitted
	}
	if j.Fields == nil {
		j.Fields = before.Fields
	}
	if j.Elements == nil {
		j.Elements = before.Elements
	}
	j.Extra = before.Extra
	if !j.Again(before) {
		keepText(&j.Nodes, before.Nodes)
		j.Output, j.Error, j.Stdout, j.Stderr = before.Output, before.Error, before.Stdout, before.Stderr
		j.OutputError = before.OutputError
	}
	j.History = joined(before.History, j.History)
	if j.State != "" && (len(j.History) == 0 || j.History[len(j.History)-1].State != j.State) {
		at := Now()
		if j.Checked != nil {
			at = *j.Checked
		}
		j.History = append(slices.Clone(j.History), JobState{j.State, at})
	}
	return !j.same(before)
}

// Cancelled reports whether a job has ended because it was cancelled, by its scheduler's
// word: "CANCELLED", in either spelling and case, also with what follows it, as in
// "CANCELLED by 1000". It is false of no job, nil.
func (j *Job) Cancelled() bool {
	return j != nil && j.Final && CancelledState(j.State)
}

// CancelledState reports whether a scheduler's word for a job or a part of it that has ended
// says that it was cancelled: see Job.Cancelled.
func CancelledState(state string) bool {
	word, _, _ := strings.Cut(strings.TrimSpace(state), " ")
	word = strings.TrimRight(word, "+")
	return strings.EqualFold(word, "CANCELLED") || strings.EqualFold(word, "CANCELED")
}

// Again reports whether j, an answer of the scheduler, is of another run of the job than
// before, an answer that had it at its end: it was started again, as a requeue does.
func (j *Job) Again(before *Job) bool {
	if before == nil || !before.Final {
		return false
	}
	return !j.Final || later(j.Started, before.Started) || later(j.Ended, before.Ended)
}

// later compares moments of which schedulers and their accounting know the second.
func later(a, b *Time) bool {
	return a != nil && b != nil && a.Sub(b.Time) > time.Second
}

// joined adds to the states that were seen those that the scheduler remembers and that
// nobody has seen: each of them is there as often as in the fuller list.
func joined(seen, remembered []JobState) []JobState {
	list := slices.Clone(seen)
	for i, s := range remembered {
		if times(remembered[:i+1], s.State) > times(seen, s.State) {
			list = append(list, s)
		}
	}
	return list
}

func times(list []JobState, state string) (n int) {
	for _, s := range list {
		if s.State == state {
			n++
		}
	}
	return n
}

func keepText(s *string, before string) {
	if *s == "" {
		*s = before
	}
}

// notable returns a reason for which a job waits, "" where that is its turn: schedulers say
// so in several words, and from one moment to the next in another.
func notable(reason string) string {
	switch reason {
	case "None", "Priority", "Resources":
		return ""
	}
	return reason
}

// WaitsFor returns the reason for which a job waits, where that is more than its turn.
func (j *Job) WaitsFor() string {
	if j.Final || j.Started != nil && j.State != "PENDING" {
		return ""
	}
	return notable(j.Reason)
}

// same compares all but the moment and the tool of the answer, how long a job that goes on
// has run until it, and in which words it waits its turn.
func (j *Job) same(other *Job) bool {
	plain := func(j *Job) string {
		c := *j
		c.Checked, c.Source = nil, ""
		if !c.Final {
			c.Elapsed, c.MaxRSS, c.Reason = 0, 0, notable(c.Reason)
			c.Elements = slices.Clone(c.Elements)
			for i := range c.Elements {
				if e := &c.Elements[i]; !e.Final {
					e.Elapsed, e.MaxRSS, e.Reason = 0, 0, notable(e.Reason)
				}
			}
		}
		b, err := json.Marshal(c)
		if err != nil {
			return "" // every value of Job can be written
		}
		return string(b)
	}
	return plain(j) == plain(other)
}

// MarshalJSON writes the job with the keys that this version does not know.
func (j Job) MarshalJSON() ([]byte, error) {
	type plain Job
	var b bytes.Buffer
	err := encodeWith(&b, plain(j), j.Extra)
	return b.Bytes(), err
}

// UnmarshalJSON reads a job and keeps the keys that this version does not know.
func (j *Job) UnmarshalJSON(b []byte) error {
	type plain Job
	if err := json.Unmarshal(b, (*plain)(j)); err != nil {
		return err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	j.Extra = unknown(all, jobKeys)
	return nil
}

// A JobAnswer is what a scheduler says of one job, or why it says nothing.
type JobAnswer struct {
	Job *Job
	Err error
	// Never says why a job that waits will never start; "" for all others.
	Never string
}
