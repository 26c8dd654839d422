package cli

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestLasting(t *testing.T) {
	t.Parallel()
	environ := []string{"HOME=/home/user", "SSH_AUTH_SOCK=/tmp/a", "SSH_ASKPASS=x", "TMUX=1", "SLURM_JOB_ID=7", "SLURMD_NODENAME=n", "SLURMX=1", "EMPTY=", "=odd"}
	before := slices.Clone(environ)
	const want = "HOME=/home/user SSH_ASKPASS=x SLURM_JOB_ID=7 SLURMD_NODENAME=n SLURMX=1 EMPTY= =odd"
	if got := strings.Join(lasting(environ), " "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if !slices.Equal(environ, before) {
		t.Errorf("the environment has become %q", environ)
	}
}

// TestStaleVariablesAreDocumented looks for each variable that is dropped.
func TestStaleVariablesAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/queue.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(slices.Clone(staleVariables), "SLURM_*", "SLURMD_*") {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/queue.md does not name %s", name)
		}
	}
}
