package queue

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"qme/internal/procfs"
	"qme/record"
	"qme/tasks/spool"
)

// A warden is the process with which an allocation of a scheduler ends. Most schedulers end all that was started
// in an allocation; but salloc does not, nor does Slurm without control groups. The zero value is none.
type warden struct {
	pid  int
	born uint64
}

// wardens are the names of such processes.
var wardens = []string{"slurmstepd", "salloc"}

// WardenVariable tells workers and supervisors of the process with which their allocation ends, since they may no longer be
// its descendants. The commands of tasks do not have it.
const WardenVariable = "QME_QUEUE_WARDEN"

// wardenOf returns the warden of the allocation p in which this process is, or of which it has been told.
func wardenOf(p Place) (w warden) {
	if p.Slurm == "" {
		return warden{}
	}
	if _, err := fmt.Sscanf(os.Getenv(WardenVariable), "%d %d", &w.pid, &w.born); err == nil {
		return w
	}
	const mostAncestors = 100
	var files procfs.Reader
	pid := os.Getppid()
	for range mostAncestors {
		s, ok := files.Stat(pid)
		if !ok || pid <= 1 {
			break
		}
		if name, err := files.File(pid, "comm"); err == nil && slices.Contains(wardens, strings.TrimSpace(string(name))) {
			return warden{pid, s.Born}
		}
		pid = s.Parent
	}
	return warden{}
}

// over reports whether the warden, and so its allocation, has ended.
func (w warden) over() bool {
	if w == (warden{}) {
		return false
	}
	s, ok := new(procfs.Reader).Stat(w.pid)
	return !ok || s.Born != w.born || s.Dead()
}

// tell adds the warden to the environment of a worker or supervisor.
func (w warden) tell(env []string) []string {
	if w == (warden{}) {
		return env
	}
	return append(env, fmt.Sprintf("%s=%d %d", WardenVariable, w.pid, w.born))
}

// takeWarden is wardenOf for a process that starts others, which must not have the variable.
func (q *Queue) takeWarden() error {
	q.warden = wardenOf(q.Here())
	return os.Unsetenv(WardenVariable)
}

// settingsOfUser are variables with the prefix of an allocation that the user or the site has set.
var settingsOfUser = []string{"SLURM_CONF", "SLURM_CLUSTERS", "SLURM_TIME_FORMAT"}

// outside returns an environment without the variables of the allocation that it is of, if it is of one, and that is not the
// one of p: a program would take them for its own.
func (p Place) outside(env []string) []string {
	var job string
	for _, kv := range env {
		if id, is := strings.CutPrefix(kv, "SLURM_JOB_ID="); is {
			job = id
		}
	}
	if job == "" || job == p.Slurm {
		return env
	}
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return (strings.HasPrefix(name, "SLURM_") || strings.HasPrefix(name, "SLURMD_")) && !slices.Contains(settingsOfUser, name)
	})
}

const wardenPause = time.Second // between looks at a warden

// await waits until the warden has ended, or ctx.
func (w warden) await(ctx context.Context) (over bool) {
	for !w.over() {
		if !pause(ctx, wardenPause) {
			return false
		}
	}
	return true
}

// pause waits, and reports whether ctx has not ended.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// endWith ends the run of a supervisor when its warden has ended. It does not leave that to the worker, which may have been
// killed before.
func (q *Queue) endWith(ctx context.Context, id record.ID) {
	if q.warden == (warden{}) || !q.warden.await(ctx) {
		return
	}
	// The run may be just about to begin.
	for q.Service.Spool.Tell(id, spool.WordCancel) != nil && pause(ctx, wardenPause) {
	}
}
