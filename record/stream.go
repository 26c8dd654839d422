package record

import (
	"strings"
	"unicode/utf8"

	"qme/internal/safe"
)

// previewLimit is the size limit of each half of a preview, in bytes.
const previewLimit = 1024

// MaxInline limits the bytes that a stream may take as JSON in a record, in addition to any
// limit on the stream itself, because the JSON of a short line can be many times longer. It
// keeps all streams of a record together below the limit that other repositories accept (the
// setting share.max_record).
const MaxInline = 3 << 20

// Inline reports whether a stream may be stored in the record itself: it is valid UTF-8, at
// most limit bytes long, and at most MaxInline bytes long as JSON.
func Inline(b []byte, limit int) bool {
	return len(b) <= limit && utf8.Valid(b) && encodedLen(b) <= MaxInline
}

// encodedLen returns an upper bound for the length of the lines of b as JSON.
func encodedLen(b []byte) int {
	const around = len("        \"\",\n") // of each line
	n := around
	for _, c := range b {
		switch {
		case c == '\n':
			n += len(`\n`) + around
		case c < ' ':
			n += len(`\u001b`)
		case c == '"' || c == '\\' || c >= utf8.RuneSelf: // U+2028, of three bytes, becomes \u2028
			n += 2
		default:
			n++
		}
	}
	return n
}

// Lines splits s after each newline. The joined pieces are s, and no piece is empty.
func Lines(s string) []string {
	lines := strings.SplitAfter(s, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// LeftOut is the line of a preview that marks omitted output.
const LeftOut = "[...]\n"

// Preview returns readable lines for a stream that is stored in a file: its beginning and its
// end, up to 1 KiB each, with "[...]" in between, and with U+FFFD in place of invalid UTF-8.
// head and tail are the first and last bytes of the stream, at least 1 KiB each if the stream
// is that long. whole says that head is the entire stream.
func Preview(head, tail []byte, whole bool) []string {
	if whole && len(head) <= 2*previewLimit {
		return Lines(strings.ToValidUTF8(string(head), "\uFFFD"))
	}
	head = safe.Whole(head[:min(len(head), previewLimit)])
	tail = tail[max(0, len(tail)-previewLimit):]
	for len(tail) > 0 && !utf8.RuneStart(tail[0]) {
		tail = tail[1:]
	}
	lines := Lines(strings.ToValidUTF8(string(head), "\uFFFD"))
	lines = append(lines, LeftOut)
	return append(lines, Lines(strings.ToValidUTF8(string(tail), "\uFFFD"))...)
}
