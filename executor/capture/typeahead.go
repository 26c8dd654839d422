package capture

// returnTypedAhead returns keys that were typed but not read to the user's terminal, so
// that the shell reads them as without qme. If the system does not allow that (Linux
// since 6.2 with dev.tty.legacy_tiocsti=0), they are lost.
func (s *session) returnTypedAhead() {
	if s.keys == nil {
		return
	}
	s.keys.close()
	if !s.tty.raw || s.pumps[0].held || !inForeground(s.tty.fd) {
		return // the terminal is not ours, or a process still reads from it
	}
	for _, b := range append(unread(s.pty.master), s.keys.rest...) {
		if !typeInto(s.tty.fd, b) {
			return
		}
	}
}
