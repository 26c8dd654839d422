// Package ordered does jobs on all processors and returns their results in the order of
// the jobs.
package ordered

import (
	"iter"
	"runtime"
	"sync"
)

// Map does each job once and yields the results in the order of the jobs. newWorker is
// called for each processor, and the function that it returns is used by one goroutine.
// At most ahead results are buffered. When the sequence has ended, early or not, no job
// and no worker is running any more.
func Map[J, R any](jobs iter.Seq[J], ahead int, newWorker func() func(J) R) iter.Seq[R] {
	return FlatMap(jobs, ahead, func() func(J, func(R) bool) {
		work := newWorker()
		return func(job J, yield func(R) bool) { yield(work(job)) }
	})
}

// FlatMap is like Map for jobs with any number of results. The results of a job are
// yielded together, in the order in which the job passes them to its yield. That yield
// blocks while the job has more than one result ahead of its turn, and returns false if
// the consumer has stopped.
func FlatMap[J, R any](jobs iter.Seq[J], ahead int, newWorker func() func(J, func(R) bool)) iter.Seq[R] {
	return func(yield func(R) bool) {
		stop := make(chan struct{})
		todo, order := make(chan task[J, R]), make(chan chan R, ahead)
		var running sync.WaitGroup
		defer running.Wait() // the caller may close the source of the jobs after the loop
		defer close(stop)
		for range runtime.GOMAXPROCS(0) {
			running.Go(func() {
				work := newWorker()
				for t := range todo {
					t.do(work, stop)
				}
			})
		}
		running.Go(func() {
			defer close(order)
			defer close(todo)
			deal(jobs, todo, order, stop)
		})
		for results := range order {
			for r := range results {
				if !yield(r) {
					return
				}
			}
		}
	}
}

// A task is a job with the channel for its results.
type task[J, R any] struct {
	job     J
	results chan R
}

func (t task[J, R]) do(work func(J, func(R) bool), stop <-chan struct{}) {
	defer close(t.results)
	work(t.job, func(r R) bool {
		select {
		case t.results <- r:
			return true
		case <-stop:
			return false
		}
	})
}

// deal sends the jobs to the workers, and the channels of their results to the consumer.
func deal[J, R any](jobs iter.Seq[J], todo chan<- task[J, R], order chan<- chan R, stop <-chan struct{}) {
	for job := range jobs {
		t := task[J, R]{job, make(chan R, 1)}
		select {
		case order <- t.results:
		case <-stop:
			return
		}
		select {
		case todo <- t:
		case <-stop:
			return
		}
	}
}
