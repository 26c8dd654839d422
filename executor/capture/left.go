package capture

import (
	"slices"
	"time"
)

// Left are the processes of a command that go on although the process that ran it has died.
type Left struct{ tree tree }

// NewLeft returns the processes that are left of a command: those of the session, or the process group,
// that the process which ran the command has led, and those with a variable, NAME=value, in their
// environment, and the descendants of these. born is when that process began, in the unit of the
// system's process list, and 0 if it is not known; leader is 0 if its number means nothing here.
func NewLeft(leader int, born uint64, variable string) *Left {
	return &Left{tree{root: leader, group: leader, session: leader, born: born, mark: variable}}
}

// Alive reports whether there are any, but for this process. If the system does not tell, there are.
func (l *Left) Alive() bool {
	if _, err := processes(); err != nil {
		return true
	}
	t := l.tree
	return len(t.living(map[int]uint64{})) > 0
}

// Still reports whether there are any, and all of them stand still.
func (l *Left) Still() bool {
	t := l.tree
	pids := t.living(map[int]uint64{})
	return len(pids) > 0 && !slices.ContainsFunc(pids, func(pid int) bool { return !isStopped(pid) })
}

// Stop has them stand still. Unlike those of a command that is supervised, they are not watched: what another process
// continues or starts later goes on.
func (l *Left) Stop() {
	t := l.tree
	t.hold(map[int]uint64{})
}

// Continue has them go on.
func (l *Left) Continue() {
	t := l.tree
	t.release(map[int]uint64{})
}

// End ends them: they get SIGTERM, and after grace SIGKILL. The channel is closed when none is left that
// can be killed.
func (l *Left) End(grace time.Duration) <-chan struct{} {
	t := l.tree
	return endTree(&t, map[int]uint64{}, grace)
}
