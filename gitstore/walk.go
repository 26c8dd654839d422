package gitstore

import (
	"cmp"
	"iter"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/record"
)

// An Entry is a task's place in a snapshot, before its record is read.
type Entry struct {
	ID   record.ID
	blob plumbing.Hash
	r    objectReader
}

// Record reads the entry's record; errors are as those of Snapshot.Get.
func (e Entry) Record() (*record.Record, error) {
	return readRecord(e.r, e.ID, e.blob, record.Decode)
}

func (e Entry) brief() (*record.Record, error) {
	return readRecord(e.r, e.ID, e.blob, record.DecodeBrief)
}

// Tasks yields the tasks in the range, newest first. It ends at the first error.
// The cost is that of the folders in the range of time which the prefix spans.
func (sn *Snapshot) Tasks(rg record.Range) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		w := &walker{sn: sn, rg: rg, yield: yield}
		w.lo, w.hi = bounds(rg.Prefix)
		e, err := lookup(sn.r, sn.root, "tasks")
		switch {
		case err != nil:
			yield(Entry{}, err)
		case e != nil:
			w.dir(e.hash, "tasks", 0)
		}
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

const depthOfMinutes = 5

type walker struct {
	sn     *Snapshot
	rg     record.Range
	lo, hi string
	yield  func(Entry, error) bool
}

// dir walks a folder from its end and reports whether to go on.
func (w *walker) dir(h plumbing.Hash, at string, depth int) bool {
	entries, err := readTree(w.sn.r, h)
	if err != nil {
		w.yield(Entry{}, err)
		return false
	}
	if depth == depthOfMinutes {
		return w.minute(entries)
	}
	for _, e := range slices.Backward(entries) {
		p := path.Join(at, e.name)
		if !e.isDir() || p < w.lo[:min(len(p), len(w.lo))] || p > w.hi[:min(len(p), len(w.hi))] {
			continue
		}
		if !w.dir(e.hash, p, depth+1) {
			return false
		}
	}
	return true
}

func (w *walker) minute(entries []treeEntry) bool {
	var found []Entry
	for _, e := range entries {
		name, isRecord := strings.CutSuffix(e.name, ".json")
		if !isRecord {
			continue
		}
		id, err := record.ParseID(name)
		if err != nil {
			continue // Check names it
		}
		if strings.HasPrefix(id.UUID(), w.rg.Prefix) && (w.rg.Executor == "" || id.Executor() == w.rg.Executor) {
			found = append(found, Entry{ID: id, blob: e.hash, r: w.sn.r})
		}
	}
	slices.SortFunc(found, func(a, b Entry) int { return cmp.Compare(b.ID.UUID(), a.ID.UUID()) })
	for _, e := range found {
		if !w.yield(e, nil) {
			return false
		}
	}
	return true
}

const (
	// readAhead bounds how many batches Records holds.
	readAhead = 8
	// maxBatch bounds how many records are read at once. The first batches are
	// small, because somebody waits for the first line.
	maxBatch = 32
)

// A batch is some neighbouring entries on their way to be read.
type batch struct {
	entries []Entry
	out     chan []record.Result
}

// Records yields the records in the range, newest first, reading ahead on all
// processors. A record that cannot be read is yielded with its error, and the
// walk goes on; only a damaged folder (with an empty ID) ends it.
func (sn *Snapshot) Records(rg record.Range) iter.Seq[record.Result] {
	return func(yield func(record.Result) bool) {
		read := Entry.Record
		if rg.Brief {
			read = Entry.brief
		}
		stop := make(chan struct{})
		var workers sync.WaitGroup
		// Whoever stops early may close the store: nothing may read it then.
		defer workers.Wait()
		defer close(stop)
		jobs, order := make(chan batch), make(chan chan []record.Result, readAhead)
		for range runtime.GOMAXPROCS(0) {
			workers.Go(func() {
				for b := range jobs {
					b.out <- readAll(b.entries, read)
				}
			})
		}
		workers.Go(func() {
			defer close(order)
			defer close(jobs)
			sn.deal(rg, jobs, order, stop)
		})
		for out := range order {
			for _, res := range <-out {
				if !yield(res) {
					return
				}
			}
		}
	}
}

func readAll(entries []Entry, read func(Entry) (*record.Record, error)) []record.Result {
	results := make([]record.Result, len(entries))
	for i, e := range entries {
		rec, err := read(e)
		results[i] = record.Result{ID: e.ID, Record: rec, Err: err}
	}
	return results
}

// deal walks the tree and hands out batches, in order, until stop is closed.
func (sn *Snapshot) deal(rg record.Range, jobs chan<- batch, order chan<- chan []record.Result, stop <-chan struct{}) {
	var pending []Entry
	size := 1
	flush := func() bool {
		if len(pending) == 0 {
			return true
		}
		b := batch{pending, make(chan []record.Result, 1)}
		pending, size = nil, min(2*size, maxBatch)
		select {
		case order <- b.out:
		case <-stop:
			return false
		}
		select {
		case jobs <- b:
			return true
		case <-stop:
			return false
		}
	}
	for e, err := range sn.Tasks(rg) {
		if err != nil {
			out := make(chan []record.Result, 1)
			out <- []record.Result{{Err: err}}
			if flush() {
				select {
				case order <- out:
				case <-stop:
				}
			}
			return
		}
		if pending = append(pending, e); len(pending) >= size && !flush() {
			return
		}
	}
	flush()
}
