package dashboard

import (
	"encoding/binary"
	"encoding/hex"
	"hash/maphash"
	"math"
	"strings"
	"time"

	"github.com/google/uuid"

	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

// A taskKey is the UUID of a task and a hash of its executor, since records of other
// users may have equal UUIDs. A greater key is a newer task.
type taskKey [uuidSize + 8]byte

const uuidSize = 16

// executorSeed differs in each process, so that an attacker cannot find names with equal
// hashes.
var executorSeed = maphash.MakeSeed()

func keyOf(id record.ID) (k taskKey) {
	// An ID is valid, so this cannot fail; the zero key would be older than any task.
	_, _ = hex.Decode(k[:], []byte(strings.ReplaceAll(id.UUID(), "-", "")))
	binary.BigEndian.PutUint64(k[uuidSize:], maphash.String(executorSeed, id.Executor()))
	return k
}

// placeAt returns the key that a task would have if it had been created at a time in
// microseconds since 1970.
func placeAt(micros int64, k taskKey) taskKey {
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(max(micros, 0)/1000))
	copy(k[:6], ms[2:])
	return k
}

// The values of row.status.
const (
	statusNone = iota
	statusRunning
	statusComplete
	statusCancelled
)

var statuses = [...]record.Status{record.None, record.Running, record.Complete, record.Cancelled}

// A row is the latest run of a task as shown in a table. Rows are small, since all are
// kept in memory, and immutable. Texts shared by many tasks are stored as numbers of a
// words.
type row struct {
	key               taskKey
	place             taskKey           // for the order by latest run: see placeAt
	texts             [textCount]uint32 // see rowTexts
	command           string
	started, finished int64 // microseconds since 1970; finished 0: still active
	duration          float64
	measures          [record.MeasureCount]float64 // see record.Measures; notRecorded: no value
	zone              int32                        // seconds east of UTC
	returnCode        int32
	run               uint32
	notes             uint32 // how many there are
	moreTags          uint32 // how many tags are not in texts
	noted             uint64 // a hash of all that people say of the task
	status            uint8
	hasCode           bool
	active            bool   // it is running, or its job is not final
	jobQueued         bool   // see record.Job.Queued; also of a task that waits in the queue
	jobCancelled      bool   // see record.Job.Cancelled
	job               uint32 // the state of its job as a number of words plus 1; 0: no job
	jobStarted        int64  // as started; 0: the job is waiting, or its start is unknown
	// reason is why the task waits in the queue; nil if it does not, or that is not known.
	reason *tasks.WaitReason
}

// notRecorded is less than any number that a record can hold. NaN would make a row
// unequal to itself.
var notRecorded = math.Inf(-1)

// The texts of a row that are shared by many tasks.
const (
	executorText = iota
	userText
	hostText
	pwdText
	messageText
	nameText
	tagsText // separated by commas, which no tag has
	textCount
)

// rowTexts returns the shared texts of a record.
func rowTexts(rec *record.Record) [textCount]string {
	d := &rec.Data
	tags := firstTags(rec.Notes.Tagged())
	return [textCount]string{
		executorText: rec.Executor, userText: d.User, hostText: d.Host, pwdText: d.PWD, messageText: clip(d.Message),
		nameText: rec.Notes.Named(), tagsText: strings.Join(tags, ","),
	}
}

// firstTags returns as many of the tags as a row has room for.
func firstTags(tags []string) []string {
	size := 0
	for i, tag := range tags {
		if size += len(tag); size > longest {
			return tags[:i]
		}
	}
	return tags
}

// notesSeed differs in each process, as executorSeed.
var notesSeed = maphash.MakeSeed()

// setNotes sets what a row has of the notes beside its texts.
func (r *row) setNotes(n *record.Notes) {
	if n.IsEmpty() {
		return
	}
	r.notes, r.moreTags = uint32(len(n.Notes)), uint32(len(n.Tags)-len(firstTags(n.Tags)))
	if b, err := record.EncodeNotes(n); err == nil { // it cannot fail: they were decoded
		r.noted = maphash.Bytes(notesSeed, b)
	}
}

func (r *row) outcome() record.Outcome {
	return record.OutcomeOf(r.active, r.jobQueued, r.jobCancelled, statuses[r.status], r.hasCode, r.returnCode == 0)
}

// took returns the duration of a run or its job in seconds, up to now if it is active,
// and 0 while a job or the task is waiting.
func (r *row) took(now int64) float64 {
	began := r.started
	switch {
	case !r.active:
		return max(r.duration, 0)
	case r.job > 0 && r.jobStarted == 0, r.status == statusNone:
		return 0
	case r.job > 0:
		began = r.jobStarted
	}
	return min(max(float64(now-began)/1e6, 0), longestRun)
}

// longest is the maximal size of a command or message in a row, in bytes.
const longest = 300

// longestRun is the maximal duration in seconds; durations from records are added up and
// plotted.
const longestRun = 1e11

// maxStarted is the last microsecond that a UUID can represent.
const maxStarted = (1<<48 - 1) * 1000

// clip returns the beginning of a long text, in memory of its own.
func clip(s string) string {
	return strings.Clone(safe.Shorten(s, longest))
}

// words numbers texts. It must not be used concurrently.
type words struct {
	list  []string
	index map[string]uint32
}

func newWords() *words { return &words{index: map[string]uint32{}} }

func (w *words) number(s string) uint32 {
	if n, ok := w.index[s]; ok {
		return n
	}
	n := uint32(len(w.list))
	s = strings.Clone(s)
	w.list = append(w.list, s)
	w.index[s] = n
	return n
}

// row returns the row of a record.
func (w *words) row(rec *record.Record) *row {
	d := &rec.Data
	_, zone := d.Timestamp.Zone()
	r := &row{
		key: keyOf(rec.UID), command: clip(rec.Command),
		started: d.Timestamp.UnixMicro(), zone: int32(zone), duration: d.Duration, run: uint32(max(d.Run, 1)),
	}
	for i, text := range rowTexts(rec) {
		r.texts[i] = w.number(text)
	}
	for i, f := range record.Measures() {
		n, ok := f.Number(rec)
		if !ok {
			n = notRecorded
		}
		r.measures[i] = n
	}
	r.setNotes(rec.Notes)
	r.place = r.key
	if _, moved := record.MovedOf(rec); moved {
		r.place = placeAt(min(r.started, maxStarted), r.key)
	}
	for i, s := range statuses {
		if s == d.Status {
			r.status = uint8(i)
		}
	}
	finished := d.Finished
	if d.Job != nil {
		r.job, r.jobQueued, r.jobCancelled = w.number(clip(d.Job.State))+1, d.Job.Queued(), d.Job.Cancelled()
		r.duration, finished = d.Job.Elapsed, d.Job.Ended
		if d.Job.Started != nil {
			r.jobStarted = d.Job.Started.UnixMicro()
		}
	}
	r.jobQueued = r.jobQueued || rec.IsQueued()
	r.duration = min(max(r.duration, 0), longestRun)
	if r.active = rec.Active(); finished != nil && !r.active {
		r.finished = finished.UnixMicro()
	}
	if code := rec.Code(); code != nil {
		r.returnCode, r.hasCode = int32(min(max(*code, math.MinInt32), math.MaxInt32)), true
	}
	return r
}

// A summary is a row of a table: the latest run of a task, or the job that it started.
type summary struct {
	ID         record.ID     `json:"id"`
	Short      string        `json:"short"`
	Executor   string        `json:"executor"`
	Command    string        `json:"command"`
	Status     record.Status `json:"status"`
	Outcome    string        `json:"outcome"`
	ReturnCode *int          `json:"returncode"`
	Started    record.Time   `json:"started"`
	Finished   *record.Time  `json:"finished"`
	Duration   *float64      `json:"duration"`
	User       string        `json:"user"`
	Host       string        `json:"host"`
	PWD        string        `json:"pwd"`
	Message    string        `json:"message"`
	Run        int           `json:"run"`
	// Name, Tags and Notes are what people say of the task: its name, its first tags, and
	// how many notes there are. MoreTags counts the other tags.
	Name     string   `json:"name,omitempty"`
	Tags     []string `json:"tags,omitempty"`
	MoreTags int      `json:"more_tags,omitempty"`
	Notes    int      `json:"notes,omitempty"`
	// JobState is the scheduler's word for the state of the job, empty before the first
	// query; nil if there is no job. JobStarted is the time at which the job began to
	// run.
	JobState   *string      `json:"job_state,omitempty"`
	JobStarted *record.Time `json:"job_started,omitempty"`
	// Waits is why the task waits in the queue; nil if it does not, or that is not known.
	Waits *tasks.WaitReason `json:"waits,omitempty"`
	// LastLine is the last line printed by an uncommitted run, "" if it has not been
	// read.
	LastLine string `json:"last_line,omitempty"`
	// Measures are additional recorded numbers by name: see record.Measures.
	Measures map[string]float64 `json:"measures,omitempty"`
}

func (w *words) text(r *row, which int) string { return w.list[r.texts[which]] }

func (w *words) id(r *row) record.ID {
	return record.ID(w.text(r, executorText) + "-" + uuid.UUID(r.key[:uuidSize]).String())
}

// timeIn returns a time in a zone. If its year there does not have four digits, it
// chooses another zone where it does; a record may contain any time and zone.
func timeIn(micros int64, zone int32) record.Time {
	const day = 24*60*60 - 60
	t := time.UnixMicro(micros)
	for _, z := range []int32{zone, -day, day} {
		if t = t.In(time.FixedZone("", int(z))); t.Year() >= 0 && t.Year() <= 9999 {
			break
		}
	}
	return record.Time{Time: t}
}

// summary returns the summary of a row.
func (w *words) summary(r *row) summary {
	s := summary{
		ID: w.id(r), Short: w.id(r).Short(0), Executor: w.text(r, executorText), Command: r.command, Status: statuses[r.status], Outcome: r.outcome().String(),
		Started: timeIn(r.started, r.zone),
		User:    w.text(r, userText), Host: w.text(r, hostText), PWD: w.text(r, pwdText), Message: w.text(r, messageText), Run: int(r.run),
		Name: w.text(r, nameText), MoreTags: int(r.moreTags), Notes: int(r.notes), Waits: r.reason,
	}
	if tags := w.text(r, tagsText); tags != "" {
		s.Tags = strings.Split(tags, ",")
	}
	if r.hasCode {
		code := int(r.returnCode)
		s.ReturnCode = &code
	}
	if r.finished != 0 {
		t := timeIn(r.finished, r.zone)
		s.Finished = &t
	}
	if r.job > 0 {
		state := w.list[r.job-1]
		s.JobState = &state
	}
	if r.jobStarted != 0 {
		t := timeIn(r.jobStarted, r.zone)
		s.JobStarted = &t
	}
	if !r.active {
		d := r.duration
		s.Duration = &d
	}
	for i, f := range record.Measures() {
		if n := r.measures[i]; n != notRecorded {
			if s.Measures == nil {
				s.Measures = make(map[string]float64, len(r.measures))
			}
			s.Measures[f.Name] = n
		}
	}
	return s
}

func (w *words) summaries(rows []*row) []summary {
	list := make([]summary, len(rows))
	for i, r := range rows {
		list[i] = w.summary(r)
	}
	return list
}

// summaryOf returns the summary of any run, not only of a latest one.
func summaryOf(rec *record.Record) summary {
	w := newWords()
	return w.summary(w.row(rec))
}
