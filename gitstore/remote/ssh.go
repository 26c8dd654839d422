package remote

import (
	"cmp"
	"context"
	"errors"
	"os"
	"os/exec"
	"path"
	"qme/internal/lazy"
	"strings"
)

// An sshCommand is how ssh is to be run.
type sshCommand struct {
	program string
	shell   bool   // program is a line for the shell
	variant string // ssh, plink, tortoiseplink or simple
	ours    bool   // neither a variable nor the configuration names it
}

// dialSSH runs ssh, as git does; where that is not there, it speaks ssh itself.
func (r *Remote) dialSSH(ctx context.Context, service string) (link, error) {
	ssh, err := r.sshCommand(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := exec.LookPath(ssh.program); ssh.ours && errors.Is(err, exec.ErrNotFound) {
		return r.dialBuiltin(ctx, service)
	}
	args, err := r.sshArgs(ssh, service)
	if err != nil {
		return nil, err
	}
	p := r.command(serviceEnviron(), ssh.program, args...)
	if ssh.shell {
		p = r.command(serviceEnviron(), "sh", append([]string{"-c", ssh.line(), ssh.program}, args...)...)
	}
	p.ssh = true
	l, err := r.start(p)
	if err != nil {
		return nil, r.fail(ErrOffline, "ssh cannot be run: "+err.Error(), commandHint).because(err)
	}
	return l, nil
}

// sshCommand finds out how ssh is to be run.
func (r *Remote) sshCommand(ctx context.Context) (sshCommand, error) {
	ssh := sshCommand{program: os.Getenv("GIT_SSH_COMMAND"), shell: true}
	set, err := r.settings(ctx)
	if err != nil {
		return ssh, err
	}
	if ssh.program == "" {
		ssh.program = set.last("core.sshcommand")
	}
	if ssh.program == "" {
		ssh.program, ssh.shell = os.Getenv("GIT_SSH"), false
	}
	if ssh.program == "" {
		ssh.program, ssh.ours = "ssh", true
	}
	ssh.variant = cmp.Or(os.Getenv("GIT_SSH_VARIANT"), set.last("ssh.variant"), "auto")
	if ssh.variant == "auto" {
		ssh.variant = ssh.guess()
	}
	return ssh, nil
}

// simpleLine is a line for the shell with one command and no assignment.
var simpleLine = lazy.Regexp(`^[\w./+-]+( [^;&|<>(){}\n]*)?$`)

// line is the command line for the shell. Where possible the program takes the place of
// the shell, so that signals reach it.
func (c sshCommand) line() string {
	line := c.program + ` "$@"`
	if simpleLine().MatchString(c.program) {
		line = "exec " + line
	}
	return line
}

// guess tells the variant by the name of the program. Another name is most likely
// that of a script around ssh.
func (c sshCommand) guess() string {
	name := c.program
	if c.shell {
		name, _, _ = strings.Cut(strings.TrimSpace(name), " ")
	}
	switch name = strings.TrimSuffix(strings.ToLower(path.Base(name)), ".exe"); name {
	case "plink", "putty", "tortoiseplink", "ssh":
		return name
	}
	return "script"
}

// sshArgs returns the arguments of ssh.
func (r *Remote) sshArgs(ssh sshCommand, service string) ([]string, error) {
	var args []string
	if ssh.variant == "tortoiseplink" {
		args = append(args, "-batch")
	}
	if ssh.variant == "ssh" && r.opts.Ask == nil {
		args = append(args, "-o", "BatchMode=yes")
	}
	if r.loc.port != "" {
		switch ssh.variant {
		case "simple":
			return nil, r.fail(ErrURL, "the variant \"simple\" of ssh has no option for the port "+r.loc.port,
				"Give the port in the configuration of ssh, or change ssh.variant.")
		case "plink", "putty", "tortoiseplink":
			args = append(args, "-P", r.loc.port)
		default:
			args = append(args, "-p", r.loc.port)
		}
	}
	host := r.loc.host
	if r.loc.user != "" {
		host = r.loc.user + "@" + host
	}
	return append(args, host, service+" "+quote(r.loc.path)), nil
}

// quote makes one word of s for any shell that may be there: git's own way.
func quote(s string) string {
	return "'" + strings.NewReplacer("'", `'\''`, "!", `'\!'`).Replace(s) + "'"
}
