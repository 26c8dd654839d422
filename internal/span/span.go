// Package span parses lengths of time as written by users and schedulers.
package span

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// ErrForm means that a text is not a length of time.
var ErrForm = errors.New("a length of time is such as 90, 90s, 2h30m, 1d, 1:30:00 or, as Slurm has it, 1-12:00:00")

var units = map[string]time.Duration{
	"ns": time.Nanosecond, "us": time.Microsecond, "µs": time.Microsecond, "μs": time.Microsecond, "ms": time.Millisecond,
	"s": time.Second, "sec": time.Second, "m": time.Minute, "min": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour,
}

// Parse parses a length of time, which is not negative: a number of seconds (90, 1.5), a
// sum of numbers with units (90s, 2h30m, 1d12h, 1w; a day has 24 hours), or a time of
// Slurm with a colon or a dash (MM:SS, HH:MM:SS, D-HH, D-HH:MM, D-HH:MM:SS). The error is
// ErrForm.
func Parse(text string) (time.Duration, error) {
	text = strings.TrimSpace(text)
	var seconds float64
	var ok bool
	switch {
	case text == "":
	case strings.ContainsAny(text, ":-"):
		seconds, ok = clock(text)
	default:
		return withUnits(text)
	}
	if !ok {
		return 0, ErrForm
	}
	return bounded(seconds * float64(time.Second))
}

// bounded returns ErrForm for times of about 292 years and more.
func bounded(d float64) (time.Duration, error) {
	if math.IsNaN(d) || d < 0 || d >= math.MaxInt64 {
		return 0, ErrForm
	}
	return time.Duration(math.Round(d)), nil
}

// clock parses D-HH[:MM[:SS]] and [HH:]MM:SS.
func clock(text string) (seconds float64, ok bool) {
	weights := []float64{3600, 60, 1}
	days, rest, dash := strings.Cut(text, "-")
	if dash {
		n, ok := whole(days)
		if !ok {
			return 0, false
		}
		seconds, text = n*86400, rest
	}
	parts := strings.Split(text, ":")
	switch {
	case len(parts) > len(weights), !dash && len(parts) < 2:
		return 0, false
	case !dash && len(parts) == 2:
		weights = weights[1:]
	}
	for i, p := range parts {
		n, ok := whole(p)
		if !ok || (i > 0 || dash && weights[i] != 3600) && n > 59 {
			return 0, false
		}
		seconds += n * weights[i]
	}
	return seconds, true
}

func whole(text string) (float64, bool) {
	n, err := strconv.ParseUint(text, 10, 32)
	return float64(n), err == nil
}

func withUnits(text string) (time.Duration, error) {
	sum := 0.0
	for rest := text; rest != ""; {
		digits := strings.TrimLeft(rest, "0123456789.")
		n, err := strconv.ParseFloat(rest[:len(rest)-len(digits)], 64)
		if err != nil {
			return 0, ErrForm
		}
		unit := digits
		if i := strings.IndexAny(digits, "0123456789."); i >= 0 {
			unit = digits[:i]
		}
		rest = digits[len(unit):]
		per, known := units[unit]
		if unit == "" && sum == 0 && rest == "" {
			per, known = time.Second, true
		}
		if !known {
			return 0, ErrForm
		}
		sum += n * float64(per)
	}
	return bounded(sum)
}
