package query

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"qme/internal/day"
	"qme/internal/lazy"
)

// when makes a condition on the time at which a run began: "after" includes the
// beginning of what is named, "before" ends there, and "on" is all of it.
func (p *parser) when(name, value string, at int) (term, error) {
	if _, ok := parseLength(value); ok && name == "on" && strings.ContainsAny(value, "smh") {
		return term{}, p.errorAt(at, "on: takes a day or a date, and %.60q is shorter than a day; did you mean after:%s?", value, value)
	}
	from, to, ok := p.span(value, name == "on")
	if !ok {
		err := p.errorAt(at, "%s: takes %s, not %.60q", name, timeExamples, value)
		if meant := p.meantTime(value); meant != "" {
			err.Msg += fmt.Sprintf("; did you mean %s:%s?", name, meant)
		}
		return term{}, err
	}
	switch name {
	case "after":
		to = noTime
	case "before":
		from, to = noTime, from
	}
	return began(from, to), nil
}

// timeExamples says how times are written.
const timeExamples = "a time such as 2026-11-01, 2026-11-01T10:00, today, yesterday, 2d or 3h"

// noTime is the end of a time without one.
var noTime time.Time

// began makes a condition on the time at which a run began; each of both may be noTime.
func began(from, to time.Time) term {
	return term{test: between(from, to), values: timeValues(from, to)}
}

// meantTime returns how a time is written that is none here: a time of day, which wants a
// date, or a length in other units. It returns "" when it cannot be told.
func (p *parser) meantTime(value string) string {
	if _, _, ok := p.span("today "+value, false); ok && strings.Contains(value, ":") {
		return "today " + value
	}
	for _, layout := range otherLayouts {
		if t, err := time.Parse(layout, value); err == nil {
			return t.Format(time.DateOnly)
		}
	}
	if strings.Trim(value, "0123456789") == "" { // 2 days
		value += strings.SplitN(strings.TrimSpace(p.in[p.pos:])+" ", " ", 2)[0]
	}
	meant := inUnits(value)
	if _, ok := back(p.opts.Now, meant); !ok {
		return ""
	}
	return meant
}

// otherLayouts are notations of a day that are not read, as some leave open which number is the
// month.
var otherLayouts = []string{"2006/1/2", "2.1.2006", "20060102"}

// otherUnits are units as people write them.
var otherUnits = map[string]string{
	"sec": "s", "secs": "s", "second": "s", "seconds": "s", "min": "m", "mins": "m", "minute": "m", "minutes": "m",
	"hr": "h", "hrs": "h", "hour": "h", "hours": "h", "day": "d", "days": "d", "wk": "w", "week": "w", "weeks": "w",
	"mon": "mo", "month": "mo", "months": "mo", "yr": "y", "yrs": "y", "year": "y", "years": "y",
}

// withUnit is a number with a unit, as in "2 days ago".
var withUnit = lazy.Regexp(`(?i)^([0-9]+)\s*([a-z]+)(\s+ago)?$`)

// inUnits returns a length with the unit as it is written here, "" when it is none.
func inUnits(value string) string {
	m := withUnit().FindStringSubmatch(value)
	if m == nil || otherUnits[strings.ToLower(m[2])] == "" {
		return ""
	}
	return m[1] + otherUnits[strings.ToLower(m[2])]
}

// layouts are the ways to write a time by the clocks of the place, each with what is next
// to what it names.
var layouts = []struct {
	layout string
	next   func(time.Time) time.Time
}{
	{"2006", func(t time.Time) time.Time { return t.AddDate(1, 0, 0) }},
	{"2006-01", func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }},
	{time.DateOnly, func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }},
	{"2006-01-02T15", func(t time.Time) time.Time { return t.Add(time.Hour) }},
	{"2006-01-02T15:04", func(t time.Time) time.Time { return t.Add(time.Minute) }},
	{"2006-01-02T15:04:05", func(t time.Time) time.Time { return t.Add(time.Second) }},
}

// zoned are those that name the zone as well, each with its length.
var zoned = []struct {
	layout string
	length time.Duration
}{
	{"2006-01-02T15:04Z07:00", time.Minute},
	{time.RFC3339, time.Second},
}

// span returns the beginning of the time that is named, and its end. A length such as
// 2d is the moment so long ago or, when a whole day is wanted, the day of it.
func (p *parser) span(s string, wholeDay bool) (from, to time.Time, ok bool) {
	now := p.opts.Now
	if strings.EqualFold(s, "now") {
		return now, now, true
	}
	if ago, ok := back(now, s); ok {
		if wholeDay {
			return day.Of(ago), day.Next(ago), true
		}
		return ago, ago, true
	}
	s = p.withDate(s)
	for _, l := range layouts { // the clocks first, as if they were those of UTC
		if t, err := time.Parse(l.layout, s); err == nil {
			return day.First(t, now.Location()), day.First(l.next(t), now.Location()), true
		}
	}
	for _, l := range zoned {
		if t, err := time.Parse(l.layout, s); err == nil {
			return t, t.Add(l.length), true
		}
	}
	return from, to, false
}

// withDate writes a time as the layouts have it: with the date of "today" and "yesterday",
// and with a T behind the date. T and Z may be small.
func (p *parser) withDate(s string) string {
	s = strings.ToUpper(strings.Replace(s, " ", "T", 1))
	for name, at := range map[string]time.Time{"TODAY": p.opts.Now, "YESTERDAY": day.Before(p.opts.Now, 1)} {
		if rest, ok := strings.CutPrefix(s, name); ok && (rest == "" || rest[0] == 'T') {
			return at.Format(time.DateOnly) + rest
		}
	}
	return s
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
		return day.Before(now, n), true
	case "w":
		return day.Before(now, 7*n), true
	case "mo":
		return day.MonthsBefore(now, n), true
	case "y":
		return day.MonthsBefore(now, 12*n), true
	}
	d, ok := parseLength(s)
	return now.Add(-d), ok
}

// clockTime is what may follow a date behind a blank, as people write it.
var clockTime = lazy.Regexp(`(?i)^\s+([0-2]?[0-9]:[0-5][0-9](:[0-5][0-9])?(Z|[+-][0-9]{2}:[0-9]{2})?)\)*(\s|$)`)

// cutTime reads a time of day that follows a date without quotes.
func (p *parser) cutTime(date string) string {
	if _, err := time.Parse(time.DateOnly, p.withDate(date)); err != nil {
		return date
	}
	m := clockTime().FindStringSubmatch(p.in[p.pos:])
	if m == nil {
		return date
	}
	p.pos += strings.Index(p.in[p.pos:], m[1]) + len(m[1])
	return date + " " + m[1]
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
