package safe

import "unicode/utf8"

// Whole returns UTF-8 text without an incomplete character at its end. Bytes that are not
// UTF-8 are kept.
func Whole[T string | []byte](text T) T {
	for i := 1; i <= min(len(text), utf8.UTFMax); i++ {
		if last := text[len(text)-i:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRuneInString(string(last)) {
				return text[:len(text)-i]
			}
			break
		}
	}
	return text
}

// Head returns the beginning of a text, at most most bytes, in whole characters.
func Head(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return Whole(text[:most])
}

// Shorten is like Head, but appends "…" if the text was cut.
func Shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return Head(text, most) + "…"
}
