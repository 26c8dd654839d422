package record

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// MergeNotes merges the notes of two histories, given those of their merge base; nil is none. What was
// added on a side is there, what was removed on one and left alone on the other is gone, and
// of what was changed on both the later change stands. The result does not depend on the order of the
// sides, which stay as they are.
func MergeNotes(base, a, b *Notes) *Notes {
	base, a, b = base.Clone(), a.Clone(), b.Clone()
	merged := &Notes{
		Name:     mergeValue(base.Name, a.Name, b.Name, compareNames),
		Restored: latest(a.Restored, b.Restored),
		Extra:    mergeExtra(base.Extra, a.Extra, b.Extra),
		LeftOut:  max(a.LeftOut, b.LeftOut),
	}
	set := func(tags []string) map[string]*string {
		m := map[string]*string{}
		for i := range tags {
			m[tags[i]] = &tags[i]
		}
		return m
	}
	for _, tag := range mergeMaps(set(base.Tags), set(a.Tags), set(b.Tags), strings.Compare) {
		merged.Tags = append(merged.Tags, *tag)
	}
	byID := func(notes []Note) map[string]*Note {
		m := map[string]*Note{}
		for i := range notes {
			m[notes[i].ID] = &notes[i]
		}
		return m
	}
	for _, note := range mergeMaps(byID(base.Notes), byID(a.Notes), byID(b.Notes), compareNotes) {
		merged.Notes = append(merged.Notes, *note)
	}
	merged.sort()
	merged.bound()
	return merged
}

// bound leaves out what makes sorted notes more than can be read: the longest notes, the last tags,
// and all unknown keys.
func (n *Notes) bound() {
	for size := n.textSize(); len(n.Notes) > 0 && (len(n.Notes) > mostNotesRead || size > mostTextRead); n.LeftOut++ {
		longest := 0
		for i, one := range n.Notes {
			if one.size() > n.Notes[longest].size() {
				longest = i
			}
		}
		size -= n.Notes[longest].size()
		n.Notes = slices.Delete(n.Notes, longest, longest+1)
	}
	if over := len(n.Tags) - mostTagsRead; over > 0 {
		n.Tags, n.LeftOut = n.Tags[:mostTagsRead], n.LeftOut+over
	}
	if extraSize(n.Extra) > mostExtraRead {
		n.LeftOut += len(n.Extra)
		n.Extra = nil
	}
	n.LeftOut = min(n.LeftOut, mostLeftOut)
}

// mergeMaps merges maps by mergeValue.
func mergeMaps[T any](base, a, b map[string]*T, compare func(a, b T) int) map[string]*T {
	merged := map[string]*T{}
	all := maps.Clone(a)
	maps.Copy(all, b)
	for key := range all {
		if v := mergeValue(base[key], a[key], b[key], compare); v != nil {
			merged[key] = v
		}
	}
	return merged
}

// mergeValue merges a value that may be absent. compare is 0 for equal values only, and otherwise
// says which one stands if both sides have changed it. A change stands against a removal.
func mergeValue[T any](base, a, b *T, compare func(a, b T) int) *T {
	same := func(x, y *T) bool { return x == nil && y == nil || x != nil && y != nil && compare(*x, *y) == 0 }
	switch {
	case same(a, b), same(base, b):
		return a
	case same(base, a):
		return b
	case a == nil:
		return b
	case b == nil:
		return a
	case compare(*a, *b) > 0:
		return a
	}
	return b
}

func compareNames(a, b Name) int {
	return cmp.Or(a.At.Compare(b.At.Time), strings.Compare(a.Text, b.Text), strings.Compare(a.By, b.By))
}

func compareNotes(a, b Note) int {
	return cmp.Or(a.changed().Compare(b.changed().Time), strings.Compare(a.Text, b.Text), strings.Compare(a.By, b.By), a.At.Compare(b.At.Time))
}

// changed is the time at which the note has got its text.
func (n Note) changed() Time {
	if n.Edited != nil {
		return *n.Edited
	}
	return n.At
}

func latest(a, b *Time) *Time {
	if a == nil || b != nil && b.After(a.Time) {
		return b
	}
	return a
}

func mergeExtra(base, a, b map[string]json.RawMessage) map[string]json.RawMessage {
	pointers := func(m map[string]json.RawMessage) map[string]*json.RawMessage {
		p := map[string]*json.RawMessage{}
		for key, value := range m {
			p[key] = &value
		}
		return p
	}
	merged := mergeMaps(pointers(base), pointers(a), pointers(b), func(x, y json.RawMessage) int { return bytes.Compare(compacted(x), compacted(y)) })
	if len(merged) == 0 {
		return nil
	}
	extra := map[string]json.RawMessage{}
	for _, key := range slices.Sorted(maps.Keys(merged)) {
		extra[key] = *merged[key]
	}
	return extra
}

// compacted returns a JSON value without the white space that a stored form adds.
func compacted(value json.RawMessage) []byte {
	var b bytes.Buffer
	if json.Compact(&b, value) != nil {
		return value
	}
	return b.Bytes()
}
