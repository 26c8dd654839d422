package record_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"qme/record"
	"qme/tests/require"
)

func TestLines(t *testing.T) {
	t.Parallel()
	for s, want := range map[string][]string{
		"": {}, "\n": {"\n"}, "a": {"a"}, "a\n": {"a\n"}, "a\nb": {"a\n", "b"}, "\n\n": {"\n", "\n"}, "a\r\nb\r": {"a\r\n", "b\r"},
	} {
		if got := record.Lines(s); !slices.Equal(got, want) || got == nil {
			t.Errorf("Lines(%q) returns %q, want %q", s, got, want)
		}
	}
}

func TestInline(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		b     string
		limit int
		want  bool
	}{{"", 0, true}, {"a", 0, false}, {"abc", 3, true}, {"abcd", 3, false}, {"\xff", 3, false}, {"ä", 2, true}, {"ä"[:1], 2, false}, {"\x00\x1b", 9, true}, {"\xed\xa0\x80", 9, false}} {
		if got := record.Inline([]byte(c.b), c.limit); got != c.want {
			t.Errorf("Inline(%q, %d) returns %v", c.b, c.limit, got)
		}
	}
}

// TestInlineAsJSON has streams that are short and whose lines are long as JSON.
func TestInlineAsJSON(t *testing.T) {
	t.Parallel()
	require.Alone(t)
	const limit = 64 << 20
	for _, piece := range []string{"\n", "a\n", "\x1b", "\"", "\u2028", "\u2029\n", "abcdefgh", "ä", "\\\r\n"} {
		fits := 0
		for n := 1; n < limit; n += n/8 + 1 {
			text := strings.Repeat(piece, n/len(piece)+1)
			if !record.Inline([]byte(text), limit) {
				break
			}
			fits = len(text)
			if len(text) < 1<<20 && n > 1<<16 {
				continue // the last ones are enough to encode
			}
			rec := &record.Record{Data: record.Data{Output: record.Lines(text), Error: []string{}}}
			b, err := record.Encode(rec)
			if err != nil || len(b) > record.MaxInline+4096 {
				t.Errorf("%d bytes of %q become a record of %d bytes (%v)", len(text), piece, len(b), err)
			}
		}
		if fits < 128<<10 {
			t.Errorf("only %d bytes of %q stand in a record", fits, piece)
		}
	}
}

func TestPreview(t *testing.T) {
	t.Parallel()
	a, z := strings.Repeat("a", 5000), strings.Repeat("z", 5000)
	for _, c := range []struct {
		name       string
		head, tail string
		whole      bool
		want       []string
	}{
		{"all of it", "x\ny\xff\n", "x\ny\xff\n", true, []string{"x\n", "y\uFFFD\n"}},
		{"nothing", "", "", true, []string{}},
		{"2 KiB", a[:2048], a[:2048], true, []string{a[:2048]}},
		{"one more", a[:2049], a[:2049], true, []string{a[:1024], "[...]\n", a[:1024]}},
		{"head and tail", a[:4096], z[:4096], false, []string{a[:1024], "[...]\n", z[:1024]}},
		{"short parts", "a\n", "z\n", false, []string{"a\n", "[...]\n", "z\n"}},
		{"runes at the cuts", a[:1023] + "äää", "ä" + z[:1023], false, []string{a[:1023], "[...]\n", z[:1023]}},
		{"four bytes", a[:1021] + "\U0001F600", "\U0001F600" + z[:1021], false, []string{a[:1021], "[...]\n", z[:1021]}},
		{"binary at the cuts", a[:1023] + "\xff\xff", "\xff" + z[:1023], false, []string{a[:1023] + "\uFFFD", "[...]\n", "\uFFFD" + z[:1023]}},
	} {
		if got := record.Preview([]byte(c.head), []byte(c.tail), c.whole); !slices.Equal(got, c.want) {
			t.Errorf("%s: %.60q of %d pieces, want %.60q", c.name, got, len(got), c.want)
		}
	}
}

func FuzzLines(f *testing.F) {
	for _, s := range []string{"", "build\n", "docs\nx", "\n\n\n", "\xff\n\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		lines := record.Lines(s)
		if strings.Join(lines, "") != s {
			t.Errorf("the lines %q of %q are not it", lines, s)
		}
		for i, l := range lines {
			if n := strings.Count(l, "\n"); l == "" || n > 1 || n == 1 && !strings.HasSuffix(l, "\n") || n == 0 && i < len(lines)-1 {
				t.Errorf("line %d of %q is %q", i, s, l)
			}
		}
	})
}

func FuzzPreview(f *testing.F) {
	f.Add([]byte("head\n"), []byte("tail"), false)
	f.Add(bytes.Repeat([]byte("ä"), 2000), bytes.Repeat([]byte("\xff"), 2000), false)
	f.Add(bytes.Repeat([]byte("\xf0\x9f\x98\x80"), 600), []byte{}, true)
	f.Fuzz(func(t *testing.T, head, tail []byte, whole bool) {
		lines := record.Preview(head, tail, whole)
		text := strings.Join(lines, "")
		if !utf8.ValidString(text) {
			t.Errorf("the preview is not UTF-8: %q", text)
		}
		if len(text) > 2*3*1024+6 { // U+FFFD takes three bytes for one
			t.Errorf("the preview has %d bytes", len(text))
		}
		if !whole && !slices.Contains(lines, "[...]\n") {
			t.Errorf("nothing says that something is left out: %q", lines)
		}
	})
}
