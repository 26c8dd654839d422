package slurm

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"qme/executor"
	"qme/record"
)

// resources are the options of a submission that have a name of their own here, with
// that of sbatch(1). Others go by sbatch's name through "option".
var resources = []struct {
	executor.Option
	sbatch string
}{
	{executor.Option{Name: "cpus", Value: "N", Usage: "processors for the command"}, "cpus-per-task"},
	{executor.Option{Name: "mem", Value: "SIZE", Usage: "memory on each node, such as 8G"}, "mem"},
	{executor.Option{Name: "time", Value: "TIME", Usage: "time limit, such as 1:30:00 or 2-0"}, "time"},
	{executor.Option{Name: "partition", Value: "NAME", Usage: "partition, or queue"}, "partition"},
	{executor.Option{Name: "gpus", Value: "N", Usage: "graphics processors"}, "gpus"},
	{executor.Option{Name: "nodes", Value: "N", Usage: "nodes"}, "nodes"},
	{executor.Option{Name: "account", Value: "NAME", Usage: "account that is charged"}, "account"},
}

// kept are options of sbatch that a submission needs for itself.
var kept = []string{"output", "error", "wrap", "parsable", "chdir", "quiet", "wait", "array", "open-mode", "clusters"}

// Resources implements executor.Submitter.
func (e *Executor) Resources() []executor.Option {
	var list []executor.Option
	for _, r := range resources {
		list = append(list, r.Option)
	}
	return list
}

// Submit implements executor.Submitter.
func (e *Executor) Submit(s executor.Submission) (executor.Command, error) { return submit(s) }

// submit returns the sbatch that runs a command as a job: in the present directory, with
// the present environment, its output in files of qme's. The words of the command become
// one line of a shell script, quoted each; nothing else of them is looked at.
func submit(s executor.Submission) (executor.Command, error) {
	if os.Getenv("SBATCH_ARRAY_INX") != "" {
		return executor.Command{}, fmt.Errorf("SBATCH_ARRAY_INX is set, which makes an array, and its elements would print to one file; unset it, or run sbatch itself (qme run sbatch …): %w", record.ErrInvalid)
	}
	argv, err := asking(s.Words, s.Options, strings.ReplaceAll(s.Stdout, "%", "%%"), strings.ReplaceAll(s.Stderr, "%", "%%"))
	if err != nil {
		return executor.Command{}, err
	}
	argv = append(argv, "--wrap="+execution(s.Shell, s.Words))
	return executor.Command{Executor: Name, Argv: argv, Line: executor.Quote(argv)}, nil
}

// execution returns the line of a shell that becomes a command.
func execution(shell string, words []string) string {
	command, _ := (&executor.Shell{Program: shell}).Recognise(words)
	return "exec " + executor.Quote(command.Argv)
}

// asking returns the words of an sbatch that has options, up to what it runs. stdout and stderr are patterns.
func asking(words []string, options map[string]string, stdout, stderr string) ([]string, error) {
	argv := []string{"sbatch", "--parsable", "--export=ALL", "--job-name=" + jobName(words)}
	for _, file := range []struct{ option, pattern string }{{"output", stdout}, {"error", stderr}} {
		// A backslash anywhere in it would change how sbatch reads the whole.
		if strings.ContainsRune(file.pattern, '\\') {
			return nil, fmt.Errorf("the path %q has a backslash, which sbatch does not take as it is; choose another home: %w", file.pattern, record.ErrInvalid)
		}
		argv = append(argv, "--"+file.option+"="+file.pattern)
	}
	for _, name := range slices.Sorted(maps.Keys(options)) {
		option, err := sbatchName(name)
		if err != nil {
			return nil, err
		}
		if value := options[name]; value != "" {
			option += "=" + value
		}
		argv = append(argv, "--"+option)
	}
	return argv, nil
}

func sbatchName(name string) (string, error) {
	for _, r := range resources {
		if r.Name == name {
			return r.sbatch, nil
		}
	}
	if slices.Contains(kept, name) {
		return "", fmt.Errorf("the option %s is qme's own here; run sbatch itself to set it (qme run sbatch …): %w", name, record.ErrInvalid)
	}
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || name[0] == '-' {
		return "", fmt.Errorf("%q is not the name of an option of sbatch, such as account or gres: %w", name, record.ErrInvalid)
	}
	return name, nil
}

// jobName is the name of a job in squeue: that of the command's program.
func jobName(words []string) string {
	program, _, _ := strings.Cut(strings.TrimSpace(words[0]), " ")
	name := strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f || r > 0x7e || strings.ContainsRune(`%\"'`, r) {
			return -1
		}
		return r
	}, filepath.Base(program))
	if strings.Trim(name, "./-") == "" {
		return "qme"
	}
	return name
}
