package config

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"qme/internal/lazy"
	"qme/record"
)

// A syntaxProblem is a syntax error in a line, counted from 1.
type syntaxProblem struct {
	problem
	line int
}

// A document is a parsed TOML file with the offsets of its entries. The decoder returns
// values but not their places, the unstable parser places but not values.
type document struct {
	text    []byte
	values  map[string]any
	tables  []table // the first is the root
	entries []entry // in the order of the file
}

// A table is a table or inline table that contains entries.
type table struct {
	path   []string
	array  bool // an element of an array of tables: [[path]]
	inline bool // written {...}
	start  int  // offset of the name
	body   int  // offset where an entry can be inserted: after the line of [path], or after {
	end    int  // of an inline table, the offset of its }
}

// An entry is a key with a value that is not an inline table.
type entry struct {
	path       []string
	table      int // index in document.tables
	start, end int // of KEY = VALUE
	value      int // offset of VALUE
}

// parse parses a text. The error wraps record.ErrInvalid and begins with the line and
// column, not with the name of the file.
func parse(text []byte) (*document, error) {
	d := &document{text: text, tables: []table{{}}}
	if err := toml.Unmarshal(text, &d.values); err != nil {
		return nil, syntaxError(text, err)
	}
	var p unstable.Parser
	p.Reset(text)
	current := 0
	for p.NextExpression() {
		switch n := p.Expression(); n.Kind {
		case unstable.Table, unstable.ArrayTable:
			d.addHeader(n)
			current = len(d.tables) - 1
		case unstable.KeyValue:
			d.addEntry(n, current)
		}
	}
	if err := p.Error(); err != nil {
		return nil, syntaxError(text, err)
	}
	return d, nil
}

// bareText matches a line that assigns text without quotes.
var bareText = lazy.Regexp(`^\s*([A-Za-z0-9_.-]+)\s*=\s*([^"'\[{#=\s][^"'#]*?)\s*(#.*)?$`)

// inQuotes returns the corrected line.
func inQuotes(key, text string) string {
	return key + ` = "` + strings.ReplaceAll(text, `\`, `\\`) + `"`
}

// quotesMissing returns the message for a line whose text needs quotes, "" for other
// mistakes.
func quotesMissing(text []byte, line int) string {
	lines := bytes.Split(text, []byte("\n"))
	if line < 1 || line > len(lines) {
		return ""
	}
	m := bareText().FindSubmatch(bytes.TrimRight(lines[line-1], "\r"))
	if m == nil || bytes.ContainsFunc(m[2], unicode.IsControl) {
		return ""
	}
	if s, ok := lookup(string(m[1])); ok && s.public != nil {
		return ": text needs quotes" // the text may be a secret
	}
	return ": text needs quotes: " + inQuotes(string(m[1]), string(m[2]))
}

func syntaxError(text []byte, err error) error {
	// The decoder copies names from the file, including control characters.
	message := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, strings.TrimPrefix(err.Error(), "toml: "))
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		line, column := decode.Position()
		return &syntaxProblem{problem{fmt.Sprintf("line %d column %d: %s%s", line, column, message, quotesMissing(text, line)), record.ErrInvalid}, line}
	}
	return invalid("is not TOML: %s", message)
}

func (d *document) addHeader(n *unstable.Node) {
	path, start, end := keys(n)
	d.tables = append(d.tables, table{
		path: path, array: n.Kind == unstable.ArrayTable, start: start, body: d.lineEnd(end),
	})
}

func (d *document) addEntry(n *unstable.Node, in int) {
	path, start, keyEnd := keys(n)
	path = slices.Concat(d.tables[in].path, path)
	end := int(n.Raw.Offset + n.Raw.Length)
	value := end - len(bytes.TrimLeft(d.text[keyEnd:end], " \t="))
	if n.Value().Kind != unstable.InlineTable {
		d.entries = append(d.entries, entry{path: path, table: in, start: start, value: value, end: end})
		return
	}
	d.tables = append(d.tables, table{path: path, inline: true, start: start, body: value + 1, end: end - 1})
	in = len(d.tables) - 1
	for it := n.Value().Children(); it.Next(); {
		d.addEntry(it.Node(), in)
	}
}

// keys returns the parts of the dotted key of an expression, and its offsets.
func keys(n *unstable.Node) (path []string, start, end int) {
	start = -1
	for it := n.Key(); it.Next(); {
		k := it.Node()
		if start < 0 {
			start = int(k.Raw.Offset)
		}
		end = int(k.Raw.Offset + k.Raw.Length)
		path = append(path, string(k.Data))
	}
	return path, start, end
}

// lineStart returns the offset of the beginning of the line that contains offset.
func (d *document) lineStart(offset int) int {
	return bytes.LastIndexByte(d.text[:offset], '\n') + 1
}

// lineEnd returns the offset after the newline of the line that contains offset, or the
// length of the text.
func (d *document) lineEnd(offset int) int {
	if i := bytes.IndexByte(d.text[offset:], '\n'); i >= 0 {
		return offset + i + 1
	}
	return len(d.text)
}

// where describes a place for an error message.
func (d *document) where(path string, offset int) string {
	return fmt.Sprintf(" in %s line %d", path, 1+bytes.Count(d.text[:offset], []byte("\n")))
}

// find returns the entry of a setting.
func (d *document) find(name string) (entry, bool) {
	for _, e := range d.entries {
		if spell(e.path) == name {
			return e, true
		}
	}
	return entry{}, false
}

// lookup returns the decoded value at a path, nil if there is none. It does not search
// arrays.
func (d *document) lookup(path []string) any {
	var v any = d.values
	for _, key := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

// spell joins a path with dots, like the name of a setting. A part that needs quotes in
// TOML is quoted, so that "a.b" is not taken for a and b.
func spell(path []string) string {
	parts := make([]string, 0, len(path))
	for _, p := range path {
		bare := p != "" && strings.Trim(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == ""
		if !bare {
			p = fmt.Sprintf("%q", p)
		}
		parts = append(parts, p)
	}
	return strings.Join(parts, ".")
}
