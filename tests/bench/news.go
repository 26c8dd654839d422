package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// newsRuns is how many runs are started and print, one after the other.
func (l *lab) newsRuns() int { return 2 * l.opts.n }

// newsRows measures how long it takes until a client hears that a command has been started, and
// what it has printed.
func (l *lab) newsRows(b *board, home string) ([]row, error) {
	conn, err := b.dial()
	if err != nil {
		return nil, err
	}
	var starts, prints samples
	done := make(chan error, 1) // nobody may wait for it any more
	go func() {
		for len(starts) < l.newsRuns() || len(prints) < l.newsRuns() {
			_, text, err := conn.ReadMessage()
			now := time.Now()
			var m struct {
				Added   []struct{ Started time.Time }
				Printed []struct{ Line string }
			}
			if err = errors.Join(err, json.Unmarshal(text, &m)); err != nil {
				done <- err
				return
			}
			for _, t := range m.Added {
				starts = append(starts, sample{took: now.Sub(t.Started)})
			}
			for _, p := range m.Printed {
				ns, err := strconv.ParseInt(p.Line, 10, 64)
				if err != nil {
					done <- fmt.Errorf("a command has printed %q", p.Line)
					return
				}
				prints = append(prints, sample{took: now.Sub(time.Unix(0, ns))})
			}
		}
		done <- nil
	}()
	run := l.qmeStep(home, "run", "sh", "-c", "sleep 0.1; date +%s%N; sleep 0.3")
	for i := range l.newsRuns() {
		if _, err := run(i); err != nil {
			return nil, err
		}
	}
	select {
	case err = <-done:
	case <-time.After(10 * time.Second):
		err = errors.New("the dashboard has not told of all runs")
	}
	if err = errors.Join(err, conn.Close()); err != nil {
		return nil, err
	}
	tell := func(what string, all samples) row {
		return row{what: what, goal: "at most " + short(oneGoal), figure: short(all.median()) + ", " + short(all.quantile(0.99)), verdict: judge(all.quantile(0.99) <= oneGoal)}
	}
	return []row{
		tell("from a command's start to the one client: median, and of 99 %", starts),
		tell("from when it prints: median, and of 99 %", prints),
	}, nil
}
