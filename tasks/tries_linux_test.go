package tasks

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"qme/record"
	"qme/tasks/waiting"
	"qme/tests/require"
	"qme/tests/seccomp"
)

// noLocksVariable has a process find no locks on any file system.
const noLocksVariable = "TEST_NO_LOCKS"

// withoutLocks has flock(2) fail in this process, as where a file system has no locks.
func withoutLocks() error { return seccomp.Fail(unix.SYS_FLOCK, unix.ENOLCK) }

// TestManySupervisors has many processes try to run the same tasks, and to recover runs, where there are no
// locks, and kills them at random: the tries of a task never overlap, and each is recorded once.
func TestManySupervisors(t *testing.T) {
	t.Parallel()
	require.Component(t, "seccomp")
	b := newQueued(t)
	const tasks, rounds, most = 6, 12, 40
	// A try that finds another one notes that.
	const line = `mkdir one 2>/dev/null || echo $QME_RUN >>overlaps; echo $QME_RUN >>log; sleep 0.05; rmdir one; test -e stop`
	var all []*record.Record
	for range tasks {
		all = append(all, b.add(line, waiting.Terms{Tries: most}))
	}
	var processes sync.WaitGroup
	for n := range 4 {
		random := rand.New(rand.NewPCG(19, uint64(n)))
		processes.Go(func() {
			for range rounds {
				what := "supervise"
				if random.IntN(4) == 0 {
					what = "recover"
				}
				cmd := b.process(what, all[random.IntN(tasks)].UID)
				cmd.Env = append(cmd.Env, "PATH="+os.Getenv("PATH"), noLocksVariable+"=1")
				cmd.Stderr = nil // most find that another process has the task
				if err := cmd.Start(); err != nil {
					t.Error(err)
					return
				}
				kill := time.AfterFunc(time.Duration(random.IntN(150))*time.Millisecond, func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
				_ = cmd.Wait() // it was killed, or has not got the task
				kill.Stop()
			}
		})
	}
	processes.Wait()
	for _, rec := range all {
		if err := os.WriteFile(filepath.Join(rec.Data.PWD, "stop"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, rec := range all {
		b.settle(rec, 1, most)
		overlaps, err := os.ReadFile(filepath.Join(rec.Data.PWD, "overlaps"))
		if err == nil {
			t.Errorf("tries of %s overlap: %s", rec.UID, strings.Fields(string(overlaps)))
		}
	}
	if ran := fmt.Sprint(b.left()); ran != "[]" {
		t.Errorf("left: %s", ran)
	}
}
