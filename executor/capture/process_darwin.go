package capture

// next waits for the next change. For a few instructions between the end and the lock,
// the pid may be reused.
func (p *process) next(options int) change {
	c, _ := p.wait4(options) // always true without WNOHANG
	p.mu.Lock()
	p.reaped = c.ended()
	p.mu.Unlock()
	return c
}

// stopsEarly returns true, since macOS does not tell: an additional SIGCONT does less
// harm than a missing one.
func stopsEarly(int) bool { return true }
