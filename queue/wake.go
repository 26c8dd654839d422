package queue

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"qme/internal/program"
	"qme/internal/regular"
	"qme/record"
	"qme/tasks"
)

// workerFolder has the files of the workers, which begin with the texts of their places.
const workerFolder = ".workers"

const (
	wakeSuffix = ".wake" // a FIFO, to which others write what has changed
	lockSuffix = ".lock" // held by the worker
	hireSuffix = ".hire" // of a process that takes the place of a worker that is gone; on file systems without locks
	idleSuffix = ".idle" // left by a worker that has ended: for which tasks others wait
)

func (q *Queue) workerFile(p Place, suffix string) string {
	return filepath.Join(q.file(workerFolder), p.fileName()+suffix)
}

// Wake tells the workers of this machine that tasks have changed, or without any that much may have. If none is at
// work at this place and tasks wait, it starts one. It does nothing where there never was a queue.
func (q *Queue) Wake(ctx context.Context, ids ...record.ID) error {
	if heard, err := q.ring(ids); heard || err != nil {
		return err
	}
	return q.start(ctx)
}

// Revive starts a worker where p, what goes on, shows tasks that will start by themselves and none at work:
// a user who kills it, or starts the machine again, tells no process.
func (q *Queue) Revive(ctx context.Context, p *Picture) error {
	if p.Worker || !p.AnyStarts() {
		return nil
	}
	return q.Wake(ctx)
}

// RunEnded is Wake after a run has ended that may be none of the queue. It starts no worker if nothing waits for
// that task, and nothing else could start.
func (q *Queue) RunEnded(ctx context.Context, id record.ID) error {
	heard, err := q.ring([]record.ID{id})
	if heard || err != nil {
		return err
	}
	b, err := regular.ReadHere(q.workerFile(q.Here(), idleSuffix))
	if err == nil && !slices.Contains(strings.Split(string(b), "\n"), string(id)) {
		return nil
	}
	return q.start(ctx)
}

// ring tells the workers of this machine something, and reports whether that of this place hears it, or none is needed
// as nothing waits.
func (q *Queue) ring(ids []record.ID) (heard bool, err error) {
	if !q.Service.Waiting.Any() {
		return true, nil
	}
	names, err := filepath.Glob(filepath.Join(quoted(q.file(workerFolder)), "*"+wakeSuffix))
	if err != nil {
		return false, err
	}
	here := q.workerFile(q.Here(), wakeSuffix)
	for _, name := range names {
		if call(name, ids) && name == here {
			heard = true
		}
	}
	if heard {
		return true, nil
	}
	some, err := q.some()
	return !some, err
}

// quoted has a path mean itself in a pattern of filepath.Glob.
func quoted(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// some reports whether any task waits, without a list of all.
func (q *Queue) some() (bool, error) {
	f, err := os.Open(q.Service.Waiting.Dir())
	if err != nil {
		return false, err
	}
	defer f.Close()
	for {
		names, err := f.Readdirnames(100)
		if slices.ContainsFunc(names, func(name string) bool { return !strings.HasPrefix(name, ".") }) {
			return true, nil
		}
		if errors.Is(err, io.EOF) {
			return false, nil
		} else if err != nil {
			return false, err
		}
	}
}

// mostCalled is how many tasks a call names. It is written in one piece, as far as POSIX has it for pipes.
const mostCalled = 8

// call writes to a FIFO, and reports whether a worker reads from it. One that has not read what it was told already
// hears nothing more, and need not.
func call(path string, ids []record.ID) bool {
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return false // no process reads it, or it is not there any more
	}
	defer f.Close()
	var text strings.Builder
	for _, id := range ids {
		text.WriteString(string(id) + "\n")
	}
	if len(ids) == 0 || len(ids) > mostCalled {
		text.Reset()
		text.WriteString("\n")
	}
	_, err = unix.Write(int(f.Fd()), []byte(text.String()))
	return err == nil || errors.Is(err, unix.EAGAIN)
}

// working reports whether a worker is at work at a place of this machine.
func (q *Queue) working(p Place) bool {
	f, err := os.OpenFile(q.workerFile(p, wakeSuffix), os.O_WRONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	_ = f.Close() // nothing was written
	return true
}

// start starts a worker for this place.
func (q *Queue) start(ctx context.Context) error {
	cmd, err := q.options.Itself(context.WithoutCancel(ctx), "queue", "work")
	if err != nil {
		return err
	}
	guard := q.warden
	if guard == (warden{}) {
		guard = wardenOf(q.Here())
	}
	if guard.over() {
		return nil // nothing starts any more in this allocation
	}
	cmd.Env = guard.tell(tasks.OutsideRuns(os.Environ()))
	if scope, ends := lookAround(ctx).decide(q.Here()); scope {
		if err := inScope(cmd); err != nil {
			return err
		}
		if ends {
			q.sayOnce()
		}
	}
	return program.Detach(cmd)
}

// A bell is the end of a FIFO at which a worker hears what has changed.
type bell struct {
	path string
	f    *os.File // nil on a file system without FIFOs
}

// hear passes on what is written until close. A nil id means that much may have changed.
func (b *bell) hear(pass func(record.ID)) {
	if b.f == nil {
		return
	}
	buf := make([]byte, 64<<10)
	kept := 0
	for {
		n, err := b.f.Read(buf[kept:])
		if err != nil {
			return
		}
		text := string(buf[:kept+n])
		end := strings.LastIndexByte(text, '\n') + 1
		for line := range strings.Lines(text[:end]) {
			id, err := record.ParseID(strings.TrimSuffix(line, "\n"))
			if err != nil {
				id = ""
			}
			pass(id)
		}
		if kept = copy(buf, text[end:]); kept == len(buf) {
			kept = 0 // no line of ours
		}
	}
}

// close tells callers that no process listens any more.
func (b *bell) close() error {
	if b.f == nil {
		return nil
	}
	return b.f.Close()
}
