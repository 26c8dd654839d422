// Package day computes the beginnings of days, months and other calendar periods. It
// handles clock changes, where midnight may not exist or occur twice.
package day

import "time"

// Start returns the first moment of a day at a location: the first at which its clocks
// show that date, or a later one if they skip the day. Months and days may be out of
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

// widest is larger than any offset from UTC.
const widest = 48 * time.Hour

// First returns the first moment at which the clocks of a location show a date and time,
// or a later one if they skip it. clock is that date and time in UTC.
func First(clock time.Time, loc *time.Location) time.Time {
	for t := clock.Add(-widest).In(loc); ; {
		_, end := t.ZoneBounds() // until end the offset does not change
		_, offset := t.Zone()
		at := clock.Add(-time.Duration(offset) * time.Second).In(loc)
		if at.Before(t) { // the clocks were put forward past it
			at = t
		}
		if end.IsZero() || at.Before(end) {
			return at
		}
		t = end
	}
}

// MonthsBefore returns the moment a number of calendar months before t: the same time on
// the same day, or on the last day of a month with fewer days.
func MonthsBefore(t time.Time, months int) time.Time {
	y, m, d := t.Date()
	first := time.Date(y, m-time.Month(months), 1, 0, 0, 0, 0, time.UTC)
	d = min(d, first.AddDate(0, 1, -1).Day())
	hour, minute, second := t.Clock()
	clock := time.Date(first.Year(), first.Month(), d, hour, minute, second, t.Nanosecond(), time.UTC)
	return First(clock, t.Location())
}

// Before returns the moment a number of calendar days before t.
func Before(t time.Time, days int) time.Time {
	y, m, d := t.Date()
	hour, minute, second := t.Clock()
	return First(time.Date(y, m, d-days, hour, minute, second, t.Nanosecond(), time.UTC), t.Location())
}
