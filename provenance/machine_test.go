package provenance

import (
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"qme/tests/require"
)

func TestMachine(t *testing.T) {
	t.Parallel()
	m := Machine()
	if m.OS != runtime.GOOS || m.Arch != runtime.GOARCH || m.CPUs < 1 || m.Memory < 1<<20 {
		t.Errorf("%+v", m)
	}
	require.Component(t, "uname")
	out, err := exec.Command("uname", "-r").Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.TrimSpace(string(out)); m.Kernel != want {
		t.Errorf("the kernel is %q, want %q", m.Kernel, want)
	}
}

func TestValueIn(t *testing.T) {
	t.Parallel()
	text := "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nmodel name\t: A  CPU\nno\nbad\xff: b\xff\n"
	for _, c := range [][3]string{{"PRETTY_NAME", "=", "Debian GNU/Linux 12 (bookworm)"}, {"model name", ":", "A  CPU"}, {"no", ":", ""}, {"none", "=", ""}, {"bad\xff", ":", "b\uFFFD"}} {
		if got := valueIn(text, c[0], c[1]); got != c[2] {
			t.Errorf("%s is %q, want %q", c[0], got, c[2])
		}
	}
}
