package compare

import (
	"bytes"
	"errors"
	"io"
)

const (
	// ahead is how many bytes are there behind a place before it is judged: more than any text that
	// is masked has.
	ahead = 8 << 10
	// behind is how many bytes are there before a place, unless the content begins later.
	behind = 8 << 10
	buffer = 256 << 10
	// longestName is how long the name of a file is at most, and so all that is masked but a directory.
	longestName = 255
)

// A source reads a content, and remembers the last bytes before its place.
type source struct {
	r       io.Reader
	cut     bool // the content goes on behind its end
	buf     []byte
	at, end int   // the place, and the end of what was read, in buf
	eof     bool  // nothing comes behind end
	err     error // of the reader
	offset  int64 // of the place in the content
	line    int   // of the place, from 1
	begin   int64 // the offset at which the line begins
}

func newSource(c Content) *source {
	return &source{r: c.Reader, cut: c.Cut, line: 1}
}

// textSource returns the source of a text that is there.
func textSource(s string) *source {
	return &source{buf: []byte(s), end: len(s), eof: true, line: 1}
}

// need reads until n bytes behind the place are there, or the content ends.
func (s *source) need(n int) {
	if s.buf == nil && !s.eof {
		s.buf = make([]byte, buffer)
	}
	empty := 0
	for s.end-s.at < n && !s.eof {
		if s.end == len(s.buf) {
			kept := min(s.at, behind)
			s.end = copy(s.buf, s.buf[s.at-kept:s.end])
			s.at = kept
		}
		got, err := s.r.Read(s.buf[s.end:])
		s.end += got
		switch {
		case errors.Is(err, io.EOF):
			s.eof = true
		case err != nil:
			s.eof, s.err = true, err
		case got > 0:
			empty = 0
		default:
			if empty++; empty > 100 {
				s.eof, s.err = true, io.ErrNoProgress
			}
		}
	}
}

// rest is what is there from the place on.
func (s *source) rest() []byte { return s.buf[s.at:s.end] }

// back is what is there before the place, at most n bytes and nothing before the line.
func (s *source) back(n int) []byte {
	n = int(min(int64(n), int64(s.at), s.offset-s.begin))
	return s.buf[s.at-n : s.at]
}

// step moves the place on by n bytes that are there.
func (s *source) step(n int) {
	passed := s.buf[s.at : s.at+n]
	if last := bytes.LastIndexByte(passed, '\n'); last >= 0 {
		s.line += bytes.Count(passed, []byte{'\n'})
		s.begin = s.offset + int64(last) + 1
	}
	s.at += n
	s.offset += int64(n)
}

// lines returns the line of the place and the next ones, n in all at most, as far as they are close by as
// a whole. It returns none if the beginning of the line is not.
func (s *source) lines(n int) (list []string) {
	s.need(ahead)
	before, end := s.offset-s.begin, min(s.end, s.at+ahead)
	if before > int64(min(s.at, behind)) {
		return nil
	}
	text := s.buf[s.at-int(before) : end]
	for len(list) < n {
		i := bytes.IndexByte(text, '\n')
		if i < 0 {
			if s.eof && end == s.end && len(text) > 0 {
				list = append(list, string(text))
			}
			return list
		}
		list, text = append(list, string(text[:i])), text[i+1:]
	}
	return list
}

// skipLines moves the place to the beginning of the n-th line behind its own, or to the end. 0 is its own
// line, if lines has returned it.
func (s *source) skipLines(n int) {
	if n == 0 {
		back := int(s.offset - s.begin)
		s.at, s.offset = s.at-back, s.begin
	}
	for range n {
		s.skipLine()
	}
}

func (s *source) skipLine() {
	for {
		s.need(1)
		rest := s.rest()
		if len(rest) == 0 {
			return
		}
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			s.step(i + 1)
			return
		}
		s.step(len(rest))
	}
}

// longestShown limits Place.Text.
const longestShown = 200

// place describes the place; text says whether to quote the line.
func (s *source) place(text bool) Place {
	s.need(longestShown)
	p := Place{Line: s.line, Column: int(min(s.offset-s.begin, 1<<40)) + 1, Offset: s.offset, End: s.at == s.end}
	if !text {
		return p
	}
	before := s.back(longestShown)
	line := s.rest()[:min(len(s.rest()), longestShown)]
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i]
	}
	if more := len(before) + len(line) - longestShown; more > 0 {
		before = before[min(more, max(0, len(before)-longestShown/4)):] // a quarter is kept of it where the line goes on
	}
	p.Text = string(before) + string(line[:min(len(line), longestShown-len(before))])
	return p
}
