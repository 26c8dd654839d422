package compare

import (
	"bytes"
	"time"
)

// longestMoment is how long the text of a moment may be.
const longestMoment = 64

// layouts are the ways to write a moment, longer ones before those with which they begin. A letter
// stands for a part, all else for itself. The last one has no date.
//
//	Y M D   year (4 digits), month and day (2 digits)      d    day (1 or 2, perhaps with a blank before it)
//	h m s   hour, minute and second (2 digits)             H    hour (1 or 2 digits)
//	f       perhaps a fraction of the second               p    perhaps AM or PM
//	b w     names of a month and of a weekday              ~    what separates a date from a time
//	z       perhaps a zone                                 Z    a zone, by any name
//	x       month or day: which is which is not known
var layouts = []string{
	"Y-M-D~h:m:sfz", "Y-M-D~h:mz", "Y/M/D~h:m:sfz", "Y/M/D~h:mz", "Y-M-D~h-m-s", "Y_M_D~h_m_s", "Y.M.D~h:m:sf",
	"YMD~hmsfz", "YMDhms", "D/b/Y:h:m:sfz", "d-b-Y~h:m:sfz", "d b Y~h:m:sfpz", "d b Y~h:mpz", "x/x/Y~H:m:sfpz", "x/x/Y~H:mpz",
	"D.M.Y~H:m:sf", "D.M.Y~H:m",
	"w b d h:m:sf Y", "w b d H:m:sfp Z Y", "w, d b Y H:m:sfpz", "w d b Y H:m:sfpz", "w d b H:m:sfp Z Y",
	"b d h:m:sfz", "b d h:mz", "b d, Y~H:m:sfpz", "b d, Y~H:mpz", "b d Y~H:m:sfz", "H:m:sfpz",
}

// dateless is the index of the layout without a date.
var dateless = len(layouts) - 1

// A moment is a moment as it is written: with the resolution, and perhaps without date, year and zone.
type moment struct {
	layout           int
	length           int
	separator        []byte
	year, month, day int // 0 where there is none
	swap             bool
	hour, min, sec   int
	nano             int
	resolution       time.Duration
	pm               byte // 'a', 'p', or 0
	zone             zone
	offset           int // seconds, for zoneOffset
}

// A zone tells how the zone of a moment is given.
type zone int

const (
	zoneNone   zone = iota
	zoneUTC         // Z, UTC or GMT
	zoneOffset      // +01:00
	zoneNamed       // CET: that of the run, which prints it
)

// timed finds a moment or a duration at the place, in the longest text that can be read as one. A time
// that follows a date is read with it, so it cannot be taken for one of another day.
func (p *Pair) timed(v *view) (span, bool) {
	for d := min(v.free, longestMoment); d >= 0; d-- {
		x, y := v.at(d)
		if c := first(x); !digit(c) && !letter(c) {
			continue
		}
		c, e := v.before(d)
		if alphanumeric(c) || alphanumeric(e) {
			continue
		}
		if s, ok, decided := p.moment(v, d, x, y); decided {
			return s, ok
		}
		if s, ok := p.epoch(v, d, x, y); ok {
			return s, true
		}
		if s, ok := p.duration(v, d, x, y); ok {
			return s, true
		}
	}
	return span{}, false
}

// moment looks for a moment that begins d bytes before the place. decided says that one with a date is
// there in one of the contents at least.
func (p *Pair) moment(v *view, d int, x, y []byte) (s span, ok, decided bool) {
	if !momentBegins(first(x)) && !momentBegins(first(y)) {
		return span{}, false, false
	}
	before, _ := v.before(d)
	for layout := range layouts {
		p.steps++
		m, isX := readMoment(layout, x)
		n, isY := readMoment(layout, y)
		switch {
		case !isX && !isY || max(m.length, n.length) <= d:
			continue
		case layout == dateless && (before == '.' || before == ':' || before == '-' || before == '_'):
			continue
		case isX && isY && m.length >= d && n.length >= d && bytes.Equal(m.separator, n.separator) &&
			p.ref.readings(m)&p.now.readings(n) != 0:
			return v.span(Time, d, m.length, n.length), true, true
		case layout != dateless:
			return span{}, false, true
		}
	}
	return span{}, false, false
}

func momentBegins(c byte) bool { return digit(c) || 'A' <= c && c <= 'Z' }

// A set of readings has a bit for each way to read a moment in which it lies within a run.
const (
	ownZone = 1 << iota
	inUTC
	asWritten
	swapped // shifts the others, for a day and a month in the other order
)

// readings returns in which ways a moment can be read as one of the run.
func (f *Facts) readings(m moment) (set int) {
	if f.Begin.IsZero() || f.End.Before(f.Begin) {
		return 0
	}
	set = f.inZones(m)
	if m.swap {
		m.month, m.day = m.day, m.month
		set |= f.inZones(m) * swapped
	}
	return set
}

func (f *Facts) inZones(m moment) (set int) {
	own := f.covers(m, f.Begin.Location()) | f.covers(m, f.End.Location())
	switch m.zone {
	case zoneUTC:
		return f.covers(m, time.UTC) * asWritten
	case zoneOffset:
		return f.covers(m, time.FixedZone("", m.offset)) * asWritten
	case zoneNamed:
		return own * asWritten
	default:
		return own*ownZone | f.covers(m, time.UTC)*inUTC
	}
}

// slack is by how much the clock that a program reads can be behind the one that qme reads: the
// kernel moves the coarse one, which has the times of files, only at its ticks.
const slack = 10 * time.Millisecond

// covers returns 1 if a moment lies within the run, as far as it can be told with its resolution, and
// else 0.
func (f *Facts) covers(m moment, in *time.Location) int {
	begin, end := f.Begin.In(in), f.End.In(in)
	if m.day == 0 && end.Sub(begin) >= 24*time.Hour {
		return 0 // any time of the day would do, so that it shows nothing
	}
	for _, day := range []time.Time{begin, end} { // what is missing of the date is that of one of these days
		year, month, date := m.year, time.Month(m.month), m.day
		if year == 0 {
			year = day.Year()
		}
		if date == 0 {
			month, date = day.Month(), day.Day()
		}
		t := time.Date(year, month, date, m.hour, m.min, m.sec, m.nano, in)
		if t.Day() == date && t.Month() == month && f.near(t, m.resolution) {
			return 1
		}
	}
	return 0
}

// near reports whether a time may be one of the run that was cut to a resolution. A fraction may be
// rounded up as well.
func (f *Facts) near(t time.Time, resolution time.Duration) bool {
	low := t
	if resolution < time.Second {
		low = t.Add(-resolution)
	}
	return t.Add(resolution).After(f.Begin.Add(-slack)) && !low.After(f.End)
}

// readMoment reads a moment in a layout at the beginning of b.
func readMoment(layout int, b []byte) (moment, bool) {
	m, r := moment{layout: layout}, reader{b: b[:min(len(b), longestMoment)]}
	pattern := layouts[layout]
	for i := range len(pattern) {
		if !m.part(pattern[i], &r) {
			return m, false
		}
	}
	m.length = r.at
	rest := b[r.at:]
	if alphanumeric(first(rest)) || goesOn(rest, ":.") {
		return m, false
	}
	return m, m.valid()
}

// valid completes the hour, and reports whether the values can be those of a moment.
func (m *moment) valid() bool {
	if m.pm != 0 {
		if m.hour < 1 || m.hour > 12 {
			return false
		}
		m.hour %= 12
		if m.pm == 'p' {
			m.hour += 12
		}
	}
	dated := m.layout != dateless
	return m.hour < 24 && m.min < 60 && m.sec <= 60 && (!dated || m.day >= 1 && m.day <= 31 && m.month >= 1 && (m.month <= 12 || m.swap && m.month <= 31))
}

// part reads what a letter of a layout stands for.
func (m *moment) part(letter byte, r *reader) bool {
	switch letter {
	case 'Y':
		return r.number(4, 4, &m.year)
	case 'M':
		return r.number(2, 2, &m.month)
	case 'D':
		return r.number(2, 2, &m.day)
	case 'd':
		if r.next() == ' ' {
			r.at++
		}
		return r.number(1, 2, &m.day)
	case 'x':
		if m.swap {
			return r.number(1, 2, &m.day)
		}
		m.swap = true
		return r.number(1, 2, &m.month)
	case 'h':
		return r.number(2, 2, &m.hour)
	case 'H':
		return r.number(1, 2, &m.hour)
	case 'm':
		m.resolution = time.Minute
		return r.number(2, 2, &m.min)
	case 's':
		m.resolution = time.Second
		return r.number(2, 2, &m.sec)
	case 'f':
		m.nano, m.resolution = r.fraction()
		return true
	case 'b':
		m.month = r.name(months)
		return m.month > 0
	case 'w':
		return r.name(weekdays) > 0
	case '~':
		return m.separate(r)
	case 'p':
		m.pm = r.half()
		return true
	case 'z', 'Z':
		m.zone, m.offset = r.zone(letter == 'Z')
		return letter == 'z' || m.zone != zoneNone
	}
	return r.is(letter)
}

// separate reads one to three characters between a date and a time.
func (m *moment) separate(r *reader) bool {
	from := r.at
	for r.at-from < 3 && bytes.IndexByte([]byte(" T_,;\t|-\""), r.next()) >= 0 {
		r.at++
	}
	m.separator = r.b[from:r.at]
	return r.at > from
}
