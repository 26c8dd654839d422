package visible_test

import (
	"strings"
	"testing"

	"qme/internal/visible"
)

func TestText(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain\ntext\n", "plain\ntext\n"},
		{"\x1b[1m\x1b[31merror\x1b[0m\x1b[1m: mismatched\x1b[0m\n", "error: mismatched\n"},
		{"\x1b[31mer\x1b[1mror\x1b[0m", "error"},
		{"\x1b[38;2;1;2;3mx\x1b[38:2::1:2:3my", "xy"},
		{"\x1b]8;;https://example.org/\x1b\\link\x1b]8;;\a end", "link end"},
		{"\x1b]0;title\abody", "body"},
		{"\x1b(Bword\x1b)0", "word"},
		{"\x1b7a\x1b8\x1bMb\x1b=", "ab"},
		{"\x1bPq#0;2\nxx\x1b\\after", "after"},
		{"10%\r20%\r\n30%\n", "10%\n20%\n30%\n"},
		{"a\r\r\nb\r", "a\nb"},
		{"N\bNA\bA", "NA"},
		{"\u00e9\b\u00e8", "\u00e8"},
		{"\b\bx\n\by", "x\ny"},
		{"one\x1b[2;1Htwo\x1b[Athree", "one\ntwo\nthree"},
		{"a\x1b[5Cb", "a b"},
		{"done\a\x0e\x0f.", "done."},
		{"\x1b]0;never ended\nnext", "]0;never ended\nnext"},
		{"\x1b]0;over\nlines\a", "]0;over\nlines"},
		{"\x1bPnever ended", "Pnever ended"},
		{"\x1b[12\nnext", "\nnext"},
		{"10%\x1b[1G20%\x1b[G30%\x1b[8Gx", "10%\n20%\n30% x"},
		{"|\x1b[D/\x1b[1D-", "-"},
		{"abc\n12\x1b[65000Dx\x1b[99999999999999999999Dy", "abc\ny"},
		{"\x1bkvim\x1b\\text", "text"},
		{"\u00c3\u009f \u009b31m", "\u00c3\u009f \u009b31m"},
		{"end\x1b", "end"},
		{"end\x1b[", "end"},
		{"\xff\x1b[m\xfe", "\xff\xfe"},
	} {
		if got := visible.Text(c.in); got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain", "plain"},
		{"caf\xc3", "caf"},
		{"\xff", "\xff"},
		{"a\x1b", "a"},
		{"a\x1b[", "a"},
		{"a\x1b[31;1", "a"},
		{"a\x1b[31mb", "a\x1b[31mb"},
		{"a\x1b]8;;https://exam", "a"},
		{"a\x1b]8;;https://example.org\x1b", "a"},
		{"a\x1b]8;;https://example.org\ab", "a\x1b]8;;https://example.org\ab"},
		{"a\x1b]8;;x\x1b\\b", "a\x1b]8;;x\x1b\\b"},
		{"a\x1b]broken\nb", "a\x1b]broken\nb"},
		{"a\x1bPq#0\n12", "a"},
		{"a\x1bP" + strings.Repeat("x", 100_000), "a\x1bP" + strings.Repeat("x", 100_000)},
		{"a\x1b(", "a"},
		{"a\x1b(Bc", "a\x1b(Bc"},
		{"a\x1b7", "a\x1b7"},
	} {
		if got := visible.Cut(c.in); got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}

// Nothing makes the text grow, and what is visible is so once more.
func FuzzText(f *testing.F) {
	f.Add("\x1b[1mx\x1b]0;t\a\r\b")
	f.Fuzz(func(t *testing.T, s string) {
		got := visible.Text(s)
		if len(got) > len(s) {
			t.Fatalf("%q became the longer %q", s, got)
		}
		if cut := visible.Cut(s); !strings.HasPrefix(s, cut) {
			t.Fatalf("%q was cut to %q", s, cut)
		}
		if i := strings.IndexAny(got, "\a\b\r\x0e\x0f\x1b"); i >= 0 {
			t.Fatalf("%q: %q has a control character at %d", s, got, i)
		}
	})
}

func BenchmarkText(b *testing.B) {
	for name, s := range map[string]string{
		"plain":   strings.Repeat("a line of text without colours\n", 32<<10),
		"colours": strings.Repeat("\x1b[1m\x1b[31merror\x1b[0m: text\r\n", 32<<10),
		"hostile": strings.Repeat("\x1b]x\x1bP\x1b[", 128<<10) + "\a",
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(s)))
			for b.Loop() {
				visible.Text(s)
			}
		})
	}
}
