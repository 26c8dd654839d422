package mask

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A form is a way to write a value. Its name is in the marker, so that Reveal writes another
// value in the same way; that of the value itself is empty.
type form struct{ name, text string }

// lineForm, with the number of the line, is a line of a value of several lines.
const lineForm = "line"

// passwordForm is the password in a URL that is the value.
const passwordForm = "password"

// longestLines limits how many lines of a value are looked for one by one.
const longestLines = 200

// forms returns the forms in which a value is looked for, each text once.
func forms(value string) []form {
	list := []form{{"", value}}
	for _, name := range []string{"quoted", "json", "url", "path", "base64", "base64url"} {
		if text, ok := Encode(value, name); ok && text != value {
			list = append(list, form{name, text})
		}
	}
	if !utf8.ValidString(value) {
		list = append(list, form{"text", strings.ToValidUTF8(value, "\uFFFD")}) // as in records
	}
	if strings.Contains(value, "\n") {
		for i, line := range strings.SplitN(value, "\n", longestLines) {
			// A line with blanks in it, such as a header, is more often no secret.
			if line = strings.TrimSuffix(line, "\r"); len(line) >= 2*shortest && !strings.ContainsAny(line, " \t\n") {
				list = append(list, form{lineForm + strconv.Itoa(i+1), line})
			}
		}
	}
	return list
}

// Encode returns a value in the form that a Marker names. ok is false if there is no such form of
// it.
func Encode(value, name string) (text string, ok bool) {
	switch name {
	case "":
		return value, true
	case "quoted": // within single quotes of a shell
		return strings.ReplaceAll(value, "'", `'\''`), true
	case "json":
		b, err := json.Marshal(value)
		if err != nil {
			return "", false
		}
		return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(b[1 : len(b)-1])), true
	case "url":
		return url.QueryEscape(value), true
	case "path":
		return url.PathEscape(value), true
	case "base64":
		return encode64(base64.RawStdEncoding, value), true
	case "base64url":
		return encode64(base64.RawURLEncoding, value), true
	}
	if name == passwordForm {
		text = urlPassword(value)
		return text, text != ""
	}
	n, err := strconv.Atoi(strings.TrimPrefix(name, lineForm))
	lines := strings.Split(value, "\n")
	if err != nil || !strings.HasPrefix(name, lineForm) || n < 1 || n > len(lines) {
		return "", false
	}
	return strings.TrimSuffix(lines[n-1], "\r"), true
}

// encode64 returns the part of an encoded value that does not depend on what follows it, such as
// a newline.
func encode64(e *base64.Encoding, value string) string {
	return e.EncodeToString([]byte(value))[:len(value)*8/6]
}

// urlPassword returns the password in a URL with a user and a password, as it is written there.
func urlPassword(value string) string {
	_, rest, ok := strings.Cut(value, "://")
	if !ok {
		return ""
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	at := strings.LastIndexByte(rest, '@')
	if at < 0 {
		return ""
	}
	_, password, _ := strings.Cut(rest[:at], ":")
	return password
}
