package metric

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"qme/internal/visible"
	"qme/record"
)

// LongestLine is how many bytes of a line are looked at. A longer one is skipped.
const LongestLine = 64 << 10

// A Scanner finds metrics in one stream of a run, of which it keeps no more than a line. It is for one goroutine.
//
// It takes the text that was visible in the end: without control sequences, and of a line that was written again after a carriage
// return, as by a progress bar, what was last on it.
type Scanner struct {
	specs  []Spec
	asked  []*series          // of the specs
	found  []*series          // of others, in the order in which they came
	byName map[string]*series // those that make up lines; nil for one that a pattern finds
	others bool
	lines  bool // metrics that make up lines are looked for

	line []byte // the part of the line that has come
	long bool   // it is too long
	cr   bool   // the last byte of it was a carriage return

	cut bool // until the next line: its beginning is missing

	skipped, leftOut int
	pairs            []pair // of the last line, whose room is used again
}

// NewScanner returns a Scanner for some metrics. If others is set, it finds others as well: whole lines such as "acc: 0.91" and
// "epoch 3 loss=0.4 acc=0.9", as docs/metrics.md describes them.
func NewScanner(specs []Spec, others bool) *Scanner {
	s := &Scanner{specs: specs, byName: map[string]*series{}, others: others, lines: others}
	for _, spec := range specs {
		one := &series{name: spec.Name, take: spec.Take}
		s.asked = append(s.asked, one)
		if s.byName[spec.Name] = one; spec.Pattern != "" {
			s.byName[spec.Name] = nil
		} else {
			s.lines = true
		}
	}
	return s
}

// Skipped returns how many lines, and values of a pattern, were too long to be looked at.
func (s *Scanner) Skipped() int { return s.skipped }

// LeftOut returns how many values were left out because there are more names than a run can have.
func (s *Scanner) LeftOut() int { return s.leftOut }

// Gap says that a part of the stream is missing before what is read next. Of the lines that it has cut nothing counts.
func (s *Scanner) Gap() {
	s.line, s.long, s.cr, s.cut = s.line[:0], false, false, true
	for _, one := range append(slices.Clone(s.asked), s.found...) {
		one.gap()
	}
}

// Unknown returns the names of metrics that were asked for and that would need a part of the stream that is missing.
func (s *Scanner) Unknown() (names []string) {
	for _, one := range s.asked {
		if one.lost {
			names = append(names, one.name)
		}
	}
	return names
}

// Read reads the stream to its end, or up to a Gap.
func (s *Scanner) Read(r io.Reader) error {
	chunk := make([]byte, 32<<10)
	for {
		n, err := r.Read(chunk)
		s.write(chunk[:n])
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Visible reads a whole stream of which the text is known that was visible: see package visible.
func (s *Scanner) Visible(text string) {
	for text != "" {
		end := strings.IndexByte(text, '\n')
		if end < 0 {
			end = len(text)
		}
		switch line := text[:end]; {
		case line == "":
		case len(line) > LongestLine:
			s.skipped++
		default:
			s.take(line)
		}
		text = text[min(end+1, len(text)):]
	}
}

func (s *Scanner) write(b []byte) {
	for len(b) > 0 {
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			s.keep(b)
			return
		}
		s.keep(b[:end])
		s.end()
		b = b[end+1:]
	}
}

// keep adds a piece without a newline to the line. What is before a carriage return that something follows was overwritten.
func (s *Scanner) keep(b []byte) {
	for len(b) > 0 {
		end := bytes.IndexByte(b, '\r')
		if end == 0 {
			s.cr, b = true, b[1:]
			continue
		}
		if s.cr {
			s.line, s.long, s.cr, s.cut = s.line[:0], false, false, false
		}
		piece := b
		if end > 0 {
			piece = b[:end]
		}
		if s.long = s.long || len(s.line)+len(piece) > LongestLine; !s.long {
			s.line = append(s.line, piece...)
		}
		b = b[len(piece):]
	}
}

func (s *Scanner) end() {
	if s.cut {
		s.cut = false
	} else if s.long {
		s.skipped++
	} else if len(s.line) > 0 {
		s.shown(string(s.line))
	}
	s.line, s.long, s.cr = s.line[:0], false, false
}

// shown takes a line without carriage returns. Sequences that move the cursor may make several of it.
func (s *Scanner) shown(line string) {
	for one := range strings.SplitSeq(visible.Text(line), "\n") {
		if one != "" {
			s.take(one)
		}
	}
}

func (s *Scanner) take(line string) {
	for i, spec := range s.specs {
		if spec.re != nil {
			s.skipped += spec.find(line, s.asked[i])
		}
	}
	if !s.lines {
		return
	}
	var step string
	if s.pairs, step = readPairs(s.pairs[:0], line); len(s.pairs) == 0 {
		return
	}
	for _, p := range s.pairs {
		if to := s.series(p.name); to != nil {
			to.add(record.MetricValue(p.number), record.MetricValue(step))
		}
	}
}

// series returns the values of a metric that makes up lines; nil if they do not count.
func (s *Scanner) series(name string) *series {
	one, known := s.byName[name]
	if known || !s.others {
		return one
	}
	if len(s.asked)+len(s.found) >= record.MostMetrics {
		s.leftOut++
		return nil
	}
	one = &series{name: strings.Clone(name), take: record.TakeLast}
	s.byName[one.name] = one
	s.found = append(s.found, one)
	return one
}

// Metrics ends the stream, and returns the metrics of what was read: those that were asked for first, without those of which there
// is no value.
func (s *Scanner) Metrics() record.Metrics {
	s.end()
	var list record.Metrics
	for i, one := range s.asked {
		if m, ok := one.metric(); ok {
			m.Pattern = s.specs[i].Pattern
			list = append(list, m)
		}
	}
	for _, one := range s.found {
		if m, ok := one.metric(); ok {
			list = append(list, m)
		}
	}
	return list
}

// Printed returns the metrics in streams of which the texts are known that were visible: see NewScanner. Those of an earlier stream count before
// others of the same name. The search index has what it returns for no specs: a change of that is one of the format of the index.
func Printed(specs []Spec, others bool, texts ...string) record.Metrics {
	var sources []record.Metrics
	for _, text := range texts {
		s := NewScanner(specs, others)
		s.Visible(text)
		sources = append(sources, s.Metrics())
	}
	return Join(sources...)
}

// Join returns the metrics of several sources. A name that an earlier source has counts from there.
func Join(sources ...record.Metrics) record.Metrics {
	var list record.Metrics
	has := map[string]bool{}
	for _, source := range sources {
		for _, m := range source {
			if !has[m.Name] {
				has[m.Name] = true
				list = append(list, m)
			}
		}
	}
	return list
}
