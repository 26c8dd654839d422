package remote

import (
	"os/exec"
	"strings"
)

// dialLocal runs git's service on a repository of this machine.
func (r *Remote) dialLocal(service string) (link, error) {
	git, err := exec.LookPath("git")
	if err != nil {
		return nil, r.fail(ErrProtocol, "a repository in a folder is reached through git, and there is no program git",
			"Install git, or let it be in PATH.").because(err)
	}
	p := r.command(serviceEnviron(), git, strings.TrimPrefix(service, "git-"), r.loc.path)
	p.alone = true // it asks nothing
	l, err := r.start(p)
	if err != nil {
		return nil, r.fail(ErrProtocol, err.Error(), "Check the program git.").because(err)
	}
	return l, nil
}
