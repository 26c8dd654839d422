package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"qme/dashboard"
	"qme/record"
	"qme/tasks"
	"qme/tasks/given"
)

const (
	// rerunLook is how often it is looked whether a rerun has begun, and rerunWait for how long.
	rerunLook = 10 * time.Millisecond
	rerunWait = 5 * time.Second
)

// Rerun starts "qme rerun" in a process of its own, and returns once the run has begun or
// could not begin.
func (s *served) Rerun(ctx context.Context, ref string, agreed dashboard.Agreement) (record.ID, error) {
	if err := wholeID(ref); err != nil {
		return "", err
	}
	v, err := s.use().Find(ref)
	if err != nil {
		return "", reference(err)
	}
	id := v.Record.UID
	if v.Record.Data.Status == record.Running {
		return "", fmt.Errorf("task %s is running: %w (cancel it first)", id, record.ErrConflict)
	}
	if _, other := s.rerunning.LoadOrStore(id, true); other {
		return "", fmt.Errorf("task %s is being run again: %w", id, record.ErrConflict)
	}
	defer s.rerunning.Delete(id)
	s.landed(ctx, id)
	messages, err := os.CreateTemp("", "qme-rerun-")
	if err != nil {
		return "", err
	}
	defer messages.Close()
	defer func() { _ = os.Remove(messages.Name()) }() // below the folder for such files
	words, err := s.rerunWords(v.Record, agreed)
	if err != nil {
		return "", err
	}
	p, err := s.start(messages.Name(), words...)
	if err != nil {
		return "", err
	}
	return id, s.begun(ctx, v, p, messages)
}

// rerunWords returns the command line that runs a task again. The error is a
// dashboard.Foreign for a command that was not given in this home and was not agreed to.
func (s *served) rerunWords(rec *record.Record, agreed dashboard.Agreement) ([]string, error) {
	words := []string{"-q", "rerun"}
	own, err := s.use().Own(rec)
	if err != nil {
		s.a.warn("whether this command was given here is not known: %v", err)
	}
	digest := given.Digest(rec)
	switch {
	case own:
	case !agreed.Confirm || agreed.Digest != "" && agreed.Digest != digest:
		return nil, (*dashboard.Foreign)(tasks.Foreign(rec))
	default:
		words = append(words, "--yes")
	}
	return append(words, string(rec.UID)), nil
}

// A process is a qme that this one has started.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended
}

// A refusal is what a command printed that would not do it. It is a record.ErrConflict.
type refusal string

// Error implements error.
func (r refusal) Error() string { return string(r) }

// Is makes the error a record.ErrConflict.
func (r refusal) Is(target error) bool { return target == record.ErrConflict }

// landed waits until a run that has ended is in the history, or for as long as may be.
func (s *served) landed(ctx context.Context, id record.ID) {
	ctx, cancel := context.WithTimeout(ctx, rerunWait)
	defer cancel()
	look := time.NewTicker(rerunLook)
	defer look.Stop()
	for {
		if _, err := s.spool.Get(id, 0); err != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

// begun waits until a process runs a task again, of which v was the last run.
func (s *served) begun(ctx context.Context, v tasks.Version, p *process, messages io.Reader) error {
	ctx, cancel := context.WithTimeout(ctx, rerunWait)
	defer cancel()
	look := time.NewTicker(rerunLook)
	defer look.Stop()
	for {
		// Another process may run the task again at the same time, and then ours refuses.
		rec, err := s.spool.Get(v.Record.UID, 0)
		if err == nil && rec.Data.PID != 0 && s.spool.Owner(v.Record.UID) == p.cmd.Process.Pid {
			return nil // and it hears whoever cancels it
		}
		select {
		case <-p.ended:
			return s.ranAgain(v, p, messages)
		case <-ctx.Done():
			return nil // it was started, and takes its time; the websocket tells of it
		case <-look.C:
		}
	}
}

// ranAgain returns why a process that has ended has not run a task again, nil when it has.
func (s *served) ranAgain(v tasks.Version, p *process, messages io.Reader) error {
	said, err := io.ReadAll(io.LimitReader(messages, 4<<10))
	if err != nil {
		return err
	}
	text := strings.TrimPrefix(strings.TrimSpace(string(said)), "qme: ")
	code := p.cmd.ProcessState.ExitCode()
	refused := text != "" && (code == exitConflict || code == exitNotRun)
	now, err := s.use().Find(string(v.Record.UID))
	switch {
	case refused:
		return refusal(text)
	case err == nil && !now.Record.Data.Timestamp.Equal(v.Record.Data.Timestamp.Time):
		return nil
	case text != "":
		return errors.New(text) // a full disk, say
	}
	return fmt.Errorf("task %s was not run again: qme rerun ended with %d", v.Record.UID, code)
}
