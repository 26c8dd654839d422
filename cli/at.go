package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"qme/index/query"
	"qme/internal/day"
	"qme/internal/lazy"
	"qme/internal/span"
)

// atExamples says how a time is written.
const atExamples = "a time such as 22:00, +2h, tomorrow 8:00, 2026-12-24 18:00 or 2026-12-24T18:00:00+01:00"

// clockOnly is a time of day.
var clockOnly = lazy.Regexp(`^[0-2]?[0-9]:[0-5][0-9](:[0-5][0-9])?$`)

// timeAt reads a time after now, in the time zone of now: a plus and a length of time, a time of day (of tomorrow, if that
// of today is over), "tomorrow" and a time of day, or a date.
func timeAt(text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	if length, ok := strings.CutPrefix(text, "+"); ok {
		d, err := span.Parse(length)
		if err != nil {
			return time.Time{}, fmt.Errorf("takes %s, not %s", atExamples, quoted(text))
		}
		return now.Add(d), nil
	}
	if d, err := span.Parse(text); err == nil && !strings.ContainsAny(text, ":-") && d > 0 {
		return time.Time{}, fmt.Errorf("takes %s, not %s; did you mean +%s?", atExamples, quoted(text), text)
	}
	clock := clockOnly().MatchString(text)
	at, err := query.Time(withTomorrow(text, clock, now), query.Options{Now: now})
	if clock && err == nil && !at.After(now) {
		at, err = query.Time(withTomorrow("tomorrow "+text, false, now), query.Options{Now: now})
	}
	switch {
	case err != nil:
		return time.Time{}, fmt.Errorf("takes %s, not %s", atExamples, quoted(text))
	case at.Before(now):
		return time.Time{}, errors.New("names a time that is over: " + at.Format(time.DateTime))
	}
	return at, nil
}

// withTomorrow writes a time as query.Time takes it: a time of day with the date of today, and the date of
// tomorrow in place of the word.
func withTomorrow(text string, clock bool, now time.Time) string {
	if clock {
		return "today " + text
	}
	const word = "tomorrow"
	if len(text) < len(word) || !strings.EqualFold(text[:len(word)], word) {
		return text
	}
	return day.Next(now).Format(time.DateOnly) + text[len(word):]
}
