// Package usage samples what the processes of a run use over time: processor, memory, bytes
// read and written.
package usage

import (
	"sync"
	"time"

	"qme/record"
)

// Options say what is sampled.
type Options struct {
	// PID is the command's process. All its descendants are looked at, and processes with Mark,
	// NAME=value, in their environment that have lost their parents.
	PID  int
	Mark string
	// Interval is the time before the first sample and, at first, between two. Zero means that
	// none are taken.
	Interval time.Duration
	// Store, if not nil, keeps the samples for the case that this process is killed. It is
	// called by one goroutine at a time, and not after End.
	Store Store
}

// A Store keeps the stored form of samples.
type Store interface {
	// Append adds bytes at the end, and Replace puts others in the place of all.
	Append(b []byte) error
	Replace(b []byte) error
}

// share is the largest part of a processor that sampling takes: after a sample that took a time t,
// the next one is taken at least t*share later. Memory is looked at as rarely. So both together
// take half a hundredth of a processor.
const share = 400

// A Sampler samples the processes of a run in the background.
type Sampler struct {
	o     Options
	begun time.Time
	tree  *tree // only of the goroutine that takes a sample
	gpus  *gpuWatch

	mu       sync.Mutex // guards the rest
	timer    *time.Timer
	ended    bool
	paused   time.Time     // since when nothing is sampled; zero: it is
	without  time.Duration // for how long nothing was sampled before
	interval time.Duration
	last     time.Duration // when the last sample was taken
	series   Series
	totals   totals
	seen     seen
	stored   bool  // the store has the samples so far
	err      error // the first of the store
}

// Start begins to sample a command that has just started. It returns nil, on which all methods do
// nothing, if there is nothing to do. Nothing is looked at before the first sample.
func Start(o Options) *Sampler {
	if o.Interval <= 0 || o.PID <= 0 || !supported {
		return nil
	}
	s := &Sampler{o: o, begun: time.Now(), interval: o.Interval, gpus: newGPUWatch()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = time.AfterFunc(o.Interval, s.sample)
	return s
}

// sample takes a sample, and has the next one taken. It holds no lock while it reads /proc, where
// it may have to wait for a process that hangs in the kernel.
func (s *Sampler) sample() {
	if s.tree == nil {
		s.tree = newTree(s.o.PID, s.o.Mark)
	}
	at := s.elapsed()
	x, cost, ok := s.tree.look()
	if !ok {
		return // the command has ended, or its processes cannot be listed
	}
	withGPUs := s.gpus.look(s.tree, at, &x)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	x.Time = at.Seconds()
	s.totals.add(x, (at - s.last).Seconds())
	s.last = at
	s.seen = s.tree.seen
	joined := s.series.add(x)
	if joined {
		s.interval *= 2
	}
	first := withGPUs && !s.series.GPU // all lines have further columns now
	s.series.GPU = s.series.GPU || withGPUs
	s.store(x, joined || first)
	if s.paused.IsZero() {
		s.timer.Reset(max(s.interval, cost*share))
	}
}

// elapsed returns the time since the command has started, without that of pauses.
func (s *Sampler) elapsed() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if !s.paused.IsZero() {
		now = s.paused
	}
	return now.Sub(s.begun) - s.without
}

// Pause takes no more samples until Resume: the processes of the run stand still, and that is no time
// of the run.
func (s *Sampler) Pause() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || !s.paused.IsZero() {
		return
	}
	s.timer.Stop()
	s.paused = time.Now()
}

// Resume ends a Pause.
func (s *Sampler) Resume() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.paused.IsZero() {
		return
	}
	s.without += time.Since(s.paused)
	s.paused = time.Time{}
	s.timer.Reset(s.interval)
}

// store hands the sample x, or after a change of the others all samples, to the store.
func (s *Sampler) store(x Sample, changed bool) {
	if s.o.Store == nil || s.err != nil {
		return
	}
	if changed || !s.stored {
		s.stored = true
		s.err = s.o.Store.Replace(s.series.Encode())
		return
	}
	s.err = s.o.Store.Append(s.series.line(nil, x))
}

// End ends the sampling, and puts what was found into u, which may be nil. It returns the stored
// form of the samples, nil if there are none, and the first error of the store. It does not wait
// for a sample that is being taken.
func (s *Sampler) End(u *record.Usage) ([]byte, error) {
	if s == nil {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.timer.Stop()
	s.gpus.end()
	if len(s.series.Samples) == 0 {
		return nil, s.err
	}
	if u != nil {
		s.totals.put(u, len(s.series.Samples))
		u.Interval = s.interval.Seconds()
		u.MemoryKind, u.Unreadable = s.seen.kind(), s.seen.unreadable
	}
	return s.series.Encode(), s.err
}

// seen is how the values of a run were found.
type seen struct {
	pss, rss, cgroup bool
	unreadable       int // the most processes at once of which something could not be read
}

func (s *seen) kind() string {
	switch {
	case !s.pss && !s.rss && !s.cgroup:
		return ""
	case s.pss && !s.rss && !s.cgroup:
		return record.MemoryPSS
	case s.cgroup && !s.rss && !s.pss:
		return record.MemoryCgroup
	case s.rss && !s.pss && !s.cgroup:
		return record.MemoryRSS
	}
	return record.MemoryMixed
}
