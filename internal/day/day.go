// Package day finds where days, months and other spans of the calendar begin, in zones
// whose clocks change as well: where midnight does not exist, or comes twice.
package day

import "time"

// Start returns the first moment of a day: the first at which the clocks of the place show
// that date or, where they skip the day, a later one. Months and days may be out of their
// range, as for time.Date.
func Start(year int, month time.Month, day int, loc *time.Location) time.Time {
	return First(time.Date(year, month, day, 0, 0, 0, 0, time.UTC), loc)
}

// Of returns the first moment of the day of t, in the zone of t.
func Of(t time.Time) time.Time {
	y, m, d := t.Date()
	return Start(y, m, d, t.Location())
}

// Next returns the first moment of the day after that of t, in the zone of t.
func Next(t time.Time) time.Time {
	y, m, d := t.Date()
	return Start(y, m, d+1, t.Location())
}

// widest is more than any clock is ahead of, or behind, that of UTC.
const widest = 48 * time.Hour

// First returns the first moment at which the clocks of a place show a date and time, or
// else a later one. clock is that date and time, as one of UTC.
func First(clock time.Time, loc *time.Location) time.Time {
	for t := clock.Add(-widest).In(loc); ; {
		_, end := t.ZoneBounds() // until then the clocks run as they do at t
		_, offset := t.Zone()
		at := clock.Add(-time.Duration(offset) * time.Second).In(loc)
		if at.Before(t) { // the clocks have been put forward, past it
			at = t
		}
		if end.IsZero() || at.Before(end) {
			return at
		}
		t = end
	}
}

// MonthsBefore returns the moment so many months before t, by the calendar: at the same time
// of the same day, or of the last day of the month where that has fewer days.
func MonthsBefore(t time.Time, months int) time.Time {
	y, m, d := t.Date()
	first := time.Date(y, m-time.Month(months), 1, 0, 0, 0, 0, time.UTC)
	d = min(d, first.AddDate(0, 1, -1).Day())
	hour, minute, second := t.Clock()
	clock := time.Date(first.Year(), first.Month(), d, hour, minute, second, t.Nanosecond(), time.UTC)
	return First(clock, t.Location())
}

// Before returns the moment so many days before t, by the calendar.
func Before(t time.Time, days int) time.Time {
	y, m, d := t.Date()
	hour, minute, second := t.Clock()
	return First(time.Date(y, m, d-days, hour, minute, second, t.Nanosecond(), time.UTC), t.Location())
}
