package index

import (
	"fmt"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
	bleve "github.com/blevesearch/bleve_index_api"
	segment "github.com/blevesearch/scorch_segment_api/v2"
	zap "github.com/blevesearch/zapx/v16"

	"qme/index/query"
	"qme/record"
)

// The fields of a segment, beside the id.
const (
	gramField = "g" // the grams of a task's text
	flagField = "f" // see below
)

// The terms of flagField.
const (
	oneOver = "1" // a stream is longer than the limit
	twoOver = "2" // so is the other
	damaged = "u" // it cannot be read
)

var plugin zap.ZapPlugin

// A document is a task as bleve's segments take it: its id, and which grams are in
// its text, without how often and where.
type document struct {
	id    string
	grams bleve.TokenFrequencies
	flags bleve.TokenFrequencies
}

// present says of a term that it is there and no more.
var present = new(bleve.TokenFreq)

func newDocument(id record.ID, d *query.Doc, limit int64) *document {
	doc := &document{id: string(id), grams: bleve.TokenFrequencies{}}
	d.EachGram(func(g string) { doc.grams[g] = present })
	switch query.CountOver(d.Record, limit) {
	case 1:
		doc.flags = bleve.TokenFrequencies{oneOver: present}
	case 2:
		doc.flags = bleve.TokenFrequencies{oneOver: present, twoOver: present}
	}
	return doc
}

func unreadable(id record.ID) *document {
	return &document{id: string(id), flags: bleve.TokenFrequencies{damaged: present}}
}

// VisitFields implements bleve.Document, as do the other methods.
func (d *document) VisitFields(visit bleve.FieldVisitor) {
	visit(termField{"_id", d.id, bleve.TokenFrequencies{d.id: present}})
	visit(termField{gramField, "", d.grams})
	visit(termField{flagField, "", d.flags})
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

// withTerm returns the documents of a segment that have a term.
func withTerm(seg segment.Segment, field, term string) (*roaring.Bitmap, error) {
	dict, err := seg.Dictionary(field)
	if err != nil {
		return nil, err
	}
	return postings(dict, term)
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

// withPiece returns the documents that have a term with a piece in it.
func withPiece(seg segment.Segment, field, piece string) (*roaring.Bitmap, error) {
	dict, err := seg.Dictionary(field)
	if err != nil {
		return nil, err
	}
	found := roaring.New()
	terms := dict.AutomatonIterator(nil, nil, nil)
	for {
		entry, err := terms.Next()
		if err != nil || entry == nil {
			return found, err
		}
		if !strings.Contains(entry.Term, piece) {
			continue
		}
		some, err := postings(dict, entry.Term)
		if err != nil {
			return nil, err
		}
		found.Or(some)
	}
}

// idsOf returns the tasks of some documents.
func idsOf(seg segment.Segment, docs *roaring.Bitmap) ([]record.ID, error) {
	ids := make([]record.ID, 0, docs.GetCardinality())
	reader, ok := seg.(interface{ DocID(uint64) ([]byte, error) })
	if !ok {
		return nil, fmt.Errorf("a segment is a %T", seg)
	}
	for it := docs.Iterator(); it.HasNext(); {
		b, err := reader.DocID(uint64(it.Next()))
		if err != nil {
			return nil, err
		}
		id, err := record.ParseID(string(b))
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}
