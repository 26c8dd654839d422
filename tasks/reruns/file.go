package reruns

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"qme/internal/regular"
	"qme/record"
)

// The list is text: a line with the format; a line with the commit, whether the history is mixed,
// and the name of the table; a line for each task; and the checksum (CRC-32, IEEE) of all lines
// before it.
const magic = "qme reruns 2"

const (
	noTable  = "-" // in the place of its name
	unread   = "-" // in the place of the time at which a task's latest run began
	notMoved = "=" // it is in the table, and has not moved any more
)

var errUnusable = errors.New("the list of reruns cannot be used")

// text returns the content of the list.
func (s *state) text() []byte {
	var b bytes.Buffer
	name := noTable
	if s.table != nil {
		name = s.table.name
	}
	fmt.Fprintf(&b, "%s\n%s %t %s\n", magic, s.commit, s.mixed, name)
	for _, m := range s.changed {
		clock := m.Clock
		if clock == "" {
			clock = notMoved
		}
		fmt.Fprintf(&b, "%s %s\n", m.ID, clock)
	}
	for _, id := range s.unread {
		fmt.Fprintf(&b, "%s %s\n", id, unread)
	}
	return withSum(&b)
}

// sumSize is the length of a checksum with its newline.
const sumSize = len("00000000\n")

// withSum ends a text with its checksum.
func withSum(b *bytes.Buffer) []byte {
	fmt.Fprintf(b, "%08x\n", crc32.ChecksumIEEE(b.Bytes()))
	return b.Bytes()
}

// checked returns a text without its checksum, if that is right.
func checked(b []byte) (text string, ok bool) {
	end := bytes.LastIndexByte(bytes.TrimSuffix(b, []byte("\n")), '\n') + 1
	sum, err := strconv.ParseUint(strings.TrimSuffix(string(b[end:]), "\n"), 16, 32)
	return string(b[:end]), err == nil && uint32(sum) == crc32.ChecksumIEEE(b[:end])
}

const (
	clockLike = "019aaf3c-1b2c"
	uuidLike  = clockLike + "-7d3e-8f40-5b1f0c2d9e7a"
)

// read returns what the files say. whole says that it is all: the table alone is an earlier state.
// The error is errUnusable if the files are missing or damaged.
func (l List) read() (s *state, whole bool, err error) {
	var t *table
	for range 3 { // another process may replace both
		var name string
		s, name, err = l.readList()
		if err == nil && name == noTable {
			return s, true, nil
		}
		var terr error
		if t, terr = openTable(l.tablePath()); terr != nil {
			err = errors.Join(err, terr)
			continue
		}
		if err == nil && name == t.name {
			s.table = t
			return s, true, nil
		}
	}
	if t == nil {
		return nil, false, fmt.Errorf("%w: %w", errUnusable, err)
	}
	return t.state(), false, nil
}

func (l List) tablePath() string { return filepath.Join(filepath.Dir(l.Path), TableName) }

// readList returns what the list says, and the name of the table that it refers to.
func (l List) readList() (s *state, name string, err error) {
	b, err := regular.ReadHere(l.Path)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", errUnusable, err)
	}
	text, ok := checked(b)
	head, text, _ := strings.Cut(text, "\n")
	line, text, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if !ok || head != magic || len(fields) != 3 {
		return nil, "", errUnusable
	}
	s = &state{commit: fields[0], mixed: fields[1] == "true", changed: make([]record.Moved, 0, strings.Count(text, "\n"))}
	for text != "" {
		line, text, _ = strings.Cut(text, "\n")
		id, clock, _ := strings.Cut(line, " ")
		switch {
		case len(id) < len(uuidLike):
			return nil, "", errUnusable
		case clock == unread:
			s.unread = append(s.unread, record.ID(id))
		case clock == notMoved:
			s.changed = append(s.changed, record.Moved{ID: record.ID(id)})
		case len(clock) == len(clockLike):
			s.changed = append(s.changed, record.Moved{ID: record.ID(id), Clock: clock})
		default:
			return nil, "", errUnusable
		}
	}
	s.changed = slices.Clip(s.changed)
	return s, fields[2], nil
}
