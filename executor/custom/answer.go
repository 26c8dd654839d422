package custom

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"qme/internal/lazy"
	"qme/record"
)

// An answer has the fields that were found in the output of a program.
type answer map[string]string

// texts are the fields of a job that are kept as they were found.
var texts = map[string]func(*record.Job) *string{
	"id":          func(j *record.Job) *string { return &j.ID },
	"cluster":     func(j *record.Job) *string { return &j.Cluster },
	"name":        func(j *record.Job) *string { return &j.Name },
	"partition":   func(j *record.Job) *string { return &j.Partition },
	"nodes":       func(j *record.Job) *string { return &j.Nodes },
	"reason":      func(j *record.Job) *string { return &j.Reason },
	"stdout_file": func(j *record.Job) *string { return &j.StdoutFile },
	"stderr_file": func(j *record.Job) *string { return &j.StderrFile },
}

// numbers are the fields that are read as a time, a size or a number; false means that
// the text is none.
var numbers = map[string]func(j *record.Job, text string) bool{
	"returncode": func(j *record.Job, text string) bool { return setCode(j, text, 0) },
	"signal":     func(j *record.Job, text string) bool { return text == "0" || setCode(j, text, 128) },
	"submitted":  func(j *record.Job, text string) bool { return setTime(&j.Submitted, text) },
	"started":    func(j *record.Job, text string) bool { return setTime(&j.Started, text) },
	"ended":      func(j *record.Job, text string) bool { return setTime(&j.Ended, text) },
	"elapsed":    func(j *record.Job, text string) bool { return setSeconds(&j.Elapsed, text) },
	"max_rss":    func(j *record.Job, text string) bool { return setBytes(&j.MaxRSS, text) },
	"cpus": func(j *record.Job, text string) bool {
		n, err := strconv.ParseUint(text, 10, 31)
		if err == nil {
			j.CPUs = int(n)
		}
		return err == nil
	},
}

// fieldOf returns a field of a job as it was found.
func fieldOf(j *record.Job, name string) string {
	if at, ok := texts[name]; ok {
		return *at(j)
	}
	return j.Fields[name]
}

// fill writes the fields, except the state, into a job. Texts that cannot be read as a time,
// a number or a size, and fields that a job does not have, go into its Fields.
func (a answer) fill(j *record.Job) {
	j.Fields = maps.Clone(j.Fields)
	for _, name := range slices.Sorted(maps.Keys(a)) { // returncode before signal
		text := a[name]
		if at, ok := texts[name]; ok {
			*at(j) = text
			continue
		}
		if set, ok := numbers[name]; name == "state" || ok && set(j, text) {
			continue
		}
		if j.Fields == nil {
			j.Fields = map[string]string{}
		}
		j.Fields[name] = text
	}
}

// setCode reads an exit code, to which base is added. Below 0, as PBS has it, a job could
// not be run, and from 256 on it was ended by a signal.
func setCode(j *record.Job, text string, base int) bool {
	n, err := strconv.Atoi(text)
	switch n += base; {
	case err != nil:
		return false
	case n < 0:
		n = 1
	case n >= 256:
		n = 128 + n%256
	}
	n = min(n, 255)
	j.ReturnCode = &n
	return true
}

// layouts are how schedulers write times, in the local zone where they give none.
var layouts = []string{time.RFC3339Nano, time.ANSIC, "Mon Jan _2 15:04:05 MST 2006", "2006-01-02 15:04:05", "2006-01-02T15:04:05", "01/02/2006 15:04:05"}

// setTime reads a time: one of layouts, or seconds since 1970. 0 is none.
func setTime(to **record.Time, text string) bool {
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		if !(seconds >= 0 && seconds < 1e11) {
			return false
		}
		if seconds > 0 {
			*to = &record.Time{Time: time.UnixMicro(int64(seconds * 1e6))}
		}
		return true
	}
	for _, layout := range layouts {
		if at, err := time.ParseInLocation(layout, strings.Join(strings.Fields(text), " "), time.Local); err == nil {
			if at.Year() > 1 { // docker's "not yet"
				*to = &record.Time{Time: at.Truncate(time.Microsecond)}
			}
			return true
		}
	}
	return false
}

// clock is [DAYS-][HOURS:]MINUTES:SECONDS.
var clock = lazy.Regexp(`^(?:(\d{1,6})-)?(?:(\d{1,9}):)?(\d{1,9}):(\d{1,9}(?:\.\d+)?)$`)

// setSeconds reads a duration: as clock has it, or a number of seconds.
func setSeconds(to *float64, text string) bool {
	if at := clock().FindStringSubmatch(text); at != nil {
		var parts [4]float64
		for i := range parts {
			parts[i], _ = strconv.ParseFloat(at[i+1], 64) // the expression has digits alone, or nothing, which is 0
		}
		*to = parts[0]*24*3600 + parts[1]*3600 + parts[2]*60 + parts[3]
		return true
	}
	seconds, err := strconv.ParseFloat(strings.TrimSuffix(text, "s"), 64)
	if err != nil || !(seconds >= 0 && seconds < 1e11) { // nor NaN
		return false
	}
	*to = seconds
	return true
}

// size is a number with a unit: that of schedulers, in which kb is 1024 bytes.
var size = lazy.Regexp(`(?i)^(\d+(?:\.\d+)?)\s*([kmgtp]?)(?:i?b(?:ytes)?)?$`)

func setBytes(to *int64, text string) bool {
	at := size().FindStringSubmatch(text)
	if at == nil {
		return false
	}
	n, err := strconv.ParseFloat(at[1], 64)
	for range 1 + strings.Index("kmgtp", strings.ToLower(at[2])) {
		if at[2] != "" {
			n *= 1024
		}
	}
	if err != nil || n >= 1<<62 {
		return false
	}
	*to = int64(n)
	return true
}
