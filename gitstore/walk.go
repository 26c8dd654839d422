package gitstore

import (
	"cmp"
	"iter"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/internal/ordered"
	"qme/record"
)

// An Entry is a task's place in a snapshot, before its record is read.
type Entry struct {
	ID     record.ID
	Unique int // that of record.ID.Unique
	blob   plumbing.Hash
	notes  plumbing.Hash // the zero hash for none
	r      objectReader
}

// Record reads the entry's record with its notes; errors are as those of Snapshot.Get.
func (e Entry) Record() (*record.Record, error) { return e.read(record.Decode) }

// Notes reads the notes of the entry's task, nil for none.
func (e Entry) Notes() (*record.Notes, error) { return notesOf(e.r, e.ID, e.notes) }

func (e Entry) readBrief() (*record.Record, error) { return e.read(record.DecodeBrief) }

func (e Entry) read(decode func([]byte) (*record.Record, error)) (*record.Record, error) {
	rec, err := readRecord(e.r, e.ID, e.blob, decode)
	if err == nil {
		rec.Notes, err = notesOf(e.r, e.ID, e.notes)
	}
	if err != nil {
		return nil, err
	}
	return rec, nil
}

// Tasks yields the tasks in the range in its order. It ends at the first error.
// The cost is that of the folders in the range of time which the prefix spans, and of
// those that hold tasks which have moved.
func (sn *Snapshot) Tasks(rg record.Range) iter.Seq2[Entry, error] {
	if rg.Order != nil {
		return sn.ordered(rg)
	}
	return func(yield func(Entry, error) bool) {
		w := &walker{sn: sn, rg: rg, yield: yield}
		w.lo, w.hi = bounds(rg.Prefix)
		w.start()
	}
}

// find yields those of the tasks that are in the snapshot, in the order in which
// Tasks does. It ends at the first error. Only the folders that hold them are read.
func (sn *Snapshot) find(ids []record.ID) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		sought := make([]soughtTask, len(ids))
		for i, id := range ids {
			sought[i] = soughtTask{id.Dir(), id.UUID()}
		}
		slices.SortFunc(sought, func(a, b soughtTask) int {
			return cmp.Or(cmp.Compare(b.dir, a.dir), cmp.Compare(b.uuid, a.uuid))
		})
		w := &walker{sn: sn, yield: yield, selective: true, sought: sought}
		w.lo, w.hi = bounds("")
		w.start()
	}
}

// A soughtTask is a task that is looked for, and its folder.
type soughtTask struct{ dir, uuid string }

// start walks everything.
func (w *walker) start() {
	e, err := lookup(w.sn.r, w.sn.root, "tasks")
	switch {
	case err != nil:
		w.yield(Entry{}, err)
	case e != nil:
		w.dir(e.hash, "tasks", 0)
	}
}

// bounds returns the first and the last folder that can hold an id with the
// prefix.
func bounds(prefix string) (lo, hi string) {
	hex := strings.ReplaceAll(prefix, "-", "")
	hex = hex[:min(len(hex), 12)]
	at := func(fill string) string {
		var ms int64
		for _, c := range hex + strings.Repeat(fill, 12-len(hex)) {
			ms = ms<<4 | int64(strings.IndexRune("0123456789abcdef", c))
		}
		return record.DirAt(time.UnixMilli(min(ms, maxMillis)))
	}
	return at("0"), at("f")
}

// maxMillis is the last millisecond whose year has four digits.
var maxMillis = time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC).UnixMilli()

const taskFolderDepth = 5

type walker struct {
	sn     *Snapshot
	rg     record.Range
	lo, hi string
	yield  func(Entry, error) bool

	selective bool         // only those of
	sought    []soughtTask // which are still ahead, in the order of the walk
}

// dir walks a folder, from its end unless the walk is reversed, and reports whether to go on.
func (w *walker) dir(h plumbing.Hash, at string, depth int) bool {
	entries, err := readTree(w.sn.r, h)
	if err != nil {
		w.yield(Entry{}, err)
		return false
	}
	if depth == taskFolderDepth {
		return w.taskFolder(entries, at)
	}
	for i := range entries {
		if !w.rg.Reversed {
			i = len(entries) - 1 - i // from the end
		}
		e := entries[i]
		p := path.Join(at, e.name)
		if !e.isDir() || !within(p, w.lo, w.hi) || !w.wants(p) {
			continue
		}
		if !w.dir(e.hash, p, depth+1) {
			return false
		}
	}
	return true
}

// within reports whether a folder is one of those from lo to hi, or has some of them.
func within(folder, lo, hi string) bool {
	return folder >= lo[:min(len(folder), len(lo))] && folder <= hi[:min(len(folder), len(hi))]
}

// wants reports whether a folder has to be read, and skips sought tasks that do not exist.
func (w *walker) wants(folder string) bool {
	if !w.selective {
		return true
	}
	for len(w.sought) > 0 {
		dir := w.sought[0].dir
		if strings.HasPrefix(dir, folder) && (len(dir) == len(folder) || dir[len(folder)] == '/') {
			return true
		}
		if dir < folder {
			return false
		}
		w.sought = w.sought[1:]
	}
	return false
}

func (w *walker) taskFolder(entries []treeEntry, at string) bool {
	var found []Entry
	for _, e := range entries {
		name, isRecord := strings.CutSuffix(e.name, recordExt)
		if !isRecord {
			if name, isNotes := strings.CutSuffix(e.name, notesExt); isNotes && len(found) > 0 && string(found[len(found)-1].ID) == name {
				found[len(found)-1].notes = e.hash // the record's name comes before
			}
			continue
		}
		id, err := record.ParseID(name)
		if err != nil {
			continue // Check names it
		}
		found = append(found, Entry{ID: id, blob: e.hash, r: w.sn.r})
	}
	var newest *record.Order
	slices.SortFunc(found, func(a, b Entry) int { return newest.Compare(a.ID, b.ID) })
	markUnique(found)
	if w.rg.Reversed {
		slices.Reverse(found)
	}
	for _, e := range found {
		uuid := e.ID.UUID()
		if !strings.HasPrefix(uuid, w.rg.Prefix) || w.rg.Executor != "" && e.ID.Executor() != w.rg.Executor || !w.isSought(at, uuid) {
			continue
		}
		if !w.yield(e, nil) {
			return false
		}
	}
	return true
}

func (w *walker) isSought(at, uuid string) bool {
	for len(w.sought) > 0 && w.sought[0].dir == at && w.sought[0].uuid > uuid {
		w.sought = w.sought[1:]
	}
	return !w.selective || len(w.sought) > 0 && w.sought[0] == soughtTask{at, uuid}
}

// markUnique finds out how much of each UUID names it. Tasks of one millisecond are in
// one folder, and those that have most in common are neighbours there.
func markUnique(sorted []Entry) {
	ids := make([]record.ID, len(sorted))
	for i, e := range sorted {
		ids[i] = e.ID
	}
	for i, id := range ids {
		sorted[i].Unique = id.Unique(ids[max(i-1, 0):min(i+2, len(ids))]...)
	}
}

const (
	// readAhead bounds how many batches Records holds.
	readAhead = 8
	// maxBatch bounds how many records are read at once. The first batches are
	// small, so that the first line comes soon.
	maxBatch = 32
)

// Records yields the records in the range, newest first, reading ahead on all
// processors. A record that cannot be read is yielded with its error, and the
// walk goes on; only a damaged folder (with an empty ID) ends it.
func (sn *Snapshot) Records(rg record.Range) iter.Seq[record.Result] {
	return readEntries(sn.Tasks(rg), rg.Brief)
}

// Select is Records of those of the tasks that are in the snapshot.
func (sn *Snapshot) Select(ids []record.ID, brief bool) iter.Seq[record.Result] {
	return readEntries(sn.find(ids), brief)
}

func readEntries(entries iter.Seq2[Entry, error], brief bool) iter.Seq[record.Result] {
	read := Entry.Record
	if brief {
		read = Entry.readBrief
	}
	newWorker := func() func(batch) []record.Result {
		return func(b batch) []record.Result { return b.readAll(read) }
	}
	return func(yield func(record.Result) bool) {
		for results := range ordered.Map(batches(entries), readAhead, newWorker) {
			for _, res := range results {
				if !yield(res) {
					return
				}
			}
		}
	}
}

// A batch is some neighbouring entries, or the error that ends the walk.
type batch struct {
	entries []Entry
	err     error
}

func (b batch) readAll(read func(Entry) (*record.Record, error)) []record.Result {
	if b.err != nil {
		return []record.Result{{Err: b.err}}
	}
	results := make([]record.Result, len(b.entries))
	for i, e := range b.entries {
		rec, err := read(e)
		results[i] = record.Result{ID: e.ID, Unique: e.Unique, Record: rec, Err: err}
	}
	return results
}

func batches(entries iter.Seq2[Entry, error]) iter.Seq[batch] {
	return func(yield func(batch) bool) {
		var pending []Entry
		size := 1
		flush := func() bool {
			b := batch{entries: pending}
			pending, size = nil, min(2*size, maxBatch)
			return len(b.entries) == 0 || yield(b)
		}
		for e, err := range entries {
			if err != nil {
				if flush() {
					yield(batch{err: err})
				}
				return
			}
			if pending = append(pending, e); len(pending) >= size && !flush() {
				return
			}
		}
		flush()
	}
}
