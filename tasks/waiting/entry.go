package waiting

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"qme/record"
)

// An Entry is what is known of a waiting task besides its record. It has secrets that the record
// does not show, so its file has mode 0600.
type Entry struct {
	Terms
	Added record.Time  `json:"added"`
	Run   record.RunID `json:"run"` // the data.run_id of the next try
	Try   int          `json:"try"` // its number, from 1

	// Executor, Cmd and Dir are what is run, byte for byte.
	Executor string   `json:"executor"`
	Cmd      [][]byte `json:"cmd"`
	Dir      []byte   `json:"dir"`
	// Line is Cmd as one line, as the executor has it.
	Line  []byte `json:"line,omitempty"`
	Umask int    `json:"umask"`
	// Env is the SHA-256 of the environment: see Folder.Environment.
	Env string `json:"env"`
	// Stdin is the absolute path of the file that is standard input; empty for none.
	Stdin []byte `json:"stdin,omitempty"`
	// In and Out are the patterns of declared files; Hash and Trace are as in tasks.RunOptions.
	In    [][]byte `json:"in,omitempty"`
	Out   [][]byte `json:"out,omitempty"`
	Hash  bool     `json:"hash,omitempty"`
	Trace bool     `json:"trace,omitempty"`
	// Metrics are looked for in the output, as metric.Parse reads them, and MetricFiles are read for further ones.
	Metrics     []string `json:"metrics,omitempty"`
	MetricFiles [][]byte `json:"metric_files,omitempty"`
	// Params are the parameters of the run as they are: the record has secrets in them masked.
	Params record.Params `json:"params,omitempty"`
	// Snapshot is the folder with the code as it was when the task was added; "" for none. Dir then
	// lies below it.
	Snapshot string `json:"snapshot,omitempty"`

	// Code says how the repositories of the task differed from their commits, as far as that is known.
	Code []Code `json:"code,omitempty"`

	// Cancelled says that the user has cancelled the task when it had started: it is not tried again.
	Cancelled bool `json:"cancelled,omitempty"`
}

// Described returns what a record says of the queue when its next try starts, or might start now.
func (e *Entry) Described() *record.Queue {
	d := &record.Queue{
		Added: e.Added, Name: e.Queue, CPUs: e.CPUs, Memory: e.Memory, Limit: e.Limit.Seconds(),
		Snapshot: strings.ToValidUTF8(e.Snapshot, "\uFFFD"),
	}
	if e.Tries > 1 {
		d.Try, d.Tries = e.Try, e.Tries
	}
	for _, a := range e.After {
		d.After = append(d.After, a.Task)
	}
	return d
}

// Again reports whether a task is tried again after a try, with which it waits no more. That is so if
// tries are left, and it has failed, was ended for its limit, or was cut off, as by a crash. It is not
// so if the user has cancelled it.
func (e *Entry) Again(rec *record.Record) bool {
	if e.Cancelled || e.Try >= e.Tries {
		return false
	}
	d := rec.Data
	switch d.Status {
	case record.Complete:
		return d.ReturnCode != nil && *d.ReturnCode != 0 || d.Queue != nil && d.Queue.TimedOut
	case record.Cancelled:
		return d.ReturnCode == nil // no process saw the end; a user's cancel has the code
	}
	return false
}

// Next makes the entry, and the record that waits with it, those of the next try.
func (e *Entry) Next(rec *record.Record) {
	e.Try, e.Run = e.Try+1, record.NewRunID()
	if e.At = (record.Time{}); e.Delay > 0 {
		e.At = record.Time{Time: record.Now().Add(e.Delay)}
	}
	rec.Data.RunID, rec.Data.Queue = e.Run, e.Described()
}

// A Code is the state of the tracked files of a repository that are not as in the commit that the record
// names.
type Code struct {
	// Part is the part of a run that has the difference: record.PartPatch for the repository of the
	// directory, record.PartCodePatch for that of the script.
	Part record.PartName `json:"part"`
	// Files are the SHA-256 of the sections of the difference, by the names of their files.
	Files map[string]string `json:"files"`
}

// Terms say when a task may start, and what it gets.
type Terms struct {
	Queue    string      `json:"queue,omitempty"` // the name; "" for the default queue
	Priority int         `json:"priority,omitempty"`
	After    []After     `json:"after,omitempty"`
	At       record.Time `json:"at,omitzero"` // not before; the zero time for no wish
	// Held says that the task does not start until the user releases it. Why says why qme has held it;
	// empty if the user has.
	Held bool   `json:"held,omitempty"`
	Why  string `json:"why,omitempty"`

	Tries int           `json:"tries,omitempty"` // how often it is tried at most; 0 means once
	Delay time.Duration `json:"delay,omitempty"` // between two tries
	// Limit ends the command after that time; 0: no limit.
	Limit time.Duration `json:"limit,omitempty"`
	// Halt has the queue be paused when the task has failed for good.
	Halt bool `json:"halt,omitempty"`

	CPUs   int   `json:"cpus,omitempty"`
	Memory int64 `json:"memory,omitempty"` // bytes
	GPUs   int   `json:"gpus,omitempty"`

	// Place is where the task may start: see package queue. "" means anywhere.
	Place string `json:"place,omitempty"`
}

// An After is a task that has to end before another one starts.
type After struct {
	Task record.ID `json:"task"`
	On   On        `json:"on"`
}

// An On says how the other task has to end.
type On string

// The values of On.
const (
	OnSuccess On = "success"
	OnFailure On = "failure" // it has failed or was cancelled
	OnEnd     On = "end"     // either
)

// decode returns the entry of a task from its file. The error wraps record.ErrInvalid if nothing may be
// started by it.
func decode(b []byte, id record.ID) (*Entry, error) {
	var e Entry
	if err := json.Unmarshal(b, &e); err != nil {
		return nil, fmt.Errorf("%w: %w", record.ErrInvalid, err)
	}
	return &e, e.check(id)
}

func (e *Entry) check(id record.ID) error {
	invalid := func(format string, args ...any) error {
		return fmt.Errorf("%w entry of the queue: "+format, append([]any{record.ErrInvalid}, args...)...)
	}
	switch t := e.Terms; {
	case len(e.Cmd) == 0:
		return invalid("it has no command")
	case e.Executor != id.Executor():
		return invalid("the executor %.70q is not that of the task", e.Executor)
	case e.Try < 1 || e.Try > record.MostTries || t.Tries < 0 || t.Tries > record.MostTries:
		return invalid("try %d of %d", e.Try, t.Tries)
	case e.Umask < 0 || e.Umask > 0o777:
		return invalid("umask %o", e.Umask)
	case t.Delay < 0 || t.Limit < 0 || t.CPUs < 0 || t.Memory < 0 || t.GPUs < 0:
		return invalid("a number below 0")
	case len(t.After) > record.MostAfter:
		return invalid("it waits for %d tasks", len(t.After))
	case !filepath.IsAbs(string(e.Dir)) || len(e.Stdin) > 0 && !filepath.IsAbs(string(e.Stdin)):
		return invalid("a path is not absolute")
	}
	for _, a := range e.After {
		if _, err := record.ParseID(string(a.Task)); err != nil {
			return err
		}
		if a.On != OnSuccess && a.On != OnFailure && a.On != OnEnd {
			return invalid("%.20q does not say how a task has to end", a.On)
		}
	}
	if e.Queue != "" {
		if err := record.CheckQueueName(e.Queue); err != nil {
			return err
		}
	}
	return e.Run.Check()
}

// Note adds the state of a repository; nil is none.
func (e *Entry) Note(c *Code) {
	if c != nil {
		e.Code = append(e.Code, *c)
	}
}

// Noted returns the state of a repository, nil if it is not known.
func (e *Entry) Noted(part record.PartName) *Code {
	for i := range e.Code {
		if e.Code[i].Part == part {
			return &e.Code[i]
		}
	}
	return nil
}
