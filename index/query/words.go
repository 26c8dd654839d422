package query

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"qme/internal/lazy"
)

// WordsField is the field of an index that holds the words of a run, see Doc.EachWord.
const WordsField = "words"

// A word is a run of letters and digits that begins with a letter and has from leastWord to
// mostWord of them, folded. Words that differ by at most mostEdits from one that is asked
// for are always words.
const (
	leastWord, mostWord   = 2, 24
	mostEdits             = 2
	leastAsked, mostAsked = 3, mostWord - mostEdits
)

// wordTexts are the fields of which there are words.
var wordTexts = []field{command, message, note, pwd, branch, output, errorText}

// EachWord calls fn for the words of the command, the message, the notes, the directory, the branch and
// the output of a run; for some of them more than once.
func (d *Doc) EachWord(fn func(string)) {
	for _, f := range wordTexts {
		s := d.folded(f)
		eachWord(s, func(from, to int) bool {
			fn(s[from:to])
			return true
		})
	}
}

// eachWord calls fn with where the words of a folded text are, until it returns false.
func eachWord(s string, fn func(from, to int) bool) {
	from, n, begins := 0, 0, false // of the letters and digits that end here
	end := func(to int) bool {
		ok := !begins || n < leastWord || n > mostWord || fn(from, to)
		n = 0
		return ok
	}
	for i, r := range s {
		letter, digit := kind(r)
		switch {
		case !letter && !digit:
			if n > 0 && !end(i) {
				return
			}
		case n == 0:
			from, n, begins = i, 1, letter
		default:
			n++
		}
	}
	if n > 0 {
		end(len(s))
	}
}

func kind(r rune) (letter, digit bool) {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z', '0' <= r && r <= '9'
	}
	// Folded, the Greek iota is a combining one, which is a mark by itself.
	return unicode.IsLetter(r) || r == '\u0345', unicode.IsDigit(r)
}

// similarTo matches a word with the edits that are allowed: moto~, moto~2.
var similarTo = lazy.Regexp(`(?s)^(.+)~([0-9]*)$`)

// similar makes a condition on words that are nearly the one of a value that ends with a
// tilde; ok is false for any other value.
func (p *parser) similar(name, value string, at int) (t term, ok bool, err error) {
	m := similarTo().FindStringSubmatch(value)
	if m == nil || p.opts.Regex {
		return term{}, false, nil
	}
	wrong := func(format string, args ...any) error {
		err := p.errorAt(at, format, args...)
		if len(value) > 60 || strings.ContainsAny(value, `"\`) {
			err.Msg += "; as text it is in quotes"
			return err
		}
		err.Msg += "; as text it is in quotes: \"" + value + "\""
		if name == "" {
			err.Text = value
		}
		return err
	}
	f := field(name)
	switch f {
	case anywhere, user, host, executor:
	default:
		if !slices.Contains(wordTexts, f) {
			return t, true, wrong("~ finds similar words, and %s: has none", name)
		}
	}
	word := Fold(m[1])
	if why := noWord(word); why != "" {
		return t, true, wrong("~ finds words that are similar to one of %d to %d letters and digits, and %.60q %s", leastAsked, mostAsked, m[1], why)
	}
	t = term{field: f, needle: word, edits: 1}
	switch m[2] {
	case "", "1":
	case "2":
		t.edits = 2
	default:
		return t, true, wrong("a word may differ by one letter (~) or by two (~2), not by %.20s", m[2])
	}
	return t, true, nil
}

// noWord says why no similar words are looked for, "" where they are.
func noWord(word string) string {
	first := true
	for _, r := range word {
		letter, digit := kind(r)
		if !letter && !digit {
			return "has other characters"
		}
		if first && !letter {
			return "begins with no letter"
		}
		first = false
	}
	switch n := utf8.RuneCountInString(word); {
	case n < leastAsked:
		return "is shorter"
	case n > mostAsked:
		return "is longer"
	}
	return ""
}

// similarWords calls fn with where words of a folded text are that are similar to the term's,
// until it returns false.
func (t term) similarWords(folded string, fn func(from, to int) bool) {
	asked := []rune(t.needle)
	eachWord(folded, func(from, to int) bool {
		return !within(asked, folded[from:to], t.edits) || fn(from, to)
	})
}

// hasSimilar reports whether a folded text has a word that is similar to the term's.
func (t term) hasSimilar(folded string) (found bool) {
	t.similarWords(folded, func(int, int) bool {
		found = true
		return false
	})
	return found
}

// within reports whether a word comes of another one by at most so many edits: a letter more,
// a letter less, another letter, or two neighbours that have changed places and are not
// edited again. It is the distance of bleve's automata.
func within(a []rune, word string, most int) bool {
	var letters [mostWord]rune
	n := 0
	for _, r := range word {
		letters[n] = r
		n++
	}
	if d := len(a) - n; d > most || -d > most {
		return false
	}
	b := letters[:n]
	var rows [3][mostWord + 1]int // of the letter before the last, the last and the present one
	for j := range n + 1 {
		rows[0][j] = j
	}
	for i, r := range a {
		now, last, before := &rows[(i+1)%3], &rows[i%3], &rows[(i+2)%3]
		now[0] = i + 1
		least := now[0]
		for j, s := range b {
			cost := 1
			if r == s {
				cost = 0
			}
			now[j+1] = min(last[j]+cost, last[j+1]+1, now[j]+1)
			if i > 0 && j > 0 && r == b[j-1] && a[i-1] == s {
				now[j+1] = min(now[j+1], before[j-1]+1)
			}
			least = min(least, now[j+1])
		}
		if least > most {
			return false
		}
	}
	return rows[len(a)%3][n] <= most
}
