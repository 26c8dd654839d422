package queue

import (
	"strings"
	"testing"
)

// A task has the variables of an allocation only there, and those that the user has set everywhere.
func TestOutside(t *testing.T) {
	t.Parallel()
	const inside, outside = "A=1 SLURM_JOB_ID=7 SLURM_CONF=/etc/x SLURMD_NODENAME=n SLURM_NTASKS=4 SLURMX=1", "A=1 SLURM_CONF=/etc/x SLURM_NTASKS=4"
	for _, c := range []struct {
		at   Place
		env  string
		want string
	}{
		{Place{"h", "7"}, inside, inside},
		{Place{"h", ""}, inside, "A=1 SLURM_CONF=/etc/x SLURMX=1"},
		{Place{"h", "8"}, inside, "A=1 SLURM_CONF=/etc/x SLURMX=1"},
		{Place{"h", ""}, outside, outside},
		{Place{"h", "7"}, outside, outside},
	} {
		env := strings.Fields(c.env)
		if got := strings.Join(c.at.outside(env), " "); got != c.want {
			t.Errorf("%s at %s: %s, want %s", c.env, c.at, got, c.want)
		}
		if now := strings.Join(env, " "); now != c.env {
			t.Errorf("the environment has become %s", now)
		}
	}
}
