package tasks

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aymanbagabas/go-udiff"
	"github.com/dustin/go-humanize"

	"qme/executor"
	"qme/record"
)

// A Comparison is the difference between two runs.
type Comparison struct {
	A, B   Version
	Fields []FieldChange // all differences except output, in a fixed order
	// Stdout and Stderr are the output of the commands or, if both runs have jobs, of the jobs.
	// If only one run has both streams in one, Stdout covers all output.
	Stdout StreamChange
	Stderr StreamChange
	// Notes tell the user which output was not compared byte by byte, and which values were not
	// recorded and so not compared.
	Notes []string
}

// NotRecorded is the value of a field that was not recorded in one of the runs.
const NotRecorded = "not recorded"

// A StreamChange compares one stream of two runs.
type StreamChange struct {
	Name string // for display: "stdout", "stderr", "output" for both in one, "job stdout"
	Same bool
	// From and To are the text of the streams if both are UTF-8 and within the limit of
	// Compare. Otherwise Note describes the difference.
	From, To string
	Note     string
}

// Same reports whether the runs had the same result: return code, status and output, and for
// jobs their state, return code and output. Durations do not matter. An unknown value, because
// a run is active or was cut off, counts as different.
func (c *Comparison) Same() bool {
	return sameEnd(c.A.Record, c.B.Record) && c.Stdout.Same && c.Stderr.Same
}

func sameEnd(a, b *record.Record) bool {
	ja, jb := a.Data.Job, b.Data.Job
	sameCode := equal(a.Code(), b.Code())
	switch {
	case a.Data.Status != b.Data.Status || (ja == nil) != (jb == nil):
		return false
	case ja != nil: // without a return code, the state tells how the job ended
		return sameCode && ja.Final && jb.Final && ja.State == jb.State && elementStates(ja) == elementStates(jb) && len(differing(ja, jb)) == 0
	}
	return sameCode && a.Code() != nil
}

func equal(a, b *int) bool { return a == b || a != nil && b != nil && *a == *b }

// bothRan returns an error if one of two versions waits in the queue for its start.
func bothRan(a, b Version) error {
	for _, v := range []Version{a, b} {
		if v.Record.IsQueued() {
			return fmt.Errorf("task %s waits in the queue, so there is no run to compare: %w (\"qme wait %s\" waits for it)", v.Record.UID, record.ErrConflict, v.Record.UID)
		}
	}
	return nil
}

// Compare compares two runs. For streams longer than limit bytes it only determines whether
// they differ, and does not return their text. The error wraps record.ErrConflict if one of them
// waits in the queue.
func (q *Service) Compare(a, b Version, limit int64) (*Comparison, error) {
	if err := bothRan(a, b); err != nil {
		return nil, err
	}
	c := &Comparison{A: a, B: b}
	jobs := a.Record.Data.Job != nil && b.Record.Data.Job != nil
	c.Fields = append(fieldChanges(a.Record, b.Record), changedIn("metric.", metricsByName(a.Record.Data.Metrics), metricsByName(b.Record.Data.Metrics))...)
	c.Fields = append(c.Fields, changedIn("env.", a.Record.Data.Env, b.Record.Data.Env)...)
	c.Fields = append(c.Fields, machineChanges(a.Record.Data.Machine, b.Record.Data.Machine)...)
	if !jobs {
		c.Fields = append(c.Fields, usageChanges(a.Record.Data.Usage, b.Record.Data.Usage)...)
	}
	c.Notes = inputNotes(a.Record, b.Record)
	for _, compare := range []func() error{c.compareSoftware, c.compareCode, c.compareFiles} {
		if err := compare(); err != nil {
			return nil, err
		}
	}
	if err := c.compareOutput(jobs, limit); err != nil {
		return nil, err
	}
	for _, v := range []Version{a, b} {
		switch {
		case v.Record.Active():
			c.Notes = append(c.Notes, v.Name()+" has not ended.")
		case v.Record.Data.Job == nil && v.Record.Code() == nil:
			c.Notes = append(c.Notes, "The return code of "+v.Name()+" was not recorded.")
		}
	}
	return c, nil
}

// Between returns what differs between two runs but for how they ended and how long they took: the
// command and its place, code, software, machine, files and output, and notes on what was not
// compared. Of output it only says whether it differs; no stream is read.
func Between(a, b Version) (changes []FieldChange, notes []string, err error) {
	if err := bothRan(a, b); err != nil {
		return nil, nil, err
	}
	ends := []string{"status", "returncode", "signal", "duration", "job.state", "job.returncode", "job.elapsed", elementsField, "job.max_rss"}
	c := &Comparison{A: a, B: b, Notes: inputNotes(a.Record, b.Record)}
	c.Fields = slices.DeleteFunc(fieldChanges(a.Record, b.Record), func(f FieldChange) bool {
		return slices.Contains(ends, f.Name) || strings.HasPrefix(f.Name, queuePrefix) // a check is not in the queue
	})
	c.Fields = slices.Concat(c.Fields, changedIn("env.", a.Record.Data.Env, b.Record.Data.Env), machineChanges(a.Record.Data.Machine, b.Record.Data.Machine))
	for _, compare := range []func() error{c.compareSoftware, c.compareCode, c.compareFiles} {
		if err := compare(); err != nil {
			return nil, nil, err
		}
	}
	for _, name := range record.StreamNames {
		if from, to := streamText(name, a.Record), streamText(name, b.Record); from != to {
			c.Fields = append(c.Fields, FieldChange{string(name), from, to})
		}
	}
	return c.withoutEcho(), c.Notes, nil
}

// withoutEcho returns the fields without those that only repeat what another one says, and without an
// input of which only one run knows how much it was.
func (c *Comparison) withoutEcho() []FieldChange {
	has := map[string]bool{}
	for _, f := range c.Fields {
		has[f.Name] = true
	}
	x, y := c.A.Record.Data.Stdin, c.B.Record.Data.Stdin
	open := x != nil && y != nil && x.Kind == y.Kind && x.Whole != y.Whole
	return slices.DeleteFunc(c.Fields, func(f FieldChange) bool {
		repository, isDirty := strings.CutSuffix(f.Name, ".dirty")
		return isDirty && has[repository+".patch"] || open && f.Name == "stdin"
	})
}

// streamText describes a stream by its size and hash, "" for an empty one.
func streamText(name record.StreamName, r *record.Record) string {
	lines, stored := name.Of(r)
	if stored != nil {
		return recordedText(stored.Size, stored.SHA256)
	}
	text := strings.Join(lines, "")
	if text == "" {
		return ""
	}
	return contentText(int64(len(text)), record.NewPart([]byte(text)).SHA256)
}

func fieldChanges(a, b *record.Record) []FieldChange {
	jobs := a.Data.Job != nil && b.Data.Job != nil
	fa, fb := fields(a, jobs), fields(b, jobs)
	if jobs {
		showElements(fa, fb, a.Data.Job, b.Data.Job)
	}
	for i := range fa {
		fa[i].To = fb[i].From
	}
	return append(changed(fa...), changedIn("param.", byName(a.Data.Params), byName(b.Data.Params))...)
}

// DiffLimit is the size up to which streams are compared line by line.
const DiffLimit = 4 << 20

// Unified returns the difference of a stream as a unified diff, or "" if its text is not
// available.
func (c *Comparison) Unified(s StreamChange) string {
	if s.From == "" && s.To == "" {
		return ""
	}
	return udiff.Unified(c.A.Name()+" "+s.Name, c.B.Name()+" "+s.Name, s.From, s.To)
}

// Name returns the reference of the run for commands.
func (v Version) Name() string { return string(v.Record.UID) + v.Suffix() }

// Suffix returns what names the run behind the name of its task: "@2", or "@2.1" for its first check; ""
// for the latest run, of which Find has not asked for the number.
func (v Version) Suffix() string {
	switch {
	case v.Check > 0:
		return fmt.Sprintf("@%d.%d", v.Number, v.Check)
	case v.Number > 0:
		return fmt.Sprintf("@%d", v.Number)
	}
	return ""
}

// fields returns the values of a record, each in From. For jobs it leaves out the duration of
// the command that submitted them.
func fields(r *record.Record, jobs bool) []FieldChange {
	d := r.Data
	list := []FieldChange{
		{Name: "command", From: r.Command}, {Name: "pwd", From: d.PWD}, {Name: "message", From: d.Message},
		{Name: "status", From: string(d.Status)}, {Name: "returncode", From: codeText(d.ReturnCode)}, {Name: "signal", From: d.Signal},
	}
	if !jobs {
		list = append(list, FieldChange{Name: "duration", From: secondsText(d.Duration)})
	}
	list = append(list, jobFields(d.Job)...)
	list = append(list,
		FieldChange{Name: "user", From: d.User}, FieldChange{Name: "host", From: d.Host},
		FieldChange{Name: "stdin", From: stdinText(d.Stdin)}, FieldChange{Name: "terminal", From: terminalText(d.Terminal)},
	)
	list = append(append(list, terminalFields(d.Terminal)...), queueFields(d.Queue)...)
	declared := cmp.Or(d.Declared, new(record.Declared))
	list = append(list, FieldChange{Name: "declared.in", From: executor.Quote(declared.In)}, FieldChange{Name: "declared.out", From: executor.Quote(declared.Out)})
	return append(append(list, gitFields("git", d.Git)...), gitFields("code", d.Code)...)
}

// gitFields returns the values of the state of a repository, which is the key name of a record.
func gitFields(name string, git *record.Git) []FieldChange {
	dirty := ""
	switch {
	case git == nil:
		git = new(record.Git)
	case git.Dirty == nil:
		dirty = "unknown"
	default:
		dirty = strconv.FormatBool(*git.Dirty)
	}
	return []FieldChange{
		{Name: name + ".path", From: git.Path}, {Name: name + ".commit", From: git.Commit}, {Name: name + ".branch", From: git.Branch},
		{Name: name + ".dirty", From: dirty}, {Name: name + ".remote", From: git.Remote},
	}
}

// machineChanges returns what differs of the machines of two runs.
func machineChanges(a, b *record.Machine) []FieldChange {
	if changes, both := oneRecorded("machine", a, b, machineText); !both {
		return changes
	}
	memory := func(m *record.Machine) string { return humanize.IBytes(uint64(max(m.Memory, 0))) }
	return changed(
		FieldChange{"machine.os", a.OS, b.OS}, FieldChange{"machine.arch", a.Arch, b.Arch}, FieldChange{"machine.kernel", a.Kernel, b.Kernel}, FieldChange{"machine.distribution", a.Distribution, b.Distribution},
		FieldChange{"machine.cpu", a.CPU, b.CPU}, FieldChange{"machine.cpus", strconv.Itoa(a.CPUs), strconv.Itoa(b.CPUs)}, FieldChange{"machine.memory", memory(a), memory(b)},
		FieldChange{"machine.gpus", strings.Join(a.GPUs, ", "), strings.Join(b.GPUs, ", ")}, FieldChange{"machine.gpu_driver", a.GPUDriver, b.GPUDriver},
	)
}

func machineText(m *record.Machine) string {
	return strings.Join(slices.DeleteFunc([]string{m.OS, m.Arch, m.Kernel, m.Distribution, m.CPU}, func(s string) bool { return s == "" }), ", ")
}

// jobFields returns the values of a job to compare. The job's id always differs and is left
// out.
func jobFields(j *record.Job) []FieldChange {
	if j == nil {
		j = new(record.Job)
	}
	number := func(n int64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatInt(n, 10)
	}
	elapsed := ""
	if j.Started != nil || j.Elapsed != 0 {
		elapsed = secondsText(j.Elapsed)
	}
	limit := ""
	if j.TimeLimit != 0 {
		limit = secondsText(j.TimeLimit)
	}
	return []FieldChange{
		{Name: "job.state", From: j.State}, {Name: "job.returncode", From: codeText(j.ReturnCode)}, {Name: "job.reason", From: j.Reason},
		{Name: elementsField, From: elementStates(j)}, {Name: "job.elapsed", From: elapsed}, {Name: "job.max_rss", From: number(j.MaxRSS)},
		{Name: "job.requested_memory", From: number(j.RequestedMemory)}, {Name: "job.time_limit", From: limit},
		{Name: "job.cpus", From: number(int64(j.CPUs))}, {Name: "job.nodes", From: j.Nodes}, {Name: "job.partition", From: j.Partition},
	}
}

// elementStates counts the elements of an array by their end state.
func elementStates(j *record.Job) string {
	counts := map[string]int{}
	for _, e := range j.Elements {
		counts[endText(e)]++
	}
	var list []string
	for _, state := range slices.Sorted(maps.Keys(counts)) {
		list = append(list, fmt.Sprintf("%d %s", counts[state], state))
	}
	return strings.Join(list, ", ")
}

const elementsField = "job.elements"

// elementsMost is how many elements of an array a comparison lists.
const elementsMost = 10

// showElements appends the elements of two arrays that ended differently, if the counts by end
// state are equal.
func showElements(fa, fb []FieldChange, a, b *record.Job) {
	which := differing(a, b)
	at := slices.IndexFunc(fa, func(f FieldChange) bool { return f.Name == elementsField })
	if len(which) == 0 || at < 0 || fa[at].From != fb[at].From {
		return
	}
	fa[at].From += elementList(a, which)
	fb[at].From += elementList(b, which)
}

// elementList formats the end states of the first of the given elements.
func elementList(j *record.Job, which []string) string {
	ends := elementEnds(j)
	var list []string
	for _, index := range which[:min(len(which), elementsMost)] {
		end, there := ends[index]
		if !there {
			end = "not there"
		}
		list = append(list, index+" "+end)
	}
	if more := len(which) - len(list); more > 0 {
		list = append(list, fmt.Sprintf("and %d more", more))
	}
	return " (" + strings.Join(list, ", ") + ")"
}

// differing returns the sorted indices of the elements that did not end in the same way in both
// jobs.
func differing(a, b *record.Job) []string {
	ea, eb := elementEnds(a), elementEnds(b)
	var which []string
	for index, end := range ea {
		if other, there := eb[index]; !there || other != end {
			which = append(which, index)
		}
	}
	for index := range eb {
		if _, there := ea[index]; !there {
			which = append(which, index)
		}
	}
	slices.SortFunc(which, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	return which
}

// elementEnds returns the end states of a job's elements by index. The index is the part of the
// id after the job's number, which always differs.
func elementEnds(j *record.Job) map[string]string {
	ends := make(map[string]string, len(j.Elements))
	for _, e := range j.Elements {
		index := e.ID
		if i := strings.IndexAny(index, "_+"); i >= 0 {
			index = index[i+1:]
		}
		ends[index] = endText(e)
	}
	return ends
}

func endText(e record.JobElement) string {
	return strings.TrimSuffix(e.State+" "+codeText(e.ReturnCode), " ")
}

func codeText(code *int) string {
	if code == nil {
		return ""
	}
	return strconv.Itoa(*code)
}

func secondsText(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Microsecond).String()
}

func stdinText(s *record.Stdin) string {
	switch {
	case s == nil:
		return NotRecorded
	case s.Kind == "file":
		return fmt.Sprintf("file %s of %d bytes", s.Path, s.Size)
	case s.Kind != "pipe" && s.Kind != record.StdinPart:
		return s.Kind
	case s.Whole && s.SHA256 == "":
		return fmt.Sprintf("pipe of %d bytes", s.Size)
	case s.Whole:
		return fmt.Sprintf("pipe of %d bytes, sha256 %.12s", s.Size, s.SHA256)
	case s.Size > 0:
		return fmt.Sprintf("pipe of %d bytes or more", s.Size)
	}
	return "pipe"
}

// inputNotes says what of the standard inputs of two runs was not compared, and which are the same
// although they came from elsewhere.
func inputNotes(a, b *record.Record) []string {
	x, y := a.Data.Stdin, b.Data.Stdin
	if x == nil || y == nil {
		return nil
	}
	piped := func(s *record.Stdin) bool { return s.Kind == "pipe" || s.Kind == record.StdinPart }
	size, sum, known := a.Data.StdinDigest()
	size2, sum2, known2 := b.Data.StdinDigest()
	switch {
	case known && known2:
		if size == size2 && sum == sum2 && stdinText(x) != stdinText(y) {
			return []string{"The standard input of both had the same content."}
		}
	case piped(x) && piped(y) && x.Whole && y.Whole && x.Size != y.Size: // it is listed as different
	case piped(x) && (piped(y) || y.Kind == "file") || piped(y) && x.Kind == "file":
		return []string{"The standard input was not compared: its hash was not recorded."}
	}
	return nil
}

func terminalText(t *record.Terminal) string {
	switch {
	case t == nil:
		return NotRecorded
	case len(t.Streams) == 0:
		return "none"
	}
	return strings.Join(t.Streams, ", ")
}
