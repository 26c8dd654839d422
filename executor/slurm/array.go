package slurm

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"qme/executor"
	"qme/internal/lazy"
	"qme/internal/safe"
	"qme/record"
)

var _ executor.ArraySubmitter = (*Executor)(nil)

// scriptMost is how large a script Slurm takes by default, in bytes (max_script_size in slurm.conf(5)). qme keeps no
// larger ones, either.
const scriptMost = 4 << 20

// SubmitArray implements executor.ArraySubmitter. The script has a branch for each element.
func (e *Executor) SubmitArray(a executor.ArraySubmission) (executor.Command, []byte, error) {
	folder := strings.ReplaceAll(a.Folder, "%", "%%") + "/%a/"
	argv, err := asking(a.Elements[0].Words, a.Options, folder+"stdout", folder+"stderr")
	if err != nil {
		return executor.Command{}, nil, err
	}
	indexes := fmt.Sprintf("--array=1-%d", len(a.Elements))
	if a.Slots > 0 {
		indexes += fmt.Sprintf("%%%d", a.Slots)
	}
	argv = append(argv, indexes)
	script := arrayScript(a)
	if len(script) > scriptMost {
		return executor.Command{}, nil, fmt.Errorf("the script of %d commands has %.1f MiB, of which Slurm takes 4: make several sweeps of it, or have the command read its values from QME_PARAM_NAME: %w",
			len(a.Elements), float64(len(script))/(1<<20), record.ErrInvalid)
	}
	return executor.Command{Executor: Name, Argv: argv, Line: executor.Quote(argv)}, script, nil
}

// arrayScript returns the script of an array, in which all words and values are quoted.
func arrayScript(a executor.ArraySubmission) []byte {
	var b strings.Builder
	b.WriteString("#!/bin/sh\ncase $SLURM_ARRAY_TASK_ID in\n")
	for i, el := range a.Elements {
		b.WriteString(strconv.Itoa(i+1) + ")\n")
		if el.Dir != "" {
			b.WriteString("cd " + executor.Quote([]string{filepath.Clean(el.Dir)}) + " || exit\n")
		}
		if len(el.Env) > 0 {
			b.WriteString("export")
			for _, kv := range el.Env {
				name, value, _ := strings.Cut(kv, "=")
				b.WriteString(" " + name + "=" + executor.Quote([]string{value}))
			}
			b.WriteString("\n")
		}
		b.WriteString(execution(a.Shell, el.Words) + ";;\n")
	}
	b.WriteString("*) echo \"there is no element $SLURM_ARRAY_TASK_ID\" >&2; exit 1;;\nesac\n")
	return []byte(b.String())
}

// ArrayJobs implements executor.ArraySubmitter.
func (e *Executor) ArrayJobs(n int, stdout, stderr []byte) ([]*record.Job, error) {
	var lines []string
	for line := range strings.Lines(string(stdout)) {
		lines = append(lines, line)
	}
	array := inOutput(lines)
	if array == nil {
		return nil, notStarted(n, string(stderr))
	}
	jobs := make([]*record.Job, n)
	for i := range jobs {
		jobs[i] = &record.Job{ID: array.ID + "_" + strconv.Itoa(i+1), Cluster: array.Cluster}
	}
	return jobs, nil
}

// notStarted says why sbatch has started no array of n elements.
func notStarted(n int, stderr string) error {
	said := message(stderr)
	switch {
	case said == "":
		return errors.New("sbatch has started no job, and does not say why")
	case strings.Contains(said, "Invalid job array specification"):
		return fmt.Errorf("sbatch says: %s; %d elements may be too many for one array here: \"scontrol show config | grep MaxArraySize\" tells how many there can be (one less than that), and --random N or several sweeps make fewer", safe.Shorten(said, messageMost), n)
	}
	err := fmt.Errorf("sbatch says: %s", safe.Shorten(said, messageMost))
	if maybeStarted().MatchString(said) {
		err = fmt.Errorf("%w: %w", err, executor.ErrMaybeStarted)
	}
	return err
}

// maybeStarted matches what sbatch says when it has lost the controller after it had sent the job.
var maybeStarted = lazy.Regexp("Socket timed out|Zero Bytes were transmitted|Unexpected message received|Communication connection failure|Transport endpoint")
