package tasks

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"qme/executor/capture"
	"qme/gitstore/worktree"
	"qme/internal/intime"
	"qme/provenance"
	"qme/provenance/trace"
	"qme/record"
)

// Helper runs one of the roles for which this program starts itself again, and then does not return.
// A program that runs tasks must call it first in main, and in TestMain.
func Helper() {
	trace.Helper()
	capture.Helper(trace.Install)
}

// TraceVariable is the environment variable with the address of the trace around a process.
const TraceVariable = trace.Variable

// A tracing is the trace of a run. A nil one traces nothing.
type tracing struct {
	tracer *trace.Tracer // nil if nothing can be traced
	err    error         // why that is
}

// startTracing prepares for the trace of a command, if it is to be traced.
func (r *run) startTracing(s *capture.Spec, dir string) {
	if !r.trace {
		return
	}
	r.tracing = &tracing{}
	if r.tracing.err = provenance.Traceable(provenance.Command{Dir: dir, Argv: s.Cmd, Env: s.Env}); r.tracing.err == nil {
		r.tracing.tracer, r.tracing.err = trace.New(os.Getenv(trace.Variable))
	}
	if r.tracing.err == nil {
		// The command goes before its trace where descriptors are scarce.
		if r.tracing.err = capture.AbleBeside(running); r.tracing.err != nil {
			_, _ = r.tracing.tracer.End()
			r.tracing.tracer = nil
		}
	}
	if r.tracing.err != nil {
		r.untraced()
		return
	}
	s.Stage = r.tracing.tracer.Stage()
	s.Env = append(slices.DeleteFunc(slices.Clone(s.Env), func(kv string) bool { return strings.HasPrefix(kv, trace.Variable+"=") }), trace.Variable+"="+r.tracing.tracer.Address())
}

// traceCutOff has the record say what holds if qme does not see the end of the run.
func traceCutOff(rec *record.Record, opts RunOptions) {
	if !opts.Trace {
		return
	}
	if rec.Data.Files == nil {
		rec.Data.Files = &record.Files{Incomplete: true}
	}
	rec.Data.Files.Trace = &record.Trace{Error: "qme was killed before the command had ended"}
}

// running is how many files are opened for the streams of a command, at most.
const running = 10

// untraced tells the user that there is no trace.
func (r *run) untraced() {
	r.q.Warn("files are not traced, and are listed by name instead: %v", r.tracing.err)
}

// tracingStarted looks whether the command that has started is traced.
func (r *run) tracingStarted() {
	if t := r.tracing; t != nil && t.tracer != nil {
		if t.err = t.tracer.Started(); t.err != nil {
			r.untraced()
		}
	}
}

// endTracing ends the trace, if there is one, and gives what it has seen to the list of files.
func (r *run) endTracing() {
	t := r.tracing
	if t == nil {
		return
	}
	traced := provenance.Traced{Err: t.err}
	if t.tracer != nil {
		result, err := t.tracer.End()
		if t.err == nil {
			traced.Result, traced.Err = result, err
		}
		t.tracer = nil
	}
	traced.Software = r.softwareFolders()
	traced.Committed = committed
	if home, err := filepath.EvalSymlinks(r.q.Home); err == nil {
		traced.Own = home
	}
	r.files.Trace(traced)
}

// softwareFolders returns the folders of the environments of the run, without links.
func (r *run) softwareFolders() []string {
	found := r.software.Found().Software
	if found == nil {
		return nil
	}
	var folders []string
	add := func(path string) {
		if real, err := filepath.EvalSymlinks(path); err == nil && !slices.Contains(folders, real) {
			folders = append(folders, real)
		}
	}
	for _, e := range found.Environments {
		add(e.Path)
	}
	return folders
}

// committedTime bounds the look for files that are as in a commit.
const committedTime = 300 * time.Millisecond

// committed returns those of some paths that are as in the commits of their repositories.
func committed(paths []string) []provenance.Committed {
	deadline := time.Now().Add(committedTime)
	all, _ := intime.Within(committedTime, func() []provenance.Committed {
		var all []provenance.Committed
		for _, c := range worktree.Committed(paths, deadline) {
			all = append(all, provenance.Committed{Root: c.Root, Commit: c.Name, Paths: c.Path})
		}
		return all
	})
	return all
}
