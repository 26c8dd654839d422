package mask

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
)

const (
	// longestLine is how much of a line is matched at once.
	longestLine = 64 << 10
	// longestMatch is the length of matches that are found as a whole in longer lines.
	longestMatch = 4 << 10
)

// Check reports why a pattern cannot be used, or nil.
func Check(pattern string) error {
	_, err := compile(pattern)
	return err
}

// compile compiles a pattern so that it matches within a line: no part of it matches a line
// break, and the ends of a line count as those of a text.
func compile(pattern string) (*regexp.Regexp, error) {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("%q is not a regular expression: %w", pattern, err)
	}
	if err := withinLine(tree); err != nil {
		return nil, fmt.Errorf("%q: %w", pattern, err)
	}
	re, err := regexp.Compile(tree.String())
	if err != nil {
		return nil, fmt.Errorf("%q is not a regular expression: %w", pattern, err)
	}
	if re.MatchString("") {
		return nil, fmt.Errorf("%q matches the empty text", pattern)
	}
	return re, nil
}

func withinLine(t *syntax.Regexp) error {
	switch t.Op {
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		t.Op, t.Rune = syntax.OpCharClass, []rune{0, '\n' - 1, '\n' + 1, '\r' - 1, '\r' + 1, 0x10ffff}
	case syntax.OpCharClass:
		t.Rune = without(without(t.Rune, '\n'), '\r')
	case syntax.OpLiteral:
		if slices.ContainsFunc(t.Rune, func(r rune) bool { return r == '\n' || r == '\r' }) {
			return errors.New("it can match no line break, because output is matched line by line")
		}
	case syntax.OpBeginText:
		t.Op = syntax.OpBeginLine
	case syntax.OpEndText:
		t.Op = syntax.OpEndLine
	}
	for _, sub := range t.Sub {
		if err := withinLine(sub); err != nil {
			return err
		}
	}
	return nil
}

// without returns the ranges of a class without a character.
func without(ranges []rune, c rune) []rune {
	var out []rune
	for i := 0; i+1 < len(ranges); i += 2 {
		low, high := ranges[i], ranges[i+1]
		if c < low || c > high {
			out = append(out, low, high)
			continue
		}
		if low < c {
			out = append(out, low, c-1)
		}
		if c < high {
			out = append(out, c+1, high)
		}
	}
	return out
}

func patternName(i int) string { return patternLabel + strconv.Itoa(i+1) }

// A hit is a part of a text that a pattern matches.
type hit struct{ start, end, pattern int }

// hits returns the matches of all patterns in a text, in their order. Matches that overlap are
// one, of the pattern that begins first. A marker is not matched again.
func (s *Set) hits(text []byte) []hit {
	var all []hit
	for i, re := range s.patterns {
		for _, at := range re.FindAllIndex(text, -1) {
			if at[0] < at[1] {
				all = append(all, hit{at[0], at[1], i})
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.SortStableFunc(all, func(a, b hit) int { return cmp.Compare(a.start, b.start) })
	var markers []Marker
	if bytes.Contains(text, []byte(opening)) {
		markers = slices.DeleteFunc(Markers(string(text)), func(m Marker) bool { return !s.known[m.Name] })
	}
	var joined []hit
	for _, h := range all {
		switch last := len(joined) - 1; {
		case slices.ContainsFunc(markers, func(m Marker) bool { return m.Start <= h.start && h.end <= m.End }):
		case last >= 0 && h.start < joined[last].end:
			joined[last].end = max(joined[last].end, h.end)
		default:
			joined = append(joined, h)
		}
	}
	return joined
}

// matchWords masks what patterns match in the words of a command line.
func (s *Set) matchWords(words []string, counts Counts) []string {
	line := strings.Join(words, " ")
	found := s.hits([]byte(line))
	masked := make([]string, len(words))
	at := 0
	for i, w := range words {
		var out strings.Builder
		pos := at
		for _, h := range found {
			start, end := max(h.start, at), min(h.end, at+len(w))
			if start >= end {
				continue
			}
			out.WriteString(line[pos:start])
			out.WriteString(marker(patternName(h.pattern), ""))
			counts[patternName(h.pattern)]++
			pos = end
		}
		out.WriteString(line[pos : at+len(w)])
		masked[i] = out.String()
		at += len(w) + 1
	}
	return masked
}

// A patternWriter masks in a stream what patterns match.
type patternWriter struct {
	set    *Set
	to     io.Writer
	counts Counts
	line   []byte // the beginning of a line that is not complete
	out    []byte
}

// Write implements io.Writer.
func (w *patternWriter) Write(b []byte) (int, error) {
	breaks := bytes.ContainsAny(b, "\r\n")
	w.line = append(w.line, b...)
	if !breaks && len(w.line) < longestLine {
		return len(b), nil
	}
	rest := w.line
	for len(rest) > 0 {
		piece := rest[:min(len(rest), longestLine)]
		cut := bytes.LastIndexAny(piece, "\r\n") + 1
		var err error
		switch {
		case cut > 0:
			err = w.lines(piece[:cut])
		case len(piece) == longestLine:
			cut, err = w.mask(piece, longestLine-longestMatch)
		default:
			w.line = append(w.line[:0], rest...)
			return len(b), nil
		}
		if err != nil {
			return 0, err
		}
		rest = rest[cut:]
	}
	w.line = w.line[:0]
	return len(b), nil
}

// lines masks whole lines. A carriage return ends a line, too, and a text of several lines with
// one is taken apart there, since patterns know only the newline.
func (w *patternWriter) lines(text []byte) error {
	for {
		line := text
		if i := bytes.IndexByte(text, '\r'); i >= 0 {
			line = text[:i+1]
		}
		if _, err := w.mask(line, len(line)); err != nil || len(line) == len(text) {
			return err
		}
		text = text[len(line):]
	}
}

func (w *patternWriter) close() error {
	_, err := w.mask(w.line, len(w.line))
	w.line = nil
	return err
}

// mask passes on a text up to cut, or to the end of a match that goes beyond, and returns where
// that was.
func (w *patternWriter) mask(text []byte, cut int) (int, error) {
	w.out = w.out[:0]
	pos := 0
	for _, h := range w.set.hits(text) {
		if h.start >= cut {
			break
		}
		name := patternName(h.pattern)
		w.out = append(append(w.out, text[pos:h.start]...), marker(name, "")...)
		w.counts[name]++
		pos = h.end
	}
	if pos == 0 {
		return cut, writeSome(w.to, text[:cut])
	}
	if pos < cut {
		w.out = append(w.out, text[pos:cut]...)
		pos = cut
	}
	return pos, writeSome(w.to, w.out)
}
