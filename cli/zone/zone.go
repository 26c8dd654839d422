// Package zone finds the time zone of the user where package time does not: it takes UTC in
// silence for what POSIX allows in TZ beside the names of zones.
package zone

import (
	"bytes"
	"encoding/binary"
	"os"
	"qme/internal/lazy"
	"strings"
	"time"
)

// Variable names the environment variable.
const Variable = "TZ"

// Set has time.Local be the zone that TZ says. ok is false where TZ is not understood, and
// the zone is UTC. It is for the start of a program, before times are shown.
func Set() (ok bool) {
	text, set := os.LookupEnv(Variable)
	if !set {
		return true // the machine's
	}
	zone, ok := Load(text)
	if zone != nil {
		time.Local = zone
	}
	return ok
}

// Load returns the zone that a value of TZ says, nil where package time knows it itself.
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

// posixForm is the form of XBD 8.3 "TZ", of which package time decides the rest: a name, an
// offset, and perhaps those of the summer and when it is.
var posixForm = lazy.Regexp(`^([A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)[+-]?\d{1,2}(:\d\d){0,2}(([A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)([+-]?\d{1,2}(:\d\d){0,2})?(,[^,]+,[^,]+)?)?$`)

// unknown is the name of a zone that no rule has replaced.
const unknown = "???"

// posix returns the zone of a rule as in EST5EDT,M3.2.0,M11.1.0, nil where it is none. Such
// a rule stands at the end of each zone's file (RFC 8536, section 3.3), so one is made that
// has nothing else.
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

// file returns the zone file of a rule: in version 2 a header and data of version 1, which
// nobody reads, the same again, and the rule.
func file(rule string) []byte {
	var b bytes.Buffer
	for range 2 {
		b.WriteString("TZif2")
		b.Write(make([]byte, 15))
		// No leap seconds, and no transitions; one type of time, whose name has 4 bytes.
		for _, n := range []uint32{0, 0, 0, 0, 1, uint32(len(unknown) + 1)} {
			_ = binary.Write(&b, binary.BigEndian, n) // to memory
		}
		b.Write(make([]byte, 6)) // offset 0, no summer time, name at 0
		b.WriteString(unknown + "\x00")
	}
	b.WriteString("\n" + rule + "\n")
	return b.Bytes()
}
