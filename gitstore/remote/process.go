package remote

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// killDelay is how long a program may take to clean up after SIGTERM, as git does
// with its lock files.
const killDelay = 2 * time.Second

// A process is a program that serves as the other end of a link.
type process struct {
	cmd *exec.Cmd
	// alone: it leads a session of its own. It then has no terminal to ask at, and
	// is killed with all that it has started. Otherwise it may ask the user, for
	// which it has to be in the process group that has the terminal.
	alone bool
	ssh   bool

	mu     sync.Mutex
	reaped bool
	timer  *time.Timer
}

// command makes a process of a program with its arguments.
func (r *Remote) command(env []string, name string, args ...string) *process {
	p := &process{cmd: exec.Command(name, args...), alone: r.opts.Ask == nil}
	p.cmd.Env = env
	p.cmd.WaitDelay = killDelay
	return p
}

// start runs cmd and returns a link to it. Until the link is ready, the program's standard
// error is held back, as it may be the text of an error.
func (r *Remote) start(p *process) (*streamLink, error) {
	stderr := &lineWriter{to: r.out, held: true}
	if p.ssh {
		stderr.prefix = "ssh: "
	}
	p.cmd.Stderr = stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	if err := p.begin(); err != nil {
		return nil, err // it has closed the pipes
	}
	return newStreamLink(r, in, out, stderr, p), nil
}

func (p *process) begin() error {
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: p.alone}
	return p.cmd.Start()
}

// run runs a process to its end, or to that of ctx.
func (p *process) run(ctx context.Context) error {
	if err := p.begin(); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, p.kill)()
	return p.wait()
}

func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped || p.timer != nil {
		return
	}
	p.signal(syscall.SIGTERM)
	p.timer = time.AfterFunc(killDelay, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.reaped {
			p.signal(syscall.SIGKILL)
		}
	})
}

// signal reaches the process and, when it is alone, its group. That it has ended
// meanwhile is fine.
func (p *process) signal(sig syscall.Signal) {
	if p.alone {
		_ = syscall.Kill(-p.cmd.Process.Pid, sig)
		return
	}
	_ = p.cmd.Process.Signal(sig)
}

func (p *process) wait() error {
	err := p.cmd.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reaped = true
	if p.timer == nil {
		return err
	}
	p.timer.Stop()
	if p.alone {
		// For those of the group that did not listen. The timer may have gone off this
		// very moment, and leaves it to us then.
		p.signal(syscall.SIGKILL)
	}
	return err
}

// blame implements peer. ssh ends with 255 when it has failed itself, and the shell
// with 126 or 127 when it cannot run ssh.
func (p *process) blame(exit error) (hint string, kind error) {
	var status *exec.ExitError
	if !p.ssh || !errors.As(exit, &status) {
		return "", ErrServer
	}
	switch status.ExitCode() {
	case 255:
		return "", ErrOffline
	case 126, 127:
		return commandHint, ErrOffline
	}
	return "", ErrServer
}

// repositoryVariables are those by which git tells its own programs which
// repository they are in; "git rev-parse --local-env-vars" lists them. They must
// not reach a git that works in another, nor must the version of the protocol of
// another connection.
var repositoryVariables = []string{
	"GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CONFIG", "GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT", "GIT_OBJECT_DIRECTORY",
	"GIT_DIR", "GIT_WORK_TREE", "GIT_IMPLICIT_WORK_TREE", "GIT_GRAFT_FILE", "GIT_INDEX_FILE", "GIT_NO_REPLACE_OBJECTS",
	"GIT_REPLACE_REF_BASE", "GIT_PREFIX", "GIT_INTERNAL_SUPER_PREFIX", "GIT_SHALLOW_FILE", "GIT_COMMON_DIR", "GIT_PROTOCOL",
}

// environ returns the environment for a program, without the given variables.
func environ(without []string) []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(without, name)
	})
}

// serviceEnviron is the environment of a program that serves a link. LANGUAGE keeps
// git's messages in the language in which they are recognised.
func serviceEnviron() []string {
	return append(environ(repositoryVariables), "LANGUAGE=C")
}
