package record

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// The stored form has each element of a list on its own line, indented by its level. Without limits,
// a few bytes of unknown keys from another home, deep in each other, would become many megabytes
// whenever they are written again.
const (
	mostLevels = 32 // of objects and lists, with the outermost
	// mostSpread limits the stored form of a text that is not in it yet, in bytes.
	mostSpread = 16 << 20
	// MaxRecord is the size of the largest record that is written, in bytes. It is well above what
	// a run and its job can have.
	MaxRecord = 256 << 20
)

// checkSpread checks the levels of a text that is valid JSON, and that its stored form has at most
// most bytes, or is not longer than the text.
func checkSpread(b []byte, most int64) error {
	size, levels := measure(b)
	switch {
	case levels > mostLevels:
		return fmt.Errorf("it has %d levels of objects and lists, and at most %d are allowed", levels, mostLevels)
	case size > most && size > int64(len(b)):
		return fmt.Errorf("it would have %d bytes when written again, and at most %d are allowed", size, most)
	}
	return nil
}

// indented returns the stored form of a JSON value, of at most MaxRecord bytes. Its size is checked
// before it is made. The error wraps ErrInvalid.
func indented(b []byte) ([]byte, error) {
	size, _ := measure(b)
	if size > MaxRecord {
		return nil, fmt.Errorf("%w size: it would have %d bytes, and at most %d are allowed", ErrInvalid, size, MaxRecord)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// measure returns the size of the stored form of valid JSON, in bytes, and the number of its levels,
// without making it.
func measure(b []byte) (size int64, levels int) {
	s := keyScan{b: b}
	depth := 0
	line := func() { size += int64(1 + 2*depth) } // a newline and the indentation
	for c := s.next(); c != 0; c = s.next() {
		from := s.i
		switch c {
		case '"':
			s.text()
			size += int64(s.i - from)
			continue
		case '{', '[':
			depth++
			levels = max(levels, depth)
			s.i++
			if end := s.next(); end != '}' && end != ']' {
				size++
				line()
				continue
			}
			depth--
			size++ // and the bracket that closes, which follows at once
		case '}', ']':
			depth--
			line()
		}
		size++
		s.i++
		switch c {
		case ',':
			line()
		case ':':
			size++
		}
	}
	return size + 1, levels
}
