package remote

import (
	"testing"
	"time"
)

// SetGreetingTimeout shortens, for a test, how long a web server may be silent.
func SetGreetingTimeout(t *testing.T, milliseconds int) {
	before := greetingTimeout
	greetingTimeout = time.Duration(milliseconds) * time.Millisecond
	t.Cleanup(func() { greetingTimeout = before })
}

// Parts are the parts of a remote's URL.
func Parts(r *Remote) string {
	host := r.loc.host
	if r.loc.port != "" {
		host += ":" + r.loc.port
	}
	return r.loc.scheme + "|" + r.loc.user + "|" + host + "|" + r.loc.path
}
