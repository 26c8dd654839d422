package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A lab is where it is measured: the built programs, and folders that close
// removes.
type lab struct {
	ctx   context.Context
	opts  options
	root  string   // for everything that is removed afterwards
	cache string   // for generated histories
	plain string   // an empty folder that lies in no repository
	env   []string // of all measured processes
	qme   string   // the program
	gen   string   // tests/genhistory
	homes int      // how many were made
}

func newLab(ctx context.Context, opts options) (l *lab, err error) {
	root, err := os.MkdirTemp("", "qme-bench-")
	if err != nil {
		return nil, err
	}
	l = &lab{ctx: ctx, opts: opts, root: root, plain: filepath.Join(root, "plain"), cache: filepath.Join(root, "cache")}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	if opts.home != "" {
		if l.cache, err = filepath.Abs(opts.home); err != nil {
			return l, err
		}
	}
	user := filepath.Join(root, "user")
	for _, dir := range []string{l.plain, l.cache, user} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return l, err
		}
	}
	config := "[user]\n\tname = Bench\n\temail = bench@example.org\n[init]\n\tdefaultBranch = main\n"
	if err := os.WriteFile(filepath.Join(user, ".gitconfig"), []byte(config), 0o644); err != nil {
		return l, err
	}
	l.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + user, "USER=bench", "LANG=C.UTF-8", "TMPDIR=" + root, "GIT_CONFIG_NOSYSTEM=1"}
	return l, l.build()
}

// build builds the programs from the source tree of the current directory.
func (l *lab) build() error {
	l.qme, l.gen = filepath.Join(l.root, "bin", "qme"), filepath.Join(l.root, "bin", "genhistory")
	for out, pkg := range map[string]string{l.qme: "qme", l.gen: "qme/tests/genhistory"} {
		cmd := exec.CommandContext(l.ctx, "go", "build", "-o", out, pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is released
		if said, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s (in the source tree of qme?): %w: %s", pkg, err, said)
		}
	}
	return nil
}

func (l *lab) logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// close removes what was made. Packing in the background may still be at work
// and add a file, so it tries more than once.
func (l *lab) close() error {
	var err error
	for range 50 {
		if err = os.RemoveAll(l.root); err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

// newHome returns the path of a home that is not there yet.
func (l *lab) newHome() string {
	l.homes++
	return filepath.Join(l.root, "home"+strconv.Itoa(l.homes))
}

// empty returns a home with no task.
func (l *lab) empty() (string, error) {
	home := l.newHome()
	return home, os.Mkdir(home, 0o700)
}

// history returns a generated home of n tasks, which must not be changed.
func (l *lab) history(n int) (string, error) { return l.generated(fmt.Sprintf("history-%d", n), n) }

// generated is history for one with a name, and further flags of genhistory.
func (l *lab) generated(name string, n int, flags ...string) (string, error) {
	home := filepath.Join(l.cache, name)
	if _, err := os.Stat(home); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return home, err
	}
	l.logf("making a history of %d tasks …", n)
	// Under another name until it is whole.
	tmp, err := os.MkdirTemp(l.cache, "making-")
	if err != nil {
		return "", err
	}
	if _, err := l.text("", slices.Concat([]string{l.gen, "-n", strconv.Itoa(n)}, flags, []string{tmp})...); err != nil {
		return "", errors.Join(err, os.RemoveAll(tmp))
	}
	return home, os.Rename(tmp, home)
}

// copyOf returns a home of its own with a generated history of n tasks.
func (l *lab) copyOf(n int) (string, error) { return l.copied(l.history(n)) }

// copied returns a copy of a home, in which tasks can be run.
func (l *lab) copied(from string, err error) (string, error) {
	if err != nil {
		return "", err
	}
	home := l.newHome()
	_, err = l.text("", "cp", "-Rp", from, home)
	return home, err
}

// settle waits until nothing packs the history in the background.
func (l *lab) settle(home string) error {
	time.Sleep(200 * time.Millisecond) // a process that was just started takes the lock
	f, err := os.Open(filepath.Join(home, "tasks.git", "qme-gc.lock"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer f.Close()
	return unix.Flock(int(f.Fd()), unix.LOCK_EX)
}
