package dashboard

import (
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
		"\U000e0041": {`\U000e0041`}, "a\x7fb": {`a\x7fb`},
	} {
		lines, _, err := paint([]byte(text), "")
		if err != nil || !slices.Equal(lines, want) {
			t.Errorf("%q becomes %q, want %q (%v)", text, lines, want, err)
		}
	}
}

// TestPaintStyle goes on with the colours of the piece before.
func TestPaintStyle(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"\x1b[31ma": "31", "\x1b[31m\x1b[1ma": "31;1", "\x1b[31m\x1b[0ma": "", "\x1b[31m\x1b[ma": "", "\x1b[31m\x1b[0;32ma": "32", "\x1b[Ka": "",
	} {
		_, style, err := paint([]byte(text), "")
		if err != nil || style != want || !validStyle(style) {
			t.Errorf("%q leaves %q, want %q (%v)", text, style, want, err)
		}
	}
	lines, _, err := paint([]byte("a"), "31;1")
	if want := []string{`<span class="term-fg31 term-fg1">a</span>`}; err != nil || !slices.Equal(lines, want) {
		t.Errorf("it goes on with %q", lines)
	}
}

var onlySpans = regexp.MustCompile(`^([^<>"]|<span class="[a-z0-9 -]*">|</span>)*$`)

// FuzzPaint draws anything, at once and in two parts: there is nothing but text and
// colours in it, however it comes.
func FuzzPaint(f *testing.F) {
	for _, s := range []string{"a\n\n<b>", "\x1b[31mx\x1b]8;;http://x\x07", "\x1b]1337;x\x07\x1b_bk;t=1\x07", "\xff\xe2\x80", "\x1b[1;2;3;4H\x1b[9A\x1b[2K", "\x1b[?25l\x1b(B"} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		lines, _, err := paint(b, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			if !onlySpans.MatchString(l) || !utf8.ValidString(l) || strings.ContainsAny(l, "\x1b\n\u202e") {
				t.Fatalf("%q becomes %q", b, l)
			}
		}
		p, err := newPainter("")
		if err != nil {
			t.Fatal(err)
		}
		cut = min(max(cut, 0), len(b))
		for _, part := range [][]byte{b[:cut], b[cut:]} {
			if _, err := p.Write(part); err != nil {
				t.Fatal(err)
			}
		}
		final, shown := p.lines()
		if !slices.Equal(append(final, shown...), lines) {
			t.Fatalf("%q in two parts becomes %q and %q, at once %q", b, final, shown, lines)
		}
	})
}
