package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Job is work that a command has started and that continues without it, such as the batch job
// of an sbatch. It holds the last answer of the job's scheduler. The words of State are the
// scheduler's own.
type Job struct {
	ID        string `json:"id"`                  // the scheduler's name for it
	Cluster   string `json:"cluster,omitempty"`   // set where several clusters may use the same id
	Name      string `json:"name,omitempty"`      // for people
	Partition string `json:"partition,omitempty"` // or queue
	// State is the scheduler's word, such as "RUNNING"; empty before the scheduler was asked.
	State string `json:"state,omitempty"`
	// Final says that no other state is expected; but see Again.
	Final bool `json:"final"`
	// ReturnCode is the exit code, or 128+n when signal n ended the job; nil while unknown. A
	// job that failed without an exit code (for example because a node died) has 1.
	ReturnCode *int  `json:"returncode,omitempty"`
	Submitted  *Time `json:"submitted,omitempty"`
	Started    *Time `json:"started,omitempty"`
	Ended      *Time `json:"ended,omitempty"`
	// Elapsed is the run time in seconds.
	Elapsed float64 `json:"elapsed,omitempty"`
	CPUs    int     `json:"cpus,omitempty"`
	Nodes   string  `json:"nodes,omitempty"`   // in the scheduler's notation
	MaxRSS  int64   `json:"max_rss,omitempty"` // bytes, of the largest task
	// CPUTime is the processor time of all processes in seconds, known after the end.
	CPUTime float64 `json:"cpu_time,omitempty"`
	// RequestedMemory and TimeLimit are what the job asked for: bytes of all nodes together, and
	// seconds. They are 0 if there is no limit, or it is not known.
	RequestedMemory int64   `json:"requested_memory,omitempty"`
	TimeLimit       float64 `json:"time_limit,omitempty"`
	Reason          string  `json:"reason,omitempty"` // why it waits or has ended
	// Source is the program that gave the answer, such as "sacct".
	Source string `json:"source,omitempty"`
	// Checked is the time of the scheduler's answer.
	Checked *Time `json:"checked,omitempty"`
	// History lists all states that were seen, oldest first. It keeps requeues that the
	// scheduler forgets.
	History []JobState `json:"history,omitempty"`
	// Elements are the parts of an array or of a heterogeneous job.
	Elements []JobElement `json:"elements,omitempty"`
	// StdoutFile and StderrFile are the files to which the scheduler writes the job's output.
	// They are equal if it writes both streams to one file.
	StdoutFile string `json:"stdout_file,omitempty"`
	StderrFile string `json:"stderr_file,omitempty"`
	// Fields holds further values under names chosen by the executor.
	Fields map[string]string `json:"fields,omitempty"`

	// Output and Error are the job's own streams, in the form of Data.Output and Data.Error,
	// collected when the job was final. OutputError says why they could not be collected.
	// Output is nil before they are collected, and empty if the job has printed nothing.
	Output []string `json:"output,omitzero"`
	Error  []string `json:"error,omitempty"`
	Stdout *Stream  `json:"stdout,omitempty"`
	Stderr *Stream  `json:"stderr,omitempty"`

	OutputError string `json:"output_error,omitempty"`

	// Extra holds unknown keys.
	Extra map[string]json.RawMessage `json:"-"`
}

// A JobState is a state in which a job was seen.
type JobState struct {
	State string `json:"state"`
	At    Time   `json:"at"` // when it was first seen
}

// A JobElement is one part of a job that has several.
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

// Follow turns j, an answer of the scheduler, into the successor of before, which may be nil.
// It keeps earlier states, and values that the new answer lacks. j.History may hold earlier
// states that the scheduler remembers. If the job was started again after its end (see Again),
// Follow keeps only the states of the earlier run, not its output. It reports whether anything
// but the time of the answer has changed.
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
	if j.RequestedMemory == 0 {
		j.RequestedMemory = before.RequestedMemory
	}
	if j.TimeLimit == 0 {
		j.TimeLimit = before.TimeLimit
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

// Cancelled reports whether the job has ended because it was cancelled, by the scheduler's
// word: "CANCELLED" in either spelling and any case, also with a suffix as in "CANCELLED by
// 1000". It is false for a nil job.
func (j *Job) Cancelled() bool {
	return j != nil && j.Final && CancelledState(j.State)
}

// waiting are the words of schedulers for a job that waits for its start, also for its next one.
var waiting = []string{"PENDING", "PEND", "PSUSP", "QUEUED", "WAITING", "WAIT", "HELD", "HOLD", "IDLE", "SUBMITTED", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"}

// Queued reports whether the job waits for its start: the scheduler's word says so, or the
// scheduler was not asked yet. It is false for a nil job.
func (j *Job) Queued() bool {
	if j == nil || j.Final {
		return false
	}
	word := stateWord(j.State)
	return word == "" && j.Started == nil || slices.ContainsFunc(waiting, func(w string) bool { return strings.EqualFold(w, word) })
}

// stateWord returns the first word of a state such as "CANCELLED by 1000".
func stateWord(state string) string {
	word, _, _ := strings.Cut(strings.TrimSpace(state), " ")
	return strings.TrimRight(word, "+")
}

// CancelledState reports whether a scheduler's word for an ended job, or part of a job, means
// that it was cancelled; see Job.Cancelled.
func CancelledState(state string) bool {
	word := stateWord(state)
	return strings.EqualFold(word, "CANCELLED") || strings.EqualFold(word, "CANCELED")
}

// Again reports whether j, an answer of the scheduler, is about another run of the job than
// before, which was final. A requeue starts a job again.
func (j *Job) Again(before *Job) bool {
	if before == nil || !before.Final {
		return false
	}
	return !j.Final || later(j.Started, before.Started) || later(j.Ended, before.Ended)
}

// later reports whether a is after b by more than a second, the precision of schedulers and
// their accounting.
func later(a, b *Time) bool {
	return a != nil && b != nil && a.Sub(b.Time) > time.Second
}

// joined appends to the seen states those that the scheduler remembers but that were never
// seen. Each state then occurs as often as in the list that has it more often.
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

// notable returns the reason for which a job waits, or "" if the job only waits for its turn.
// Schedulers have several words for that and switch between them.
func notable(reason string) string {
	switch reason {
	case "None", "Priority", "Resources":
		return ""
	}
	return reason
}

// WaitsFor returns the reason for which a job waits, or "" if it only waits for its turn.
func (j *Job) WaitsFor() string {
	if j.Final || j.Started != nil && j.State != "PENDING" {
		return ""
	}
	return notable(j.Reason)
}

// same compares two jobs. It ignores the time and source of the answers and, for a job that is
// not final, the values that change while it runs or waits for its turn.
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
			return "" // cannot happen: all values of Job can be encoded
		}
		return string(b)
	}
	return plain(j) == plain(other)
}

// MarshalJSON writes the job including its unknown keys.
func (j Job) MarshalJSON() ([]byte, error) {
	type plain Job
	var b bytes.Buffer
	err := encodeWith(&b, plain(j), j.Extra)
	return b.Bytes(), err
}

// UnmarshalJSON reads a job and keeps its unknown keys.
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

// check returns an error if a value that a sum or a picture uses is out of range.
func (j *Job) check() error {
	if j != nil && (!(j.CPUTime >= 0) || j.RequestedMemory < 0 || !(j.TimeLimit >= 0)) {
		return fmt.Errorf("%w job: its processor time %v, memory %d or time limit %v", ErrInvalid, j.CPUTime, j.RequestedMemory, j.TimeLimit)
	}
	return nil
}

// A JobAnswer is a scheduler's answer about one job, or the error that prevented it.
type JobAnswer struct {
	Job *Job
	Err error
	// Never says why a waiting job will never start, or is "".
	Never string
}
