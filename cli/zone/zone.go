// Package zone determines the user's time zone. Package time silently falls back to UTC
// for some values of TZ that POSIX allows.
package zone

import (
	"bytes"
	"encoding/binary"
	"os"
	"qme/internal/lazy"
	"strings"
	"time"
)

// Variable is the environment variable of the time zone.
const Variable = "TZ"

// Set sets time.Local from TZ. If TZ is invalid, ok is false and the zone is UTC. Call it
// at the start of a program, before any times are formatted.
func Set() (ok bool) {
	text, set := os.LookupEnv(Variable)
	if !set {
		return true // the zone of the machine
	}
	zone, ok := Load(text)
	if zone != nil {
		time.Local = zone
	}
	return ok
}

// Load returns the zone for a value of TZ, nil if package time handles the value itself;
// ok is false if the value is invalid.
func Load(text string) (zone *time.Location, ok bool) {
	name := strings.TrimPrefix(text, ":")
	if name == "" || name == "UTC" || strings.HasPrefix(name, "/") && readable(name) {
		return nil, true
	}
	if _, err := time.LoadLocation(name); err == nil {
		return nil, true
	}
	if strings.HasPrefix(text, ":") {
		return nil, false
	}
	zone = posix(text)
	return zone, zone != nil
}

func readable(name string) bool {
	b, err := os.ReadFile(name)
	if err != nil {
		return false
	}
	_, err = time.LoadLocationFromTZData(name, b)
	return err == nil
}

// posixForm matches the form in XBD 8.3 "TZ"; package time checks the rest. It is a name,
// an offset, and optionally the name, offset and dates of summer time.
var posixForm = lazy.Regexp(`^([A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)[+-]?\d{1,2}(:\d\d){0,2}(([A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)([+-]?\d{1,2}(:\d\d){0,2})?(,[^,]+,[^,]+)?)?$`)

// unknown is the zone name that remains if the rule is rejected.
const unknown = "???"

// posix returns the zone of a rule such as EST5EDT,M3.2.0,M11.1.0, nil if the rule is
// invalid. Such a rule ends every zone file (RFC 8536, section 3.3), so it is loaded from
// a file that contains nothing else.
func posix(rule string) *time.Location {
	if len(rule) > 255 || !posixForm().MatchString(rule) {
		return nil
	}
	zone, err := time.LoadLocationFromTZData(rule, file(rule))
	if err != nil {
		return nil
	}
	if name, _ := time.Unix(0, 0).In(zone).Zone(); name == unknown {
		return nil
	}
	return zone
}

// file returns a zone file with a rule: a header and data of version 1, which are not
// used, the same as version 2, and the rule.
func file(rule string) []byte {
	var b bytes.Buffer
	for range 2 {
		b.WriteString("TZif2")
		b.Write(make([]byte, 15))
		// No leap seconds and no transitions; one type of local time, with a 4-byte name.
		for _, n := range []uint32{0, 0, 0, 0, 1, uint32(len(unknown) + 1)} {
			_ = binary.Write(&b, binary.BigEndian, n) // writing to memory cannot fail
		}
		b.Write(make([]byte, 6)) // offset 0, no summer time, name at 0
		b.WriteString(unknown + "\x00")
	}
	b.WriteString("\n" + rule + "\n")
	return b.Bytes()
}
