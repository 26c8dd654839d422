package config

import (
	"bytes"
	"slices"
)

// without returns the text without an entry: without its whole line, or, in an inline
// table, without the entry and a comma.
func (d *document) without(e entry) []byte {
	t := d.tables[e.table]
	if !t.inline {
		return d.splice(d.lineStart(e.start), d.lineEnd(e.end), "")
	}
	if comma := d.comma(e.end); comma >= 0 {
		return slices.Concat(d.text[:e.start], d.text[e.end:comma], trimLeft(d.text[comma+1:]))
	}
	if comma := d.comma(d.endBefore(e)); comma >= 0 {
		between := bytes.TrimRight(d.text[comma+1:e.start], " \t")
		return slices.Concat(d.text[:comma], between, d.text[e.end:])
	}
	return slices.Concat(d.text[:e.start], trimLeft(d.text[e.end:]))
}

func trimLeft(text []byte) []byte { return bytes.TrimLeft(text, " \t") }

// comma returns the offset of the next comma if only white space and comments precede it,
// else -1.
func (d *document) comma(offset int) int {
	for offset < len(d.text) {
		switch d.text[offset] {
		case ',':
			return offset
		case ' ', '\t', '\r', '\n':
			offset++
		case '#':
			offset = d.lineEnd(offset)
		default:
			return -1
		}
	}
	return -1
}

// endBefore returns the end of the entry before e in its inline table, or the beginning
// of the table if e is the first entry.
func (d *document) endBefore(e entry) int {
	t := d.tables[e.table]
	end := t.body
	for _, other := range d.entries {
		if other.start > t.body && other.end < e.start {
			end = max(end, other.end)
		}
	}
	for _, other := range d.tables {
		if other.inline && other.start > t.body && other.end < e.start {
			end = max(end, other.end+1)
		}
	}
	return end
}
