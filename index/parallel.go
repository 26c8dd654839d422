package index

import (
	"iter"
	"runtime"
	"sync"
)

// inOrder does jobs on all processors and yields their results in the order of the jobs.
// newWorker is called for each processor; what it returns is for one goroutine. None of
// them is at work any more when the sequence has ended.
func inOrder[J, R any](jobs iter.Seq[J], newWorker func() func(J) R) iter.Seq[R] {
	type task struct {
		job J
		out chan R
	}
	return func(yield func(R) bool) {
		const ahead = 8 // results that wait for their turn
		stop := make(chan struct{})
		todo, order := make(chan task), make(chan chan R, ahead)
		var workers sync.WaitGroup
		defer workers.Wait()
		defer close(stop)
		for range runtime.GOMAXPROCS(0) {
			workers.Go(func() {
				work := newWorker()
				for t := range todo {
					t.out <- work(t.job)
				}
			})
		}
		workers.Go(func() {
			defer close(order)
			defer close(todo)
			for job := range jobs {
				t := task{job, make(chan R, 1)}
				select {
				case order <- t.out:
				case <-stop:
					return
				}
				todo <- t
			}
		})
		for out := range order {
			if !yield(<-out) {
				return
			}
		}
	}
}
