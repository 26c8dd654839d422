package cli

import (
	"slices"
	"strings"
)

// staleVariables belong to the session, the terminal or the desktop from which a task is added: they mean nothing,
// or something else, when it starts. docs/queue.md lists them.
var staleVariables = []string{
	"SSH_AUTH_SOCK", "SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY", "KRB5CCNAME",
	"DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS", "XDG_SESSION_ID",
	"TMUX", "TMUX_PANE", "STY", "WINDOW", "TERM_SESSION_ID",
}

// lasting returns the variables of an environment, as NAME=value, that a task in the queue keeps. Those of an allocation of
// a scheduler are dropped at the start of the task, if that is elsewhere.
func lasting(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(staleVariables, name)
	})
}
