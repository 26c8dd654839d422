package tasks

import (
	"context"
	"os"

	"qme/executor"
	"qme/provenance"
	"qme/record"
	"qme/tasks/waiting"
)

// AddOptions are the options of Add.
type AddOptions struct {
	Message  string
	Declared provenance.Declared // see RunOptions, as for Hash and Trace
	Hash     bool
	Trace    bool
	Metrics  MetricOptions
	// Params, Group and Origin are as in RunOptions.
	Params record.Params
	Group  *record.Group
	Origin *record.Parent
	// Terms say when the task may start, and what it gets.
	Terms waiting.Terms
	// Dir is where the command runs; "" for the current directory. With a Snapshot it lies below that.
	Dir string
	// Stdin is the absolute path of the file that is standard input; "" for none.
	Stdin string
	// Env is the environment of the command, as NAME=value.
	Env   []string
	Umask int
	// Snapshot has the code as it is now, in which the command runs; nil for none.
	Snapshot *CodeSnapshot
}

// Add puts a command into the queue as a new task, and starts nothing. When it returns, the task
// survives a power cut. The record is as that of a run would be that begins now: its status is
// record.None.
func (q *Service) Add(_ context.Context, c executor.Command, o AddOptions) (*record.Record, error) {
	id, err := record.NewID(c.Executor)
	if err != nil {
		return nil, err
	}
	a, err := q.apart(nil).addition(id, c, o)
	if err != nil {
		return nil, err
	}
	if err := q.Waiting.Add(a.Record, a.Entry, o.Env); err != nil {
		return nil, err
	}
	q.holds(o.Snapshot)
	q.noteGiven(a.Record)
	return a.Record, nil
}

// holds notes that the task of a snapshot is in the queue.
func (q *Service) holds(s *CodeSnapshot) {
	if err := s.inQueue(); err != nil { // the next process finds the task that has it
		q.Warn("%v", err)
	}
}

// addition makes the task of a command. The use cases must be those of apart.
func (q *Service) addition(id record.ID, c executor.Command, o AddOptions) (a waiting.Addition, err error) {
	dir := o.Dir
	if dir == "" {
		if dir, err = os.Getwd(); err != nil {
			return a, err
		}
	}
	rec := &record.Record{Executor: id.Executor(), UID: id, Command: valid(c.Line), Data: record.Data{
		PWD: dir, Cmd: c.Argv, Message: valid(o.Message), Declared: declaration(o.Declared), Run: 1,
		Params: o.Params, Group: o.Group, Origin: o.Origin,
	}}
	finding := q.fill(rec, dir)
	rec.Data.Status, rec.Data.Terminal, rec.Data.Stdin = record.None, nil, nil
	e := &waiting.Entry{
		Terms: o.Terms, Added: rec.Data.Timestamp, Run: rec.Data.RunID, Try: 1, Executor: c.Executor,
		Cmd: allBytes(c.Argv), Line: []byte(c.Line), Dir: []byte(dir), Umask: o.Umask, Stdin: []byte(o.Stdin),
		In: allBytes(o.Declared.In), Out: allBytes(o.Declared.Out), Hash: o.Hash, Trace: o.Trace, Params: o.Params,
		MetricFiles: allBytes(o.Metrics.Files),
	}
	for _, s := range o.Metrics.Specs {
		e.Metrics = append(e.Metrics, s.String())
	}
	if o.Snapshot != nil {
		e.Snapshot = o.Snapshot.Folder
	}
	rec.Data.Queue = e.Described()
	m := q.masking()
	q.lookAtCode(rec, e, finding)
	m.begin(rec, c.Argv)
	m.software(rec.Data.Software)
	m.note(rec)
	return waiting.Addition{Record: rec, Entry: e}, nil
}

// apart returns the use cases for a command that has none of the streams of this process: its standard
// input is a file, or empty if that is nil.
func (q *Service) apart(stdin *os.File) *Service {
	own := *q
	own.Settings.Stdin, own.Settings.Stdout, own.Settings.Stderr = stdin, nil, nil
	return &own
}

func allBytes(words []string) [][]byte {
	var all [][]byte
	for _, w := range words {
		all = append(all, []byte(w))
	}
	return all
}

func allStrings(words [][]byte) []string {
	var all []string
	for _, w := range words {
		all = append(all, string(w))
	}
	return all
}
