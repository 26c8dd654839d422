package mask

import "strings"

// assignments returns the values that words assign to variables whose names are in capitals. In a
// line for a shell a value ends where its word does; one that the shell makes is none.
func assignments(words []string) []Secret {
	var found []Secret
	for k, w := range words {
		line := k > 0 && words[k-1] == "-c"
		for at := 0; ; {
			i := strings.IndexByte(w[at:], '=')
			if i < 0 {
				break
			}
			at += i + 1
			start := nameBefore(w[:at-1])
			if start < 0 {
				continue
			}
			name, rest := w[start:at-1], w[at:]
			if start == 0 && !line { // a word of its own
				found = append(found, Secret{Name: name, Value: rest})
			}
			if value := shellWord(rest); value != rest || start > 0 {
				found = append(found, Secret{Name: name, Value: value})
			}
		}
	}
	return found
}

// nameBefore returns where the name of a variable begins with which text ends; -1 if there is none.
func nameBefore(text string) int {
	start := len(text)
	for start > 0 && strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", text[start-1]) >= 0 {
		start--
	}
	if start == len(text) || text[start] <= '9' || start > 0 && strings.IndexByte("abcdefghijklmnopqrstuvwxyz${", text[start-1]) >= 0 {
		return -1
	}
	return start
}

// shellWord returns the first word of text as a shell reads it, "" if it has a variable or a
// command in it.
func shellWord(text string) string {
	if text == "" {
		return ""
	}
	var end int
	value := text
	switch quote := text[0]; quote {
	case '\'', '"':
		value = text[1:]
		end = strings.IndexByte(value, quote)
		if quote == '\'' && end >= 0 {
			return value[:end]
		}
	default:
		end = strings.IndexAny(text, " \t\n;&|<>()\"',")
	}
	if end >= 0 {
		value = value[:end]
	}
	if strings.ContainsAny(value, "$`") {
		return ""
	}
	return value
}
