package docs

import (
	"fmt"
	"os"
	"strings"
)

// A line is one line of a Markdown file, with what it belongs to.
type line struct {
	number int
	text   string // in a fenced block without the indentation of the fence
	fence  *fence // nil outside of fenced blocks and on the fences themselves
}

// A fence opens a fenced block (CommonMark, section 4.5).
type fence struct {
	number int // of the line that opens it
	info   string
	mark   string // the backquotes or tildes
	indent int
}

// readLines reads a Markdown file and tells fenced blocks from other text. name
// is how errors call the file.
func readLines(name string, content []byte) ([]line, error) {
	var lines []line
	var open *fence
	for i, text := range strings.Split(strings.TrimSuffix(string(content), "\n"), "\n") {
		l := line{number: i + 1, text: text}
		f := parseFence(text)
		switch {
		case open == nil && f != nil:
			f.number = l.number
			open = f
		case open != nil && f != nil && f.info == "" && strings.HasPrefix(f.mark, open.mark):
			open = nil
		case open != nil:
			l.fence = open
			l.text = dedent(text, open.indent)
		}
		lines = append(lines, l)
	}
	if open != nil {
		return nil, fmt.Errorf("%s:%d: this block has no end", name, open.number)
	}
	return lines, nil
}

func parseFence(text string) *fence {
	rest := strings.TrimLeft(text, " ")
	for _, c := range []string{"`", "~"} {
		after := strings.TrimLeft(rest, c)
		mark := rest[:len(rest)-len(after)]
		info := strings.TrimSpace(after)
		if len(mark) < 3 || c == "`" && strings.Contains(info, c) {
			continue
		}
		return &fence{info: info, mark: mark, indent: len(text) - len(rest)}
	}
	return nil
}

// dedent drops up to n leading spaces.
func dedent(text string, n int) string {
	for ; n > 0 && strings.HasPrefix(text, " "); n-- {
		text = text[1:]
	}
	return text
}

func readFile(name string) ([]line, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return readLines(name, b)
}
