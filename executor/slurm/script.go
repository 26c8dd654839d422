package slurm

import (
	"context"
	"fmt"
	"strings"

	"qme/executor"
	"qme/record"
)

var _ executor.Scripted = (*Executor)(nil)

// Script implements executor.Scripted.
func (e *Executor) Script(argv []string, dir string) executor.ScriptSource {
	in := e.find(argv)
	if in == nil {
		return executor.ScriptSource{}
	}
	r := parse(in.args)
	path := r.script
	switch {
	case r.wrap || r.none:
		return executor.ScriptSource{}
	case path == "" && in.stdin == "":
		return executor.ScriptSource{Stdin: true}
	case path == "":
		path = in.stdin
	}
	if strings.Contains(path, unknown) {
		return executor.ScriptSource{Elsewhere: true}
	}
	return executor.ScriptSource{Path: absolute(dir, path)}
}

// JobScript implements executor.Scripted. It asks scontrol.
func (e *Executor) JobScript(ctx context.Context, job *record.Job) ([]byte, error) {
	if !isNumber(job.ID) {
		return nil, fmt.Errorf("%q is not the id of one job: %w", job.ID, record.ErrInvalid)
	}
	args := append(onCluster(job.Cluster), "write", "batch_script", job.ID, "-")
	return e.ask(ctx, "scontrol", args...)
}
