package capture

import (
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// killRounds is the maximal number of rounds of SIGKILL, since new processes may
	// appear and some may not be killed.
	killRounds = 50
	treePoll   = 20 * time.Millisecond // interval of checks for living processes
)

// A tree describes the processes that a command has started: all descendants of root, the
// process group and the session. A group or session of 0 is not used.
type tree struct {
	root, group, session int
	spareRoot            bool           // root is not the command, but our monitor
	born                 uint64         // of root, once it has been seen
	mark                 string         // NAME=value in the environment of all processes of the command, "" for none
	looked               map[int]uint64 // processes without the mark in their environment
}

// A proc is an entry in the process list of the system.
type proc struct {
	pid, ppid, pgrp, session int
	born                     uint64 // identifies a process uniquely, together with pid
	dead                     bool   // a zombie, which needs no signal
}

// endTree ends the processes of a tree: it sends SIGTERM, and after grace SIGKILL to the
// remaining processes. seen is as for living, and must not be used any more. The channel is closed when
// no process is left that can be killed.
func endTree(t *tree, seen map[int]uint64, grace time.Duration) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, p := range t.living(seen) {
			_ = unix.Kill(p, unix.SIGTERM)
			_ = unix.Kill(p, unix.SIGCONT) // so that a stopped process notices
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

// living returns the living processes of the tree, each after its parent. seen holds the processes that belonged
// to it earlier, and living adds those found now: a process whose parent has ended can no
// longer be recognised by its parent.
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
	parents := map[int]int{}
	for _, p := range procs {
		if _, ok := known[p.pid]; ok && !t.spared(p.pid) {
			seen[p.pid] = p.born
			parents[p.pid] = p.ppid
			if !p.dead {
				pids = append(pids, p.pid)
			}
		}
	}
	slices.SortStableFunc(pids, func(a, b int) int { return depth(a, parents) - depth(b, parents) })
	return pids
}

// depth returns how many ancestors of a process are in parents.
func depth(pid int, parents map[int]int) (n int) {
	for range parents { // which may have a circle, since processes end while they are read
		parent, ok := parents[pid]
		if !ok {
			break
		}
		pid = parent
		n++
	}
	return n
}

// withoutList returns the processes to signal if the system provides no process list: the
// group of the command, or the command.
func (t *tree) withoutList() []int {
	target := t.root
	switch {
	case t.group != 0:
		target = -t.group
	case t.spareRoot:
		return nil // rely on the end of the session
	}
	if unix.Kill(target, 0) != nil {
		return nil
	}
	return []int{target}
}

// checkRoot empties the tree if the pid of root has been reused.
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

// marked reports whether a process has the mark, the only trace of a process that has
// left its session and lost its parents. Each process is examined once.
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
