package capture

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// ownName returns env with the name own, of the command's own terminal, in every variable
// that names one of the terminals which it stands for: GPG_TTY and SSH_TTY do, and a
// program like pinentry opens that name. On the user's terminal it would share the keys
// with this process, and half of a passphrase would be echoed and recorded.
func ownName(env []string, own string, replaced ...int) []string {
	env = slices.Clone(env)
	for i, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(value, "/dev/") && slices.ContainsFunc(replaced, func(fd int) bool { return names(value, fd) }) {
			env[i] = name + "=" + own
		}
	}
	return env
}

// names says whether a path is one of the names of the terminal fd. /dev/tty is none: it
// is another terminal for each session.
func names(path string, fd int) bool {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil || uint32(st.Mode)&unix.S_IFMT != unix.S_IFCHR {
		return false
	}
	device, err := deviceOf(fd)
	return err == nil && uint64(st.Rdev) == device
}
