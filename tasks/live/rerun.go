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
	// commitPoll is how often it is looked whether the last run of a task has been committed,
	// and rerunWait how long that, and the beginning of the next run, are waited for.
	commitPoll = 10 * time.Millisecond
	rerunWait  = 5 * time.Second
)

// An Agreement says that a client agrees to run a command that was not given in this home, or to
// change a task that it has not started: any, or, where there is a digest, the one that was shown.
type Agreement struct {
	Confirm bool   `json:"confirm"`
	Digest  string `json:"digest"`
}

// confirm returns the error that it was given, nil where a client agrees to that.
func (a Agreement) confirm(foreign *tasks.ForeignError) error {
	if a.Confirm && (a.Digest == "" || a.Digest == foreign.Digest) {
		return nil
	}
	return foreign
}

// Rerun runs a task again in a process of its own, and returns once the command runs or could
// not be run. The error is a *tasks.ForeignError for a command that was not given in this home
// and was not agreed to, and wraps record.ErrConflict where the task cannot be run now.
func (h *Home) Rerun(ctx context.Context, id record.ID, agreed Agreement) error {
	v, err := h.service().Find(string(id))
	if err != nil {
		return err
	}
	if v.Record.Data.Status == record.Running {
		return fmt.Errorf("task %s is running: %w (cancel it first)", id, record.ErrConflict)
	}
	if _, other := h.rerunning.LoadOrStore(id, true); other {
		return fmt.Errorf("task %s is being run again: %w", id, record.ErrConflict)
	}
	defer h.rerunning.Delete(id)
	h.awaitCommit(ctx, id)
	args := []string{"-q", "rerun", "--report"}
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

// awaitCommit waits until a run that has ended is in the history, for a while.
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
		return nil // it was started and takes its time; the table shows it when it runs
	}
	return fmt.Errorf("task %s was not run again: qme rerun ended with %d", id, <-ended)
}

// reportFD is the descriptor on which "qme rerun --report" reports.
const reportFD = 3

// A Report is what the process of a rerun says of its beginning: that the command runs, or
// why it does not.
type Report struct {
	Started bool   `json:"started"`
	Refused bool   `json:"refused,omitempty"` // the task cannot be run now
	Detail  string `json:"detail,omitempty"`  // why not, for people
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

// A Reporter reports to the process that has started this one. It is for one goroutine.
type Reporter struct {
	to io.WriteCloser // nil once it has reported
}

// NewReporter returns the reporter of a process that Rerun has started. The error wraps
// record.ErrInvalid in any other process.
func NewReporter() (*Reporter, error) {
	var st unix.Stat_t
	if err := unix.Fstat(reportFD, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return nil, fmt.Errorf("descriptor %d is no pipe to report to: %w", reportFD, record.ErrInvalid)
	}
	unix.CloseOnExec(reportFD) // the command is not to hold it
	return &Reporter{os.NewFile(reportFD, "report")}, nil
}

// Report reports, unless that has been done.
func (r *Reporter) Report(rep Report) error {
	if r.to == nil {
		return nil
	}
	to := r.to
	r.to = nil
	return errors.Join(json.NewEncoder(to).Encode(rep), to.Close())
}
