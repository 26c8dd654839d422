package paint

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPaint(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"": nil, "a": {"a"}, "a\n": {"a"}, "a\nb": {"a", "b"}, "a\n\n\nb\n\n": {"a", "", "", "b", ""}, "\n": {""}, "a\r\n\r\nb\r\n": {"a", "", "b"},
		"<b>&\"'": {"&lt;b&gt;&amp;&quot;&#39;"}, "10%\r20%\r30%\n": {"30%"}, "ab\bc": {"ac"},
		"\x1b[31mred\x1b[0m \x1b[1;44mx": {`<span class="term-fg31">red</span> <span class="term-bg44 term-fg1">x</span>`},
		"\x1b[38;5;208mo":                {`<span class="term-fgx208">o</span>`},
		"\x1b]0;title\x07a":              {"a"}, "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\": {"link"}, "\x1bPq#0\x1b\\a": {"a"}, "\x1b]0;open\nb": {"", "b"},
		"\x1b]1337;File=:x\x07b": {"b"}, "\x1b_bk;t=5\x07b": {"b"}, "\u202eabc": {`\u202eabc`}, "a\x00b\x07c": {"abc"}, "\xff\xfe": {"\ufffd\ufffd"},
		"\u009b31m": {`\u009b31m`}, "a\u200db": {"a\u200db"}, "\x1b[2Jx": {"x"}, "one\ntwo\x1b[1A\rONE": {"ONE", "two"}, "\x1b[99;99": nil,
		"\x1b(Ba\x1b)0b\x1b#8\x1b%Gc\x1b (": {"abc"}, "a\x1b[4hb\x1b[2bc\x1b[?1049hd\x1b[>cf\x1b[5;3r\x1b[38:2::1:2:3mg": {"abcdfg"}, "ab\x1b[2;1fc": {"ab", "c"},
		"\U000e0041": {`\U000e0041`}, "a\x7fb": {`a\x7fb`},
	} {
		if lines := Lines([]byte(text)); !slices.Equal(lines, want) {
			t.Errorf("%q becomes %q, want %q", text, lines, want)
		}
	}
}

// TestPaintStyle goes on with the colours of the piece before.
func TestPaintStyle(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"\x1b[31ma": "31", "\x1b[31m\x1b[1ma": "31;1", "\x1b[31m\x1b[0ma": "", "\x1b[31m\x1b[ma": "", "\x1b[31m\x1b[0;32ma": "32", "\x1b[Ka": "",
	} {
		p := New("")
		p.Draw([]byte(text))
		if style := p.Style(); style != want || !ValidStyle(style) {
			t.Errorf("%q leaves %q, want %q", text, style, want)
		}
	}
	p := New("31;1")
	p.Draw([]byte("a"))
	_, lines := p.Lines()
	if want := []string{`<span class="term-fg31 term-fg1">a</span>`}; !slices.Equal(lines, want) {
		t.Errorf("it goes on with %q", lines)
	}
}

var onlySpans = regexp.MustCompile(`^([^<>"]|<span class="[a-z0-9 -]*">|</span>)*$`)

// TestPaintBounds draws what would be endless, or far more than it is: it is some thousand lines at the
// most, and a few times as long as it was.
func TestPaintBounds(t *testing.T) {
	t.Parallel()
	const most = "9223372036854775807"
	for _, text := range []string{
		"a\x1b[" + most + "Cb", "a\n\x1b[" + most + "Bb", "a\x1b[" + most + "Ab", "a\x1b[" + most + "Db", "a\x1b[" + most + "Eb", "a\x1b[" + most + "Fb", "a\x1b[" + most + "Gb",
		"a\x1b[" + most + ";" + most + "Hb", "a\x1b[1;" + most + "fb", "a\x1b[" + most + "Jb", "a\x1b[" + most + "Kb", "a\x1b[" + most + "mb", "a\x1b[38;5;" + most + "mb", "a\x1b[" + most + "b",
		"a\x1b[" + most + "Lb", "a\x1b[" + most + "Mb", "a\x1b[" + most + "Sb", "a\x1b[" + most + "Tb", "a\x1b[" + most + "@b", "a\x1b[" + most + "Pb", "a\x1b[" + most + "Xb", "a\x1b[" + most + "Zb",
		"a\x1b[" + most + "ab", "a\x1b[" + most + "cb", "a\x1b[" + most + "db", "a\x1b[" + most + "eb", "a\x1b[000" + most + "Cb", "a\x1b[-" + most + "Cb", "a\x1b[" + most + "\nCb",
		"a\x1b]1338;url=x;width=" + most + "\x07b", "a\x1b]1337;File=width=" + most + ":AAAA\x07b", "a\x1b_bk;t=" + most + "\x07b", "a\x1b_bk;dt=" + most + "\x07\x1b_bk;dt=" + most + "\x07b",
		"a\x1b]8;;http://x" + strings.Repeat("x", 1<<16) + "\x07b", "a\x1b7\x1b[" + most + "C\x1b8b", "a\x1bMb", "\x1b[9999999999999999999999999999Bb",
	} {
		lines := Lines([]byte(text))
		if len(lines) > 2*screenLines || len(strings.Join(lines, "")) > 2*screenColumns {
			t.Errorf("%q becomes %d lines, %.300q", text, len(lines), lines)
		}
	}
	for _, text := range []string{
		"\x1b[9999B\n", "\x1b[9999Bx\n", "x\x1b[9999B\x1b[9999C\n", "\x1b[249Cx\n", "x\x1b[99A\x1b[J", "\x1b[1;3;4;5;9;38;5;208;48;5;208mx\x1b[22mx", "\x1b[4mx\x1b[24mx", "\x1b[H\x1b[2J",
		"\x1b[9999G\x1b[1;9999Hx", "\n", "\r\n", "\t\r", "\x1b[", "\x1b]", "\x1b(", "\xff", "\x00", "\"/'", strings.Repeat("x", 5000), "x\x1b[99B\n\n",
	} {
		b := []byte(strings.Repeat(text, (1<<20)/8/len(text)))
		p := New("")
		p.Draw(b)
		lines, shown := p.Lines()
		lines = append(lines, shown...)
		size := 0
		for _, l := range lines {
			size += len(l) + 1
			if !onlySpans.MatchString(l) {
				t.Fatalf("%q again and again becomes %.300q", text, l)
			}
		}
		if size > drawnAtMost(len(b)) || !ValidStyle(p.Style()) {
			t.Errorf("%q again and again, %d bytes, becomes %d lines with %d", text, len(b), len(lines), size)
		}
	}
}

// drawnAtMost is what a painter makes at the most of so many bytes.
func drawnAtMost(n int) int { return drawnLeast + drawnTimes*n + 100*screenColumns*screenLines + 4<<20 }

// TestPaintTooMuch shows what becomes too much as it is, without a byte less.
func TestPaintTooMuch(t *testing.T) {
	t.Parallel()
	begin, one, end := "begin\n", "\x1b[249Cx\n", "\x1b[32m<end>\n\u202eunfinished\xe2\x82"
	p := New("")
	p.Draw([]byte(begin + strings.Repeat(one, 100000) + end))
	lines, shown := p.Lines()
	lines = append(lines, shown...)
	if !p.GaveUp() || p.Style() != "" || len(lines) != 100003 || lines[0] != "begin" || lines[1] != strings.Repeat(" ", 249)+"x" || lines[100000] != `\x1b[249Cx` ||
		lines[100001] != `\x1b[32m&lt;end&gt;` || lines[100002] != `\u202eunfinished` {
		t.Errorf("it becomes %d lines: %.100q … %q", len(lines), lines[:2], lines[max(0, len(lines)-3):])
	}
}

// TestPaintGoesOn has the drawing itself fail: what follows is shown as text.
func TestPaintGoesOn(t *testing.T) {
	t.Parallel()
	p := New("")
	p.put([]byte("one\n"))
	p.screen.ScrollOutFunc = func(string) { panic("scrolled") }
	for _, part := range []string{strings.Repeat("x\n", 2*screenLines), "\x1b[31mred", " <b>\r\nlast"} {
		p.Draw([]byte(part))
	}
	final, shown := p.Lines()
	want := []string{`\x1b[31mred &lt;b&gt;`}
	if !slices.Equal(final[len(final)-1:], want) || !slices.Equal(shown, []string{"last"}) || final[0] != "one" || len(final) < 2*screenLines {
		t.Errorf("it becomes %q and %q", final, shown)
	}
}

// FuzzPaint draws anything, at once and in parts: there is nothing but
// text and colours in it, however it comes, and not much more than there was.
func FuzzPaint(f *testing.F) {
	for _, s := range []string{
		"a\n\n<b>", "\x1b[31mx\x1b]8;;http://x\x07", "\x1b]1337;x\x07\x1b_bk;t=1\x07", "\xff\xe2\x80", "\x1b[1;2;3;4H\x1b[9A\x1b[2K", "\x1b[?25l\x1b(B",
		"a\x1b[9223372036854775807Cb", "a\n\x1b[9223372036854775807Bb", "x\x1b[99B\x1b[99C\n\x1b[H", "\x1b7\x1b[5;5H\x1b8\x1bM\x1b#8",
	} {
		f.Add([]byte(s), uint16(3), uint8(1))
	}
	f.Fuzz(func(t *testing.T, b []byte, cut uint16, times uint8) {
		b = bytes.Repeat(b, 1+int(times))[:min(len(b)*(1+int(times)), (1<<20)/16)] // sequences that are harmless once
		whole := New("")
		whole.Draw(b)
		final, shown := whole.Lines()
		lines := append(final, shown...)
		if style := whole.Style(); !ValidStyle(style) {
			t.Fatal(style)
		}
		size := 0
		for _, l := range lines {
			size += len(l) + 1
			if !onlySpans.MatchString(l) || !utf8.ValidString(l) || strings.ContainsAny(l, "\x1b\n\u202e") {
				t.Fatalf("%.300q becomes %.300q", b, l)
			}
			if text := PlainText(l); !utf8.ValidString(text) {
				t.Fatalf("%.300q has the text %.300q", l, text)
			}
		}
		if size > drawnAtMost(len(b)) {
			t.Fatalf("%q, %d bytes, becomes %d", b[:min(len(b), 100)], len(b), size)
		}
		parts := New("")
		var inParts []string
		for part := range slices.Chunk(b, max(1, int(cut), len(b)/32)) {
			parts.Draw(part)
			final, shown = parts.Lines()
			inParts = append(inParts, final...)
		}
		inParts = append(inParts, shown...)
		if !parts.GaveUp() && !whole.GaveUp() && !slices.Equal(inParts, lines) {
			t.Fatalf("%.300q in parts of %d becomes %.1000q, at once %.1000q", b, cut, inParts, lines)
		}
	})
}
