package compare

import (
	"bytes"
	"slices"
	"time"
)

// A reader reads the parts of a moment or a duration.
type reader struct {
	b  []byte
	at int
}

func (r *reader) next() byte { return first(r.b[r.at:]) }

func (r *reader) is(c byte) bool {
	if r.next() != c {
		return false
	}
	r.at++
	return true
}

// number reads at least and at most so many digits.
func (r *reader) number(least, most int, n *int) bool {
	from := r.at
	*n = 0
	for r.at-from < most && digit(r.next()) {
		*n = *n*10 + int(r.next()-'0')
		r.at++
	}
	return r.at-from >= least
}

// fraction reads a fraction of a second, if one is there, and returns its nanoseconds and resolution.
// What follows a comma is one only with 3, 6 or 9 digits: it may be the next column as well.
func (r *reader) fraction() (nano int, resolution time.Duration) {
	resolution = time.Second
	c := r.next()
	if c != '.' && c != ',' {
		return 0, resolution
	}
	if n := digits(r.b[r.at+1:]); n == 0 || c == ',' && n != 3 && n != 6 && n != 9 {
		return 0, resolution
	}
	for r.at++; digit(r.next()); r.at++ {
		if resolution >= 10 {
			resolution /= 10
			nano += int(r.next()-'0') * int(resolution)
		} else {
			resolution = 1
		}
	}
	return nano, resolution
}

var (
	months = []string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
		"November", "December"}
	weekdays = []string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}
)

// name reads one of the names, or its first three letters, and returns its number from 1; 0 for none.
func (r *reader) name(names []string) int {
	rest := r.b[r.at:]
	for i, name := range names {
		for _, form := range []string{name, name[:3]} {
			if bytes.HasPrefix(rest, []byte(form)) && !letter(first(rest[len(form):])) {
				r.at += len(form)
				return i + 1
			}
		}
	}
	return 0
}

// half reads AM or PM, if one is there, and returns 'a' or 'p'; 0 for none.
func (r *reader) half() byte {
	rest := r.b[r.at:]
	n := 0
	if first(rest) == ' ' {
		n = 1
	}
	if len(rest) < n+2 || rest[n+1]|0x20 != 'm' || rest[n]|0x20 != 'a' && rest[n]|0x20 != 'p' || alphanumeric(first(rest[n+2:])) {
		return 0
	}
	r.at += n + 2
	return rest[n] | 0x20
}

// zones are the names of zones that follow a time. Other words do, as well: INFO, WARN.
var zones = []string{"CET", "CEST", "WET", "WEST", "EET", "EEST", "BST", "IST", "MSK", "EST", "EDT", "CST", "CDT", "MST",
	"MDT", "PST", "PDT", "AKST", "AKDT", "HST", "JST", "KST", "SGT", "HKT", "PKT", "AEST", "AEDT", "ACST", "ACDT", "AWST",
	"NZST", "NZDT", "SAST", "EAT", "WAT", "CAT"}

// zone reads a zone, perhaps behind a blank. With anyName it may have a name of two to five capitals
// that is not known.
func (r *reader) zone(anyName bool) (zone, int) {
	rest := r.b[r.at:]
	blank := 0
	if first(rest) == ' ' {
		blank, rest = 1, rest[1:]
	}
	n := 0
	for n < len(rest) && 'A' <= rest[n] && rest[n] <= 'Z' {
		n++
	}
	if n > 0 {
		if alphanumeric(first(rest[n:])) {
			return zoneNone, 0
		}
		var kind zone
		switch name := string(rest[:n]); {
		case name == "Z" && blank == 0, name == "UTC", name == "GMT":
			kind = zoneUTC
		case slices.Contains(zones, name), anyName && 2 <= n && n <= 5:
			kind = zoneNamed
		default:
			return zoneNone, 0
		}
		r.at += blank + n
		return kind, 0
	}
	offset, n := readOffset(rest)
	if n == 0 || blank == 1 && n < 5 && !anyName { // " -3" may be a number
		return zoneNone, 0
	}
	r.at += blank + n
	return zoneOffset, offset
}

// readOffset reads +0100, +01:00 or +01, and returns its seconds and its length; 0 for none.
func readOffset(b []byte) (seconds, length int) {
	sign := 1
	switch first(b) {
	case '-':
		sign = -1
	case '+':
	default:
		return 0, 0
	}
	r := reader{b: b, at: 1}
	var hours, minutes int
	if !r.number(2, 2, &hours) {
		return 0, 0
	}
	end := r.at
	r.is(':')
	if r.number(2, 2, &minutes) {
		end = r.at
	}
	if hours > 14 || minutes%15 != 0 || minutes > 45 || digit(first(b[end:])) {
		return 0, 0
	}
	return sign * (hours*3600 + minutes*60), end
}
