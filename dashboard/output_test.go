package dashboard

import (
	"bytes"
	"slices"
	"testing"
	"unicode/utf8"

	"qme/dashboard/paint"
	"qme/record"
	"qme/tasks/spool"
)

// FuzzOutput sends any output to a client that watches it, in parts, and as one piece: the lines are
// those of a painter, and the piece ends within the output.
func FuzzOutput(f *testing.F) {
	for _, s := range []string{"a\n\n<b>", "\x1b[31mx\x1b]8;;http://x\x07", "\xff\xe2\x80", "\x1b[1;2;3;4H\x1b[9A\x1b[2K", "one\ntwo\x1b[1A\rONE\n", "50%\r60%\r"} {
		f.Add([]byte(s), uint16(3), uint8(1))
	}
	f.Fuzz(func(t *testing.T, b []byte, cut uint16, times uint8) {
		b = bytes.Repeat(b, 1+int(times))[:min(len(b)*(1+int(times)), pieceMost/16)] // sequences that are harmless once
		whole := paint.New("")
		whole.Draw(b)
		final, shown := whole.Lines()
		lines := append(final, shown...)
		for _, l := range lines {
			if text := clip(paint.PlainText(l)); !utf8.ValidString(text) {
				t.Fatalf("%.300q has the text %.300q", l, text)
			}
		}
		sub := newSubscription(outputKey{name: record.Stdout}, 0, "")
		var sent []string
		for part := range slices.Chunk(b, max(1, int(cut), len(b)/32)) { // the screen is sent with each
			m := sub.put(spool.Piece{At: sub.offset, Data: part}, false)
			if m.Line > len(sent) {
				t.Fatalf("line %d comes after %d", m.Line, len(sent))
			}
			sent = append(sent[:m.Line], m.Lines...)
		}
		if !sub.painter.GaveUp() && !whole.GaveUp() && !slices.Equal(sent, lines) {
			t.Fatalf("%.300q in parts of %d becomes %.1000q, at once %.1000q", b, cut, sent, lines)
		}
		p := outputPiece{Offset: 7}
		if p.draw(b, whole.Style(), cut%2 == 0); p.End < p.Offset || p.End > p.Offset+int64(len(b)) || p.More && p.End == p.Offset {
			t.Fatalf("a piece of %.300q is from %d to %d", b, p.Offset, p.End)
		}
	})
}
