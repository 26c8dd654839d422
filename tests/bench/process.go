package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A process is a command to be measured.
type process struct {
	dir  string
	argv []string
	env  []string  // variables beside those of the lab
	out  io.Writer // nil: nowhere
}

// command prepares a process in an environment that holds nothing of the user's.
func (l *lab) command(p process) *exec.Cmd {
	cmd := exec.CommandContext(l.ctx, p.argv[0], p.argv[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout = p.dir, slices.Concat(l.env, p.env), p.out
	if cmd.Dir == "" {
		cmd.Dir = l.plain
	}
	return cmd
}

// measure runs a process to its end. It fails when the process does.
func (l *lab) measure(p process) (sample, error) {
	cmd := l.command(p)
	// A file, as a pipe would need a goroutine that copies.
	errs, err := os.CreateTemp(l.root, "stderr-")
	if err != nil {
		return sample{}, err
	}
	cmd.Stderr = errs
	begin := time.Now()
	err = cmd.Run()
	took := time.Since(begin)
	said, rerr := os.ReadFile(errs.Name())
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w: %s", strings.Join(p.argv, " "), err, said)
	}
	return sample{took: took, rss: peak(cmd.ProcessState), processor: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, errors.Join(rerr, errs.Close(), os.Remove(errs.Name()))
}

// peak returns the peak memory of a process that has ended, in bytes. Linux never
// gives less than the memory of the process that started it, see header.
func peak(s *os.ProcessState) int64 {
	usage, ok := s.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return usage.Maxrss
	}
	return usage.Maxrss * 1024
}

// processorOf returns the processor time of a process so far, and 0 where the system does not tell.
func processorOf(pid int) (total time.Duration, err error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, name := range threads {
		line, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // the thread has ended
		} else if err != nil {
			return 0, err
		}
		var ns int64
		if _, err := fmt.Sscan(string(line), &ns); err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		total += time.Duration(ns)
	}
	return total, err
}

// A step takes one measurement, the i-th; before it, it may prepare what is not
// measured.
type step func(i int) (sample, error)

// pairs measures two things in turn, n times each after one time that does not
// count.
func (l *lab) pairs(n int, a, b step) (as, bs samples, err error) {
	for i := range n + 1 {
		x, err := a(i)
		if err != nil {
			return nil, nil, err
		}
		y, err := b(i)
		if err != nil {
			return nil, nil, err
		}
		if i > 0 {
			as, bs = append(as, x), append(bs, y)
		}
	}
	return as, bs, nil
}

// qmeStep measures qme in a home.
func (l *lab) qmeStep(home string, args ...string) step {
	argv := append([]string{l.qme, "--home", home}, args...)
	return func(int) (sample, error) { return l.measure(process{argv: argv}) }
}

// text runs a process that is not measured and returns its output.
func (l *lab) text(dir string, argv ...string) (string, error) {
	out, err := l.command(process{dir: dir, argv: argv}).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return "", fmt.Errorf("%s: %w", strings.Join(argv, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}
