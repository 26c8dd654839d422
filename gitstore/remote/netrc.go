package remote

import "strings"

// findNetrc returns the entry of a netrc file (as of ftp, curl and git) for a host and,
// unless that is "", a user; nil when there is none.
func findNetrc(file, host, user string) *credential {
	words := netrcWords(file)
	var found *credential // the entry that is being read, when it is for the host
	matches := func() bool { return found != nil && (user == "" || found.user == "" || found.user == user) }
	for i := 0; i < len(words); i++ {
		value := ""
		if i+1 < len(words) {
			value = words[i+1]
		}
		switch words[i] {
		case "machine", "default":
			if matches() {
				return completed(found, user)
			}
			found = nil
			if words[i] == "default" || strings.EqualFold(value, host) {
				found = &credential{}
			}
			if words[i] == "default" {
				continue
			}
		case "login":
			if found != nil {
				found.user = value
			}
		case "password":
			if found != nil {
				found.password = value
			}
		case "account":
		default:
			continue
		}
		i++
	}
	if matches() {
		return completed(found, user)
	}
	return nil
}

func completed(c *credential, user string) *credential {
	if c.user == "" {
		c.user = user
	}
	return c
}

// netrcWords cuts a file into words: without comments, which begin a line, and
// macros, which end with an empty line. A word in double quotes may hold anything.
func netrcWords(file string) (words []string) {
	macro := false
	for line := range strings.Lines(file) {
		line = strings.TrimSpace(line)
		if macro = macro && line != ""; macro || strings.HasPrefix(line, "#") {
			continue
		}
		for line != "" {
			var word string
			word, line = netrcWord(line)
			if word == "macdef" {
				macro = true
				break
			}
			words = append(words, word)
		}
	}
	return words
}

// netrcWord takes the first word off a line.
func netrcWord(line string) (word, rest string) {
	if line[0] != '"' {
		if i := strings.IndexAny(line, " \t"); i >= 0 {
			return line[:i], strings.TrimLeft(line[i:], " \t")
		}
		return line, ""
	}
	var b strings.Builder
	for i := 1; i < len(line); i++ {
		switch line[i] {
		case '"':
			return b.String(), strings.TrimLeft(line[i+1:], " \t")
		case '\\':
			if i++; i < len(line) {
				b.WriteByte(line[i])
			}
		default:
			b.WriteByte(line[i])
		}
	}
	return b.String(), ""
}
