package worktree

import "strings"

// parseConfig reads the text of a git configuration (git-config(1), "Syntax").
// Lines that are not of the syntax are left out.
func parseConfig(text string) []variable {
	var vars []variable
	section := ""
	for len(text) > 0 {
		var line string
		line, text = configLine(text)
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section, line = configSection(line)
		}
		if line == "" || line[0] == '#' || line[0] == ';' || section == "" {
			continue
		}
		name, value, assigned := strings.Cut(line, "=")
		if !assigned { // a name alone is true
			name, value = configValue(name), "true"
		} else {
			value = configValue(value)
		}
		vars = append(vars, variable{key: section + "." + strings.ToLower(strings.TrimSpace(name)), value: value})
	}
	return vars
}

// configLine cuts off the first line, joined with those that a backslash at the
// end continues it with.
func configLine(text string) (line, rest string) {
	for {
		part, more, _ := strings.Cut(text, "\n")
		part = strings.TrimSuffix(part, "\r")
		slashes := len(part) - len(strings.TrimRight(part, `\`))
		if slashes%2 == 0 || more == "" {
			return line + part, more
		}
		line += part[:len(part)-1]
		text = more
	}
}

// configSection reads "[section]" or `[section "Sub"]` and returns what follows
// it on the line.
func configSection(line string) (section, rest string) {
	var b strings.Builder
	quoted := false
	for i := 1; i < len(line); i++ {
		switch c := line[i]; {
		case c == '"':
			quoted = !quoted
			if quoted {
				b.WriteByte('.')
			}
		case quoted && c == '\\' && i+1 < len(line):
			i++
			b.WriteByte(line[i])
		case quoted:
			b.WriteByte(c)
		case c == ']':
			return b.String(), strings.TrimSpace(line[i+1:])
		case c != ' ' && c != '\t':
			b.WriteString(strings.ToLower(string(c)))
		}
	}
	return "", ""
}

// configValue takes quotes, escapes and a comment from a value.
func configValue(text string) string {
	var b strings.Builder
	quoted, end := false, 0 // end: space behind it is not part of the value
	text = strings.TrimSpace(text)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '"':
			quoted = !quoted
			end = b.Len()
			continue
		case (c == '#' || c == ';') && !quoted:
			return b.String()[:end]
		case c == '\\' && i+1 < len(text):
			i++
			c = unescape(text[i])
		}
		b.WriteByte(c)
		if quoted || c != ' ' && c != '\t' {
			end = b.Len()
		}
	}
	return b.String()[:end]
}

func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'b':
		return '\b'
	}
	return c
}
