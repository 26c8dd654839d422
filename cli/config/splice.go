package config

import (
	"bytes"
	"slices"
	"strings"
)

// with returns the text with the named setting set to literal, in several variants in
// order of preference. Each is correct unless another part of the file forbids it, so the
// caller must parse the result.
func (d *document) with(name, literal string) [][]byte {
	if e, ok := d.find(name); ok {
		return [][]byte{d.splice(e.value, e.end, literal)}
	}
	path := strings.Split(name, ".")
	var ways [][]byte
	for _, i := range d.tablesAround(path) {
		ways = append(ways, d.insert(i, path, literal))
	}
	root := d.insertInRoot(path, literal)
	if len(path) == 1 || d.prefersRoot(path) {
		return append(ways, root)
	}
	return append(ways, d.appendTable(path, literal), root)
}

// tablesAround returns the tables that contain the path, except the root. If there are
// several, TOML allows the entry only in the innermost.
func (d *document) tablesAround(path []string) []int {
	var around []int
	for i, t := range d.tables[1:] {
		if n := len(t.path); !t.array && n < len(path) && slices.Equal(t.path, path[:n]) {
			around = append(around, i+1)
		}
	}
	return around
}

// prefersRoot reports whether the file writes such settings with dots at the top rather
// than below a [table].
func (d *document) prefersRoot(path []string) bool {
	for _, e := range d.entries {
		if e.table == 0 && e.path[0] == path[0] {
			return true
		}
	}
	return d.firstHeader() < 0
}

// firstHeader returns the offset of the line of the first [table], -1 if there is none.
func (d *document) firstHeader() int {
	for _, t := range d.tables[1:] {
		if !t.inline {
			return d.lineStart(t.start)
		}
	}
	return -1
}

// insert adds an entry to a table: first in an inline table, else after the entry that
// shares the longest prefix with the path.
func (d *document) insert(in int, path []string, literal string) []byte {
	t := d.tables[in]
	line := strings.Join(path[len(t.path):], ".") + " = " + literal
	sibling, found := d.sibling(in, path)
	if t.inline {
		if line = " " + line; found {
			line += ","
		}
		if c := d.text[t.body]; c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			line += " "
		}
		return d.splice(t.body, t.body, line)
	}
	if !found {
		return d.insertLine(t.body, line)
	}
	start := d.lineStart(sibling.start)
	return d.insertLine(d.lineEnd(sibling.end), string(d.text[start:sibling.start])+line)
}

// sibling returns the last entry of a table among those that share the longest prefix
// with path.
func (d *document) sibling(in int, path []string) (best entry, found bool) {
	most := -1
	for _, e := range d.entries {
		if shared := sharedParts(e.path, path); e.table == in && shared >= most {
			best, most, found = e, shared, true
		}
	}
	return best, found
}

func sharedParts(a, b []string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// insertInRoot adds an entry before the first [table], since later lines belong to that
// table.
func (d *document) insertInRoot(path []string, literal string) []byte {
	if _, found := d.sibling(0, path); found {
		return d.insert(0, path, literal)
	}
	line := strings.Join(path, ".") + " = " + literal
	at := d.firstHeader()
	if at < 0 {
		return d.insertLine(len(d.text), line)
	}
	// A comment directly above the header belongs to the table.
	for at > 0 {
		above := d.lineStart(at - 1)
		if !bytes.HasPrefix(bytes.TrimLeft(d.text[above:at], " \t"), []byte("#")) {
			break
		}
		at = above
	}
	return d.insertLine(at, line+d.newline())
}

// appendTable adds an entry below a new [table] at the end of the file.
func (d *document) appendTable(path []string, literal string) []byte {
	last := len(path) - 1
	return d.insertLine(len(d.text),
		d.newline()+"["+strings.Join(path[:last], ".")+"]"+d.newline()+path[last]+" = "+literal)
}

// insertLine inserts a line at the beginning of a line or the end of the text.
func (d *document) insertLine(at int, line string) []byte {
	if at > 0 && d.text[at-1] != '\n' {
		line = d.newline() + line
	}
	return d.splice(at, at, line+d.newline())
}

// newline returns the line ending of the file.
func (d *document) newline() string {
	if bytes.Contains(d.text, []byte("\r\n")) {
		return "\r\n"
	}
	return "\n"
}

func (d *document) splice(start, end int, with string) []byte {
	return slices.Concat(d.text[:start], []byte(with), d.text[end:])
}
