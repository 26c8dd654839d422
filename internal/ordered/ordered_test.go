package ordered_test

import (
	"iter"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"qme/internal/ordered"
)

func upTo(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

func TestMap(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	var workers atomic.Int32
	newWorker := func() func(int) int {
		workers.Add(1)
		return func(i int) int {
			time.Sleep(time.Duration(i%3) * time.Millisecond) // later ones are ready first
			return i * i
		}
	}
	got := slices.Collect(ordered.Map(upTo(100), 8, newWorker))
	if len(got) != 100 || !slices.IsSorted(got) || got[99] != 99*99 {
		t.Errorf("got %v", got)
	}
	if workers.Load() != 4 {
		t.Errorf("%d workers for 4 processors", workers.Load())
	}
	if got := slices.Collect(ordered.Map(upTo(0), 8, newWorker)); got != nil {
		t.Errorf("without jobs: %v", got)
	}
}

// Jobs whose results come in many pieces wait for their turn, and those before them go on.
func TestFlatMap(t *testing.T) {
	var want []int
	for i := range 50 {
		want = append(want, slices.Repeat([]int{i}, i%5*10)...)
	}
	got := slices.Collect(ordered.FlatMap(upTo(50), 3, func() func(int, func(int) bool) {
		return func(i int, yield func(int) bool) {
			for range i % 5 * 10 {
				if !yield(i) {
					t.Error("the consumer has not stopped")
				}
			}
		}
	}))
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

// A consumer that stops early is not followed by anything that still runs.
func TestStopped(t *testing.T) {
	for _, after := range []int{0, 1, 10} {
		var running atomic.Int32
		var dealt, refused atomic.Int32
		jobs := func(yield func(int) bool) {
			running.Add(1)
			defer running.Add(-1)
			for i := 0; yield(i); i++ {
				dealt.Add(1)
			}
		}
		for i := range ordered.FlatMap(jobs, 4, func() func(int, func(int) bool) {
			return func(i int, yield func(int) bool) {
				running.Add(1)
				defer running.Add(-1)
				for yield(i) {
				}
				refused.Add(1)
			}
		}) {
			if after--; after < 0 {
				if i != 0 {
					t.Errorf("got a result of job %d: the first does not end", i)
				}
				break
			}
		}
		if n := running.Load(); n != 0 {
			t.Errorf("%d still run after the loop", n)
		}
		if refused.Load() == 0 {
			t.Error("no job was told that the consumer has stopped")
		}
		if n := int(dealt.Load()); n > 4+1+runtime.GOMAXPROCS(0) {
			t.Errorf("%d jobs were handed out", n)
		}
	}
}

// A consumer that is slow bounds how many results are made.
func TestAhead(t *testing.T) {
	const ahead = 4
	var made atomic.Int32
	seen := 0
	for range ordered.Map(upTo(200), ahead, func() func(int) int {
		return func(i int) int { made.Add(1); return i }
	}) {
		seen++
		if seen%50 == 0 {
			time.Sleep(10 * time.Millisecond) // the workers could run away meanwhile
		}
		if n := int(made.Load()); n > seen+ahead+1 {
			t.Fatalf("%d results made when %d were taken", n, seen)
		}
	}
}
