package query

import (
	"errors"
	"io"
	"strings"

	"qme/internal/visible"
	"qme/record"
)

// StreamText returns what is searched of a stream of a record, and shown of it: the text
// that stood on the screen (package visible), since what a program prints in colours is
// looked for by its words. It is all of a stream that stands in the record, and of one that
// is stored beside it the text in its first limit bytes; where it is longer, the text of the
// record's preview follows. Pieces between which bytes are missing are on lines of their own,
// and a control sequence or a character that was cut in two there is left out. open returns
// the stored bytes.
//
// Whatever looks for text in output takes it from here: the index, and those who look at
// records themselves, find the same only because they look at the same.
func StreamText(rec *record.Record, name record.StreamName, limit int64, open func(record.StreamName) (io.ReadCloser, error)) (string, error) {
	lines, stored := name.Of(rec)
	if stored == nil {
		return visible.Text(strings.Join(lines, "")), nil
	}
	in, err := open(name)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.LimitReader(in, limit))
	if err = errors.Join(err, in.Close()); err != nil {
		return "", err
	}
	text := string(b)
	before := ""
	if cut := stored.Cut; cut != nil && cut.Offset < int64(len(text)) {
		before, text = pieceText(text[:cut.Offset]), text[cut.Offset:]
	}
	if stored.Stored() <= limit {
		return before + visible.Text(text), nil
	}
	return before + pieceText(text) + previewText(lines), nil
}

// pieceText returns the text of what was cut off anywhere, with a newline: what comes next
// did not stand beside it.
func pieceText(s string) string { return visible.Text(visible.Cut(s)) + "\n" }

// previewText returns the text of a preview: of its beginning, which may have been cut off
// anywhere, and of its end.
func previewText(lines []string) string {
	for i, l := range lines {
		if l == gap {
			return pieceText(strings.Join(lines[:i], "")) + visible.Text(strings.Join(lines[i:], ""))
		}
	}
	return visible.Text(strings.Join(lines, ""))
}

// gap stands in a preview between the beginning and the end.
const gap = "[...]\n"
