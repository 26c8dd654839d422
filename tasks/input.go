package tasks

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"qme/executor"
	"qme/executor/capture"
	"qme/internal/regular"
	"qme/record"
)

// An InputError says that a task is not rerun because the user has to supply its input again.
// It is a record.ErrConflict.
type InputError struct {
	ID   record.ID
	From string // source of the input, such as "a pipe"
	// File is the file from which the input came, if it still has the same content, else "".
	File string
	// Masked are the names of the secrets for which the input, although it was kept, cannot be given
	// again.
	Masked []string
}

// Error implements error.
func (e *InputError) Error() string {
	if len(e.Masked) > 0 {
		return fmt.Sprintf("task %s: its script came from standard input, and in what was kept of it secrets are masked (%s)", e.ID, strings.Join(e.Masked, ", "))
	}
	return fmt.Sprintf("task %s: its input came from %s and was not kept", e.ID, e.From)
}

// Is makes the error a record.ErrConflict.
func (e *InputError) Is(target error) bool { return target == record.ErrConflict }

// A keptInput is standard input that a rerun gets as it was kept.
type keptInput struct {
	content []byte
	file    *os.File
	script  bool // it is the script of a batch job, which has a part of its own
}

// absent reports whether a standard input of this kind gives a command nothing to read, or nothing
// but what is typed.
func absent(kind string) bool { return kind == "terminal" || kind == "null" || kind == "closed" }

// KeptInput reports whether a rerun, whose own standard input is of the kind now, reads what an
// earlier run has kept, and how many bytes this has.
func (q *Service) KeptInput(old *record.Record, now string) (size int64, ok bool) {
	if !absent(now) || old.Data.Stdin == nil {
		return 0, false
	}
	script, kept := old.Data.Parts[record.PartScript]
	if q.scriptFromInput(old) && kept {
		return script.Size, true
	}
	_, kept = old.Data.Parts[record.PartStdin]
	return old.Data.Stdin.Size, kept || old.Data.Stdin.Whole && old.Data.Stdin.Size == 0
}

// scriptFromInput reports whether a run has submitted a batch job whose script was its standard input.
func (q *Service) scriptFromInput(old *record.Record) bool {
	of, ok := q.executor(old.Executor).(executor.Scripted)
	return ok && of.Script(old.Data.Cmd, old.Data.PWD).Stdin
}

// inputAgain returns the input of a rerun if it was kept, else nil: then the rerun reads its own. It
// refuses a rerun that would silently wait for the keyboard, or find nothing, although the task has
// read a pipe or a file before. The error is an InputError then.
func (q *Service) inputAgain(old *record.Record, own bool) (*keptInput, error) {
	if q.Settings.Stdin == nil || old.Data.Stdin == nil || own {
		return nil, nil
	}
	now := capture.Stdin(q.Settings.Stdin).Kind
	if _, ok := q.KeptInput(old, now); ok {
		if kept, err := q.keptInput(old); kept != nil || err != nil {
			return kept, err
		}
	}
	in := old.Data.Stdin
	missing := &InputError{ID: old.UID}
	switch {
	case !absent(now):
		return nil, nil
	case in.Kind == "file" && in.Path == "":
		missing.From = "a file"
	case in.Kind == "file":
		missing.From, missing.File = "the file "+in.Path, q.unchanged(old)
	case in.Kind == record.StdinPart:
		missing.From = "what an earlier run had kept"
	case in.Kind == "pipe" && (now == "terminal" || in.Size > 0 || q.scriptFromInput(old)):
		missing.From = "a pipe"
	case in.Kind == "socket" && now == "terminal":
		missing.From = "a socket"
	default:
		return nil, nil // it is not known to have read anything
	}
	return nil, missing
}

// keptContent returns the input of a run as it was kept; known is false if it is not here. The error
// is an InputError if secrets are masked in a script.
func (q *Service) keptContent(old *record.Record, script bool) (content []byte, known bool, err error) {
	in, name := old.Data.Stdin, record.PartStdin
	switch {
	case script:
		name = record.PartScript
	case in.Size == 0:
		return nil, true, nil
	}
	v, err := q.Find(string(old.UID))
	if err != nil {
		return nil, false, err
	}
	content, err = v.Part(name)
	switch masked := maskedIn(old, content); {
	case errors.Is(err, record.ErrNotFound):
		return nil, false, nil // it is in another home
	case err != nil:
		return nil, false, err
	case script && len(masked) > 0:
		return nil, false, &InputError{ID: old.UID, Masked: masked}
	case script:
		return content, true, nil
	case int64(len(content)) != in.Size || in.SHA256 != "" && record.NewPart(content).SHA256 != in.SHA256:
		return nil, false, nil // a secret in it is masked
	}
	return content, true, nil
}

// keptInput returns the kept input of a run as a file without a name, nil if it is not here.
func (q *Service) keptInput(old *record.Record) (*keptInput, error) {
	script := q.scriptFromInput(old)
	content, known, err := q.keptContent(old, script)
	if err != nil || !known {
		return nil, err
	}
	f, err := os.CreateTemp("", "qme-stdin-")
	if err != nil {
		return nil, fmt.Errorf("give the task its input again: %w", err)
	}
	_, err = f.Write(content)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err = errors.Join(err, os.Remove(f.Name())); err != nil {
		return nil, fmt.Errorf("give the task its input again: %w", errors.Join(err, f.Close()))
	}
	return &keptInput{content, f, script}, nil
}

// reading returns the use cases whose commands read a kept input.
func (q *Service) reading(kept *keptInput) *Service {
	reader := *q
	reader.Settings.Stdin, reader.kept = kept.file, kept
	return &reader
}

func (k *keptInput) describe() *record.Stdin {
	return &record.Stdin{Kind: record.StdinPart, Size: int64(len(k.content)), SHA256: hashOfInput(k.content), Whole: true}
}

// hashOfInput returns the hash of an input, "" for one that may be a password.
func hashOfInput(content []byte) string {
	if len(content) <= shortInput {
		return ""
	}
	return record.NewPart(content).SHA256
}

// unchanged returns the file that a run read as its standard input, if that has the same content
// now. Only what was run here says which files may be opened.
func (q *Service) unchanged(old *record.Record) string {
	size, sum, known := old.Data.StdinDigest()
	if mine, err := q.Own(old); err != nil || !mine || !known || size > q.Settings.Hashes.File {
		return ""
	}
	content, _, err := regular.ReadBounded(old.Data.Stdin.Path, size, 0)
	if err != nil || record.NewPart(content) != (record.Part{Size: size, SHA256: sum}) {
		return "" // without it, the user finds the input
	}
	return old.Data.Stdin.Path
}

// An inputCopy keeps what has passed of standard input, or its beginning. It never fails.
type inputCopy struct {
	limit int64
	b     []byte
}

// Write implements io.Writer.
func (c *inputCopy) Write(b []byte) (int, error) {
	c.b = append(c.b, b[:min(int64(len(b)), c.limit-int64(len(c.b)))]...)
	return len(b), nil
}

const (
	// shortInput is the size up to which an input may be a password, which could be guessed from
	// its hash.
	shortInput = 64
	// secretsUpTo is how much of an input is searched for secrets. With more than that before a
	// secret, its hash tells nothing about it.
	secretsUpTo = 64 << 10
)

// watchInput returns what gets a copy of standard input, or nil if nothing is to be recorded of it.
func (r *run) watchInput() io.Writer {
	set := r.q.Settings
	if in := r.rec.Data.Stdin; in == nil || in.Kind != "pipe" || !set.HashStdin {
		return nil
	}
	r.input = &inputCopy{limit: max(secretsUpTo, min(set.KeepStdin, record.MaxPart))}
	return r.input
}

// passed records what has passed of a standard input that is a pipe.
func (r *run) passed(res *capture.Result) {
	in := r.rec.Data.Stdin
	if in == nil || r.input == nil {
		return
	}
	in.LeftAlone = res.InputLeft
	p := res.Passed
	if p == nil {
		return
	}
	in.Size, in.Whole = p.Size, p.Whole
	if p.SHA256 == "" || r.mask.finds(r.input.b) {
		return
	}
	if p.Size > shortInput {
		in.SHA256 = p.SHA256
	}
	if p.Whole && p.Size > 0 && p.Size <= min(r.q.Settings.KeepStdin, record.MaxPart) {
		r.part(record.PartStdin, r.input.b)
	}
}
