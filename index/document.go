package index

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/document"
	"github.com/blevesearch/bleve/v2/mapping"
	"github.com/blevesearch/bleve/v2/registry"
	bleveindex "github.com/blevesearch/bleve_index_api"
	segment "github.com/blevesearch/scorch_segment_api/v2"

	"qme/index/query"
	"qme/record"
)

// A document of the index is a run. Its id says where the run comes in a listing. Beside the keywords and the grams of package
// query it has these fields.
const (
	taskField    = "task"    // the task's UUID, a blank and its executor
	createdField = "created" // the day on which the task was made, in UTC
	placeField   = "place"   // the day of the run's place, in UTC
	latestField  = "latest"  // whether it is its task's latest run: "true" or "false"
	clearedField = "cleared" // whether its task was cleared, likewise
	overField    = "over"    // how many of its streams are longer than the limit, if any is
	unreadField  = "unreadable"
	idField      = "_id" // which bleve adds

	// What is stored, each with its checksum: the record without its streams, and what is
	// searched of these.
	recordField = "record"
	outputField = "output"
	errorField  = "error"
)

const (
	yes = "true"
	no  = "false"
)

// gramsAnalyzer is the name with which bleve knows the analyzer of the grams.
const gramsAnalyzer = "qme_grams"

func init() {
	err := registry.RegisterAnalyzer(gramsAnalyzer, func(map[string]any, *registry.Cache) (analysis.Analyzer, error) { return gramAnalyzer{}, nil })
	if err != nil {
		panic(err) // the name is used twice
	}
}

// A gramAnalyzer has each gram of a text once.
type gramAnalyzer struct{}

// Analyze implements analysis.Analyzer.
func (gramAnalyzer) Analyze(text []byte) analysis.TokenStream {
	var tokens analysis.TokenStream
	seen := map[string]bool{}
	query.EachGram(query.Fold(string(text)), func(g string) {
		if !seen[g] {
			seen[g] = true
			tokens = append(tokens, &analysis.Token{Term: []byte(g), Position: len(tokens) + 1})
		}
	})
	return tokens
}

// newMapping says how bleve reads the fields.
func newMapping() mapping.IndexMapping {
	m := mapping.NewIndexMapping()
	m.DefaultMapping = mapping.NewDocumentStaticMapping()
	text := mapping.NewTextFieldMapping()
	text.Analyzer, text.Store, text.IncludeTermVectors, text.DocValues, text.IncludeInAll, text.SkipFreqNorm = gramsAnalyzer, false, false, false, false, true
	m.DefaultMapping.AddFieldMappingsAt(query.TextField, text)
	word := mapping.NewKeywordFieldMapping()
	word.Store, word.IncludeTermVectors, word.IncludeInAll, word.SkipFreqNorm = false, false, false, true
	for _, k := range query.Keywords {
		m.DefaultMapping.AddFieldMappingsAt(k.Name, word)
	}
	for _, name := range []string{taskField, createdField, placeField, latestField, clearedField, overField, unreadField, linkField, query.WordsField} {
		m.DefaultMapping.AddFieldMappingsAt(name, word)
	}
	stored := mapping.NewTextFieldMapping()
	stored.Index, stored.IncludeTermVectors, stored.IncludeInAll, stored.DocValues = false, false, false, false
	for _, name := range []string{recordField, outputField, errorField} {
		m.DefaultMapping.AddFieldMappingsAt(name, stored)
	}
	return m
}

// placeOf is where a run comes in a listing of runs.
func placeOf(r *record.Record) string {
	if m, moved := record.MovedOf(r); moved {
		return m.Place()
	}
	return r.UID.UUID()
}

// placeIn returns the id of a run's document.
func placeIn(r *record.Record) docID {
	return docID{placeOf(r), r.UID, cmp.Or(string(r.Data.RunID), strconv.Itoa(r.Data.Run))}
}

func taskKey(id record.ID) string { return id.UUID() + " " + id.Executor() }

// A docID is a document's id, taken apart.
type docID struct {
	place string
	id    record.ID
	run   string // what tells apart the runs of a task at one place
}

// String leaves out the place of a run that has not moved: it is in the task's id.
func (d docID) String() string {
	place := d.place
	if place == d.id.UUID() {
		place = ""
	}
	return place + " " + taskKey(d.id) + " " + d.run
}

func parseDocID(s string) (docID, error) {
	f := strings.SplitN(s, " ", 4)
	if len(f) < 4 {
		return docID{}, fmt.Errorf("%w: a document is called %q", errUnusable, s)
	}
	id, err := record.ParseID(f[2] + "-" + f[1])
	if err != nil {
		return docID{}, fmt.Errorf("%w: %w", errUnusable, err)
	}
	return docID{cmp.Or(f[0], id.UUID()), id, f[3]}, nil
}

// An entry is a run on its way into the index.
type entry struct {
	id     record.ID
	doc    *query.Doc // nil when it cannot be read
	number int        // of an earlier run, else 0
	// cleared is the removal of the task, nil if it is there.
	cleared *record.Clearing
	unique  int // as in record.Result
	// files returns all files of the run, also those that its record does not list.
	files func() (*record.Files, error)
	over  int // streams that are longer than the limit
	// partial says that what is searched of the streams is not all of them.
	partial bool
	size    int // of what is searched, about, in bytes
}

// document makes the document of a run.
func (e entry) document() (*document.Document, error) {
	if e.doc == nil {
		d := document.NewDocument(docID{e.id.UUID(), e.id, no}.String())
		addTerm(d, taskField, taskKey(e.id))
		addTerm(d, unreadField, yes)
		addTerm(d, clearedField, strconv.FormatBool(e.cleared != nil))
		return d, e.storeBrief(d)
	}
	r := e.doc.Record
	id := placeIn(r)
	d := document.NewDocument(id.String())
	d.AddField(newTermField(query.TextField, e.doc.EachGram))
	d.AddField(newTermField(query.WordsField, e.doc.EachWord))
	d.AddField(newTermField(linkField, func(yield func(string)) {
		eachLink(r, e.files, func(k LinkKey) { yield(string(k)) })
	}))
	for _, k := range query.Keywords {
		for _, value := range k.Of(r) {
			if slices.Contains(Counted, k.Name) {
				addCounted(d, k.Name, value)
			} else {
				addTerm(d, k.Name, value)
			}
		}
	}
	addTerm(d, taskField, taskKey(r.UID))
	addTerm(d, createdField, dayOfPlace(r.UID.UUID()))
	addTerm(d, placeField, dayOfPlace(id.place))
	addTerm(d, latestField, strconv.FormatBool(e.number == 0))
	addTerm(d, clearedField, strconv.FormatBool(e.cleared != nil))
	if e.over > 0 {
		addTerm(d, overField, strconv.Itoa(e.over))
	}
	if err := e.store(d); err != nil || e.doc.Err == nil {
		return d, err
	}
	// A stream of it cannot be read, so it may hold any text.
	return entry{id: e.id, cleared: e.cleared}.document()
}

// addCounted adds a value that is also counted among the runs that are found.
func addCounted(d *document.Document, name, value string) {
	d.AddField(document.NewTextFieldWithIndexingOptions(name, nil, []byte(value), bleveindex.IndexField|bleveindex.DocValues|bleveindex.SkipFreqNorm))
}

// addTerm adds a value that is only looked for.
func addTerm(d *document.Document, name, value string) {
	d.AddField(document.NewTextFieldWithIndexingOptions(name, nil, []byte(value), bleveindex.IndexField|bleveindex.SkipFreqNorm))
}

// dayOfPlace returns the day of a UUID of version 7, or of the beginning of one.
func dayOfPlace(place string) string { return record.ClockTime(place).UTC().Format("2006-01-02") }

// store adds what is read of a run that is found.
func (e entry) store(d *document.Document) error {
	if err := e.storeBrief(d); err != nil {
		return err
	}
	texts := e.doc.Texts()
	addStored(d, outputField, []byte(texts[query.Streams]))
	addStored(d, errorField, []byte(texts[query.Streams+1]))
	return nil
}

func (e entry) storeBrief(d *document.Document) error {
	b, err := e.encodeBrief()
	if err == nil {
		addStored(d, recordField, b)
	}
	return err
}

// addStored adds a text with its checksum before it: bleve trusts its files.
func addStored(d *document.Document, name string, text []byte) {
	if len(text) == 0 && name != recordField {
		return
	}
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(text)), crc32.ChecksumIEEE(text))
	d.AddField(document.NewTextFieldWithIndexingOptions(name, nil, append(b, text...), bleveindex.StoreField))
}

// errDamaged says that a document is not what was written.
var errDamaged = errors.New("a document of the search index is damaged")

func checked(b []byte) ([]byte, error) {
	if len(b) < 4 || binary.LittleEndian.Uint32(b) != crc32.ChecksumIEEE(b[4:]) {
		return nil, errDamaged
	}
	return b[4:], nil
}

// A stored is what is stored of a run.
type stored struct {
	*brief
	record         *record.Record   // without its streams; nil of a run that could not be read
	cleared        *record.Clearing // the removal of the task, nil if it is there
	output, errors string           // if they are read
}

// readStored reads the stored fields of the document with an id, of a run that could be read or not; the text of its streams only if streams
// is set.
func readStored(id docID, streams bool, visit func(segment.StoredFieldValueVisitor) error) (*stored, error) {
	s := new(stored)
	var err error
	failed := visit(func(name string, _ byte, value []byte, _ []uint64) bool {
		if name == idField || !streams && name != recordField {
			return true
		}
		var b []byte
		if b, err = checked(value); err != nil {
			return false
		}
		switch name { // the bytes are bleve's
		case recordField:
			s.brief, err = decodeBrief(b)
			if err == nil {
				s.cleared = s.removal(id.id)
				s.record, err = s.recordOf(id)
			}
		case outputField:
			s.output = string(b)
		case errorField:
			s.errors = string(b)
		}
		return err == nil
	})
	if err = cmp.Or(failed, err); err != nil || s.brief == nil {
		return nil, errors.Join(errDamaged, err)
	}
	return s, nil
}

// doc returns what is searched of the run.
func (s *stored) doc() *query.Doc {
	return &query.Doc{Record: s.record, Stream: func(name record.StreamName) (string, error) {
		switch name { // those of a job are with those of the command
		case record.Stdout:
			return s.output, nil
		case record.Stderr:
			return s.errors, nil
		}
		return "", nil
	}}
}
