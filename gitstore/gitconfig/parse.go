package gitconfig

import (
	"cmp"
	"fmt"
	"strings"
)

// Parse reads the text of a configuration (git-config(1), "Syntax"). Lines that are not of
// the syntax are left out; the error names the first of them.
func Parse(text string) (settings []Setting, err error) {
	section, number := "", 0
	bad := func() { err = cmp.Or(err, fmt.Errorf("line %d is not of the syntax of a configuration", number)) }
	for len(text) > 0 {
		line, rest := configLine(text)
		number += max(1, strings.Count(text[:len(text)-len(rest)], "\n"))
		line, text = strings.TrimSpace(line), rest
		if strings.HasPrefix(line, "[") {
			if section, line = configSection(line); section == "" {
				bad()
			}
		}
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		name, value, ok := configAssignment(line)
		if section == "" || !ok {
			bad()
			continue
		}
		settings = append(settings, Setting{Key: section + "." + name, Value: value})
	}
	return settings, err
}

// configAssignment reads NAME = VALUE; a name alone is true.
func configAssignment(line string) (name, value string, ok bool) {
	end := strings.IndexFunc(line, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
	})
	if end < 0 {
		return strings.ToLower(line), "true", true
	}
	name, rest := strings.ToLower(line[:end]), strings.TrimSpace(line[end:])
	switch {
	case end == 0:
		return "", "", false
	case rest[0] == '=':
		value, ok = configValue(rest[1:])
		return name, value, ok
	case rest[0] == '#', rest[0] == ';':
		return name, "true", true
	}
	return "", "", false
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

// configSection reads "[section]" or `[section "Sub"]` and returns the
// rest of the line.
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
func configValue(text string) (value string, ok bool) {
	var b strings.Builder
	quoted, end := false, 0 // end: space after it is not part of the value
	text = strings.TrimSpace(text)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '"':
			quoted = !quoted
			end = b.Len()
			continue
		case (c == '#' || c == ';') && !quoted:
			return b.String()[:end], true
		case c == '\\' && i+1 < len(text):
			i++
			if c, ok = unescape(text[i]); !ok {
				return "", false
			}
		}
		b.WriteByte(c)
		if quoted || c != ' ' && c != '\t' {
			end = b.Len()
		}
	}
	return b.String()[:end], !quoted
}

func unescape(c byte) (byte, bool) {
	switch c {
	case 'n':
		return '\n', true
	case 't':
		return '\t', true
	case 'b':
		return '\b', true
	}
	return c, c == '"' || c == '\\'
}

// Quote returns a value as it is written in a configuration: Parse reads the same value.
func Quote(value string) string {
	if strings.ContainsAny(value, "#;\"\\\n\t\b") || strings.TrimSpace(value) != value {
		escapes := strings.NewReplacer(`"`, `\"`, `\`, `\\`, "\n", `\n`, "\t", `\t`, "\b", `\b`)
		return `"` + escapes.Replace(value) + `"`
	}
	return value
}
