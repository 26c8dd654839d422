package usage_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"qme/provenance/usage"
	"qme/record"
)

// kept is a store in memory.
type kept struct {
	mu   sync.Mutex
	text string
	err  error
	// more holds one signal, so that what is stored before a test waits is not missed.
	more chan struct{}
}

func (k *kept) Append(b []byte) error { return k.put(string(b), true) }

func (k *kept) Replace(b []byte) error { return k.put(string(b), false) }

func (k *kept) put(s string, after bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !after {
		k.text = ""
	}
	k.text += s
	select {
	case k.more <- struct{}{}:
	default:
	}
	return k.err
}

func start(t *testing.T, script string) *exec.Cmd {
	t.Helper()
	c := exec.Command("sh", "-c", script)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL); _ = c.Wait() })
	return c
}

// The samples of a real command are stored as they come, and its memory is that of its processes.
func TestSampler(t *testing.T) {
	c := start(t, "sleep 60 & sleep 60 & read forever </dev/zero & wait")
	store := &kept{more: make(chan struct{}, 1)}
	s := usage.Start(usage.Options{PID: c.Process.Pid, Interval: 10 * time.Millisecond, Store: store})
	for range 4 {
		<-store.more
	}
	u := &record.Usage{Read: 5}
	text, err := s.End(u)
	if err != nil || string(text) != store.text {
		t.Errorf("%v: %q is stored instead of %q", err, store.text, text)
	}
	if u.Samples < 3 || u.Processes != 4 || u.PeakMemory < u.MeanMemory || u.MeanMemory == 0 || u.MemoryKind != record.MemoryPSS || u.Read < 5 {
		t.Errorf("usage: %+v", u)
	}
	again := &record.Usage{}
	if whole, err := usage.Salvage(again, text); err != nil || string(whole) != string(text) || again.PeakMemory != u.PeakMemory || again.Samples != u.Samples || again.Processes != u.Processes {
		t.Errorf("salvaged: %+v, %v", again, err)
	}
}

// A store that fails is not asked again, and its error is told; the samples are there.
func TestStoreFails(t *testing.T) {
	c := start(t, "sleep 60")
	full := errors.New("full")
	store := &kept{err: full, more: make(chan struct{}, 1)}
	s := usage.Start(usage.Options{PID: c.Process.Pid, Interval: time.Millisecond, Store: store})
	<-store.more
	text, err := s.End(nil)
	if !errors.Is(err, full) || !strings.HasPrefix(string(text), "time,") {
		t.Errorf("%q, %v", text, err)
	}
}

// A short run has no samples, and nothing waits for a sampler that is ended.
func TestNoSamples(t *testing.T) {
	u := &record.Usage{}
	for _, o := range []usage.Options{{PID: os.Getpid(), Interval: time.Hour}, {PID: os.Getpid()}} {
		if text, err := usage.Start(o).End(u); text != nil || err != nil || *u != (record.Usage{}) {
			t.Errorf("%q, %v, %+v", text, err, u)
		}
	}
}

// While the processes stand still nothing is sampled, and the time does not count.
func TestPause(t *testing.T) {
	c := start(t, "sleep 60")
	store := &kept{more: make(chan struct{}, 1)}
	began := time.Now()
	s := usage.Start(usage.Options{PID: c.Process.Pid, Interval: 5 * time.Millisecond, Store: store})
	<-store.more
	s.Pause()
	s.Pause()
	time.Sleep(50 * time.Millisecond) // one may have been under way
	store.mu.Lock()
	before := strings.Count(store.text, "\n")
	store.mu.Unlock()
	const still = 500 * time.Millisecond
	time.Sleep(still)
	store.mu.Lock()
	during := strings.Count(store.text, "\n") - before
	select {
	case <-store.more:
	default:
	}
	store.mu.Unlock()
	s.Resume()
	<-store.more
	text, err := s.End(nil)
	whole := time.Since(began)
	if err != nil || during != 0 {
		t.Errorf("%d samples were taken meanwhile, %v", during, err)
	}
	series, err := usage.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if last := series.Samples[len(series.Samples)-1].Time; last > (whole - still).Seconds() {
		t.Errorf("the last sample is of %v s of %v, of which %v do not count", last, whole, still)
	}
}
