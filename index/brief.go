package index

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"

	"qme/index/query"
	"qme/record"
	"qme/record/metric"
)

// A brief is what is stored of a run beside its id and its streams: all that a query can ask
// for, and that a line of a listing shows. It is a CBOR array (RFC 8949), which takes a third of
// the record's JSON and is read in a fifth of the time. Another field comes last, and changes
// format.
type brief struct {
	_        struct{} `cbor:",toarray"`
	Number   int      // of an earlier run, else 0
	Unique   int      // as in record.Result
	Command  string
	PWD      string
	User     string
	Host     string
	Message  string
	Status   record.Status
	Code     *int
	Signal   string
	Started  moment
	Finished *moment
	Duration float64
	Commit   []byte // the digits as bytes, where that is possible
	Ref      string // the commit, where it is not
	Branch   string
	InGit    bool
	Env      map[string]string
	Job      []byte // its JSON
	Merged   bool
	Run      int
	In, Out  []string // the paths of its files
	OutStdio []int    // which of Out were standard output or error
	// The hashes of these files, as bytes, and of what came through a pipe; empty where there is none,
	// or it is that of parts of the file.
	InSums, OutSums [][]byte
	StdinSum        []byte
	// What query.ProgramsOf and the like return, and the memory in bytes.
	Programs, Software, Containers []string
	Peak, MaxRSS                   int64
	Notes                          []byte // the JSON of the task's notes, nil for none
	Parent                         record.ID
	Unread                         bool // the run could not be read: the rest is empty but for the removal
	// The removal of the task, "" if it is there.
	ClearedBy, ClearedAfter string
	ClearedAt               int64 // seconds since 1970
	Origin                  record.ID
	Group                   string
	// Params are names and values, in turns, and Metrics all that there is of each.
	Params, Metrics []string
	// Partial and Overwritten are as in Found.
	Partial, Overwritten bool
	// Printed has of each metric that the output has by itself the name, the value and the step; nothing if Partial.
	Printed []string
}

// A moment is a time in microseconds since 1970, and its offset from UTC in seconds.
type moment struct {
	_      struct{} `cbor:",toarray"`
	Micro  int64
	Offset int
}

func momentOf(t record.Time) moment {
	_, offset := t.Zone()
	return moment{Micro: t.UnixMicro(), Offset: offset}
}

func (m moment) time() record.Time {
	at := time.UnixMicro(m.Micro)
	if m.Offset == 0 {
		return record.Time{Time: at.UTC()}
	}
	return record.Time{Time: at.In(time.FixedZone("", m.Offset))}
}

// encodeBrief returns what is stored of a run.
func (e entry) encodeBrief() ([]byte, error) {
	var b brief
	if e.doc == nil {
		b.Unread = true
	} else if err := b.fill(e); err != nil {
		return nil, err
	}
	if c := e.cleared; c != nil {
		b.ClearedBy, b.ClearedAfter, b.ClearedAt = c.Commit, c.Before, c.When.Unix()
	}
	return cbor.Marshal(&b)
}

// fill takes over what is stored of a run that could be read.
func (b *brief) fill(e entry) error {
	r := e.doc.Record
	d := &r.Data
	*b = brief{
		Number: e.number, Unique: e.unique,
		Command: r.Command, PWD: d.PWD, User: d.User, Host: d.Host, Message: d.Message,
		Status: d.Status, Code: d.ReturnCode, Signal: d.Signal,
		Started: momentOf(d.Timestamp), Duration: d.Duration,
		Env: d.Env, Merged: r.ErrorsInOutput(), Run: d.Run,
	}
	if d.Finished != nil {
		at := momentOf(*d.Finished)
		b.Finished = &at
	}
	if g := d.Git; g != nil {
		b.InGit, b.Branch = true, g.Branch
		var err error
		if b.Commit, err = hex.DecodeString(g.Commit); err != nil || hex.EncodeToString(b.Commit) != g.Commit {
			b.Commit, b.Ref = nil, g.Commit
		}
	}
	if f := d.Files; f != nil {
		b.In, b.Out = pathsOf(f.In), pathsOf(f.Out)
		for i, one := range f.Out {
			if one.By == record.ByStdio {
				b.OutStdio = append(b.OutStdio, i)
			}
		}
		b.InSums, b.OutSums = sumsOf(f.In), sumsOf(f.Out)
	}
	if d.Stdin != nil {
		b.StdinSum = sumOf(d.Stdin.SHA256)
	}
	b.Programs, b.Software, b.Containers = query.ProgramsOf(r), query.SoftwareOf(r), query.ContainersOf(r)
	if u := d.Usage; u != nil {
		b.Peak, b.MaxRSS = u.PeakMemory, u.MaxRSS
	}
	if d.Parent != nil {
		b.Parent = d.Parent.UID
	}
	b.fillParams(d)
	b.Partial, b.Overwritten = e.partial, isOverwritten(r)
	if !b.Partial {
		for _, m := range printed(e.doc) {
			b.Printed = append(b.Printed, m.Name, string(m.Value), string(m.Step))
		}
	}
	if !r.Notes.IsEmpty() {
		var err error
		if b.Notes, err = record.EncodeNotes(r.Notes); err != nil {
			return err
		}
	}
	if d.Job != nil {
		job := *d.Job
		job.Extra, job.Output, job.Error = nil, nil, nil
		if !b.Merged { // which needs the streams to be found out
			job.StderrFile = ""
		}
		var err error
		if b.Job, err = json.Marshal(&job); err != nil {
			return err
		}
	}
	return nil
}

// fillParams takes over the parameters, what the run comes from, and the metrics.
func (b *brief) fillParams(d *record.Data) {
	if d.Origin != nil {
		b.Origin = d.Origin.UID
	}
	if d.Group != nil {
		b.Group = d.Group.Name
	}
	for _, p := range d.Params {
		b.Params = append(b.Params, p.Name, p.Value)
	}
	for _, m := range d.Metrics {
		b.Metrics = append(b.Metrics, m.Name, string(m.Value), string(m.Step), m.Take, m.Pattern, m.File)
	}
}

// printed returns the metrics that the output of a run has by itself.
func printed(doc *query.Doc) record.Metrics {
	texts := doc.Texts()
	return metric.Printed(nil, true, texts[query.Streams:query.Streams+2]...)
}

// printed returns what the index has of them.
func (b *brief) printed() (list record.Metrics) {
	for m := range slices.Chunk(b.Printed, 3) {
		list = append(list, record.Metric{Name: m[0], Value: record.MetricValue(m[1]), Step: record.MetricValue(m[2]), Take: record.TakeLast})
	}
	return list
}

// setParams sets in a record what fillParams has taken over.
func (b *brief) setParams(d *record.Data) {
	if b.Origin != "" {
		d.Origin = &record.Parent{UID: b.Origin}
	}
	if b.Group != "" {
		d.Group = &record.Group{Name: b.Group}
	}
	for pair := range slices.Chunk(b.Params, 2) {
		d.Params = append(d.Params, record.Param{Name: pair[0], Value: pair[1]})
	}
	for m := range slices.Chunk(b.Metrics, 6) {
		d.Metrics = append(d.Metrics, record.Metric{Name: m[0], Value: record.MetricValue(m[1]), Step: record.MetricValue(m[2]), Take: m[3], Pattern: m[4], File: m[5]})
	}
}

func pathsOf(files []record.File) (paths []string) {
	for _, f := range files {
		paths = append(paths, f.Path)
	}
	return paths
}

func sumsOf(files []record.File) (sums [][]byte) {
	for _, f := range files {
		if f.Partial {
			f.SHA256 = ""
		}
		sums = append(sums, sumOf(f.SHA256))
	}
	return sums
}

func sumOf(sha256 string) []byte {
	if !record.IsSHA256(sha256) {
		return nil
	}
	b, _ := hex.DecodeString(sha256) // it is one
	return b
}

func filesOf(paths []string, sums [][]byte) (files []record.File) {
	for i, p := range paths {
		f := record.File{Path: p}
		if i < len(sums) {
			f.SHA256 = hex.EncodeToString(sums[i])
		}
		files = append(files, f)
	}
	return files
}

// softwareOf returns software of which package query finds the same as in that of the run.
func (b *brief) softwareOf() *record.Software {
	if b.Programs == nil && b.Software == nil && b.Containers == nil {
		return nil
	}
	s := &record.Software{Modules: b.Software}
	for _, path := range b.Programs {
		s.Programs = append(s.Programs, record.Program{Path: path})
	}
	for _, known := range b.Containers {
		s.Images = append(s.Images, record.Container{Image: known})
	}
	return s
}

// decoding reads all that was written, however much it is: a run that could not be read would
// have the index made again by each search.
var decoding = sync.OnceValues(func() (cbor.DecMode, error) {
	return cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid, MaxMapPairs: math.MaxInt32}.DecMode()
})

func decodeBrief(from []byte) (*brief, error) {
	b := new(brief)
	mode, err := decoding()
	if err == nil {
		err = mode.Unmarshal(from, b)
	}
	return b, err
}

// removal returns that of the task, nil if it is there.
func (b *brief) removal(id record.ID) *record.Clearing {
	if b.ClearedBy == "" {
		return nil
	}
	return &record.Clearing{ID: id, Commit: b.ClearedBy, Before: b.ClearedAfter, When: time.Unix(b.ClearedAt, 0).UTC()}
}

// recordOf returns the record of a run without its streams, nil where it could not be read.
func (b *brief) recordOf(id docID) (*record.Record, error) {
	if b.Unread {
		return nil, nil
	}
	r := &record.Record{Executor: id.id.Executor(), UID: id.id, Command: b.Command, Data: record.Data{
		PWD: b.PWD, User: b.User, Host: b.Host, Message: b.Message,
		Status: b.Status, ReturnCode: b.Code, Signal: b.Signal,
		Timestamp: b.Started.time(), Duration: b.Duration,
		Env: b.Env, Merged: b.Merged, Run: b.Run,
	}}
	if id.run != strconv.Itoa(b.Run) {
		r.Data.RunID = record.RunID(id.run)
	}
	if b.Finished != nil {
		at := b.Finished.time()
		r.Data.Finished = &at
	}
	if b.InGit {
		r.Data.Git = &record.Git{Commit: b.Ref + hex.EncodeToString(b.Commit), Branch: b.Branch}
	}
	if b.In != nil || b.Out != nil {
		r.Data.Files = &record.Files{In: filesOf(b.In, b.InSums), Out: filesOf(b.Out, b.OutSums)}
		for _, i := range b.OutStdio {
			if i >= 0 && i < len(r.Data.Files.Out) {
				r.Data.Files.Out[i].By = record.ByStdio
			}
		}
	}
	if len(b.StdinSum) > 0 {
		r.Data.Stdin = &record.Stdin{SHA256: hex.EncodeToString(b.StdinSum)}
	}
	if b.Peak != 0 || b.MaxRSS != 0 {
		r.Data.Usage = &record.Usage{PeakMemory: b.Peak, MaxRSS: b.MaxRSS}
	}
	r.Data.Software = b.softwareOf()
	if b.Parent != "" {
		r.Data.Parent = &record.Parent{UID: b.Parent}
	}
	b.setParams(&r.Data)
	if b.Notes != nil {
		var err error
		if r.Notes, err = record.DecodeNotes(b.Notes); err != nil {
			return nil, err
		}
	}
	if b.Job != nil {
		r.Data.Job = new(record.Job)
		if err := json.Unmarshal(b.Job, r.Data.Job); err != nil {
			return nil, fmt.Errorf("the job: %w", err)
		}
	}
	return r, nil
}
