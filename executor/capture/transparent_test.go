package capture

import (
	"os"
	"os/exec"
	"testing"
)

// inheritance prints what a process inherits, apart from its descriptors.
const inheritance = `grep -E "Sig(Blk|Ign|Cgt)|Umask|Cpus_allowed:|NoNewPrivs|Seccomp:" /proc/self/status
	ulimit -a; ulimit -H -n; nice; pwd; env | grep -v -e ^_= -e ^CAPTURE_DIR= | sort`

func TestTheCommandInheritsTheSame(t *testing.T) {
	plain := exec.Command("sh", "-c", inheritance)
	plain.Env = os.Environ()
	want, err := plain.Output()
	if err != nil {
		t.Fatal(err)
	}
	piped, _ := qmeLike(t, "sh", "-c", inheritance)
	if got, err := piped.Output(); err != nil || string(got) != string(want) {
		t.Errorf("in pipe mode the command has, %v:\n%s\nwithout us:\n%s", err, got, want)
	}
	_, dir := newUser(t).run(nil, nil, "sh", "-c", inheritance)
	if got := recorded(t, dir, "out"); got != string(want) {
		t.Errorf("in terminal mode the command has:\n%s\nwithout us:\n%s", got, want)
	}
}
