package capture

// returnTypedAhead returns keys that were typed and not read to the user's terminal, where the
// shell finds them as it would without qme. Where the system does not allow that (Linux from
// 6.2 on, with dev.tty.legacy_tiocsti=0) they are lost.
func (s *session) returnTypedAhead() {
	if s.keys == nil {
		return
	}
	s.keys.close()
	if !s.tty.raw || s.pumps[0].held || !inForeground(s.tty.fd) {
		return // it is not ours to write to, or a process still reads it
	}
	for _, b := range append(unread(s.pty.master), s.keys.rest...) {
		if !typeInto(s.tty.fd, b) {
			return
		}
	}
}
