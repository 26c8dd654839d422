package query

import (
	"strconv"
	"strings"
	"time"
)

// when makes a condition on the time at which a run began: "after" includes the
// beginning of what is named, "before" ends there, and "on" is all of it.
func (p *parser) when(name, value string, at int) (term, error) {
	from, to, ok := p.span(value, name == "on")
	if !ok {
		return term{}, p.errorAt(at, "%s: takes a time such as 2026-11-01, 2026-11-01T10:00, today, yesterday, 2d or 3h, not %q", name, value)
	}
	switch name {
	case "after":
		to = time.Time{}
	case "before":
		from, to = time.Time{}, from
	}
	return term{test: between(from, to)}, nil
}

// layouts are the ways to write a time, each with the span that it names.
var layouts = []struct {
	layout string
	next   func(time.Time) time.Time
}{
	{"2006", func(t time.Time) time.Time { return t.AddDate(1, 0, 0) }},
	{"2006-01", func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }},
	{"2006-01-02", nextDay},
	{"2006-01-02T15", func(t time.Time) time.Time { return t.Add(time.Hour) }},
	{"2006-01-02T15:04", func(t time.Time) time.Time { return t.Add(time.Minute) }},
	{"2006-01-02T15:04Z07:00", func(t time.Time) time.Time { return t.Add(time.Minute) }},
	{"2006-01-02T15:04:05", func(t time.Time) time.Time { return t.Add(time.Second) }},
	{time.RFC3339, func(t time.Time) time.Time { return t.Add(time.Second) }},
}

func nextDay(t time.Time) time.Time { return t.AddDate(0, 0, 1) }

// span returns the beginning of the time that is named, and its end. A length such as
// 2d is the moment so long ago or, when a whole day is wanted, the day of it.
func (p *parser) span(s string, wholeDay bool) (from, to time.Time, ok bool) {
	now := p.opts.Now
	midnight := func(t time.Time) time.Time {
		return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
	}
	switch strings.ToLower(s) {
	case "now":
		return now, now, true
	case "today":
		return midnight(now), nextDay(midnight(now)), true
	case "yesterday":
		return midnight(now.AddDate(0, 0, -1)), midnight(now), true
	}
	if ago, ok := back(now, s); ok {
		if wholeDay {
			ago = midnight(ago)
		}
		return ago, nextDay(ago), true
	}
	s = strings.ToUpper(strings.Replace(s, " ", "T", 1)) // the T and the Z may be small
	for _, l := range layouts {
		if t, err := time.ParseInLocation(l.layout, s, now.Location()); err == nil {
			return t, l.next(t), true
		}
	}
	return from, to, false
}

// back returns the moment so long before now: "2d", "3w", "2mo" and "1y" by the calendar,
// what is shorter by the clock.
func back(now time.Time, s string) (time.Time, bool) {
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	n, err := strconv.Atoi(s[:digits])
	if err != nil || n > 1_000_000 || digits == len(s) { // without a unit it is a year
		return now, false
	}
	switch s[digits:] {
	case "d":
		return now.AddDate(0, 0, -n), true
	case "w":
		return now.AddDate(0, 0, -7*n), true
	case "mo":
		return now.AddDate(0, -n, 0), true
	case "y":
		return now.AddDate(-n, 0, 0), true
	}
	d, ok := parseLength(s)
	return now.Add(-d), ok
}

// parseLength reads a length of time: Go's notation, a number of seconds, or days.
func parseLength(s string) (time.Duration, bool) {
	unit := time.Second
	number := s
	if days, ok := strings.CutSuffix(s, "d"); ok {
		number, unit = days, 24*time.Hour
	}
	if n, err := strconv.ParseFloat(number, 64); err == nil {
		const most = float64(1<<63 - 1)
		if n *= float64(unit); n >= 0 && n < most {
			return time.Duration(n), true
		}
		return 0, false
	}
	d, err := time.ParseDuration(s)
	return d, err == nil && d >= 0
}
