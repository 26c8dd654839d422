package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	"github.com/blevesearch/bleve/v2/index/scorch/mergeplan"
	"github.com/google/uuid"
	"github.com/spf13/afero"

	"qme/internal/lockfile"
	"qme/internal/ordered"
	"qme/internal/regular"
)

const (
	// batchSize bounds the documents that are handed to a processor at once, batchText the
	// bytes of their texts: they are in memory until then.
	batchSize = 512
	batchText = 3 << 20
	// waitingBatches is how many wait for those before them.
	waitingBatches = 3
)

// A writer makes the next state of the index. What it has written is nothing until publish.
type writer struct {
	dir    string // the folder of the index
	tmp    string // that of the next state
	work   string // where bleve writes it: tmp, or another folder where there are no locks
	store  string // the folder of scorch's files in work
	serial string // of the next state
	limit  int64
	gap    string         // that of the manifest
	lock   *lockfile.File // nil: the turn is over
	index  bleve.Index
	// ctx ends when the search does, or bleve's work in the background fails; its cause says why.
	ctx context.Context
	end context.CancelCauseFunc
}

// errOther says that another process is writing.
var errOther = errors.New("another process is writing the index")

const newSuffix = ".new-"

// newWriter begins a state from nothing or, where from is not nil, from another one, which
// must be the one that is there. The error is errOther when it is another process's turn, or
// was; on file systems without locks that is found out in the end.
func newWriter(ctx context.Context, dir string, limit int64, from *opened) (w *writer, err error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return nil, err
	}
	lock, err := lockfile.Open(afero.NewOsFs(), dir+".lock", lockfile.Exclusive)
	if errors.Is(err, lockfile.ErrHeld) {
		return nil, errOther
	}
	if err != nil {
		return nil, err
	}
	w = &writer{dir: dir, serial: uuid.NewString(), limit: limit, lock: lock}
	w.ctx, w.end = context.WithCancelCause(ctx)
	defer func() {
		if err != nil {
			err = errors.Join(err, w.abandon())
		}
	}()
	if err := w.removeRests(); err != nil {
		return w, err
	}
	if w.tmp, err = os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+newSuffix); err != nil {
		return w, err
	}
	w.work = w.tmp
	if !lock.Locked {
		if w.work, err = newElsewhere(); err != nil {
			return w, err
		}
	}
	if from == nil {
		return w, w.create()
	}
	return w, w.copy(from)
}

// create begins with nothing.
func (w *writer) create() error {
	if err := os.Remove(w.work); err != nil { // bleve makes it
		return err
	}
	index, err := bleve.NewUsing(w.work, newMapping(), scorch.Name, scorch.Name, w.options())
	if err == nil {
		w.index = index
	}
	return err
}

// copy begins with another state.
func (w *writer) copy(from *opened) error {
	if serialOf(w.dir) != from.Serial {
		return errOther
	}
	link := os.Link
	if w.work != w.tmp {
		link = os.Symlink
	}
	if err := assemble(from.dir, w.work, from.Files, link); err != nil {
		return err
	}
	return guard(func() error {
		index, err := bleve.OpenUsing(w.work, w.options())
		if err != nil {
			return err
		}
		w.index = index
		// Where a file cannot be opened, scorch begins with nothing and says so to its log only.
		serial, err := serialIn(index)
		if err == nil && serial != from.Serial {
			err = cmp.Or(from.refusal(), errUnusable)
		}
		return err
	})
}

// options are bleve's for a writer. It waits for nothing to be on disk before flush.
func (w *writer) options() map[string]any {
	w.store = filepath.Join(w.work, storeName)
	writers.Store(w.store, w)
	return map[string]any{"unsafe_batch": true, "bolt_timeout": "5s", "asyncErrorCallbackName": callbackName}
}

// callbackName is that of the function that scorch tells the errors of its work in the
// background. After most of them it tries again without end.
const callbackName = "qme"

// writers are the writers of this process, by the folders in which scorch works.
var writers sync.Map

func init() {
	scorch.RegistryAsyncErrorCallbacks[callbackName] = func(err error, path string) {
		w, ok := writers.Load(path)
		if !ok || errors.Is(err, scorch.ErrCleanup) { // which only leaves a file
			return
		}
		if e := new(scorch.ScorchError); errors.As(err, &e) {
			err = errors.New(e.ErrMsg)
		}
		w.(*writer).end(err)
	}
}

// restAge is from how long after its last file on a folder is taken for a killed writer's
// where there are no locks. A writer adds one each second or so.
const restAge = time.Hour

// removeRests removes what writers that were killed have left.
func (w *writer) removeRests() error {
	entries, err := os.ReadDir(filepath.Dir(w.dir))
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), filepath.Base(w.dir)+newSuffix) && w.isRest(e) {
			errs = append(errs, os.RemoveAll(filepath.Join(filepath.Dir(w.dir), e.Name())))
		}
	}
	return errors.Join(errs...)
}

// isRest reports whether a folder is a killed writer's.
func (w *writer) isRest(e fs.DirEntry) bool {
	if w.lock.Locked { // nobody else is writing
		return true
	}
	info, err := e.Info()
	return err == nil && time.Since(info.ModTime()) > restAge
}

// abandon gives up what was not published, and ends the turn.
func (w *writer) abandon() error {
	var err error
	if w.index != nil {
		err = w.index.Close()
		w.index = nil
	}
	writers.Delete(w.store)
	w.end(nil)
	for _, dir := range []string{w.tmp, w.work} {
		if dir != "" {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}
	if w.lock != nil {
		err = errors.Join(err, w.lock.Close())
		w.lock = nil
	}
	return err
}

// Under these keys bleve keeps the serial and the commit of a state.
const (
	serialKey = "qme_serial"
	commitKey = "qme_commit" // for programs that open the index with bleve alone
)

// flush waits until all is on disk.
func (w *writer) flush(commit string) error {
	done := make(chan error, 1)
	batch := w.index.NewBatch()
	batch.SetInternal([]byte(serialKey), []byte(w.serial))
	batch.SetInternal([]byte(commitKey), []byte(commit))
	batch.SetPersistedCallback(func(err error) { done <- err })
	if err := w.index.Batch(batch); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-w.ctx.Done():
		return context.Cause(w.ctx)
	}
}

// removeUnused removes the segments that were joined to others, which bleve does only when it
// opens the index again.
func (w *writer) removeUnused() error {
	o := &opened{manifest: manifest{Serial: w.serial}, dir: w.work}
	err := guard(o.openBleve)
	if err != nil {
		return errors.Join(err, o.close())
	}
	state, err := o.state()
	if err != nil {
		return errors.Join(err, o.close())
	}
	used := map[string]bool{}
	for _, s := range state.Segments() {
		if file, ok := s.Segment().(interface{ Path() string }); ok {
			used[filepath.Base(file.Path())] = true
		}
	}
	if err := o.close(); err != nil {
		return err
	}
	files, err := listFiles(w.work)
	for _, f := range files {
		if name := f.path(w.work); filepath.Ext(name) == ".zap" && !used[filepath.Base(name)] {
			err = errors.Join(err, os.Remove(name))
		}
	}
	return err
}

// publish puts the state in the place of the one of that serial, "" for none. The error is
// errOther when another writer was faster.
func (w *writer) publish(commit, before string) error {
	err := w.index.Close()
	w.index = nil
	if err != nil {
		return err
	}
	if err := w.removeUnused(); err != nil {
		return err
	}
	if err := os.Chmod(filepath.Join(w.work, metaName), 0o600); err != nil { // which bleve leaves to the umask
		return err
	}
	if w.work != w.tmp {
		if err := w.collect(); err != nil {
			return err
		}
	}
	m := manifest{Format: format, Serial: w.serial, Commit: commit, Limit: w.limit, Gap: w.gap}
	if err := m.write(w.tmp); err != nil {
		return err
	}
	if serialOf(w.dir) != before {
		return errOther
	}
	if err := replace(w.dir, w.tmp); err != nil {
		return err
	}
	if w.work == w.tmp {
		w.work = ""
	}
	w.tmp = ""
	return nil
}

// join has bleve join segments: all where the index is made from nothing, else those of which
// there are many. In one segment each gram has one list, which is a tenth of the size and is
// found at once. Only what is on disk is joined, and what is there after an error serves as well.
func (w *writer) join(all bool) error {
	advanced, err := w.index.Advanced()
	if err != nil {
		return err
	}
	s, ok := advanced.(*scorch.Scorch)
	if !ok {
		return fmt.Errorf("the index is a %T", advanced)
	}
	plan := mergeplan.DefaultMergePlanOptions
	if all {
		plan = mergeplan.SingleSegmentMergePlanOptions
		plan.SegmentsPerMergeTask = math.MaxInt // in one step
	} else {
		// Each search opens and asks each segment. Joining four of an update's size costs less
		// than the update.
		plan.MaxSegmentsPerTier = 4
	}
	done := make(chan error, 1)
	go func() { done <- s.ForceMerge(w.ctx, &plan) }() // until the index is closed, if it fails
	select {
	case err := <-done:
		return cmp.Or(err, context.Cause(w.ctx))
	case <-w.ctx.Done():
		return context.Cause(w.ctx)
	}
}

// add writes runs. It may be called from several goroutines.
func (w *writer) add(entries []entry) error {
	batch := w.index.NewBatch()
	for i, e := range entries {
		d, err := e.document()
		if err != nil {
			return err
		}
		if err := batch.IndexAdvanced(d); err != nil {
			return err
		}
		entries[i] = entry{} // its memory is wanted
	}
	return w.index.Batch(batch)
}

// remove deletes documents.
func (w *writer) remove(ids []string) error {
	batch := w.index.NewBatch()
	for _, id := range ids {
		batch.Delete(id)
	}
	return w.index.Batch(batch)
}

// fill writes what comes from next, on all processors.
func (w *writer) fill(next func(yield func(entry) bool) error) error {
	var unread error
	batches := func(yield func([]entry) bool) {
		var batch []entry
		size, wanted := 0, true
		unread = next(func(e entry) bool {
			batch = append(batch, e)
			if size += e.size; size >= batchText || len(batch) >= batchSize {
				wanted = yield(batch)
				batch, size = nil, 0
			}
			return wanted && w.ctx.Err() == nil
		})
		if wanted && w.ctx.Err() == nil && len(batch) > 0 {
			yield(batch)
		}
	}
	for err := range ordered.Map(batches, waitingBatches, func() func([]entry) error { return w.add }) {
		if err != nil {
			return err
		}
	}
	if unread != nil {
		return unread
	}
	return context.Cause(w.ctx)
}

func copyFile(from, to string) error {
	in, err := regular.OpenHere(from, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return errors.Join(err, in.Close())
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, in.Close(), out.Close())
}
