package cli

import (
	"testing"
	"time"
)

// TestClock shows times with the date only where it is needed.
func TestClock(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		from time.Duration
		want string
	}{
		{-2 * time.Minute, "13:58"},
		{-14 * time.Hour, "00:00"},
		{-14*time.Hour - time.Minute, "2026-11-22 23:59"},
		{23 * time.Hour, "13:00"},
		{25 * time.Hour, "2026-11-24 15:00"},
	} {
		if got := clockAt(now.Add(c.from), now); got != c.want {
			t.Errorf("%v from now: %q, want %q", c.from, got, c.want)
		}
	}
}
