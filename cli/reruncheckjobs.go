package cli

import (
	"bytes"
	"context"
	"os/exec"
	"syscall"

	"qme/internal/signalled"
	"qme/tasks"
)

// A checkJob is the check of one task, in a process of its own.
type checkJob struct {
	plan      *tasks.CheckPlan
	after     []*checkJob // those before it whose files meet its own
	done      chan struct{}
	out, errs bytes.Buffer
	code      int
	err       error // why it was not started
}

// rerunChecksAtOnce checks several tasks, some at once, and tells their outcomes in the order of the tasks.
// A check whose files meet those of an earlier one begins after it.
func (cmd *rerunCommand) rerunChecksAtOnce(ctx context.Context, refs []string, o rerunOptions, check checkOptions) error {
	q, err := cmd.home.history(ctx)
	if err != nil {
		return err
	}
	var jobs []*checkJob
	for _, ref := range refs {
		j := &checkJob{done: make(chan struct{})}
		if j.plan, j.err = q.PlanCheck(ref); j.err == nil {
			for _, before := range jobs {
				if before.err == nil && j.plan.Meets(before.plan) {
					j.after = append(j.after, before)
				}
			}
		}
		jobs = append(jobs, j)
	}
	ctx, stop := signalled.Until(ctx)
	defer stop()
	free := make(chan struct{}, check.jobs)
	for _, j := range jobs {
		go j.run(ctx, free, func() { cmd.checkApart(ctx, q, j, o, check) })
	}
	worst := 0
	for _, j := range jobs {
		<-j.done
		worst = max(worst, cmd.tellJob(j))
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if worst > 0 {
		return &codeError{code: worst}
	}
	return nil
}

// run waits for its turn, and checks.
func (j *checkJob) run(ctx context.Context, free chan struct{}, check func()) {
	defer close(j.done)
	for _, before := range j.after {
		<-before.done
	}
	if j.err != nil {
		return
	}
	free <- struct{}{}
	defer func() { <-free }()
	if j.err = ctx.Err(); j.err == nil {
		check()
	}
}

// checkApart checks a task in another process.
func (cmd *rerunCommand) checkApart(ctx context.Context, q *tasks.Service, j *checkJob, o rerunOptions, check checkOptions) {
	words := []string{}
	if cmd.term.quiet {
		words = append(words, "--quiet")
	}
	if cmd.term.palette().on {
		words = append(words, "--color", "always")
	}
	if cmd.settings.message != "" {
		words = append(words, "--message", cmd.settings.message)
	}
	words = append(append(words, "rerun"), check.words()...)
	for name, given := range map[string]bool{"--yes": o.yes, "--hash": o.hash, "--trace": o.trace} {
		if given {
			words = append(words, name)
		}
	}
	ref := j.plan.Ref
	name := string(ref.Record.UID)
	if ref.Number > 0 {
		name = ref.Name()
	}
	child, err := q.Itself(ctx, append(words, name)...)
	if err != nil {
		j.err = err
		return
	}
	// It puts back what it has set aside before it ends.
	child.Cancel = func() error { return child.Process.Signal(syscall.SIGTERM) }
	child.Dir, child.Stdout, child.Stderr = "", &j.out, &j.errs
	if err := child.Start(); err != nil {
		j.err = &codeError{exitNotRun, err}
		return
	}
	_ = child.Wait() // its code says more
	j.code = codeOfProcess(child)
}

// codeOfProcess returns the code with which a program has ended, as a shell has it.
func codeOfProcess(cmd *exec.Cmd) int {
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return cmd.ProcessState.ExitCode()
}

// tellJob prints what a check has said, and returns its code.
func (cmd *rerunCommand) tellJob(j *checkJob) int {
	if j.err != nil {
		code, msg, hint := cmd.settings.explain(j.err)
		if msg != "" {
			cmd.term.fail(msg)
		}
		if hint != "" {
			cmd.term.say("%s", hint)
		}
		return code
	}
	_, _ = cmd.term.err.Write(j.errs.Bytes())
	if _, err := cmd.term.out.Write(j.out.Bytes()); err != nil {
		return max(j.code, exitFailure)
	}
	return j.code
}
