package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// crowd are the clients of the websocket.
	crowd     = 1000
	eventGoal = 500 * time.Millisecond
)

// crowdRuns is how many runs they hear of, each way.
func (l *lab) crowdRuns() int { return 25 * l.opts.n }

// A crowdPace says how often a run is started, and how: as often as the goal has it, by one process
// and each by a "qme run" of its own, and as often as a machine with two cores has time for.
var crowdPaces = []struct {
	every time.Duration
	here  bool
}{{time.Second / 50, true}, {time.Second / 50, false}, {time.Second / 20, false}}

// crowdGroup measures how long it takes until many clients have heard of many runs.
func crowdGroup(l *lab) (rows []row, err error) {
	home, err := l.copyOf(l.opts.tasks)
	if err != nil {
		return nil, err
	}
	b, err := l.serve(home)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.end()) }()
	if _, err := b.load(); err != nil {
		return nil, err
	}
	before := memory(b.cmd.Process.Pid)
	clients := make([]*listener, crowd)
	for i := range clients {
		clients[i] = &listener{seen: map[string]time.Time{}}
		if err := clients[i].connect(b); err != nil {
			return nil, err
		}
	}
	held := float64(memory(b.cmd.Process.Pid)-before) / crowd / 1e3
	for _, pace := range crowdPaces {
		run, how := l.runThere(home), "each a process"
		if pace.here {
			if run, err = runHere(home); err != nil {
				return nil, err
			}
			how = "by one process"
		}
		more, err := l.crowdRows(b, home, clients, pace.every, run, how)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
		if err := l.settle(home); err != nil {
			return nil, err
		}
	}
	for _, c := range clients {
		_ = c.conn.Close() // the server may have dropped it, which the rows say
	}
	return append(rows, row{what: "memory for each client", figure: fmt.Sprintf("%.1f KB", held), verdict: noGoal}), nil
}

// A spent is processor time.
type spent struct{ server, clients, runs time.Duration }

// spentBy returns the processor time so far of a server, of this process, which is the clients, and of
// the runs that it has waited for.
func spentBy(b *board) (s spent, err error) {
	if s.server, err = processorOf(b.cmd.Process.Pid); err != nil {
		return spent{}, err
	}
	var self, children syscall.Rusage
	if err := errors.Join(syscall.Getrusage(syscall.RUSAGE_SELF, &self), syscall.Getrusage(syscall.RUSAGE_CHILDREN, &children)); err != nil {
		return spent{}, err
	}
	s.clients = time.Duration(self.Utime.Nano() + self.Stime.Nano())
	s.runs = time.Duration(children.Utime.Nano() + children.Stime.Nano())
	return s, nil
}

// A listener is a client of the websocket.
type listener struct {
	conn *websocket.Conn
	mu   sync.Mutex
	seen map[string]time.Time // when it heard of the end of a run, by the task's id
}

func (c *listener) connect(b *board) (err error) {
	if c.conn, err = b.dial(); err != nil {
		return err
	}
	go c.listen()
	return nil
}

// dial opens a websocket and reads the greeting, from which on it hears everything.
func (b *board) dial() (*websocket.Conn, error) {
	conn, resp, err := websocket.DefaultDialer.Dial("ws://"+b.base+"/api/live", http.Header{"Authorization": {"Bearer " + b.key}})
	if err != nil {
		return nil, err
	}
	_, _, err = conn.ReadMessage()
	return conn, errors.Join(err, resp.Body.Close())
}

func (c *listener) listen() {
	for {
		_, b, err := c.conn.ReadMessage()
		if err != nil {
			return // it was dropped, or has heard enough
		}
		now := time.Now()
		c.mu.Lock()
		for _, id := range endedIn(b) {
			if c.seen[id].IsZero() {
				c.seen[id] = now
			}
		}
		c.mu.Unlock()
	}
}

// deaf reports whether it has not heard of the end of a run.
func (c *listener) deaf(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[id].IsZero()
}

// after returns how long after some moments it heard of the ends of runs, and how many of them it
// has not heard of.
func (c *listener) after(moments map[string]time.Time) (all samples, missing int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, moment := range moments {
		heard, ok := c.seen[id]
		if !ok {
			missing++
			continue
		}
		all = append(all, sample{took: max(0, heard.Sub(moment))})
	}
	return all, missing
}

// A toldTask is what a message says of a run.
type toldTask struct {
	ID       string
	Finished *time.Time
}

// endedIn returns the runs that a message says have ended. All clients get the same
// message, which is read once: it is the server that is measured. Its beginning has the version,
// which no other has.
var endedIn = func() func([]byte) []string {
	var mu sync.Mutex
	known := map[string][]string{}
	return func(text []byte) []string {
		mu.Lock()
		defer mu.Unlock()
		key := text[:min(len(text), 60)]
		list, ok := known[string(key)]
		if ok {
			return list
		}
		var m struct{ Added, Changed []toldTask }
		if json.Unmarshal(text, &m) == nil {
			for _, t := range append(m.Added, m.Changed...) {
				if t.Finished != nil {
					list = append(list, t.ID)
				}
			}
		}
		known[string(key)] = list
		return list
	}
}()

// crowdRows has many clients hear of many runs.
func (l *lab) crowdRows(b *board, home string, clients []*listener, pace time.Duration, run runner, how string) ([]row, error) {
	from, err := spentBy(b)
	if err != nil {
		return nil, err
	}
	returned, took, err := l.paced(pace, run)
	if err != nil {
		return nil, err
	}
	to, err := spentBy(b)
	if err != nil {
		return nil, err
	}
	finished, err := l.finished(home)
	if err != nil {
		return nil, err
	}
	for id := range finished {
		if _, ok := returned[id]; !ok {
			delete(finished, id) // it ran before
		}
	}
	var ends, returns samples
	missing := 1
	for until := time.Now().Add(10 * time.Second); missing > 0 && time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		missing, ends, returns = 0, nil, nil
		for _, c := range clients {
			since, lost := c.after(finished)
			later, _ := c.after(returned)
			ends, returns, missing = append(ends, since...), append(returns, later...), missing+min(lost, 1)
		}
	}
	at := fmt.Sprintf("%.0f runs a second (%.0f wanted, %s)", float64(len(returned))/took.Seconds(), float64(time.Second)/float64(pace), how)
	times := func(all samples) string { return short(all.median()) + ", " + short(all.quantile(0.99)) }
	return []row{
		{what: fmt.Sprintf("from a command's end to %d clients, at %s and %d tasks: median, and of 99 %%", crowd, at, l.opts.tasks), goal: "at most " + short(eventGoal),
			figure: times(ends), verdict: judge(ends.quantile(0.99) <= eventGoal)},
		{what: "from when the run has been recorded", goal: "at most " + short(eventGoal), figure: times(returns), verdict: judge(returns.quantile(0.99) <= eventGoal)},
		{what: "processor time meanwhile of the server, of the clients and of the runs", verdict: noGoal,
			figure: fmt.Sprintf("%s, %s, %s in %s on %d cores", short(to.server-from.server), short(to.clients-from.clients), short(to.runs-from.runs), short(took), runtime.NumCPU())},
		{what: "clients that did not hear of all runs", goal: "none", figure: fmt.Sprint(missing), verdict: judge(missing == 0)},
	}, nil
}

// paced starts runs one after the other at a pace, and returns when each has returned, by the task's
// id, and how long all of it took.
func (l *lab) paced(pace time.Duration, run runner) (returned map[string]time.Time, took time.Duration, err error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	returned = map[string]time.Time{}
	begin := time.Now()
	for i := range l.crowdRuns() {
		time.Sleep(time.Until(begin.Add(time.Duration(i) * pace)))
		wg.Go(func() {
			id, err := run(l.ctx)
			now := time.Now()
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
			returned[id] = now
		})
	}
	wg.Wait()
	return returned, time.Since(begin), errors.Join(errs...)
}

// A runner runs a command and returns the task's id, once it is recorded.
type runner = func(context.Context) (id string, err error)

// runThere returns a runner that starts qme.
func (l *lab) runThere(home string) runner {
	return func(context.Context) (string, error) {
		said, err := l.command(process{argv: []string{l.qme, "--home", home, "run", "true"}}).CombinedOutput()
		id, _, _ := strings.Cut(strings.TrimPrefix(string(said), "["), "]")
		return id, err
	}
}

// finished returns when the commands of the newest tasks ended.
func (l *lab) finished(home string) (map[string]time.Time, error) {
	text, err := l.text("", l.qme, "--home", home, "ls", "--json", "-n", strconv.Itoa(l.crowdRuns()))
	if err != nil {
		return nil, err
	}
	all := map[string]time.Time{}
	for line := range strings.Lines(text) {
		var rec struct {
			UID  string
			Data struct{ Finished time.Time }
		}
		if err := json.Unmarshal([]byte(line), &rec); err != nil {
			return nil, err
		}
		all[rec.UID] = rec.Data.Finished
	}
	return all, nil
}
