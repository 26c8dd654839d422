package safe

import "unicode/utf8"

// Whole returns text in UTF-8 without a character that its end has cut in two. Bytes that are
// no UTF-8 stay.
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

// Head returns the first bytes of a text, at most so many, in whole characters.
func Head(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return Whole(text[:most])
}

// Shorten is Head with "…" in the place of what is left out, if anything is.
func Shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return Head(text, most) + "…"
}
