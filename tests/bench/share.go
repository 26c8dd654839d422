package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// shareLimit is how much memory each exchange may take.
const shareLimit = 250e6

// A village is a large history, the repository that it shares, and another home and
// git's own copies of both, for comparison.
type village struct {
	l               *lab
	home, other     string // qme's, which share hub
	hub             string
	gitHome, gitHub string // the same, for git
	fetched         string // a bare repository that git fetches into from hub
}

// shareGroup measures exchanges with a remote in a folder, beside git's own.
func shareGroup(l *lab) ([]row, error) {
	v, rows, err := newVillage(l)
	if err != nil {
		return nil, err
	}
	for _, measure := range []func() ([]row, error){v.push, v.pull, v.merge} {
		more, err := measure()
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// newVillage clones a large history for qme and for git, which is measured too.
func newVillage(l *lab) (*village, []row, error) {
	v := &village{l: l, hub: filepath.Join(l.root, "hub.git"), gitHub: filepath.Join(l.root, "github.git"), fetched: filepath.Join(l.root, "fetched.git")}
	var err error
	if v.home, err = l.copyOf(l.opts.tasks); err != nil {
		return nil, nil, err
	}
	if v.gitHome, err = l.copyOf(l.opts.tasks); err != nil {
		return nil, nil, err
	}
	for _, hub := range []string{v.hub, v.gitHub} {
		if _, err := l.text("", "cp", "-Rp", filepath.Join(v.home, "tasks.git"), hub); err != nil {
			return nil, nil, err
		}
	}
	if _, err := l.text("", "git", "clone", "-q", "--bare", "--no-local", v.hub, v.fetched); err != nil {
		return nil, nil, err
	}
	if _, err := l.text("", l.qme, "--home", v.home, "remote", v.hub); err != nil {
		return nil, nil, err
	}
	rows, err := v.clone()
	return v, rows, err
}

func (v *village) clone() ([]row, error) {
	ours := func(int) (sample, error) {
		v.other = v.l.newHome()
		return v.own("--home", v.other, "clone", v.hub)
	}
	theirs := func(i int) (sample, error) {
		return v.l.measure(process{argv: []string{"git", "clone", "-q", "--bare", "--no-local", v.hub, filepath.Join(v.l.root, "clone"+strconv.Itoa(i)+".git")}})
	}
	a, b, err := v.l.pairs(min(v.l.opts.n, 3), ours, theirs)
	return v.rows("first clone, against git clone --bare", a, b, 2), err
}

func (v *village) push() ([]row, error) {
	a, b, err := v.l.pairs(v.l.opts.n, func(int) (sample, error) {
		if err := v.run(v.home, 1); err != nil {
			return sample{}, err
		}
		return v.own("--home", v.home, "push")
	}, func(int) (sample, error) {
		if err := v.run(v.gitHome, 1); err != nil {
			return sample{}, err
		}
		return v.l.measure(process{argv: []string{"git", "-C", filepath.Join(v.gitHome, "tasks.git"), "push", "-q", v.gitHub, "main"}})
	})
	return v.rows("push of one new run, against git push", a, b, 1.5), err
}

func (v *village) pull() ([]row, error) {
	a, b, err := v.l.pairs(v.l.opts.n, func(int) (sample, error) {
		if err := v.run(v.home, 1); err != nil {
			return sample{}, err
		}
		if _, err := v.l.text("", v.l.qme, "--home", v.home, "push"); err != nil {
			return sample{}, err
		}
		return v.own("--home", v.other, "pull")
	}, func(int) (sample, error) { return v.gitFetch() })
	return v.rows("pull of one new run, against git fetch", a, b, 1.5), err
}

func (v *village) gitFetch() (sample, error) {
	return v.l.measure(process{argv: []string{"git", "-C", v.fetched, "fetch", "-q", "origin", "main:main"}})
}

// mergedRuns is how many runs each side has that the other has not.
const mergedRuns = 1000

// merge measures what a pull costs besides the transfer, which is what git takes to
// fetch the same.
func (v *village) merge() ([]row, error) {
	n := mergedRuns * v.l.opts.tasks / 100_000
	for _, home := range []string{v.home, v.other} {
		if err := v.run(home, n); err != nil {
			return nil, err
		}
	}
	if _, err := v.l.text("", v.l.qme, "--home", v.home, "push"); err != nil {
		return nil, err
	}
	fetch, err := v.gitFetch()
	if err != nil {
		return nil, err
	}
	pull, err := v.own("--home", v.other, "pull")
	if err != nil {
		return nil, err
	}
	besides := pull.took - fetch.took
	return []row{{
		what: fmt.Sprintf("pull and merge of %d new runs on each side, besides the transfer", n), goal: "at most 1 s",
		figure: fmt.Sprintf("%s (%s, git fetch %s)", short(besides), short(pull.took), short(fetch.took)), verdict: judge(besides <= time.Second),
	}, v.memory("the same", samples{pull})}, nil
}

func (v *village) rows(what string, a, b samples, most float64) []row {
	return []row{compare(fmt.Sprintf("%s, at %d tasks", what, v.l.opts.tasks), a, b, most), v.memory(what, a)}
}

func (v *village) memory(what string, s samples) row {
	return row{what: "peak memory of " + what, goal: fmt.Sprintf("under %s", mb(shareLimit)), figure: mb(s.rss()), verdict: judge(s.rss() < shareLimit)}
}

// run records n runs.
func (v *village) run(home string, n int) error {
	_, err := v.l.text("", "sh", "-c", `for i in $(seq "$1"); do "$2" -q --home "$3" run echo "$i" >/dev/null || exit; done`, "sh", strconv.Itoa(n), v.l.qme, home)
	if err != nil {
		return err
	}
	return v.l.settle(home)
}

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// own measures qme alone: the memory of the git processes that serve it is not its
// own. Where there is no /proc the memory is not known.
func (v *village) own(args ...string) (sample, error) {
	done := make(chan struct{})
	peak := make(chan int64, 1)
	cmd := v.l.command(process{argv: append([]string{v.l.qme}, args...)})
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return sample{}, err
	}
	go func() {
		var most int64
		for {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
			if m := highWater.FindSubmatch(b); err == nil && m != nil {
				kb, _ := strconv.ParseInt(string(m[1]), 10, 64) // digits
				most = max(most, kb*1024)
			}
			select {
			case <-done:
				peak <- most
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	err := cmd.Wait()
	took := time.Since(begin)
	close(done)
	if err != nil {
		return sample{}, fmt.Errorf("qme %v: %w", args, err)
	}
	return sample{took: took, rss: <-peak}, nil
}
