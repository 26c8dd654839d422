// Package slurm follows the batch jobs that sbatch starts: it reads a job's id from the output
// of sbatch, and asks sacct, or scontrol where sacct does not answer, how the job goes.
// docs/slurm.md describes it for users.
//
// A record is other people's input: nothing of it becomes an argument of a program unless it
// is of the form of a job's id or of a cluster's name.
package slurm

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"qme/executor"
	"qme/record"
)

// Name is the name of the executor.
const Name = "slurm"

// Options are the settings of the executor.
type Options struct {
	// Shell runs command lines, such as "sh".
	Shell string
	// Format is the fields that the action status shows, as sacct names them, separated
	// by commas; empty for DefaultFormat.
	Format string
	// Timeout bounds every question to Slurm; 0 for DefaultTimeout.
	Timeout time.Duration
}

// The defaults of Options.
const (
	DefaultFormat  = "JobID,JobName,Partition,AllocCPUS,Elapsed,State,ExitCode"
	DefaultTimeout = 20 * time.Second
)

// Executor is the executor.Submitter of Slurm. Its methods may be called from several
// goroutines.
type Executor struct {
	shell   *executor.Shell
	format  string
	timeout time.Duration
}

// New returns the executor. It runs nothing: Slurm need not be there.
func New(o Options) *Executor {
	e := &Executor{shell: &executor.Shell{Program: o.Shell}, format: o.Format, timeout: o.Timeout}
	if e.format == "" {
		e.format = DefaultFormat
	}
	if e.timeout <= 0 {
		e.timeout = DefaultTimeout
	}
	return e
}

// Name implements executor.Executor.
func (e *Executor) Name() string { return Name }

// ByID says that actions need nothing of a job but its id, once its output is recorded.
func (e *Executor) ByID() {}

// Prints returns the files to which the job of a command will print, if their names do not
// depend on the job.
func (e *Executor) Prints(rec *record.Record) []string {
	in := e.find(rec.Data.Cmd)
	if in == nil {
		return nil
	}
	r, whole := requestOf(in, rec.Data.PWD, rec.Data.Env)
	if r.none {
		return nil
	}
	stdout, stderr := paths(patterns(r, whole, rec), values{name: r.name, user: rec.Data.User})
	return slices.DeleteFunc([]string{stdout, stderr}, func(path string) bool { return path == "" || path == os.DevNull })
}

// Recognise takes sbatch, also by its path, after env(1), and as the only command of a command
// line.
func (e *Executor) Recognise(words []string) (executor.Command, bool) {
	c, ok := e.shell.Recognise(words)
	if !ok || e.find(c.Argv) == nil {
		return executor.Command{}, false
	}
	c.Executor = Name
	return c, true
}

func (e *Executor) find(argv []string) *invocation { return find(argv, e.shell.Program) }

// Submitted implements executor.Tracker.
func (e *Executor) Submitted(rec *record.Record) (*record.Job, error) {
	in := e.find(rec.Data.Cmd)
	if in == nil {
		return nil, errors.New("its command is not one of sbatch alone")
	}
	job := inOutput(rec.Data.Output)
	r, whole := requestOf(in, rec.Data.PWD, rec.Data.Env)
	switch {
	case r.none, job == nil && (triedOnly(rec.Data.Error) || triedOnly(rec.Data.Output)): // both may be one
		return nil, nil
	case job == nil && r.quiet:
		return nil, errors.New("sbatch printed no id of a job: leave out --quiet, so that it does")
	case job == nil:
		return nil, errors.New("sbatch printed no id of a job to standard output")
	}
	job.Name = r.name
	job.Fields = patterns(r, whole, rec)
	if left := others(rec.Data.Output, job); len(left) > 0 {
		return job, fmt.Errorf("of what sbatch has printed job %s alone is followed, and not %s", job.ID, strings.Join(left, ", "))
	}
	return job, nil
}

// triedOnly reports whether sbatch has said when a job would start, as with --test-only, which
// may stand in a script that cannot be read now.
func triedOnly(lines []string) bool {
	return slices.ContainsFunc(lines, func(line string) bool {
		rest, ok := strings.CutPrefix(line, "sbatch: Job ")
		id, when, _ := strings.Cut(rest, " ")
		return ok && isNumber(id) && strings.HasPrefix(when, "to start at ")
	})
}

// inOutput returns the job that a line of sbatch's output names: the plain message counts
// more than a number alone, as --parsable prints it. Of several messages the last one counts,
// and of several numbers the first: sbatch prints one line.
func inOutput(lines []string) *record.Job {
	if all := named(lines, plainMessage); len(all) > 0 {
		return all[len(all)-1]
	}
	if all := named(lines, parsable); len(all) > 0 {
		return all[0]
	}
	return nil
}

// others returns the ids in sbatch's output that are of the form of a job's, and not its own.
func others(lines []string, job *record.Job) []string {
	all := named(lines, plainMessage)
	if len(all) == 0 {
		all = named(lines, parsable)
	}
	var list []string
	for _, other := range all {
		if other.ID != job.ID && !slices.Contains(list, other.ID) {
			list = append(list, other.ID)
		}
	}
	return list
}

// named returns the jobs of the lines of a form.
func named(lines []string, form func(string) (id, cluster string)) []*record.Job {
	var all []*record.Job
	for _, line := range lines {
		id, cluster := form(strings.TrimRight(line, " \t\r\n"))
		if isNumber(id) && (cluster == "" || isClusterName(cluster)) {
			all = append(all, &record.Job{ID: id, Cluster: cluster})
		}
	}
	return all
}

// plainMessage reads "Submitted batch job 7 on cluster c".
func plainMessage(line string) (id, cluster string) {
	rest, ok := strings.CutPrefix(line, "Submitted batch job ")
	if !ok {
		return "", ""
	}
	id, cluster, ok = strings.Cut(rest, " on cluster ")
	if ok && cluster == "" {
		return "", ""
	}
	return id, cluster
}

// parsable reads "7;c".
func parsable(line string) (id, cluster string) {
	id, cluster, ok := strings.Cut(line, ";")
	if ok && cluster == "" {
		return "", ""
	}
	return id, cluster
}

// The names in record.Job.Fields: the patterns of the output files, where the files themselves
// are not known yet, or are several.
const (
	stdoutPattern = "stdout_pattern"
	stderrPattern = "stderr_pattern"
	userField     = "user"
	openMode      = "open_mode" // appending, or not there
)

// appending is the open mode of a file to which a job appends.
const appending = "append"

// patterns works out where output goes, as Slurm does. It is nil when that cannot be
// told: when more may stand in a script that cannot be read now.
func patterns(r request, whole bool, rec *record.Record) map[string]string {
	if !whole && (r.output == "" || r.errors == "") || strings.Contains(r.output+r.errors+r.chdir, unknown) {
		return nil
	}
	dir := absolute(rec.Data.PWD, r.chdir)
	out := r.output
	if out == "" {
		if out = "slurm-%j.out"; r.array {
			out = "slurm-%A_%a.out"
		}
	}
	fields := map[string]string{stdoutPattern: inDir(dir, out), userField: rec.Data.User}
	if r.append {
		fields[openMode] = appending
	}
	if r.errors != "" {
		fields[stderrPattern] = inDir(dir, r.errors)
	}
	return fields
}

// inDir makes a pattern absolute. Slurm takes "none" for the place where all vanishes.
func inDir(dir, pattern string) string {
	if strings.EqualFold(pattern, "none") {
		return os.DevNull
	}
	if strings.HasPrefix(pattern, "/") {
		return pattern
	}
	// Patterns in the name of the folder are none.
	return strings.TrimRight(strings.ReplaceAll(dir, "%", "%%"), "/") + "/" + pattern
}

// identity checks the id and the cluster of a record, before they become arguments.
func identity(job *record.Job) error {
	number, index, isElement := strings.Cut(strings.Replace(job.ID, "+", "_", 1), "_")
	if !isNumber(number) || isElement && !isNumber(index) {
		return fmt.Errorf("%q is not the id of a job: %w", job.ID, record.ErrInvalid)
	}
	if job.Cluster != "" && !isClusterName(job.Cluster) {
		return fmt.Errorf("%q is not the name of a cluster: %w", job.Cluster, record.ErrInvalid)
	}
	return nil
}

// isNumber reports whether text is a number as Slurm's ids are, of 32 bits.
func isNumber(text string) bool {
	if text == "" || len(text) > 10 {
		return false
	}
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// isClusterName reports whether text is the name of one cluster; "all" is that of every one.
func isClusterName(text string) bool {
	if text == "" || strings.EqualFold(text, "all") || len(text) > 64 || strings.IndexByte("_.-", text[0]) >= 0 {
		return false
	}
	for _, c := range []byte(text) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("_.-", c) < 0 {
			return false
		}
	}
	return true
}

var _ executor.Tracker = (*Executor)(nil)
