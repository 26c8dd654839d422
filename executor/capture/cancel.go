package capture

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// killRounds bounds how often SIGKILL is sent to new processes, and to those that we
	// may not kill.
	killRounds = 50
	treePoll   = 20 * time.Millisecond // while something that was cancelled lives on
)

// A tree says which processes a command has started: all descendants of root, the
// process group and the session. 0 in group or session stands for none.
type tree struct {
	root, group, session int
	spareRoot            bool           // root is not the command but our monitor
	born                 uint64         // of root, once it was seen
	mark                 string         // NAME=value in the environment of all that the command starts, "" for none
	looked               map[int]uint64 // processes whose environment has no mark
}

// A proc is an entry of the system's list of processes.
type proc struct {
	pid, ppid, pgrp, session int
	born                     uint64 // with pid, names a process for ever
	dead                     bool   // a zombie, which needs no signal
}

// endTree ends the processes of a tree: SIGTERM, and after grace SIGKILL to those that are
// left. The channel is closed when none is left that can be killed.
func endTree(t *tree, grace time.Duration) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		seen := map[int]uint64{}
		for _, p := range t.living(seen) {
			_ = unix.Kill(p, unix.SIGTERM)
			_ = unix.Kill(p, unix.SIGCONT) // a stopped process would not notice
		}
		for end := time.Now().Add(grace); time.Now().Before(end); {
			if len(t.living(seen)) == 0 {
				return
			}
			time.Sleep(min(treePoll, time.Until(end)))
		}
		for range killRounds {
			left := t.living(seen)
			if len(left) == 0 {
				return
			}
			for _, p := range left {
				_ = unix.Kill(p, unix.SIGKILL)
			}
			time.Sleep(treePoll)
		}
	}()
	return done
}

// living returns the processes of the tree that are alive. seen has those that
// belonged to it earlier, and gets those found now: a process whose parent has ended
// is no longer to be recognised by it.
func (t *tree) living(seen map[int]uint64) []int {
	procs, err := processes()
	if err != nil {
		return t.withoutList()
	}
	t.checkRoot(procs)
	known := map[int]uint64{}
	for _, p := range procs {
		if born, ok := seen[p.pid]; ok && born == p.born || t.has(p) {
			known[p.pid] = p.born
		}
	}
	for grown := true; grown; {
		grown = false
		for _, p := range procs {
			if _, mine := known[p.pid]; mine {
				continue
			}
			if _, ok := known[p.ppid]; ok || t.root != 0 && p.ppid == t.root || t.marked(p) {
				known[p.pid] = p.born
				grown = true
			}
		}
	}
	var pids []int
	for _, p := range procs {
		if _, ok := known[p.pid]; ok && !t.spared(p.pid) {
			seen[p.pid] = p.born
			if !p.dead {
				pids = append(pids, p.pid)
			}
		}
	}
	return pids
}

// withoutList returns the processes that can be signalled where the system gives no list of
// them: the command's group, or the command.
func (t *tree) withoutList() []int {
	target := t.root
	switch {
	case t.group != 0:
		target = -t.group
	case t.spareRoot:
		return nil // the session's end will have to do
	}
	if unix.Kill(target, 0) != nil {
		return nil
	}
	return []int{target}
}

// checkRoot empties the tree when the root's number has become that of another process.
func (t *tree) checkRoot(procs []proc) {
	for _, p := range procs {
		if p.pid != t.root {
			continue
		}
		if t.born == 0 {
			t.born = p.born
		}
		if t.born != p.born {
			*t = tree{mark: t.mark, looked: t.looked}
		}
		return
	}
}

func (t *tree) has(p proc) bool {
	return t.root != 0 && p.pid == t.root || t.group != 0 && p.pgrp == t.group || t.session != 0 && p.session == t.session
}

// marked says whether a process has the mark: one that has left its session and lost its
// parents is known by nothing else. Each process is looked at once.
func (t *tree) marked(p proc) bool {
	if t.mark == "" || p.dead || t.spared(p.pid) {
		return false
	}
	if born, ok := t.looked[p.pid]; ok && born == p.born {
		return false
	}
	if hasVariable(p.pid, t.mark) {
		return true
	}
	if t.looked == nil {
		t.looked = map[int]uint64{}
	}
	t.looked[p.pid] = p.born
	return false
}

func (t *tree) spared(pid int) bool {
	return t.spareRoot && pid == t.root || pid == syscall.Getpid()
}
