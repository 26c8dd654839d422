package record

import (
	"strings"
	"unicode/utf8"

	"qme/internal/safe"
)

// previewLimit bounds each half of a preview, in bytes.
const previewLimit = 1024

// MaxInline bounds, in bytes, what a stream may occupy in the JSON of a record, whatever
// is allowed of its own bytes: a short line takes many times its own. All of a record's
// streams together are so less than others let in (the setting share.max_record).
const MaxInline = 3 << 20

// Inline reports whether a stream may stand in the record itself: it is valid
// UTF-8, no longer than limit bytes, and no longer than MaxInline as JSON.
func Inline(b []byte, limit int) bool {
	return len(b) <= limit && utf8.Valid(b) && encodedLen(b) <= MaxInline
}

// encodedLen is at least how many bytes the lines of b have as JSON.
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

// Lines splits s behind each newline. The pieces joined are s; no piece is empty.
func Lines(s string) []string {
	lines := strings.SplitAfter(s, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// LeftOut is the line of a preview that stands for what is left out.
const LeftOut = "[...]\n"

// Preview makes readable lines of a stream that is stored elsewhere: the
// beginning and the end, up to 1 KiB of each, with "[...]" in between, and with
// U+FFFD for what is not UTF-8. head and tail are the stream's first and last
// bytes, at least 1 KiB of each where it has as many; whole says that head is
// all of it.
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
