package query_test

import (
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"qme/index/query"
	"qme/record"
)

// sequences leave nothing on a screen.
var sequences = []string{"\x1b[31m", "\x1b[0m", "\x1b[38;2;1;2;3m", "\x1b(B", "\x1b]8;;https://example.org/a;b\x1b\\", "\x1b]0;title\a", "\x1b[K", "\x1b[?25l", "\x1b=", "\a", "\x0f", "\x1bPq#0;1\x1b\\"}

func stored(rec *record.Record, text string, limit int64) (string, error) {
	return query.StreamText(rec, record.Stdout, limit, func(record.StreamName) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(text)), nil
	})
}

// TestStreamText has sequences anywhere in a text change nothing of it.
func TestStreamText(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		plain, shown := "", ""
		for range rnd.IntN(30) {
			for rnd.IntN(2) == 0 {
				shown += sequences[rnd.IntN(len(sequences))]
			}
			word := string(letters[rnd.IntN(len(letters))])
			plain += word
			if word == "\n" && rnd.IntN(2) == 0 {
				word = "\r\n"
			}
			shown += word
		}
		lines := &record.Record{Data: record.Data{Output: record.Lines(shown)}}
		beside := &record.Record{Data: record.Data{Stdout: &record.Stream{Size: int64(len(shown))}}}
		for _, rec := range []*record.Record{lines, beside} {
			if got, err := stored(rec, shown, int64(len(shown))); got != plain || err != nil {
				t.Fatalf("%q: %q, %v; want %q", shown, got, err, plain)
			}
		}
		// However it is cut off, what is left is the beginning.
		limit := int64(rnd.IntN(len(shown) + 1))
		beside.Data.Stdout.Size = int64(len(shown) + 1)
		got, err := stored(beside, shown, limit)
		if got, _ := strings.CutSuffix(got, "\n"); !strings.HasPrefix(plain, got) || err != nil {
			t.Fatalf("%q to %d: %q, %v; want the beginning of %q", shown, limit, got, err, plain)
		}
	}
}

// TestStreamPieces has what did not stand together be apart, and no half of a sequence be text.
func TestStreamPieces(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		stored  string
		limit   int64
		size    int64
		cut     *record.Cut
		preview []string
		want    string
	}{
		{"begin\x1b[31mred", 8, 100, nil, []string{"begin\x1b[3", "[...]\n", "1mend\n"}, "begin\nbegin\n[...]\n1mend\n"},
		{"a\x1b]8;;https://x.org\ab", 9, 100, nil, nil, "a\n"},
		{"caf\u00e9", 4, 100, nil, nil, "caf\n"},
		{"ab\x1b[31cd", 100, 20, &record.Cut{Offset: 6, Bytes: 12}, nil, "ab\ncd"},
		{"abcdef", 100, 106, &record.Cut{Offset: 3, Bytes: 100}, nil, "abc\ndef"},
	} {
		rec := &record.Record{Data: record.Data{Output: c.preview, Stdout: &record.Stream{Size: c.size, Cut: c.cut}}}
		if got, err := stored(rec, c.stored, c.limit); got != c.want || err != nil {
			t.Errorf("%q to %d: %q, %v; want %q", c.stored, c.limit, got, err, c.want)
		}
	}
}
