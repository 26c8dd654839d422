package gitstore

import (
	"github.com/go-git/go-git/v5/plumbing"

	"qme/gitstore/gitformat"
	"qme/record"
)

// A mergeFunc merges the files of one kind where both sides have the task and the files
// differ. A side without the file has the zero entry.
type mergeFunc func(t *threeWay, id record.ID, base, ours, theirs treeEntry) (treeEntry, error)

// withRecord is for files of a run: the side whose record is kept keeps them.
var withRecord mergeFunc

// fileKinds are the kinds of files that a task can have, by their extension, each with its
// rule for merging. Any other is rejected in a pull.
var fileKinds = knownKinds()

func knownKinds() map[string]mergeFunc {
	kinds := map[string]mergeFunc{recordExt: withRecord, runsExt: (*threeWay).mergeRuns, notesExt: (*threeWay).mergeNotes}
	for _, name := range record.StreamNames {
		kinds[extOf(name)] = withRecord
	}
	for _, name := range record.PartNames {
		kinds[extOf(name)] = withRecord
	}
	return kinds
}

// recordExt is the extension of a record's file.
const recordExt = ".json"

// extOf returns the extension of the file of a stream or part.
func extOf[N record.StreamName | record.PartName](name N) string { return "." + string(name) }

// mergeRuns lists the lost runs that either side knows of.
func (t *threeWay) mergeRuns(id record.ID, _, ours, theirs treeEntry) (treeEntry, error) {
	var all []plumbing.Hash
	for _, e := range []treeEntry{ours, theirs} {
		if e.hash.IsZero() {
			continue
		}
		list, err := runsOf(t.w, e.hash)
		if err != nil {
			return treeEntry{}, err
		}
		all = append(all, list...)
	}
	return treeEntry{gitformat.ModeFile, string(id) + runsExt, t.w.Add(plumbing.BlobObject, encodeRuns(all), "")}, nil
}
