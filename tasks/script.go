package tasks

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"qme/executor"
	"qme/internal/intime"
	"qme/internal/regular"
	"qme/record"
)

const (
	// longestScript is the size up to which a script is recorded, in bytes. Slurm takes 4 MiB by
	// default.
	longestScript = 4 << 20
	// scriptTime is how long a command waits at most until its script is read.
	scriptTime = 300 * time.Millisecond
)

// A script is what the job of a run executes.
type script struct {
	of      executor.Scripted
	content []byte
	ask     bool // only the scheduler has it
}

// takeScript reads the script of a batch job before it is submitted, from its file or from a file
// that is the standard input, which it leaves where it is. It returns nil for other commands.
func (q *Service) takeScript(name, dir string, argv []string) *script {
	of, ok := q.executor(name).(executor.Scripted)
	if !ok {
		return nil
	}
	from := of.Script(argv, dir)
	s := &script{of: of, ask: from.Path == ""}
	var read func() ([]byte, error)
	switch {
	case from.Path != "":
		read = func() ([]byte, error) {
			b, _, err := regular.ReadBounded(from.Path, longestScript, 0)
			return b, err
		}
	case from.Stdin:
		read = func() ([]byte, error) { return rest(q.Settings.Stdin, longestScript) }
	case from.Elsewhere:
		return s
	default:
		return nil
	}
	found := intime.Collect(intime.Limits{Processor: scriptTime, Clock: scriptTime}, func(send func([]byte)) {
		if b, err := read(); err == nil { // sbatch says what is wrong with a file
			send(b)
		}
	})
	if len(found) > 0 {
		s.content, s.ask = found[0], false
	}
	return s
}

// errNotAFile says that a stream cannot be read without taking something from it.
var errNotAFile = errors.New("not a file")

// rest returns what is left of a file from its offset, which stays as it is.
func rest(f *os.File, most int64) ([]byte, error) {
	if f == nil {
		return nil, errNotAFile
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(errNotAFile, err)
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	if info.Size()-at > most {
		return nil, regular.ErrTooLarge
	}
	return io.ReadAll(io.NewSectionReader(f, at, most))
}

// begin stores a script that was read from a file.
func (s *script) begin(r *run) {
	if s != nil && len(s.content) > 0 {
		r.part(record.PartScript, s.content)
	}
}

// submitted asks the scheduler for a script that came through a pipe.
func (s *script) submitted(ctx context.Context, r *run, job *record.Job) {
	if s == nil || !s.ask || job == nil {
		return
	}
	content, err := s.of.JobScript(ctx, job)
	if err != nil || len(content) > longestScript {
		r.q.Warn("the script of its job is not recorded: %v", errors.Join(err, tooLong(content)))
		return
	}
	r.part(record.PartScript, content)
}

func tooLong(content []byte) error {
	if len(content) <= longestScript {
		return nil
	}
	return regular.ErrTooLarge
}

// ScriptChanged returns the file with the script of a batch job if the script is not the one that the
// run of rec had, or cannot be read. It returns "" if it is the same, or this cannot be told.
func (q *Service) ScriptChanged(rec *record.Record) string {
	part, known := rec.Data.Parts[record.PartScript]
	of, ok := q.executor(rec.Executor).(executor.Scripted)
	if !known || !ok || len(rec.Data.Masked) > 0 {
		return ""
	}
	path := of.Script(rec.Data.Cmd, rec.Data.PWD).Path
	if path == "" {
		return ""
	}
	if now, _, err := regular.ReadBounded(path, longestScript, 0); err == nil && part.Holds(now) {
		return ""
	}
	return path
}
