package record

import (
	"slices"
	"sync"
)

// A Kind is the kind of a field's values.
type Kind int

// The kinds, each with the types of its values.
const (
	Text    Kind = iota // string
	Integer             // int, int64
	Bytes               // int, int64: a size
	Seconds             // float64
	Moment              // Time
	Flag                // bool
	Object              // any other type, as JSON
)

// A Field is a value of a record that has its own name in listings, sort orders and the mirror.
type Field struct {
	// Key is the path of the value in the JSON of the record, such as "data.pwd".
	Key string
	// Name is the name of the mirror's column, or empty if there is none.
	Name string
	Kind Kind
	// Since is the version of the mirror's tables that added the column; 0 if there is none.
	Since int
	// Measure says that listings can show the field as an additional number. Its kind is
	// numeric. See MeasureCount.
	Measure bool
	// Value returns the value, with a type of its kind, or nil when it was not recorded.
	Value func(*Record) any
}

// MeasureCount is the number of measures in Fields. It is a constant so that a table of all
// tasks can store them without a slice per task.
const MeasureCount = 0

// Fields lists all values of a record in the order of its keys. A value inside an object
// follows the object if it has a column. A key that is missing here fails a test.
//
// A new column of the mirror takes the next number in Since. The mirror then upgrades its
// tables and fills them again.
var Fields = []Field{
	{Key: "executor", Name: "executor", Since: 1, Value: func(r *Record) any { return r.Executor }},
	{Key: "uid", Name: "task_id", Since: 1, Value: func(r *Record) any { return string(r.UID) }},
	{Key: "command", Name: "command", Since: 1, Value: func(r *Record) any { return r.Command }},
	{Key: "data.pwd", Name: "pwd", Since: 1, Value: func(r *Record) any { return r.Data.PWD }},
	{Key: "data.user", Name: "username", Since: 1, Value: func(r *Record) any { return r.Data.User }},
	{Key: "data.timestamp", Name: "started", Kind: Moment, Since: 1, Value: func(r *Record) any { return r.Data.Timestamp }},
	{Key: "data.message", Name: "message", Since: 1, Value: func(r *Record) any { return r.Data.Message }},
	{Key: "data.cmd", Name: "cmd", Kind: Object, Since: 1, Value: func(r *Record) any { return r.Data.Cmd }},
	{Key: "data.status", Name: "status", Since: 1, Value: func(r *Record) any { return unlessZero(string(r.Data.Status)) }},
	{Key: "data.returncode", Name: "returncode", Kind: Integer, Since: 1, Value: func(r *Record) any { return known(r.Data.ReturnCode) }},
	{Key: "data.pid", Name: "pid", Kind: Integer, Since: 1, Value: func(r *Record) any { return r.Data.PID }},
	{Key: "data.output", Kind: Object},
	{Key: "data.error", Kind: Object},
	{Key: "data.stdout", Kind: Object},
	{Key: "data.stderr", Kind: Object},
	{Key: "data.host", Name: "host", Since: 1, Value: func(r *Record) any { return r.Data.Host }},
	{Key: "data.finished", Name: "finished", Kind: Moment, Since: 1, Value: func(r *Record) any { return known(r.Data.Finished) }},
	{Key: "data.duration", Name: "duration", Kind: Seconds, Since: 1, Value: func(r *Record) any { return r.Data.Duration }},
	{Key: "data.signal", Name: "signal_name", Since: 1, Value: func(r *Record) any { return unlessZero(r.Data.Signal) }},
	{Key: "data.usage", Kind: Object},
	{Key: "data.usage.user", Name: "cpu_user", Kind: Seconds, Since: 1, Value: func(r *Record) any { return within(r.Data.Usage, func(u *Usage) any { return u.User }) }},
	{Key: "data.usage.system", Name: "cpu_system", Kind: Seconds, Since: 1, Value: func(r *Record) any { return within(r.Data.Usage, func(u *Usage) any { return u.System }) }},
	{Key: "data.usage.max_rss", Name: "max_rss", Kind: Bytes, Since: 1, Value: func(r *Record) any {
		return within(r.Data.Usage, func(u *Usage) any { return unlessZero(max(u.MaxRSS, 0)) })
	}},
	{Key: "data.usage.peak_memory", Name: "peak_memory", Kind: Bytes, Since: 2, Value: func(r *Record) any {
		return within(r.Data.Usage, func(u *Usage) any { return unlessZero(u.PeakMemory) })
	}},
	{Key: "data.usage.mean_memory", Name: "mean_memory", Kind: Bytes, Since: 2, Value: func(r *Record) any {
		return within(r.Data.Usage, func(u *Usage) any { return unlessZero(u.MeanMemory) })
	}},
	{Key: "data.usage.memory_kind", Name: "memory_kind", Since: 2, Value: func(r *Record) any {
		return within(r.Data.Usage, func(u *Usage) any { return unlessZero(u.MemoryKind) })
	}},
	{Key: "data.usage.read", Name: "bytes_read", Kind: Bytes, Since: 2, Value: func(r *Record) any { return within(r.Data.Usage, sampled(func(u *Usage) any { return u.Read })) }},
	{Key: "data.usage.written", Name: "bytes_written", Kind: Bytes, Since: 2, Value: func(r *Record) any { return within(r.Data.Usage, sampled(func(u *Usage) any { return u.Written })) }},
	{Key: "data.usage.processes", Name: "processes", Kind: Integer, Since: 2, Value: func(r *Record) any {
		return within(r.Data.Usage, func(u *Usage) any { return unlessZero(u.Processes) })
	}},
	{Key: "data.usage.samples", Name: "samples", Kind: Integer, Since: 2, Value: func(r *Record) any { return within(r.Data.Usage, func(u *Usage) any { return unlessZero(u.Samples) }) }},
	{Key: "data.usage.gpus", Name: "gpus", Kind: Integer, Since: 2, Value: func(r *Record) any { return within(r.Data.Usage, func(u *Usage) any { return unlessZero(u.GPUs) }) }},
	{Key: "data.usage.mean_gpu", Name: "mean_gpu", Kind: Seconds, Since: 2, Value: func(r *Record) any { return within(r.Data.Usage, func(u *Usage) any { return unlessZero(u.MeanGPU) }) }},
	{Key: "data.usage.peak_gpu_memory", Name: "peak_gpu_memory", Kind: Bytes, Since: 2, Value: func(r *Record) any {
		return within(r.Data.Usage, func(u *Usage) any { return unlessZero(u.PeakGPUMemory) })
	}},
	{Key: "data.git", Kind: Object},
	{Key: "data.git.commit", Name: "git_commit", Since: 1, Value: func(r *Record) any { return within(r.Data.Git, func(g *Git) any { return unlessZero(g.Commit) }) }},
	{Key: "data.git.branch", Name: "git_branch", Since: 1, Value: func(r *Record) any { return within(r.Data.Git, func(g *Git) any { return unlessZero(g.Branch) }) }},
	{Key: "data.git.dirty", Name: "git_dirty", Kind: Flag, Since: 1, Value: func(r *Record) any { return within(r.Data.Git, func(g *Git) any { return known(g.Dirty) }) }},
	{Key: "data.git.remote", Name: "git_remote", Since: 2, Value: func(r *Record) any { return within(r.Data.Git, func(g *Git) any { return unlessZero(g.Remote) }) }},
	{Key: "data.code", Kind: Object},
	{Key: "data.code.path", Name: "code_path", Since: 4, Value: func(r *Record) any { return within(r.Data.Code, func(g *Git) any { return unlessZero(g.Path) }) }},
	{Key: "data.code.commit", Name: "code_commit", Since: 4, Value: func(r *Record) any { return within(r.Data.Code, func(g *Git) any { return unlessZero(g.Commit) }) }},
	{Key: "data.code.dirty", Name: "code_dirty", Kind: Flag, Since: 4, Value: func(r *Record) any { return within(r.Data.Code, func(g *Git) any { return known(g.Dirty) }) }},
	{Key: "data.code.remote", Name: "code_remote", Since: 4, Value: func(r *Record) any { return within(r.Data.Code, func(g *Git) any { return unlessZero(g.Remote) }) }},
	{Key: "data.env", Name: "env", Kind: Object, Since: 1, Value: func(r *Record) any {
		if len(r.Data.Env) == 0 {
			return nil
		}
		return r.Data.Env
	}},
	{Key: "data.masked", Kind: Object},
	{Key: "data.job", Name: "job", Kind: Object, Since: 1, Value: func(r *Record) any { return within(r.Data.Job, withoutExtra) }},
	{Key: "data.job.id", Name: "job_id", Since: 1, Value: func(r *Record) any { return within(r.Data.Job, func(j *Job) any { return j.ID }) }},
	{Key: "data.job.state", Name: "job_state", Since: 1, Value: func(r *Record) any { return within(r.Data.Job, func(j *Job) any { return unlessZero(j.State) }) }},
	{Key: "data.job.returncode", Name: "job_returncode", Kind: Integer, Since: 1, Value: func(r *Record) any { return within(r.Data.Job, func(j *Job) any { return known(j.ReturnCode) }) }},
	{Key: "data.terminal", Kind: Object},
	{Key: "data.merged", Kind: Flag},
	{Key: "data.stdin", Kind: Object},
	{Key: "data.stdin.kind", Name: "stdin_kind", Since: 2, Value: func(r *Record) any { return within(r.Data.Stdin, func(s *Stdin) any { return s.Kind }) }},
	{Key: "data.stdin.path", Name: "stdin_path", Since: 2, Value: func(r *Record) any { return within(r.Data.Stdin, func(s *Stdin) any { return unlessZero(s.Path) }) }},
	{Key: "data.stdin.size", Name: "stdin_bytes", Kind: Bytes, Since: 2, Value: func(r *Record) any { return within(r.Data.Stdin, func(s *Stdin) any { return unlessZero(s.Size) }) }},
	{Key: "data.stdin.sha256", Name: "stdin_sha256", Since: 2, Value: func(r *Record) any { return within(r.Data.Stdin, func(s *Stdin) any { return unlessZero(s.SHA256) }) }},
	{Key: "data.machine", Name: "machine", Kind: Object, Since: 2, Value: func(r *Record) any { return within(r.Data.Machine, func(m *Machine) any { return m }) }},
	{Key: "data.machine.kernel", Name: "kernel", Since: 2, Value: func(r *Record) any {
		return within(r.Data.Machine, func(m *Machine) any { return unlessZero(m.Kernel) })
	}},
	{Key: "data.machine.distribution", Name: "distribution", Since: 2, Value: func(r *Record) any {
		return within(r.Data.Machine, func(m *Machine) any { return unlessZero(m.Distribution) })
	}},
	{Key: "data.machine.cpu", Name: "cpu", Since: 2, Value: func(r *Record) any { return within(r.Data.Machine, func(m *Machine) any { return unlessZero(m.CPU) }) }},
	{Key: "data.machine.cpus", Name: "cpus", Kind: Integer, Since: 2, Value: func(r *Record) any { return within(r.Data.Machine, func(m *Machine) any { return unlessZero(m.CPUs) }) }},
	{Key: "data.machine.memory", Name: "machine_memory", Kind: Bytes, Since: 2, Value: func(r *Record) any {
		return within(r.Data.Machine, func(m *Machine) any { return unlessZero(m.Memory) })
	}},
	{Key: "data.software", Name: "software", Kind: Object, Since: 2, Value: func(r *Record) any { return within(r.Data.Software, func(s *Software) any { return s }) }},
	{Key: "data.declared", Name: "declared", Kind: Object, Since: 4, Value: func(r *Record) any { return within(r.Data.Declared, func(d *Declared) any { return d }) }},
	{Key: "data.files", Kind: Object},
	{Key: "data.files.left_out", Name: "files_left_out", Kind: Integer, Since: 2, Value: func(r *Record) any { return within(r.Data.Files, func(f *Files) any { return f.LeftOut }) }},
	{Key: "data.parts", Name: "parts", Kind: Object, Since: 2, Value: func(r *Record) any {
		if len(r.Data.Parts) == 0 {
			return nil
		}
		return r.Data.Parts
	}},
	{Key: "data.parent", Kind: Object},
	{Key: "data.parent.uid", Name: "parent", Since: 4, Value: func(r *Record) any { return within(r.Data.Parent, func(p *Parent) any { return string(p.UID) }) }},
	{Key: "data.check", Kind: Object},
	{Key: "data.check.of", Name: "check_of", Since: 7, Value: func(r *Record) any {
		return within(r.Data.Check, func(c *Check) any { return unlessZero(string(c.Of)) })
	}},
	{Key: "data.check.verdict", Name: "check_verdict", Since: 7, Value: func(r *Record) any { return within(r.Data.Check, func(c *Check) any { return c.Verdict }) }},
	{Key: "data.queue", Kind: Object},
	{Key: "data.params", Name: "params", Kind: Object, Since: 8, Value: func(r *Record) any {
		if len(r.Data.Params) == 0 {
			return nil
		}
		return r.Data.Params
	}},
	{Key: "data.group", Kind: Object},
	{Key: "data.group.name", Name: "group_name", Since: 8, Value: func(r *Record) any { return within(r.Data.Group, func(g *Group) any { return g.Name }) }},
	{Key: "data.metrics", Name: "metrics", Kind: Object, Since: 8, Value: func(r *Record) any {
		if len(r.Data.Metrics) == 0 {
			return nil
		}
		return r.Data.Metrics
	}},
	{Key: "data.origin", Kind: Object},
	{Key: "data.origin.uid", Name: "origin", Since: 8, Value: func(r *Record) any { return within(r.Data.Origin, func(p *Parent) any { return string(p.UID) }) }},
	{Key: "data.run_id", Name: "run_id", Since: 2, Value: func(r *Record) any { return unlessZero(string(r.Data.RunID)) }},
	{Key: "data.run", Name: "run", Kind: Integer, Since: 1, Value: func(r *Record) any { return r.Data.Run }},
	{Key: "data.previous", Name: "previous_commit", Since: 1, Value: func(r *Record) any { return unlessZero(r.Data.Previous) }},
}

// Measures returns the fields that are measures, MeasureCount of them. All calls return the
// same list, which must not be changed.
var Measures = sync.OnceValue(func() []Field {
	return slices.DeleteFunc(slices.Clone(Fields), func(f Field) bool { return !f.Measure })
})

// Number returns the value of a numeric field. ok is false when it was not recorded.
func (f *Field) Number(r *Record) (n float64, ok bool) {
	switch v := f.Value(r).(type) {
	case float64:
		return v, true
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	}
	return 0, false
}

func unlessZero[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}

func known[T any](v *T) any {
	if v == nil {
		return nil
	}
	return *v
}

func withoutExtra(j *Job) any {
	own := *j
	own.Extra = nil
	return own
}

// within returns a value of an object, or nil when there is no object.
func within[T any](object *T, value func(*T) any) any {
	if object == nil {
		return nil
	}
	return value(object)
}

// sampled returns a value that is 0 also where there are no samples, which have it.
func sampled(value func(*Usage) any) func(*Usage) any {
	return func(u *Usage) any {
		if u.Samples == 0 {
			return nil
		}
		return value(u)
	}
}
