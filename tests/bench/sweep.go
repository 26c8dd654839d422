package main

import (
	"errors"
	"fmt"
	"time"
)

const (
	// sweepTasks is how many tasks the sweep has that is measured, and sweepGoal how long they may take to be in the queue.
	sweepTasks = 1000
	sweepGoal  = 1500 * time.Millisecond
)

// sweepGroup measures a sweep whose tasks are held, each time in a home of its own.
func sweepGroup(l *lab) ([]row, error) {
	sweep := func(tasks int) step {
		return func(int) (s sample, err error) {
			home, err := l.empty()
			if err != nil {
				return s, err
			}
			s, err = l.measure(process{argv: []string{l.qme, "--home", home, "-q", "sweep", "--hold", fmt.Sprintf("n=1..%d", tasks), "--", "echo", "{n}"}})
			return s, errors.Join(err, idle(home))
		}
	}
	as, bs, err := l.pairs(l.opts.n, sweep(sweepTasks), sweep(1))
	r := compare(fmt.Sprintf("qme sweep of %d tasks, against %d", sweepTasks, 1), as, bs, 0)
	r.goal, r.verdict = "at most "+short(sweepGoal), judge(as.median() <= sweepGoal)
	return []row{r}, err
}
