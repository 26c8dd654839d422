package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"qme/record"
	"qme/tasks"
)

const (
	// commitPoll is the interval between checks whether the last run of a task is committed.
	// rerunWait limits the wait for that, and the wait for the next run to begin.
	commitPoll = 10 * time.Millisecond
	rerunWait  = 5 * time.Second
)

// An Agreement says that a client agrees to run a command that was not given in this home, or
// to change a task that this home has not started. With a digest, it is valid only for the
// command or change that was shown.
type Agreement struct {
	Confirm bool   `json:"confirm"`
	Digest  string `json:"digest"`
}

// confirm returns nil if the client agrees to foreign, else foreign.
func (a Agreement) confirm(foreign *tasks.ForeignError) error {
	if a.Confirm && (a.Digest == "" || a.Digest == foreign.Digest) {
		return nil
	}
	return foreign
}

// Rerun runs a task again in another process, and returns when the command runs or has failed
// to start. The error is a *tasks.ForeignError for a command that was not given in this home
// and has no agreement. It wraps record.ErrConflict when the task cannot be run now.
func (h *Home) Rerun(ctx context.Context, id record.ID, agreed Agreement) error {
	v, err := h.service().Find(string(id))
	if err != nil {
		return err
	}
	if v.Record.IsQueued() {
		return fmt.Errorf("task %s waits in the queue: %w (cancel takes it out)", id, record.ErrConflict)
	}
	if v.Record.Data.Status == record.Running {
		return fmt.Errorf("task %s is running: %w (cancel it first)", id, record.ErrConflict)
	}
	if _, other := h.rerunning.LoadOrStore(id, true); other {
		return fmt.Errorf("task %s is being run again: %w", id, record.ErrConflict)
	}
	defer h.rerunning.Delete(id)
	h.awaitCommit(ctx, id)
	args := []string{"-q", "rerun", "--no-output", "--report"}
	if _, kept := h.Service.KeptInput(v.Record, "null"); v.Record.Data.Stdin != nil && !kept {
		args = append(args, "--stdin", os.DevNull) // which the client was told
	}
	own, err := h.service().Own(v.Record)
	if err != nil {
		h.Service.Warn("whether this command was given here is not known: %v", err)
	}
	if !own {
		if err := agreed.confirm(tasks.Foreign(v.Record)); err != nil {
			return err
		}
		args = append(args, "--yes")
	}
	return h.startRerun(ctx, id, append(args, string(id)))
}

// awaitCommit waits for a limited time until a run that has ended is committed.
func (h *Home) awaitCommit(ctx context.Context, id record.ID) {
	ctx, cancel := context.WithTimeout(ctx, rerunWait)
	defer cancel()
	poll := time.NewTicker(commitPoll)
	defer poll.Stop()
	for {
		if _, err := h.Service.Spool.Get(id, 0); err != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-poll.C:
		}
	}
}

// startRerun starts "qme rerun" and waits for its report.
func (h *Home) startRerun(ctx context.Context, id record.ID, args []string) error {
	cmd, err := h.Service.Itself(context.Background(), args...)
	if err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd.ExtraFiles = []*os.File{w} // descriptor reportFD
	err = cmd.Start()
	if err = errors.Join(err, w.Close()); err != nil {
		return errors.Join(err, r.Close())
	}
	reported, ended := make(chan Report, 1), make(chan int, 1)
	go func() {
		defer r.Close()
		defer close(reported)
		var rep Report
		if json.NewDecoder(r).Decode(&rep) == nil {
			reported <- rep
		}
	}()
	go func() {
		_ = cmd.Wait()
		ended <- cmd.ProcessState.ExitCode()
	}()
	ctx, cancel := context.WithTimeout(ctx, rerunWait)
	defer cancel()
	select {
	case rep, ok := <-reported:
		if ok {
			return rep.err()
		}
	case <-ctx.Done():
		return nil // it is started but slow; the table shows it when it runs
	}
	return fmt.Errorf("task %s was not run again: qme rerun ended with %d", id, <-ended)
}

// reportFD is the descriptor on which "qme rerun --report" reports.
const reportFD = 3

// A Report is the message from a rerun's process that the command runs, or why it does not.
type Report struct {
	Started bool   `json:"started"`
	Refused bool   `json:"refused,omitempty"` // the task cannot be run now
	Detail  string `json:"detail,omitempty"`  // the reason, for the user
}

func (r Report) err() error {
	switch {
	case r.Started:
		return nil
	case r.Refused:
		return refusal(r.Detail)
	}
	return errors.New(r.Detail)
}

// A Reporter reports to the process that started this one. It is for use by one goroutine.
type Reporter struct {
	to io.WriteCloser // nil after the report
}

// NewReporter returns the reporter of a process started by Rerun. In any other process, the
// error wraps record.ErrInvalid.
func NewReporter() (*Reporter, error) {
	var st unix.Stat_t
	if err := unix.Fstat(reportFD, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return nil, fmt.Errorf("descriptor %d is no pipe to report to: %w", reportFD, record.ErrInvalid)
	}
	unix.CloseOnExec(reportFD) // the command must not inherit it
	return &Reporter{os.NewFile(reportFD, "report")}, nil
}

// Report sends a report. Only the first call has an effect.
func (r *Reporter) Report(rep Report) error {
	if r.to == nil {
		return nil
	}
	to := r.to
	r.to = nil
	return errors.Join(json.NewEncoder(to).Encode(rep), to.Close())
}
