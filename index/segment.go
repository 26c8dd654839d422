package index

import (
	"fmt"
	"strconv"

	"github.com/RoaringBitmap/roaring/v2"
	bleve "github.com/blevesearch/bleve_index_api"
	segment "github.com/blevesearch/scorch_segment_api/v2"
	zap "github.com/blevesearch/zapx/v16"
)

// gramField is the field of a segment, beside the id: the grams of a block's tasks.
const gramField = "g"

var plugin zap.ZapPlugin

// A segment's buffer grows with what is written to it. Guessed from the size of the last
// segment's documents, as is usual, it is some 300 MB for many small ones behind few large ones.
func init() { zap.NewSegmentBufferNumResultsFactor = 0 }

// A document is a block of tasks as bleve's segments take it: its number, and which grams
// are in the text, without how often and where.
type document struct {
	id    string
	grams bleve.TokenFrequencies
}

// present says of a term that it is there and no more.
var present = new(bleve.TokenFreq)

// newDocument returns the document of a block, by its number.
func newDocument(number int, entries []entry) *document {
	doc := &document{id: strconv.Itoa(number), grams: bleve.TokenFrequencies{}}
	for _, e := range entries {
		if e.doc != nil {
			e.doc.EachGram(func(g string) { doc.grams[g] = present })
		}
	}
	return doc
}

// VisitFields implements bleve.Document, as do the other methods.
func (d *document) VisitFields(visit bleve.FieldVisitor) {
	visit(termField{"_id", d.id, bleve.TokenFrequencies{d.id: present}})
	visit(termField{gramField, "", d.grams})
}

func (d *document) ID() string                                 { return d.id }
func (d *document) Size() int                                  { return 0 }
func (d *document) VisitComposite(bleve.CompositeFieldVisitor) {}
func (d *document) HasComposite() bool                         { return false }
func (d *document) NumPlainTextBytes() uint64                  { return 0 }
func (d *document) AddIDField()                                {}
func (d *document) StoredFieldsBytes() uint64                  { return 0 }
func (d *document) Indexed() bool                              { return true }

// A termField is a field whose terms are known. Only the id is stored, too.
type termField struct {
	name, value string
	terms       bleve.TokenFrequencies
}

// Name implements bleve.Field, as do the other methods.
func (f termField) Name() string             { return f.name }
func (f termField) Value() []byte            { return []byte(f.value) }
func (f termField) ArrayPositions() []uint64 { return nil }
func (f termField) EncodedFieldType() byte   { return 't' }
func (f termField) Analyze()                 {}

func (f termField) Options() bleve.FieldIndexingOptions {
	if f.value != "" {
		return bleve.IndexField | bleve.SkipFreqNorm | bleve.StoreField
	}
	return bleve.IndexField | bleve.SkipFreqNorm
}

func (f termField) AnalyzedLength() int                              { return 0 }
func (f termField) AnalyzedTokenFrequencies() bleve.TokenFrequencies { return f.terms }
func (f termField) NumPlainTextBytes() uint64                        { return 0 }

// writeSegment writes documents, at least one, to a file that does not exist.
func writeSegment(path string, docs []*document) error {
	list := make([]bleve.Document, len(docs))
	for i, d := range docs {
		list[i] = d
	}
	seg, _, err := plugin.New(list)
	if err != nil {
		return err
	}
	persistent, ok := seg.(segment.UnpersistedSegment)
	if !ok {
		return fmt.Errorf("a new segment is a %T", seg)
	}
	return persistent.Persist(path)
}

// withAll returns the documents of a segment that have all grams, at least one.
func withAll(seg segment.Segment, grams []string) (*roaring.Bitmap, error) {
	dict, err := seg.Dictionary(gramField)
	if err != nil {
		return nil, err
	}
	var all *roaring.Bitmap
	for _, g := range grams {
		docs, err := postings(dict, g)
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = docs
		} else {
			all.And(docs)
		}
		if all.IsEmpty() {
			break
		}
	}
	return all, nil
}

func postings(dict segment.TermDictionary, term string) (*roaring.Bitmap, error) {
	list, err := dict.PostingsList([]byte(term), nil, nil)
	if err != nil {
		return nil, err
	}
	found := roaring.New()
	if l, ok := list.(interface{ OrInto(*roaring.Bitmap) }); ok {
		l.OrInto(found)
		return found, nil
	}
	return nil, fmt.Errorf("postings are a %T", list)
}
