package index

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/google/uuid"

	"qme/index/query"
	"qme/record"
)

// A row is what an index keeps of a task beside its text: what conditions look at. Rows
// have one size, so that each can be found.
type row struct {
	uuid     uuid.UUID
	executor uint32 // its place in the file's list
	flags    uint32
	// Microseconds since 1970, as far as they are known.
	started, finished int64
	returncode        int64
	duration          float64
	run               int64
	offset            int32 // of the time zone from UTC, in seconds
}

const rowSize = 16 + 2*4 + 5*8 + 4

// The flags of a row. How many of its streams are longer than the limit is counted above
// them.
const (
	hasCode = 1 << iota
	hasFinished
	isRunning
	isComplete
	isCancelled
	isUnreadable
	hasJob // finished and duration are the job's start and time, then
	jobFinal
	jobCancelled
	errorsInOutput
	oneOver // and so many times that
)

var statusFlags = map[record.Status]uint32{record.Running: isRunning, record.Complete: isComplete, record.Cancelled: isCancelled}

// newRow returns the row of a task, whose executor is left to the file.
func newRow(e entry) (row, error) {
	u, err := uuid.Parse(e.id.UUID())
	if err != nil || e.doc == nil {
		return row{uuid: u, flags: isUnreadable}, err
	}
	d := e.doc.Record.Data
	_, offset := d.Timestamp.Zone()
	r := row{
		uuid: u, flags: statusFlags[d.Status] + uint32(e.over)*oneOver, started: d.Timestamp.UnixMicro(), duration: d.Duration,
		run: int64(d.Run), offset: int32(offset),
	}
	finished := d.Finished
	if d.Job != nil {
		r.flags |= hasJob
		if d.Job.Final {
			r.flags |= jobFinal
		}
		if d.Job.Cancelled() {
			r.flags |= jobCancelled
		}
		finished, r.duration = d.Job.Started, d.Job.Elapsed
	}
	if e.doc.Record.ErrorsInOutput() {
		r.flags |= errorsInOutput
	}
	if code := e.doc.Record.Code(); code != nil {
		r.flags |= hasCode
		r.returncode = int64(*code)
	}
	if finished != nil {
		r.flags |= hasFinished
		r.finished = finished.UnixMicro()
	}
	return r, nil
}

// over is how many streams of the task are longer than the limit.
func (r *row) over() int { return int(r.flags / oneOver) }

func (r *row) unreadable() bool { return r.flags&isUnreadable != 0 }

func appendRow(b []byte, r row) []byte {
	b = append(b, r.uuid[:]...)
	b = binary.LittleEndian.AppendUint32(b, r.executor)
	b = binary.LittleEndian.AppendUint32(b, r.flags)
	for _, n := range []int64{r.started, r.finished, r.returncode, int64(math.Float64bits(r.duration)), r.run} {
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	return binary.LittleEndian.AppendUint32(b, uint32(r.offset))
}

func decodeRow(b []byte) (r row) {
	at := func(i int) int64 { return int64(binary.LittleEndian.Uint64(b[i:])) }
	copy(r.uuid[:], b)
	r.executor = binary.LittleEndian.Uint32(b[16:])
	r.flags = binary.LittleEndian.Uint32(b[20:])
	r.started, r.finished, r.returncode, r.run = at(24), at(32), at(40), at(56)
	r.duration = math.Float64frombits(uint64(at(48)))
	r.offset = int32(binary.LittleEndian.Uint32(b[64:]))
	return r
}

// fill puts what the row says into a record, which it overwrites.
func (r *row) fill(rec *record.Record) {
	zone := time.UTC
	if r.offset != 0 {
		zone = time.FixedZone("", int(r.offset))
	}
	*rec = record.Record{Data: record.Data{
		Timestamp: record.Time{Time: time.UnixMicro(r.started).In(zone)}, Duration: r.duration, Run: int(r.run),
	}}
	for status, flag := range statusFlags {
		if r.flags&flag != 0 {
			rec.Data.Status = status
		}
	}
	if r.flags&hasCode != 0 {
		code := int(r.returncode)
		rec.Data.ReturnCode = &code
	}
	if r.flags&hasFinished != 0 {
		rec.Data.Finished = &record.Time{Time: time.UnixMicro(r.finished).In(zone)}
	}
	rec.Data.Merged = r.flags&errorsInOutput != 0
	if r.flags&hasJob != 0 {
		d := &rec.Data
		d.Job = &record.Job{Final: r.flags&jobFinal != 0, ReturnCode: d.ReturnCode, Started: d.Finished, Elapsed: d.Duration}
		d.ReturnCode, d.Finished, d.Duration = nil, nil, 0
		if r.flags&jobCancelled != 0 {
			d.Job.State = "CANCELLED"
		}
		if d.Merged { // see Record.ErrorsInOutput: only that both are one counts
			d.Job.StdoutFile, d.Job.StderrFile = "-", "-"
		}
	}
}

// An entry is a task on its way into a file.
type entry struct {
	id   record.ID
	doc  *query.Doc // nil when it cannot be read
	over int        // streams that are longer than the limit
	size int        // of what is searched, about, in bytes
}
