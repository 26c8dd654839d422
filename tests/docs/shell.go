package docs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// hang bounds a transcript whose commands never end, so that the test can say
// which it was.
const hang = 2 * time.Minute

// A shell runs transcripts in one home.
type shell struct {
	bin  string // the folder of qme, first in PATH
	home string // the home, without symbolic links
	// scratch is a folder for the outputs, which whoever made it removes.
	scratch string
}

// run executes the steps in one bash, which sees what a reader's would: no
// terminal, the home as working directory. It returns what each step printed to
// standard output and standard error, one string a step; fewer when the shell
// ended early, which is an error.
func (s shell) run(steps []step) ([]string, error) {
	dir, err := os.MkdirTemp(s.scratch, "transcript")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script(dir, steps))
	cmd.Dir = s.home
	cmd.Env = s.env()
	// What a command left in the background must not outlive the test.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid) }
	runErr := cmd.Run()
	if cmd.Process != nil {
		if err := killGroup(cmd.Process.Pid); err != nil {
			return nil, fmt.Errorf("end what the transcript left running: %w", err)
		}
	}
	return collect(dir, steps, errors.Join(ctx.Err(), runErr))
}

// killGroup ends the processes of a group. An empty one is no error; macOS
// answers EPERM where only ended processes are left.
func killGroup(id int) error {
	err := syscall.Kill(-id, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) || errors.Is(err, syscall.EPERM) {
		return nil
	}
	return err
}

// script gives each step a file of its own for its output. eval keeps the
// syntax error of one step from the others, and $? goes from one to the next.
// (Braces around eval would not outlive a quotation mark without its partner.)
func script(dir string, steps []step) string {
	var b strings.Builder
	for i, s := range steps {
		fmt.Fprintf(&b, "eval %s >>%s 2>&1\n", quote(s.command), quote(outputFile(dir, i)))
	}
	// The last step's code is the reader's business, not an error of the shell.
	b.WriteString("exit 0\n")
	return b.String()
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func outputFile(dir string, i int) string { return filepath.Join(dir, fmt.Sprint(i)) }

// collect reads the outputs. A shell that ended before the last step, or was
// stopped in it, is an error.
func collect(dir string, steps []step, runErr error) ([]string, error) {
	var outputs []string
	for i := range steps {
		b, err := os.ReadFile(outputFile(dir, i))
		if errors.Is(err, fs.ErrNotExist) {
			if runErr == nil {
				runErr = errors.New("exit status 0")
			}
			return outputs, fmt.Errorf("the shell ended before this command (%w); what was printed last: %q", runErr, last(outputs))
		}
		if err != nil {
			return outputs, err
		}
		outputs = append(outputs, string(b))
	}
	if runErr != nil {
		return outputs[:len(outputs)-1], fmt.Errorf("the shell ended in this command (%w), which had printed %q", runErr, last(outputs))
	}
	return outputs, nil
}

func last(outputs []string) string {
	if len(outputs) == 0 {
		return ""
	}
	return outputs[len(outputs)-1]
}

// env is the test's environment without what belongs to the developer's own
// QueueMe, git and locale.
func (s shell) env() []string {
	drop := []string{"QME_", "GIT_", "LC_", "LANG", "XDG_", "HOME=", "PATH=", "PWD=", "OLDPWD=", "TERM=", "TZ=", "BASH_ENV=", "ENV="}
	var env []string
	for _, e := range os.Environ() {
		if !hasPrefix(e, drop) {
			env = append(env, e)
		}
	}
	return append(env,
		"HOME="+s.home,
		"QME_HOME="+filepath.Join(s.home, ".qme"),
		"PATH="+s.bin+string(os.PathListSeparator)+os.Getenv("PATH"),
		"PWD="+s.home,
		"GIT_CONFIG_NOSYSTEM=1",
		"QME_RUN_SUMMARY=always", // the pages show what a reader sees on a terminal
		"QME_RUN_GIT=10s",        // on a machine that is not busy
		"LANG=C.UTF-8",
		"TERM=dumb",
		"TZ=UTC",
	)
}

func hasPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}
