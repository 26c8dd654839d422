package queue

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"

	"qme/internal/regular"
	"qme/record"
	"qme/tasks"
	"qme/tasks/waiting"
)

// supervisor returns the command that runs a waiting task: a process in a session of its own, with the environment of
// the task. gpus are those of which it may get some.
func (q *Queue) supervisor(ctx context.Context, id record.ID, here Place, gpus []string) (*exec.Cmd, error) {
	env, err := q.Service.Waiting.Environment(id)
	if err == nil {
		err = q.Service.Waiting.Damage(id)
	}
	if err != nil {
		return nil, err
	}
	// It outlives this process, so that killing a worker costs nothing.
	words := append([]string{"queue", "supervise", string(id), here.String()}, gpus...)
	cmd, err := q.options.Itself(context.WithoutCancel(ctx), words...)
	if err != nil {
		return nil, err
	}
	cmd.Env = q.warden.tell(tasks.OutsideRuns(here.outside(env)))
	return cmd, nil
}

// Supervise runs a waiting task at a place, as tasks.Service.Supervise does, and gives it those of gpus that it asks for. Then it
// wakes the worker. The report is nil if the task was not started: another process has it, or its entry says why it is held.
func (q *Queue) Supervise(ctx context.Context, id record.ID, place string, gpus []string) (*tasks.Report, error) {
	if err := q.takeWarden(); err != nil {
		return nil, err
	}
	if q.warden.over() {
		return nil, nil // nothing starts any more in this allocation
	}
	watch, end := context.WithCancel(ctx)
	defer end()
	go q.endWith(watch, id)
	var mine gpuClaim
	var taken []string
	var over *record.Record
	rep, err := q.Service.Supervise(ctx, id, tasks.SuperviseOptions{Assign: func(e *waiting.Entry) ([]string, []string, error) {
		err := q.notePlace(id, place)
		if err == nil {
			mine = gpuClaim{id, e.Run}
			taken, err = q.takeGPUs(id, e, place, gpus)
		}
		return gpuEnv(taken, onlyAMD("/")), taken, err
	}, Left: func(rec *record.Record) { over = rec }})
	if rep == nil && (errors.Is(err, record.ErrNotFound) || errors.Is(err, record.ErrConflict)) {
		err = nil // another process has it, or its entry says why it is held
	}
	err = errors.Join(err, q.dropGPUs(mine, place, taken), q.Wake(ctx, id))
	if over == nil {
		return rep, err
	}
	if tell := q.notice(context.WithoutCancel(ctx), over); tell != nil {
		err = errors.Join(err, tell())
	}
	return rep, err
}

// placeFile is in the folder of a task that has started: where it runs.
const placeFile = "place"

func (q *Queue) placePath(id record.ID) string { return q.queuedFile(id, placeFile) }

// queuedFile returns the path of a file in the folder of a task that has started.
func (q *Queue) queuedFile(id record.ID, name string) string {
	return filepath.Join(q.Service.Spool.Dir(), string(id), "queued", name)
}

// notePlace notes where a task runs, which its entry may leave open.
func (q *Queue) notePlace(id record.ID, place string) error {
	return os.WriteFile(q.placePath(id), []byte(place), 0o600)
}

// placeOf returns where a try runs.
func (q *Queue) placeOf(t tasks.Try) string {
	if t.Entry != nil && t.Entry.Place != "" {
		return t.Entry.Place
	}
	b, err := regular.ReadHere(q.placePath(t.ID))
	if err != nil || len(b) == 0 {
		if t.Record != nil { // it is just starting
			return t.Record.Data.Host
		}
		return ""
	}
	return string(b)
}
