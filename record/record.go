// Package record defines the record of a task: its content, its JSON encoding, the form of its
// streams, and the ids and errors that all packages share. docs/format.md is its specification.
package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"time"
)

// Status is the state of a run.
type Status string

// The values of Status. None is null in JSON.
const (
	None      Status = ""
	Running   Status = "running"
	Complete  Status = "complete"
	Cancelled Status = "cancelled"
)

// MarshalJSON writes None as null.
func (s Status) MarshalJSON() ([]byte, error) {
	if s == None {
		return []byte("null"), nil
	}
	return json.Marshal(string(s))
}

// A Record is one run of a task, usually the latest.
type Record struct {
	Executor string `json:"executor"`
	UID      ID     `json:"uid"`
	// Command is the command as one line that a shell would split into the same words, for
	// display. Data.Cmd is the command that was executed.
	Command string `json:"command"`
	Data    Data   `json:"data"`

	// Notes are what people say of the task; nil when there are none. They are stored beside the
	// record and read with it, but not written with it.
	Notes *Notes `json:"-"`

	// Extra holds unknown top-level keys. They are kept when the record is written again.
	Extra map[string]json.RawMessage `json:"-"`
}

// Data is the captured data of one run.
type Data struct {
	PWD       string   `json:"pwd"`
	User      string   `json:"user"`
	Timestamp Time     `json:"timestamp"`
	Message   string   `json:"message"`
	Cmd       []string `json:"cmd"`
	Status    Status   `json:"status"`
	// ReturnCode is the command's exit code, 128+n when signal n ended it, 127 when it was not
	// found and 126 when it could not be executed. It is nil while unknown.
	ReturnCode *int `json:"returncode"`
	PID        int  `json:"pid"`
	// Output and Error are the lines of the streams including newlines, or a preview if Stdout
	// or Stderr is set.
	Output []string `json:"output"`
	Error  []string `json:"error"`
	// Stdout and Stderr describe streams that are stored in their own files.
	Stdout *Stream `json:"stdout,omitempty"`
	Stderr *Stream `json:"stderr,omitempty"`
	Host   string  `json:"host"`
	// Finished is the time at which the run ended; nil before.
	Finished *Time `json:"finished,omitempty"`
	// Duration is the wall time of the run in seconds, by a monotonic clock.
	Duration float64 `json:"duration,omitempty"`
	// Signal names the signal that ended the command, such as "SIGKILL".
	Signal string `json:"signal,omitempty"`
	Usage  *Usage `json:"usage,omitempty"`
	Git    *Git   `json:"git,omitempty"`
	// Code is the repository that holds the script of the command, or its program, if that is
	// another one than Git.
	Code *Git              `json:"code,omitempty"`
	Env  map[string]string `json:"env,omitempty"`
	// Masked says how often values of secrets were replaced by markers, [masked:NAME], in the
	// record and its streams, by the name in the marker. A marker with another name was written by
	// the user or the command.
	Masked map[string]int `json:"masked,omitempty"`
	// Job is the job that the command has started; usually nil.
	Job *Job `json:"job,omitempty"`
	// Terminal says which of the caller's streams were terminals; nil when not recorded.
	Terminal *Terminal `json:"terminal,omitempty"`
	// Merged says that standard output and standard error were one stream, as on a terminal.
	// Output then has both.
	Merged bool `json:"merged,omitempty"`
	// Stdin describes the source of standard input; nil when not recorded.
	Stdin *Stdin `json:"stdin,omitempty"`
	// Machine describes the machine; nil when not recorded.
	Machine *Machine `json:"machine,omitempty"`
	// Software is what the run was made with; nil when not recorded.
	Software *Software `json:"software,omitempty"`
	// Declared are the files that the user has declared, as patterns; nil for none.
	Declared *Declared `json:"declared,omitempty"`
	// Files are the files that the command named, used or made; nil when not recorded.
	Files *Files `json:"files,omitempty"`
	// Parts are what is stored in files beside the record, except for streams.
	Parts Parts `json:"parts,omitempty"`
	// Check says that the run was made to check an earlier one, and what it found; nil for a run that is
	// no check.
	Check *Check `json:"check,omitempty"`
	// Queue says how the run went through the queue, or waits there; nil for a run that was given
	// directly.
	Queue *Queue `json:"queue,omitempty"`
	// Params are the parameters of the run, as far as the user has named them; nil for none.
	Params Params `json:"params,omitempty"`
	// Group says which tasks were given together with this one; nil for none.
	Group *Group `json:"group,omitempty"`
	// Metrics are those that settings, or options of the command that gave the run, have asked for; nil for none.
	Metrics Metrics `json:"metrics,omitempty"`
	// Origin is the run whose command was changed to make this one; nil for none.
	Origin *Parent `json:"origin,omitempty"`
	// RunID names the run permanently; empty in records that predate run ids.
	RunID RunID `json:"run_id,omitempty"`
	// Parent is the run whose command gave this one; nil for none that is known.
	Parent *Parent `json:"parent,omitempty"`
	// Run is the number of the run, from 1. A merge of histories can change it.
	Run int `json:"run"`
	// Previous is the commit whose tree holds the previous run.
	Previous string `json:"previous,omitempty"`

	// Extra holds unknown keys under data.
	Extra map[string]json.RawMessage `json:"-"`
}

// Next returns a record for the task's next run, before it begins. It takes over the command,
// its directory, its message, the declared files, its parameters and group, where it comes from, and unknown keys. Everything else is
// captured again.
func (r *Record) Next() *Record {
	return &Record{Executor: r.Executor, UID: r.UID, Command: r.Command, Extra: r.Extra, Notes: r.Notes, Data: Data{
		PWD: r.Data.PWD, Cmd: r.Data.Cmd, Message: r.Data.Message, Declared: r.Data.Declared.Again(), Run: NextRun(r.Data.Run), Extra: r.Data.Extra,
		Params: r.Data.Params, Group: r.Data.Group, Origin: r.Data.Origin,
	}}
}

// Changed returns a record for the first run of a new task, whose command was made from that of r by a change. It takes over what Next
// does, but for the notes and unknown keys; it is one more of the group.
func (r *Record) Changed(id ID) *Record {
	next := r.Next()
	next.UID, next.Notes, next.Extra = id, nil, nil
	d := &next.Data
	d.Run, d.Extra, d.Origin = 1, nil, ParentOf(string(r.UID), string(r.Data.RunID))
	if d.Group != nil {
		own := *d.Group
		own.Size, own.Seed = 0, ""
		d.Group = &own
	}
	return next
}

// A Parent is a run whose command has given another one.
type Parent struct {
	UID   ID    `json:"uid"`
	RunID RunID `json:"run_id,omitempty"`
}

// ParentOf returns the parent that the environment of a process names, nil if it names none.
func ParentOf(task, run string) *Parent {
	p := &Parent{UID: ID(task), RunID: RunID(run)}
	if p.RunID.check() != nil {
		p.RunID = "" // it was set by somebody else
	}
	if task == "" || p.check() != nil {
		return nil
	}
	return p
}

func (p *Parent) check() error {
	if p == nil {
		return nil
	}
	if _, err := ParseID(string(p.UID)); err != nil {
		return err
	}
	return p.RunID.check()
}

// Terminal lists the caller's streams that were terminals: some of "stdin", "stdout" and
// "stderr", in that order.
type Terminal struct {
	Streams []string `json:"streams"`
	// Columns and Rows are the size of the terminal, and Name is that of its kind (TERM). They are
	// zero when there is none, or that was not recorded.
	Columns int    `json:"columns,omitempty"`
	Rows    int    `json:"rows,omitempty"`
	Name    string `json:"term,omitempty"`
}

// Has reports whether the named stream was a terminal.
func (t *Terminal) Has(stream string) bool { return t != nil && slices.Contains(t.Streams, stream) }

// Stdin describes the source of a command's standard input.
type Stdin struct {
	// Kind is "terminal", "null" (/dev/null), "file", "pipe", "socket", "closed", "other", or
	// StdinPart.
	Kind string `json:"kind"`
	Path string `json:"path,omitempty"` // of a file, absolute; for display
	// Size is that of a file when the run began, or how much has passed through a pipe, in bytes.
	Size int64 `json:"size,omitempty"`
	// SHA256 is the hash of what has passed through a pipe; empty when not recorded. That of a file
	// is in Files.
	SHA256 string `json:"sha256,omitempty"`
	// Whole says that all that came through a pipe has passed. Otherwise the command ended, or
	// closed its input, before.
	Whole bool `json:"whole,omitempty"`
	// LeftAlone is why nothing is recorded of what came through a pipe: StdinShared, StdinUnknown,
	// or empty.
	LeftAlone string `json:"left_alone,omitempty"`
}

// StdinPart is the kind of a standard input that an earlier run had kept: see PartStdin.
const StdinPart = "part"

// The reasons for which a pipe is left alone.
const (
	StdinShared  = "shared"  // another process could read from it, too
	StdinUnknown = "unknown" // whether another process could was not known
)

// StdinDigest returns the size and the hash of the whole standard input of the run. known is false when
// not all of it was hashed.
func (d *Data) StdinDigest() (size int64, sha256 string, known bool) {
	s := d.Stdin
	switch {
	case s == nil:
	case s.Kind == "pipe" || s.Kind == StdinPart:
		return s.Size, s.SHA256, s.Whole && (s.SHA256 != "" || s.Size == 0)
	case s.Kind == "file" && d.Files != nil:
		for _, f := range d.Files.In {
			if f.By == ByStdio && f.Size == s.Size && path.Base(f.Path) == path.Base(s.Path) {
				return f.Size, f.SHA256, f.SHA256 != "" && !f.Partial
			}
		}
	}
	return 0, "", false
}

func (s *Stdin) check() error {
	if s == nil {
		return nil
	}
	if len(s.Kind) > longestBy || len(s.LeftAlone) > longestBy || len(s.Path) > longestPath || s.Size < 0 || s.SHA256 != "" && !IsSHA256(s.SHA256) {
		return fmt.Errorf("%w stdin: its kind, path, size or hash", ErrInvalid)
	}
	return nil
}

// Usage is the resource usage of the command and of those descendants that it waited for
// (getrusage(2)).
type Usage struct {
	User   float64 `json:"user"`   // seconds of processor time
	System float64 `json:"system"` // seconds of processor time
	// MaxRSS is in bytes, for the largest process. It is 0 when not recorded, because it could
	// not be told apart from the memory of qme itself.
	MaxRSS int64 `json:"max_rss,omitempty"`

	// The rest is from samples of all processes of the run, and zero when there are none. What a
	// process used between two samples and was gone at the second is not in the memory.
	PeakMemory int64 `json:"peak_memory,omitempty"` // the most resident bytes of all processes together
	MeanMemory int64 `json:"mean_memory,omitempty"` // by time
	// MemoryKind says what that memory is: MemoryPSS, MemoryCgroup, MemoryRSS or MemoryMixed.
	MemoryKind string `json:"memory_kind,omitempty"`
	// Read and Written are bytes of system calls, from wherever they came: files, pipes, terminals.
	Read      int64 `json:"read,omitempty"`
	Written   int64 `json:"written,omitempty"`
	Processes int   `json:"processes,omitempty"` // the most at once
	// Unreadable is the most processes at once of which something could not be read, such as
	// those of another user.
	Unreadable int     `json:"unreadable,omitempty"`
	Samples    int     `json:"samples,omitempty"`
	Interval   float64 `json:"interval,omitempty"` // seconds between samples, at the end
	// GPUs is how many GPUs processes of the run had open. MeanGPU is how busy they were together,
	// where 1 is one GPU, and PeakGPUMemory the bytes in use on them, also of other programs.
	GPUs          int     `json:"gpus,omitempty"`
	MeanGPU       float64 `json:"mean_gpu,omitempty"`
	PeakGPUMemory int64   `json:"peak_gpu_memory,omitempty"`
}

// The values of Usage.MemoryKind.
const (
	MemoryPSS    = "pss"    // each process has its part of a page that several share
	MemoryCgroup = "cgroup" // the counter of a control group; shared pages count once
	MemoryRSS    = "rss"    // shared pages count for each process
	MemoryMixed  = "mixed"  // some were of one kind and some of another
)

// check returns an error if a value that a sum or a picture uses is out of range.
func (u *Usage) check() error {
	if u == nil {
		return nil
	}
	for _, n := range []int64{u.PeakMemory, u.MeanMemory, u.Read, u.Written, int64(u.Processes), int64(u.Unreadable), int64(u.Samples), int64(u.GPUs), u.PeakGPUMemory} {
		if n < 0 {
			return fmt.Errorf("%w usage: a value is %d", ErrInvalid, n)
		}
	}
	if len(u.MemoryKind) > longestBy || !(u.Interval >= 0) || !(u.MeanGPU >= 0) {
		return fmt.Errorf("%w usage: the kind of memory %.60q, the interval %v, or the use of GPUs %v", ErrInvalid, u.MemoryKind, u.Interval, u.MeanGPU)
	}
	return nil
}

// Git is the state of the repository that holds the working directory, or a script.
type Git struct {
	// Path is the script or the program that lies in the repository, without symbolic links. Only
	// Data.Code has it.
	Path   string `json:"path,omitempty"`
	Commit string `json:"commit,omitempty"` // empty before the first commit
	Branch string `json:"branch,omitempty"` // empty when HEAD is detached
	// Dirty says whether a tracked file differs from HEAD, as in "git describe --dirty". It is
	// nil (null) if this would have taken too long to determine.
	Dirty *bool `json:"dirty"`
	// Remote is the URL of the branch's remote, else of origin, without credentials; empty if
	// there is none, or it cannot be told what is secret in it.
	Remote string `json:"remote,omitempty"`
	// PatchError says why there is no PartPatch, or PartCodePatch, although the tree was dirty, or may
	// have been.
	PatchError string `json:"patch_error,omitempty"`
}

func (g *Git) check() error {
	if g != nil && len(g.Path) > longestPath {
		return fmt.Errorf("%w path of code: it has %d bytes", ErrInvalid, len(g.Path))
	}
	return nil
}

// A Machine is where a run took place. What was not recorded is empty.
type Machine struct {
	OS           string `json:"os"`   // as Go names it (GOOS): "linux", "darwin"
	Arch         string `json:"arch"` // as Go names it (GOARCH): "amd64", "arm64"
	Kernel       string `json:"kernel,omitempty"`
	Distribution string `json:"distribution,omitempty"` // with its version
	CPU          string `json:"cpu,omitempty"`          // the model
	CPUs         int    `json:"cpus,omitempty"`         // how many processors the run could use
	Memory       int64  `json:"memory,omitempty"`       // of the machine, in bytes
	// GPUs are the names of the graphics processors, one for each, and GPUDriver is their driver
	// with its version.
	GPUs      []string `json:"gpus,omitempty"`
	GPUDriver string   `json:"gpu_driver,omitempty"`
}

// MostGPUs limits Machine.GPUs.
const MostGPUs = 64

func (m *Machine) check() error {
	if m == nil {
		return nil
	}
	texts := m.OS + m.Arch + m.Kernel + m.Distribution + m.CPU + m.GPUDriver
	if len(texts) > 2*longestPath || len(m.GPUs) > MostGPUs || tooLong(m.GPUs...) {
		return fmt.Errorf("%w description of the machine: it is too long", ErrInvalid)
	}
	return nil
}

// A Stream describes output that is stored in a file next to the record, because it is not
// UTF-8 or too long for the record.
type Stream struct {
	Size   int64  `json:"size"`   // bytes written by the command
	SHA256 string `json:"sha256"` // of all bytes written by the command
	// Cut is set if not all bytes are stored.
	Cut *Cut `json:"cut,omitempty"`
}

// A Cut names the bytes of a stream that are not stored: Bytes of them, from Offset. In the
// stored file, the bytes after the cut directly follow those before it.
type Cut struct {
	Offset int64 `json:"offset"`
	Bytes  int64 `json:"bytes"`
}

// Stored returns the size of the stored file.
func (s *Stream) Stored() int64 {
	if s.Cut == nil {
		return s.Size
	}
	return s.Size - s.Cut.Bytes
}

// Code returns the return code of the run: that of its job if it has started one, else that of
// the command. It is nil while unknown.
func (r *Record) Code() *int {
	if r.Data.Job != nil {
		return r.Data.Job.ReturnCode
	}
	return r.Data.ReturnCode
}

// ErrorsInOutput reports whether standard error and standard output of the run, or of its job
// if it has started one, were one stream, its output.
func (r *Record) ErrorsInOutput() bool {
	if j := r.Data.Job; j != nil {
		return j.StdoutFile != "" && j.StdoutFile == j.StderrFile && len(j.Error) == 0 && j.Stderr == nil
	}
	return r.Data.Merged && len(r.Data.Error) == 0 && r.Data.Stderr == nil
}

// Failed reports whether the run, including its job, has ended by itself with a return code
// other than 0. A cancelled run has not failed.
func (r *Record) Failed() bool { return r.Outcome() == Failed }

// Took returns the duration of the run, or of its job if it has started one, up to now if it is
// active. ok is false when it is unknown, as for a job that waits.
func (r *Record) Took(now time.Time) (d time.Duration, ok bool) {
	job := r.Data.Job
	switch {
	case r.Data.Status == Running:
		return max(0, now.Sub(r.Data.Timestamp.Time)), true
	case job != nil && job.Final:
		return seconds(job.Elapsed), true
	case job != nil && job.Started != nil:
		return max(0, now.Sub(job.Started.Time)), true
	case job != nil || r.Data.Finished == nil:
		return 0, false
	}
	return seconds(r.Data.Duration), true
}

// Memory returns the most memory that is known of the run, in bytes: that of all its processes
// together in a sample, or of the largest of them, or of the largest task of its job if it has
// started one. It is 0 when nothing is known.
func (r *Record) Memory() int64 {
	if j := r.Data.Job; j != nil {
		return max(j.MaxRSS, 0)
	}
	if u := r.Data.Usage; u != nil {
		return max(u.PeakMemory, u.MaxRSS, 0)
	}
	return 0
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// Active reports whether the command is running, or the state of its job may still change.
func (r *Record) Active() bool {
	return r.Data.Status == Running || r.IsQueued() || r.Data.Job != nil && !r.Data.Job.Final
}

// timeLayout is ISO 8601 as written by Python's datetime.isoformat, the layout of the original
// QueueMe.
const timeLayout = "2006-01-02T15:04:05.000000-07:00"

// Time is an instant with an offset from UTC, in microseconds.
type Time struct{ time.Time }

// Now returns the present time in the local zone, rounded down to a microsecond, so that it
// stays equal when written and read again.
func Now() Time { return Time{time.Now().Round(0).Truncate(time.Microsecond)} }

// MarshalJSON writes the time in the layout of the format.
func (t Time) MarshalJSON() ([]byte, error) {
	return []byte(`"` + t.Format(timeLayout) + `"`), nil
}

// UnmarshalJSON reads any RFC 3339 time with an offset. The year, in UTC, must have four
// digits, because others cannot be written again.
func (t *Time) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	parsed, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return err
	}
	if !ValidTime(parsed) {
		return fmt.Errorf("the time %s is in the year %d", s, parsed.UTC().Year())
	}
	t.Time = parsed.Truncate(time.Microsecond)
	return nil
}

// ValidTime reports whether a time can be read again once it is written: in UTC its year is 1 to 9999.
func ValidTime(t time.Time) bool {
	y := t.UTC().Year()
	return y >= 1 && y <= 9999
}

// Encode returns the stored form of the record: indented JSON with a fixed order of keys and a
// final newline. Strings must be valid UTF-8; Lines and Preview ensure this for streams. The error
// wraps ErrInvalid if the form would be longer than MaxRecord.
func Encode(r *Record) ([]byte, error) {
	var data bytes.Buffer
	if err := encodeWith(&data, r.Data, r.Data.Extra); err != nil {
		return nil, fmt.Errorf("encode record %s: %w", r.UID, err)
	}
	var whole bytes.Buffer
	outer := struct {
		Executor string          `json:"executor"`
		UID      ID              `json:"uid"`
		Command  string          `json:"command"`
		Data     json.RawMessage `json:"data"`
	}{r.Executor, r.UID, r.Command, data.Bytes()}
	if err := encodeWith(&whole, outer, r.Extra); err != nil {
		return nil, fmt.Errorf("encode record %s: %w", r.UID, err)
	}
	b, err := indented(whole.Bytes())
	if err != nil {
		return nil, fmt.Errorf("encode record %s: %w", r.UID, err)
	}
	return b, nil
}

// EncodeLine returns the record as one line of JSON with a final newline.
func EncodeLine(r *Record) ([]byte, error) {
	b, err := Encode(r)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Compact(&out, b); err != nil {
		return nil, fmt.Errorf("encode record %s: %w", r.UID, err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// encodeWith writes the JSON object v, followed by the members of extra, sorted by name.
func encodeWith(out *bytes.Buffer, v any, extra map[string]json.RawMessage) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	out.Truncate(out.Len() - 1) // the newline that Encode adds
	if len(extra) == 0 {
		return nil
	}
	more, err := marshalExtra(extra)
	if err != nil {
		return err
	}
	out.Truncate(out.Len() - 1) // }
	if out.Bytes()[out.Len()-1] != '{' {
		out.WriteByte(',')
	}
	out.Write(more[1:])
	return nil
}

func marshalExtra(extra map[string]json.RawMessage) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(extra); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
