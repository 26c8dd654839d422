package capture

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// ownName returns env with own, the name of the command's terminal, in each variable that
// names one of the terminals it replaces, such as GPG_TTY and SSH_TTY. Programs like
// pinentry open that name. On the user's terminal they would share the keys with this
// process, and half of a passphrase would be echoed and recorded.
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

// names reports whether a path is a name of the terminal fd. /dev/tty does not count,
// since it is a different terminal in each session.
func names(path string, fd int) bool {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil || uint32(st.Mode)&unix.S_IFMT != unix.S_IFCHR {
		return false
	}
	device, err := deviceOf(fd)
	return err == nil && uint64(st.Rdev) == device
}
