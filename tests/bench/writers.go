package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/afero"

	"qme/executor"
	"qme/executor/capture"
	"qme/gitstore"
	"qme/gitstore/worktree"
	"qme/record"
	"qme/tasks"
	"qme/tasks/given"
	"qme/tasks/jobs"
	"qme/tasks/spool"
)

// inline is as the setting run.inline has it by default, and keep as run.keep.
const (
	inline = 64 << 10
	keep   = 64 << 20
)

// runHere returns a function that does what "qme run true" does, within this process: the command
// is executed, and its record goes through the spool into the history. It spares what it costs to
// start qme, so that a machine has time for more runs. It may be called from several goroutines.
func runHere(home string) (func(ctx context.Context) (id string, err error), error) {
	const atOnce = 2
	idle := make(chan *tasks.Service, atOnce)
	for range atOnce {
		store, err := gitstore.Open(afero.NewOsFs(), filepath.Join(home, "tasks.git"), gitstore.Options{})
		if err != nil {
			return nil, err
		}
		idle <- &tasks.Service{
			Store: func() (*gitstore.Store, error) { return store, nil }, Spool: spool.New(afero.NewOsFs(), filepath.Join(home, "running")),
			Given: given.New(afero.NewOsFs(), filepath.Join(home, given.Name)), Run: plainly, Jobs: jobs.New(afero.NewOsFs(), filepath.Join(home, "jobs")), Warn: func(string, ...any) {},
			Settings: tasks.Settings{
				Inline: inline, Keep: keep, Host: "bench", User: "bench",
				Env: func() []string { return nil }, GitState: func(string) (*record.Git, worktree.Finding) { return nil, worktree.Finding{} },
			},
		}
	}
	return func(ctx context.Context) (string, error) {
		q := <-idle
		defer func() { idle <- q }()
		rep, err := q.RunNew(ctx, executor.Command{Executor: "shell", Argv: []string{"true"}, Line: "true"}, tasks.RunOptions{Quiet: true})
		if err != nil {
			return "", err
		}
		return string(rep.Record.UID), rep.Err
	}, nil
}

// plainly does as capture.Run and captures no more than it has to.
func plainly(_ context.Context, s capture.Spec) (*capture.Result, error) {
	begin := time.Now()
	cmd := exec.Command(s.Cmd[0], s.Cmd[1:]...)
	cmd.Stdout, cmd.Stderr = s.Out, s.Err
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s.OnStart(cmd.Process.Pid)
	err := cmd.Wait()
	return &capture.Result{PID: cmd.Process.Pid, ReturnCode: cmd.ProcessState.ExitCode(), Duration: time.Since(begin), RecordErr: err}, nil
}
