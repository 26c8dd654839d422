package mask

import (
	"bytes"
	"encoding/binary"
)

// A needle is a text that is looked for.
type needle struct {
	text   []byte
	name   string
	marker []byte
	// border[i] is the length of the longest proper prefix of text that ends text[:i+1], as in the
	// algorithm of Knuth, Morris and Pratt.
	border []int32
}

func newNeedle(text, name, form string) needle {
	n := needle{text: []byte(text), name: name, marker: []byte(marker(name, form)), border: make([]int32, len(text))}
	for i, k := 1, int32(0); i < len(n.text); i++ {
		for k > 0 && n.text[k] != n.text[i] {
			k = n.border[k-1]
		}
		if n.text[k] == n.text[i] {
			k++
		}
		n.border[i] = k
	}
	return n
}

// begun returns the length of the longest proper prefix of the needle with which text ends.
func (n *needle) begun(text []byte) int {
	text = text[max(0, len(text)-len(n.text)+1):]
	k := int32(0)
	for i := 0; i < len(text); i++ {
		if k == 0 {
			next := bytes.IndexByte(text[i:], n.text[0])
			if next < 0 {
				return 0
			}
			i += next
		}
		for k > 0 && n.text[k] != text[i] {
			k = n.border[k-1]
		}
		if n.text[k] == text[i] {
			k++
		}
	}
	return int(k)
}

const (
	// gram is how many bytes a probe of the text looks at.
	gram = 3
	// tableBits is the binary logarithm of the size of the table of grams, which must stay in the
	// fastest cache of a processor.
	tableBits = 14
	// longestStep bounds the distance of probes, and with it the size of the buckets.
	longestStep = 32
)

// A search finds needles in a text. It looks at every step-th place, so that each occurrence of
// a needle, which is longer than that, has such a place in it, and looks up the bytes there in a
// table of all grams of all needles. Unlike in algorithms that skip by what they find, the next
// place does not depend on the last one, so that a processor looks at several at once.
type search struct {
	needles []needle
	longest int
	step    int
	table   *[1 << tableBits]uint16 // the bucket of a gram, 0 for none
	buckets [][]candidate
}

// A candidate says that a gram is in a needle, offset bytes after its beginning.
type candidate struct{ needle, offset int }

// newSearch returns nil if there is nothing to look for. Each needle has gram bytes at least.
func newSearch(needles []needle) *search {
	if len(needles) == 0 {
		return nil
	}
	s := &search{needles: needles, step: longestStep, table: new([1 << tableBits]uint16), buckets: make([][]candidate, 1)}
	for _, n := range needles {
		s.longest = max(s.longest, len(n.text))
		s.step = min(s.step, len(n.text)-gram+1)
	}
	for i, n := range needles {
		for o := range s.step {
			h := slot(uint32(n.text[o]) | uint32(n.text[o+1])<<8 | uint32(n.text[o+2])<<16)
			if s.table[h] == 0 {
				s.buckets = append(s.buckets, nil)
				s.table[h] = uint16(len(s.buckets) - 1)
			}
			b := s.table[h]
			s.buckets[b] = append(s.buckets[b], candidate{i, o})
		}
	}
	return s
}

// slot returns the place in the table of the gram in the low bytes of a number.
func slot(bytes uint32) uint32 { return (bytes << 8) * 0x9E3779B1 >> (32 - tableBits) }

// skip returns the first place to probe from q on at which the text may have a gram, or a place
// from which on there are less than 4 bytes, or no needle that begins before limit.
func (s *search) skip(text []byte, q, limit int) int {
	table, step := s.table, s.step
	end := min(len(text)-4, limit+step-2)
	for ; q+3*step <= end; q += 4 * step {
		a := table[slot(binary.LittleEndian.Uint32(text[q:]))]
		b := table[slot(binary.LittleEndian.Uint32(text[q+step:]))]
		c := table[slot(binary.LittleEndian.Uint32(text[q+2*step:]))]
		d := table[slot(binary.LittleEndian.Uint32(text[q+3*step:]))]
		if a|b|c|d != 0 {
			break
		}
	}
	for ; q <= end && table[slot(binary.LittleEndian.Uint32(text[q:]))] == 0; q += step {
	}
	return q
}

// find returns the first needle that begins at from or later, and before limit; of several at one
// place the longest. It returns -1 as needle if there is none. All needles that begin before limit
// must be in the text as a whole, or differ from it.
func (s *search) find(text []byte, from, limit int) (at, needle int) {
	q := from + s.step - 1 // a needle that begins at from has a gram here
	for q = s.skip(text, q, limit); q+4 <= len(text) && q < limit+s.step-1; q = s.skip(text, q+s.step, limit) {
		if at, needle := s.among(s.buckets[s.table[slot(binary.LittleEndian.Uint32(text[q:]))]], text, q, from, limit); needle >= 0 {
			return at, needle
		}
	}
	for end := min(len(text)-gram, limit+s.step-2); q <= end; q += s.step {
		b := s.table[slot(uint32(text[q])|uint32(text[q+1])<<8|uint32(text[q+2])<<16)]
		if at, needle := s.among(s.buckets[b], text, q, from, limit); needle >= 0 {
			return at, needle
		}
	}
	return 0, -1
}

// among returns the first and longest of the candidates whose gram is at q.
func (s *search) among(candidates []candidate, text []byte, q, from, limit int) (at, needle int) {
	needle = -1
	for _, c := range candidates {
		start, n := q-c.offset, s.needles[c.needle].text
		if start < from || start >= limit || !bytes.HasPrefix(text[start:], n) {
			continue
		}
		if needle < 0 || start < at || start == at && len(n) > len(s.needles[needle].text) {
			at, needle = start, c.needle
		}
	}
	return at, needle
}

// begun returns the length of the longest end of text with which a needle begins.
func (s *search) begun(text []byte) int {
	most := 0
	for i := range s.needles {
		most = max(most, s.needles[i].begun(text))
	}
	return most
}
