package capture

// returnTypedAhead returns to the user's terminal what was typed and nobody has read, for the
// shell to find it as it would without us. Where the system does not allow that
// (Linux from 6.2 on, with dev.tty.legacy_tiocsti=0) it is lost.
func (s *session) returnTypedAhead() {
	if s.keys == nil {
		return
	}
	s.keys.close()
	if !s.tty.raw || s.pumps[0].held || !inForeground(s.tty.fd) {
		return // it is not ours to write to, or still somebody's to read
	}
	for _, b := range append(unread(s.pty.master), s.keys.rest...) {
		if !typeInto(s.tty.fd, b) {
			return
		}
	}
}
