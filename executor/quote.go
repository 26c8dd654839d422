package executor

import "strings"

// Quote joins words to a line that a POSIX shell splits into the same words.
func Quote(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quote(w)
	}
	return strings.Join(quoted, " ")
}

// plain are the characters, apart from letters and digits, that never need quotes.
const plain = "-_./:,+@=%^"

func quote(word string) string {
	safe := word != "" && word[0] != '='
	for _, c := range []byte(word) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c < 0x80 && !strings.ContainsRune(plain, rune(c)) {
			safe = false
		}
	}
	if safe {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
