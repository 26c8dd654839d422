package usage

import (
	"bytes"
	"errors"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"qme/internal/procfs"
)

const supported = true

// A tree is the processes of a run: its command, all descendants, those that were descendants, and
// orphans that have the mark of the run, or its group or session to themselves.
type tree struct {
	files   procfs.Reader
	root    int
	mark    string
	begun   bool
	born    uint64 // of root
	group   int    // of all processes of the run and no other; 0 for none
	session int    // likewise
	// reapers are the processes that may get the orphans of the run: this one, its parent, and
	// so on.
	reapers []int
	looked  map[int]bool // children of reapers that are not of the run

	procs  map[int]*process
	hidden map[int]bool // children that could not be looked at
	list   []int        // scratch

	memoryAfter time.Time     // when the memory of all may be read again
	memoryCost  time.Duration // of this sample
	wholeMemory bool          // it is read of all in this sample
	moved       bool          // a process has come or ended since the memory of all was read
	noGroup     bool          // there is no control group of the run alone
	seen        seen
	unreadable  int // in this sample
}

// A process is what was found of one at its last look.
type process struct {
	procfs.Stat
	sched         []byte // its scheduling statistics, which differ once it has run
	read, written uint64
	kids          []int

	pss      int64 // at the last reading
	pssPages int64 // resident pages then
	pssKnown bool
	ran      bool // since then
	rss      bool // its memory is known as RSS alone
	opaque   bool // something could not be read
	round    bool // it was found alive in this sample
}

func newTree(root int, mark string) *tree {
	return &tree{root: root, mark: mark, procs: map[int]*process{}}
}

// look takes a sample, without its time, and returns how much processor time that took, apart
// from reading memory, which limits itself. ok is false if the command has ended, or the kernel
// has no lists of children.
func (t *tree) look() (x Sample, cost time.Duration, ok bool) {
	runtime.LockOSThread() // its clock is read
	defer runtime.UnlockOSThread()
	from, now := threadTime(), time.Now()
	if !t.begun && !t.begin() {
		return Sample{}, 0, false
	}
	t.memoryCost, t.unreadable = 0, 0
	t.wholeMemory = !now.Before(t.memoryAfter)
	ticks, found := t.walk()
	if root := t.procs[t.root]; root == nil || !root.round {
		return Sample{}, 0, false
	}
	ticks = ticks.Plus(t.countEnded(&x, found))
	x.User, x.System = float64(ticks.User)/100, float64(ticks.System)/100
	t.countMemory(&x)
	t.seen.unreadable = max(t.seen.unreadable, t.unreadable)
	if t.wholeMemory {
		t.memoryAfter, t.moved = now.Add(t.memoryCost*share), false
	}
	return x, threadTime() - from - t.memoryCost, true
}

// threadTime returns the processor time of this thread.
func threadTime() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// begin looks at the command and at the ancestors of this process.
func (t *tree) begin() bool {
	root, ok := t.files.Stat(t.root)
	if !ok || !t.files.HasChildren() {
		return false
	}
	t.begun, t.born = true, root.Born
	self, _ := t.files.Stat(os.Getpid())
	if root.Group == t.root {
		t.group = root.Group
	}
	if root.Session != self.Session {
		t.session = root.Session
	}
	for pid := os.Getpid(); pid > 0 && len(t.reapers) < mostReapers; {
		s, ok := t.files.Stat(pid)
		if !ok {
			break
		}
		t.reapers = append(t.reapers, pid)
		pid = s.Parent
	}
	return true
}

// mostReapers bounds the ancestors that are looked at.
const mostReapers = 64

// A change is how much a live process has used since the last look, with the children that it has
// waited for.
type change struct {
	p             *process
	waited        procfs.Ticks // of children alone
	read, written uint64
}

// walk looks at all processes. It returns the ticks of processor time that they have used
// themselves, and by their numbers what else has changed.
func (t *tree) walk() (ticks procfs.Ticks, found map[int]change) {
	found = map[int]change{}
	hidden := map[int]bool{}
	queue := append(t.list[:0], t.root)
	for pid := range t.procs {
		queue = append(queue, pid)
	}
	known := len(queue)
	queue = t.orphans(queue)
	for i := 0; i < len(queue); i++ {
		pid := queue[i]
		p := t.procs[pid]
		if p != nil && p.round || i < known && p == nil && pid != t.root {
			continue
		}
		if p != nil && t.idle(p) {
			p.round = true
			queue = append(queue, p.kids...)
			continue
		}
		p, c, there := t.visit(pid, i >= known)
		if !there {
			if i >= known {
				hidden[pid] = true
			}
			continue
		}
		ticks = ticks.Plus(c.own)
		found[pid] = c.change
		queue = append(queue, p.kids...)
	}
	for pid := range hidden { // twice: it has not just ended
		if t.hidden[pid] {
			t.unreadable++
		}
	}
	t.list, t.hidden = queue, hidden
	return ticks, found
}

// idle reports whether a process with a single thread has not run since the last look.
func (t *tree) idle(p *process) bool {
	if p.Threads != 1 || len(p.sched) == 0 {
		return false
	}
	b, err := t.files.File(p.PID, "schedstat")
	return err == nil && bytes.Equal(b, p.sched)
}

// A use is the change of a process, with the processor time of its own.
type use struct {
	change
	own procfs.Ticks
}

// visit looks at a process. mayBeNew says that it was found now, so that another process may have
// its number since the last look. It is not there if it has ended.
func (t *tree) visit(pid int, mayBeNew bool) (*process, use, bool) {
	sched, err := t.files.File(pid, "schedstat") // before the rest: what happens since counts next time
	if err != nil {
		sched = nil
	}
	sched = bytes.Clone(sched)
	s, ok := t.files.Stat(pid)
	if !ok {
		return nil, use{}, false
	}
	p := t.procs[pid]
	if p != nil && p.Born != s.Born {
		if !mayBeNew {
			return nil, use{}, false // the number is another process's; the old one counts as ended
		}
		p = nil
	}
	if p == nil {
		p = &process{}
		t.procs[pid], t.moved = p, true
	}
	before := *p
	p.Stat, p.sched, p.round, p.opaque, p.ran = s, sched, true, false, true
	c := use{change: change{p: p, waited: s.Waited.Minus(before.Waited)}, own: s.Used.Minus(before.Used)}
	if read, written, err := t.files.IO(pid); err == nil {
		c.read, c.written = read-min(read, before.read), written-min(written, before.written)
		p.read, p.written = read, written
	} else if !s.Dead() {
		p.opaque = true
	}
	p.kids = p.kids[:0]
	if s.Threads > 1 {
		p.kids = t.files.Children(p.kids, pid)
	} else {
		p.kids = t.files.ChildrenOfFirst(p.kids, pid)
	}
	return p, c, true
}

// orphans appends processes of the run that have lost their parents to list. They are children of
// an ancestor of the command now.
func (t *tree) orphans(list []int) []int {
	looked := map[int]bool{}
	var kids []int
	for _, reaper := range t.reapers {
		kids = t.files.ChildrenOfFirst(kids[:0], reaper)
		for _, pid := range kids {
			if t.procs[pid] != nil || pid == t.root {
				continue
			}
			if !t.looked[pid] && t.isOurs(pid) {
				list = append(list, pid)
				continue
			}
			looked[pid] = true
		}
	}
	t.looked = looked
	return list
}

func (t *tree) isOurs(pid int) bool {
	s, ok := t.files.Stat(pid)
	switch {
	case !ok || s.Born < t.born || pid == os.Getpid():
		return false
	case t.group != 0 && s.Group == t.group, t.session != 0 && s.Session == t.session:
		return true
	}
	return t.mark != "" && t.files.HasVariable(pid, t.mark)
}

// countEnded forgets the processes that have ended, and adds what the live ones have got from
// children to x, except the processor time, which it returns in ticks. Of that, what an ended
// process had used until the last look was counted then.
func (t *tree) countEnded(x *Sample, found map[int]change) (ticks procfs.Ticks) {
	var ended []int // forgotten in the end, because the heirs of others are found through them
	for pid, p := range t.procs {
		if p.round {
			continue
		}
		if heir := t.heir(p); heir != 0 {
			if c, ok := found[heir]; ok {
				c.waited = c.waited.Minus(p.Used.Plus(p.Waited))
				c.read -= min(c.read, p.read)
				c.written -= min(c.written, p.written)
				found[heir] = c
			}
		}
		ended, t.moved = append(ended, pid), true
	}
	for _, pid := range ended {
		delete(t.procs, pid)
	}
	for _, c := range found {
		ticks = ticks.Plus(c.waited)
		x.Read += int64(c.read)
		x.Written += int64(c.written)
	}
	return ticks
}

// heir returns the nearest living ancestor of an ended process, 0 for none in the tree.
func (t *tree) heir(p *process) int {
	for range len(t.procs) {
		parent := t.procs[p.Parent]
		if parent == nil {
			return 0
		}
		if parent.round {
			return parent.PID
		}
		p = parent
	}
	return 0
}

// countMemory adds the memory of all processes, and counts them.
func (t *tree) countMemory(x *Sample) {
	var pss, rss int64
	var alive []int
	guessed := false
	for pid, p := range t.procs {
		p.round = false
		if p.Dead() {
			continue
		}
		alive = append(alive, pid)
		p.rss = false
		t.readMemory(p)
		if p.rss {
			guessed = true
			rss += p.Pages * pageSize
		} else {
			pss += p.memory()
		}
		if p.opaque {
			t.unreadable++
		}
	}
	x.Processes, x.Memory = len(alive), pss+rss
	if !guessed {
		t.seen.pss = t.seen.pss || len(alive) > 0
		return
	}
	if !t.noGroup {
		if n, ok := t.cgroupMemory(alive); ok {
			x.Memory, t.seen.cgroup = n, true
			return
		}
		t.noGroup = true
	}
	t.seen.rss, t.seen.pss = true, t.seen.pss || pss > 0
}

var pageSize = int64(os.Getpagesize())

// readMemory reads the memory of a process that is new, or of all when it is time. What a process
// has that did not run since has changed only if another one that shares it has come or ended.
func (t *tree) readMemory(p *process) {
	first := !p.pssKnown || p.guess() < 0 // it runs another program now
	if !first && (!t.wholeMemory || !p.ran && !t.moved) {
		return
	}
	p.ran = false
	from := threadTime()
	pss, own, err := t.files.PSS(p.PID)
	switch {
	case errors.Is(err, unix.ESRCH), errors.Is(err, unix.ENODATA), errors.Is(err, unix.ENOENT) && !t.alive(p):
		p.pss, p.pssPages = 0, p.Pages // it is ending, and has no memory any more
	case err != nil:
		p.rss, p.opaque = true, true
	case !t.wholeMemory:
		// The others have their memory of an earlier time, which includes what they share with
		// this one.
		p.pss, p.pssPages, p.pssKnown = own, p.Pages, true
	default:
		p.pss, p.pssPages, p.pssKnown = pss, p.Pages, true
	}
	if t.wholeMemory {
		t.memoryCost += threadTime() - from
	}
}

func (t *tree) alive(p *process) bool {
	s, ok := t.files.Stat(p.PID)
	return ok && s.Born == p.Born && !s.Dead()
}

// memory is the last known PSS, and what the process has got or given back since.
func (p *process) memory() int64 { return max(0, p.guess()) }

func (p *process) guess() int64 { return p.pss + (p.Pages-p.pssPages)*pageSize }
