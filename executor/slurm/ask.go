package slurm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"qme/executor/ask"
	"qme/internal/safe"
	"qme/record"
)

// answerMost bounds what is read of an answer, in bytes.
const answerMost = 256 << 20

// A refusal is the message of a program of Slurm that has failed.
type refusal struct {
	program, message string
}

// Error implements error.
func (r *refusal) Error() string {
	if r.message == "" {
		return r.program + " failed and said nothing"
	}
	return fmt.Sprintf("%s says: %s", r.program, safe.Shorten(r.message, messageMost))
}

// errLate says that a program was ended because it had not answered.
var errLate = errors.New("did not answer in time")

// An asker runs programs of Slurm.
type asker interface {
	ask(ctx context.Context, program string, args ...string) ([]byte, error)
}

// The forms in which Slurm can be asked to write times.
const (
	epochTimes = "SLURM_TIME_FORMAT=%s"
	localTimes = "SLURM_TIME_FORMAT=standard"
)

// ask runs a program of Slurm and returns its output. The error wraps record.ErrUnavailable, and
// is a *refusal where the program itself has failed; it is that of ctx when ctx was cancelled.
func (e *Executor) ask(ctx context.Context, program string, args ...string) ([]byte, error) {
	return e.askWith(ctx, epochTimes, program, args...)
}

func (e *Executor) askWith(ctx context.Context, times, program string, args ...string) ([]byte, error) {
	if _, err := exec.LookPath(program); err != nil {
		return nil, fmt.Errorf("there is no program %s here, which asks Slurm (on a cluster, \"module load slurm\" may bring it): %w", program, record.ErrUnavailable)
	}
	said, err := ask.Run(ctx, ask.Question{
		Argv: append([]string{program}, args...), Env: append(environment(os.Environ()), times), Limit: e.timeout, Most: answerMost,
	})
	switch {
	case errors.Is(err, context.Canceled):
		return nil, ctx.Err()
	case errors.Is(err, ask.ErrLate):
		return nil, fmt.Errorf("%s %w (%v, the setting executor.slurm.timeout): %w", program, errLate, e.timeout, record.ErrUnavailable)
	case err != nil:
		return nil, err
	case said.Code != 0:
		return nil, fmt.Errorf("%w: %w", &refusal{program, message(string(said.Stderr))}, record.ErrUnavailable)
	}
	return said.Stdout, nil
}

// messageMost is how much of a message is shown, in bytes.
const messageMost = 200

// message returns the messages of a program on one line: each once, without its origin.
func message(stderr string) string {
	var said []string
	for line := range strings.Lines(stderr) {
		line = strings.TrimSpace(line)
		for _, level := range []string{": error: ", ": fatal: "} {
			if origin, text, ok := strings.Cut(line, level); ok && !strings.Contains(origin, " ") {
				line = text
			}
		}
		if line = safe.Line(line); line != "" && !slices.Contains(said, line) {
			said = append(said, line)
		}
	}
	// All messages after one about munged, which vouches for users, are its consequences.
	if i := slices.IndexFunc(said, func(line string) bool { return strings.HasPrefix(line, "Munge ") }); i >= 0 {
		return said[i] + " (munged, which vouches for users, does not answer here)"
	}
	return strings.Join(said, "; ")
}

// environment makes answers look the same everywhere: lists in full, and the cluster that
// is asked the one that is named. Times are left to the caller.
func environment(environ []string) []string {
	var kept []string
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		switch name {
		case "SLURM_TIME_FORMAT", "SLURM_BITSTR_LEN", "SLURM_CLUSTERS", "SLURM_EXPAND_PATTERNS", "SACCT_FORMAT", "SACCT_LOCAL", "SACCT_FEDERATION",
			"SCONTROL_FUTURE", "SCONTROL_ALL", "SLURM_JOB_ID", "LC_ALL":
		default:
			kept = append(kept, kv)
		}
	}
	return append(kept, "SLURM_BITSTR_LEN=0", "LC_ALL=C")
}

// onCluster returns the arguments that name a cluster.
func onCluster(cluster string) []string {
	if cluster == "" {
		return nil
	}
	return []string{"--clusters=" + cluster}
}

// refused reports whether a program of Slurm has said one of the texts.
func refused(err error, texts ...string) bool {
	var r *refusal
	if !errors.As(err, &r) {
		return false
	}
	for _, t := range texts {
		if strings.Contains(strings.ToLower(r.message), t) {
			return true
		}
	}
	return false
}
