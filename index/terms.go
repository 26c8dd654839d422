package index

import (
	"sync"

	"github.com/blevesearch/bleve/v2/document"
	bleveindex "github.com/blevesearch/bleve_index_api"
)

// A termField is the field of the grams or the words of a run. They come from texts that are
// analyzed by themselves, so that none spans two of them.
type termField struct {
	*document.TextField
	terms bleveindex.TokenFrequencies
}

// Analyze does nothing: it is done.
func (*termField) Analyze() {}

// AnalyzedLength implements index.Field. It is only for scores, which there are none of.
func (*termField) AnalyzedLength() int { return 1 }

// AnalyzedTokenFrequencies implements index.Field.
func (f *termField) AnalyzedTokenFrequencies() bleveindex.TokenFrequencies { return f.terms }

// present is all that is known of a term in a run: a batch has hundreds of thousands of them.
var present bleveindex.TokenFreq

// newTermField makes a field of the terms that each yields, some of them more than once.
func newTermField(name string, each func(func(string))) *termField {
	seen := termSets.Get().(*termSet)
	defer termSets.Put(seen)
	var others bleveindex.TokenFrequencies
	each(func(s string) {
		if seen.add(s) {
			return
		}
		if others == nil {
			others = make(bleveindex.TokenFrequencies)
		}
		others[s] = &present
	})
	return &termField{document.NewTextFieldWithIndexingOptions(name, nil, nil, bleveindex.IndexField|bleveindex.SkipFreqNorm), seen.take(others)}
}

// A termSet has terms of three ASCII characters, as nearly all grams are, each of which comes many times: in a map each would be looked up
// each time, and the map would grow many times.
type termSet struct {
	bits  [1 << 21 / 64]uint64
	terms []string
}

var termSets = sync.Pool{New: func() any { return new(termSet) }}

func (t *termSet) place(term string) (word int, bit uint64) {
	i := int(term[0])<<14 | int(term[1])<<7 | int(term[2])
	return i / 64, 1 << (i % 64)
}

// add adds a term. It returns false for one that the set cannot have.
func (t *termSet) add(term string) bool {
	if len(term) != 3 || (term[0]|term[1]|term[2])&0x80 != 0 {
		return false
	}
	if word, bit := t.place(term); t.bits[word]&bit == 0 {
		t.bits[word] |= bit
		t.terms = append(t.terms, term)
	}
	return true
}

// take returns the terms with others, and leaves the set empty.
func (t *termSet) take(others bleveindex.TokenFrequencies) bleveindex.TokenFrequencies {
	all := others
	if all == nil || len(all) < len(t.terms) {
		all = make(bleveindex.TokenFrequencies, len(t.terms)+len(others))
		for s := range others {
			all[s] = &present
		}
	}
	for _, s := range t.terms {
		all[s] = &present
		word, bit := t.place(s)
		t.bits[word] &^= bit
	}
	clear(t.terms) // the texts that they are parts of are wanted no more
	t.terms = t.terms[:0]
	return all
}
