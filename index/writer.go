package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	zap "github.com/blevesearch/zapx/v16"
	"github.com/spf13/afero"

	"qme/internal/lockfile"
	"qme/internal/ordered"
	"qme/internal/regular"
)

const (
	// maxBatch bounds the tasks that are handed to a processor at once, batchText the
	// bytes of their records: they are in memory until then.
	maxBatch  = 4096
	batchText = 3 << 20
	// segmentGrams is from how many grams on a segment is written, and another begun.
	segmentGrams = 600_000
	// From mergeFrom segments on of less than mergeBelow tasks each, they become one.
	mergeFrom  = 8
	mergeBelow = 512
)

// A writer makes the next generation. What it has written is nothing until publish.
type writer struct {
	dir   string // the folder of the index
	tmp   string // the folder of the generation, under a name of its own
	next  int    // its number
	limit int64
	lock  *lockfile.File // nil: the turn is over

	mu       sync.Mutex
	segments []segmentInfo
	count    int // of segments, for their names
}

// errOther says that another process is writing.
var errOther = errors.New("another process is writing the index")

// newWriter begins a generation. The error is errOther when it is another process's turn;
// on file systems without locks that is found out when the generation gets its name.
func newWriter(dir string, limit int64) (w *writer, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := lockfile.Open(afero.NewOsFs(), filepath.Join(dir, "lock"), lockfile.Exclusive)
	if errors.Is(err, lockfile.ErrHeld) {
		return nil, errOther
	}
	if err != nil {
		return nil, err
	}
	w = &writer{dir: dir, limit: limit, lock: lock, next: 1}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.abandon())
		}
	}()
	if err := w.removeOld(); err != nil {
		return w, err
	}
	n, err := newest(dir)
	if err == nil {
		w.next = n + 1
	} else if !errors.Is(err, errUnusable) {
		return w, err
	}
	w.tmp, err = os.MkdirTemp(dir, newPrefix)
	return w, err
}

// restAge is from how long after its last file on a folder is taken for a killed writer's
// where there are no locks. A writer adds one each second or so.
const restAge = time.Hour

// removeOld removes what is older than the newest generation, and what writers that
// were killed have left.
func (w *writer) removeOld() error {
	most, err := newest(w.dir)
	if err != nil && !errors.Is(err, errUnusable) {
		return err
	}
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		n, ok := generationNumber(e.Name())
		if ok && n < most || strings.HasPrefix(e.Name(), newPrefix) && w.isRest(e) {
			errs = append(errs, os.RemoveAll(filepath.Join(w.dir, e.Name())))
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
	if w.tmp != "" {
		err = os.RemoveAll(w.tmp)
	}
	if w.lock != nil {
		err = errors.Join(err, w.lock.Close())
		w.lock = nil
	}
	return err
}

// publish has the generation take the place of the one before. The error is errOther
// when another writer was faster.
func (w *writer) publish(commit string) error {
	m := manifest{Format: format, Commit: commit, Limit: w.limit, Segments: w.segments}
	b, err := m.encode()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(w.tmp, manifestName), b, 0o600); err != nil {
		return err
	}
	err = os.Rename(w.tmp, generationPath(w.dir, w.next))
	if errors.Is(err, fs.ErrExist) { // also a folder that is not empty
		return errOther
	} else if err != nil {
		return err
	}
	w.tmp = ""
	return w.removeOld()
}

func (w *writer) newPath() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count++
	return filepath.Join(w.tmp, fmt.Sprintf("%d-%d%s", w.next, w.count, segmentExt))
}

// add writes tasks as segments, newest first. It may be called from several goroutines.
func (w *writer) add(entries []entry) error {
	slices.SortStableFunc(entries, func(a, b entry) int { return cmp.Compare(b.id.UUID(), a.id.UUID()) })
	for len(entries) > 0 {
		var err error
		if entries, err = w.addSegment(entries); err != nil {
			return err
		}
	}
	return nil
}

// addSegment writes some tasks as a segment and returns the others.
func (w *writer) addSegment(entries []entry) (others []entry, err error) {
	path := w.newPath()
	texts, err := createTexts(textsOf(path))
	if err != nil {
		return nil, err
	}
	var docs []*document
	for grams := 0; len(entries) > 0 && grams < segmentGrams && err == nil; {
		n := blockOf(entries)
		doc := newDocument(len(docs), entries[:n])
		docs = append(docs, doc)
		grams += len(doc.grams)
		err = texts.add(entries[:n])
		clear(entries[:n]) // their memory is wanted for the next
		entries = entries[n:]
	}
	info, ferr := texts.finish()
	if err = errors.Join(err, ferr); err != nil {
		return nil, err
	}
	if err := writeSegment(path, docs); err != nil {
		return nil, err
	}
	return entries, w.list(path, info)
}

// blockOf returns how many of the entries, one at least, make a block.
func blockOf(entries []entry) int {
	size := 0
	for i, e := range entries {
		if i == blockTasks || size >= blockText {
			return i
		}
		size += e.size
	}
	return len(entries)
}

// list adds a segment to the generation.
func (w *writer) list(path string, texts textInfo) error {
	seg, err := plugin.Open(path)
	if err != nil {
		return err
	}
	file, ok := seg.(*zap.Segment)
	if !ok {
		return fmt.Errorf("a segment is a %T", seg)
	}
	info := segmentInfo{Name: filepath.Base(path), Size: int64(len(file.Data())), CRC: crc32.ChecksumIEEE(file.Data()), Texts: texts}
	w.mu.Lock()
	w.segments = append(w.segments, info)
	w.mu.Unlock()
	return seg.Close()
}

// keep takes over a segment of an earlier generation, without some documents.
func (w *writer) keep(s *openSegment, from string) error {
	info := s.info
	info.Deleted = nil
	if !s.deleted.IsEmpty() {
		b, err := s.deleted.ToBytes()
		if err != nil {
			return err
		}
		info.Deleted = b
	}
	for _, name := range []string{info.Name, textsOf(info.Name)} {
		old, now := filepath.Join(from, name), filepath.Join(w.tmp, name)
		if err := os.Link(old, now); err != nil {
			if err := copyFile(old, now); err != nil { // as where there are no links
				return err
			}
		}
	}
	w.mu.Lock()
	w.segments = append(w.segments, info)
	w.mu.Unlock()
	return nil
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

// fill writes what comes from next as segments, on all processors.
func (w *writer) fill(ctx context.Context, next func(yield func(entry) bool) error) error {
	var unread error
	batches := func(yield func([]entry) bool) {
		var batch []entry
		size, wanted := 0, true
		unread = next(func(e entry) bool {
			batch = append(batch, e)
			if size += e.size; size >= batchText || len(batch) >= maxBatch {
				wanted = yield(batch)
				batch, size = nil, 0
			}
			return wanted && ctx.Err() == nil
		})
		if wanted && ctx.Err() == nil {
			yield(batch)
		}
	}
	for err := range ordered.Map(batches, readAhead, func() func([]entry) error { return w.add }) {
		if err != nil {
			return err
		}
	}
	if unread != nil {
		return unread
	}
	return context.Cause(ctx)
}
