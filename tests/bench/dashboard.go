package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const (
	oneGoal    = 300 * time.Millisecond
	pageRatio  = 1.2
	besideGoal = 1.1
)

// A board is a dashboard that serves a home.
type board struct {
	cmd       *exec.Cmd
	base, key string
	began     time.Time
}

func (l *lab) serve(home string) (*board, error) {
	b := &board{began: time.Now()}
	b.cmd = exec.CommandContext(l.ctx, l.qme, "--home", home, "start", "--port", "0", "--no-browser")
	b.cmd.Env, b.cmd.Dir = l.env, l.plain
	out, err := b.cmd.StdoutPipe()
	if err == nil {
		err = b.cmd.Start()
	}
	if err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	u, perr := url.Parse(strings.TrimSpace(line))
	if err = errors.Join(err, perr); err != nil {
		return nil, errors.Join(err, b.end())
	}
	b.base, b.key = u.Host, u.Query().Get("token")
	return b, nil
}

func (b *board) end() error {
	_ = b.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	return b.cmd.Wait()
}

// get asks for something and returns how long the answer took.
func (b *board) get(path string, v any) (sample, error) {
	req, err := http.NewRequest("GET", "http://"+b.base+path, nil)
	if err != nil {
		return sample{}, err
	}
	req.Header.Set("Authorization", "Bearer "+b.key)
	begin := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return sample{}, err
	}
	body, err := io.ReadAll(resp.Body)
	s := sample{took: time.Since(begin)}
	if err = errors.Join(err, resp.Body.Close()); err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, resp.Status, body)
	}
	if err == nil && v != nil {
		err = json.Unmarshal(body, v)
	}
	return s, err
}

// load waits until the whole history is shown, and returns when that was.
func (b *board) load() (time.Duration, error) {
	for {
		var info struct{ Loaded struct{ Complete bool } }
		if _, err := b.get("/api/info", &info); err != nil || info.Loaded.Complete {
			return time.Since(b.began), err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// memory returns what a process holds now, and 0 where the system does not tell.
func memory(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	var all, resident int64
	if _, err := fmt.Sscan(string(b), &all, &resident); err != nil {
		return 0
	}
	return resident * int64(os.Getpagesize())
}

// firstPage is what is asked for first.
const firstPage = "/api/tasks?limit=100"

// dashboardGroup measures the server alone: the page is measured by a browser.
func dashboardGroup(l *lab) (rows []row, err error) {
	small, err := l.copyOf(100)
	if err != nil {
		return nil, err
	}
	large, err := l.copyOf(l.opts.tasks)
	if err != nil {
		return nil, err
	}
	few, err := l.serve(small)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, few.end()) }()
	many, err := l.serve(large)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, many.end()) }()
	if _, err := many.get(firstPage, nil); err != nil {
		return nil, err
	}
	shown := time.Since(many.began)
	loaded, err := many.load()
	if err != nil {
		return nil, err
	}
	held := memory(many.cmd.Process.Pid)
	weighs, files, err := many.weight()
	if err != nil {
		return nil, err
	}
	a, b, err := l.pairs(5*l.opts.n, func(int) (sample, error) { return many.get(firstPage, nil) }, func(int) (sample, error) { return few.get(firstPage, nil) })
	if err != nil {
		return nil, err
	}
	rows = []row{
		compare(fmt.Sprintf("first page of the dashboard at %d tasks, against 100", l.opts.tasks), a, b, pageRatio),
		{what: fmt.Sprintf("from qme start to the first page, and to all of %d tasks", l.opts.tasks), figure: short(shown) + ", " + short(loaded), verdict: noGoal},
		{what: "memory of the dashboard then", figure: mb(held), verdict: noGoal},
		{what: "the page with all that it loads, as it is sent", goal: "under " + mb(weightGoal), figure: fmt.Sprintf("%.1f KB in %d files", float64(weighs)/1e3, files), verdict: judge(weighs < weightGoal)},
	}
	for _, path := range []string{"/api/tasks?limit=100&sort=command", "/api/overview"} {
		s, err := many.get(path, nil)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{what: path + " at so many tasks, the first time", figure: short(s.took), verdict: noGoal})
	}
	for _, measure := range []func(*board, string) ([]row, error){l.newsRows, l.besideRows} {
		more, err := measure(many, large)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// besideRows measures runs while somebody looks.
func (l *lab) besideRows(b *board, home string) ([]row, error) {
	other, err := l.copyOf(l.opts.tasks)
	if err != nil {
		return nil, err
	}
	c := &listener{seen: map[string]time.Time{}}
	if err := c.connect(b); err != nil {
		return nil, err
	}
	beside, alone, err := l.pairs(5*l.opts.n, l.qmeStep(home, "run", "true"), l.qmeStep(other, "run", "true"))
	if err != nil {
		return nil, err
	}
	time.Sleep(time.Second) // the last message is under way
	if err := c.conn.Close(); err != nil {
		return nil, err
	}
	finished, err := l.finished(home)
	if err != nil {
		return nil, err
	}
	for id := range finished {
		if c.deaf(id) {
			delete(finished, id) // it ran before
		}
	}
	all, _ := c.after(finished)
	return []row{
		compare(fmt.Sprintf("qme run true beside an open dashboard at %d tasks, against without", l.opts.tasks), beside, alone, besideGoal),
		{what: "from a run's end to the one client: median, and of 99 %", goal: "at most " + short(oneGoal), figure: short(all.median()) + ", " + short(all.quantile(0.99)), verdict: judge(all.quantile(0.99) <= oneGoal)},
	}, nil
}
