// Package metric finds metrics, such as a loss or an accuracy, in what a run has printed and in files that it has written.
//
// What it reads is other people's: lines, values, nesting and files have bounds, and what is beyond these is counted or
// refused. It knows nothing of tasks.
package metric

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"qme/internal/safe"
	"qme/record"
)

// LongestPattern is how many bytes a pattern has at most.
const LongestPattern = 1000

// written says how a Spec is written.
const written = "a metric is written NAME, or NAME=REGEX, such as 'acc=accuracy: ([0-9.]+)', and one of last, first, min, max and mean may follow after a blank"

// stepGroup is the name of the group of a pattern that has the step.
const stepGroup = "step"

// A Spec is a metric that is looked for in what a run prints. The zero value is none: Parse makes one.
type Spec struct {
	Name string
	// Pattern is a regular expression (RE2) that is looked for in each line. The first group that is not called "step"
	// is the value, the whole match if there is none, and a group that is called so is the step. "" means that the name
	// and the number make up a line, as for metrics that are not asked for.
	Pattern string
	// Take says which of several values counts. It is one of record.Takes.
	Take string

	re          *regexp.Regexp // nil without a pattern
	value, step int            // the groups; -1 for no step
}

// Parse reads NAME or NAME=REGEX, with one of record.Takes after the last blank, or without, which is the last value. The error
// wraps record.ErrInvalid, and says how a metric is written.
func Parse(text string) (Spec, error) {
	s := Spec{Take: record.TakeLast}
	if at := strings.LastIndexByte(text, ' '); at >= 0 && slices.Contains(record.Takes, text[at+1:]) {
		text, s.Take = strings.TrimRight(text[:at], " "), text[at+1:]
	}
	has := false
	s.Name, s.Pattern, has = strings.Cut(text, "=")
	if has && s.Pattern == "" {
		return Spec{}, fmt.Errorf("%w metric: %s has no expression after \"=\"; %s", record.ErrInvalid, shown(text), written)
	}
	return s.compiled()
}

// ParseAll reads metrics as Parse does, each name once, and at most as many as a run can have. The error is that of Parse.
func ParseAll(texts []string) ([]Spec, error) {
	var list []Spec
	for _, text := range texts {
		s, err := Parse(text)
		switch {
		case err != nil:
			return nil, err
		case slices.ContainsFunc(list, func(other Spec) bool { return other.Name == s.Name }):
			return nil, fmt.Errorf("%w metric: %s is asked for twice; give the values names of their own", record.ErrInvalid, s.Name)
		case len(list) == record.MostMetrics:
			return nil, fmt.Errorf("%w metrics: there are more than %d", record.ErrInvalid, record.MostMetrics)
		}
		list = append(list, s)
	}
	return list, nil
}

// Again returns the Spec with which a metric was found in the output of a run. ok is false for one that was found in a file. The
// error is that of Parse.
func Again(m record.Metric) (s Spec, ok bool, err error) {
	if m.File != "" {
		return Spec{}, false, nil
	}
	s = Spec{Name: m.Name, Pattern: m.Pattern, Take: m.Take}
	if s.Take == "" {
		s.Take = record.TakeLast
	}
	s, err = s.compiled()
	return s, err == nil, err
}

func (s Spec) compiled() (Spec, error) {
	if err := record.CheckMetricName(s.Name); err != nil {
		return Spec{}, fmt.Errorf("%w; %s", err, written)
	}
	if !slices.Contains(record.Takes, s.Take) {
		return Spec{}, fmt.Errorf("%w metric: %s takes %s; %s", record.ErrInvalid, s.Name, shown(s.Take), written)
	}
	if s.step = -1; s.Pattern == "" {
		return s, nil
	}
	if len(s.Pattern) > LongestPattern || !utf8.ValidString(s.Pattern) || strings.ContainsFunc(s.Pattern, func(r rune) bool { return unicode.IsControl(r) && r != '\t' }) {
		return Spec{}, fmt.Errorf("%w metric: the expression of %s is text of one line with at most %d bytes, not %s", record.ErrInvalid, s.Name, LongestPattern, shown(s.Pattern))
	}
	if n := instructions(s.Pattern); n > mostInstructions {
		return Spec{}, fmt.Errorf("%w metric: the expression of %s is as large as %d simple ones, of at most %d; repeat less in it", record.ErrInvalid, s.Name, n, mostInstructions)
	}
	var err error
	if s.re, err = regexp.Compile(s.Pattern); err != nil {
		return Spec{}, fmt.Errorf("%w metric: the expression of %s: %s; %s", record.ErrInvalid, s.Name, safe.Bounded(strings.TrimPrefix(err.Error(), "error parsing regexp: ")), written)
	}
	s.step = s.re.SubexpIndex(stepGroup)
	for i, name := range s.re.SubexpNames() {
		if i > 0 && name != stepGroup {
			s.value = i
			break
		}
	}
	return s, nil
}

// mostInstructions bounds an expression as a program. What it costs to look through a line is that number for each byte, and (a?){1000}
// has thousands in a few bytes.
const mostInstructions = 1000

// instructions returns the length of an expression as a program, 0 of an invalid one.
func instructions(pattern string) int {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return 0
	}
	return len(prog.Inst)
}

func shown(text string) string { return safe.Bounded(fmt.Sprintf("%q", text)) }

// String returns the Spec as Parse reads it.
func (s Spec) String() string {
	text := s.Name
	if s.Pattern != "" {
		text += "=" + s.Pattern
	}
	// The last word of a pattern may be one of these itself.
	if s.Take != record.TakeLast || slices.Contains(record.Takes, text[strings.LastIndexByte(text, ' ')+1:]) {
		text += " " + s.Take
	}
	return text
}

// find adds what the pattern finds in a line to the values. It returns how many were too long to be values.
func (s Spec) find(line string, to *series) (tooLong int) {
	s.eachMatch(line, func(at []int) {
		value := strings.TrimSpace(group(line, at, s.value))
		step := ""
		if s.step >= 0 {
			step = strings.TrimSpace(group(line, at, s.step))
		}
		switch {
		case value == "":
		case len(value) > record.LongestMetric || len(step) > record.LongestMetric:
			tooLong++
		default:
			to.add(record.MetricValue(strings.ToValidUTF8(value, "\uFFFD")), record.MetricValue(strings.ToValidUTF8(step, "\uFFFD")))
		}
	})
	return tooLong
}

// eachMatch calls fn with where the pattern is in a line, as FindAllStringSubmatchIndex has it. Nearly all lines have one match or none, which is
// found in less time if the pattern begins with a text.
func (s Spec) eachMatch(line string, fn func(at []int)) {
	begin, _ := s.re.LiteralPrefix()
	if begin != "" {
		if !strings.Contains(line, begin) {
			return
		}
		at := s.re.FindStringSubmatchIndex(line)
		if at == nil {
			return
		}
		if !strings.Contains(line[at[1]:], begin) {
			fn(at)
			return
		}
	}
	for _, at := range s.re.FindAllStringSubmatchIndex(line, -1) {
		fn(at)
	}
}

func group(line string, at []int, i int) string {
	if at[2*i] < 0 {
		return ""
	}
	return line[at[2*i]:at[2*i+1]]
}
