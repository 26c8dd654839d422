package span

import (
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "5": 5 * time.Second, "1.5": 1500 * time.Millisecond, "90s": 90 * time.Second, "200ms": 200 * time.Millisecond, "10ms": 10 * time.Millisecond, "1us": time.Microsecond,
		"2h30m": 150 * time.Minute, "1m30s": 90 * time.Second, "1d": 24 * time.Hour, "1d12h": 36 * time.Hour, "1.5h": 90 * time.Minute, "2w": 336 * time.Hour, "0.5d": 12 * time.Hour,
		" 3s ": 3 * time.Second, "5min": 5 * time.Minute, "1-0": 24 * time.Hour, "1-00:00:00": 24 * time.Hour, "2-12:30": 60*time.Hour + 30*time.Minute, "1-12:00:01": 36*time.Hour + time.Second,
		"01:00:00": time.Hour, "100:00:00": 100 * time.Hour, "1:30": 90 * time.Second, "90:00": 90 * time.Minute, "0-90": 90 * time.Hour,
	} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", " ", "-5", "-5s", "s", "5x", "5 s", "five", "1h-30m", "5-", "-", ":", "1:", "1:60", "1:00:60", "1:2:3:4", "1-2:60", "1-2-3", "1d5", "5s5", "+5", "1e3", "NaN", "inf", "1..5", ".",
		"99999999999999999999", "300000w", "1-1.5", "1:1.5", "0x5", "5s 3m",
	} {
		if got, err := Parse(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}
