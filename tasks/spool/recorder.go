package spool

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"os"
	"path/filepath"

	"github.com/spf13/afero"

	"qme/record"
)

// A Recorder stores one stream of a run as it arrives. A stream within the limit is stored
// completely, a longer one as its first and last bytes, half of the limit each. A Recorder is
// an io.Writer for one goroutine.
type Recorder struct {
	e    *Entry
	name record.StreamName
	half int64

	head, ring, count afero.File
	size              int64 // bytes received
	low               int64 // offset of the oldest byte that is intact in the ring
	sum               hash.Hash
	hashed            chan struct{}
	failed            error // first error that prevented storing bytes
	came              int64 // bytes received in total, once failed is set
	unnoted           bool  // the loss could not be noted
}

// Recorder returns the recorder of one of the run's streams. It stores at most keep bytes (but
// at least two). It creates no files before the first byte arrives.
func (e *Entry) Recorder(name record.StreamName, keep int64) *Recorder {
	return &Recorder{e: e, name: name, half: max(1, (keep+1)/2), sum: sha256.New(), hashed: make(chan struct{})}
}

// largeChunk is the size from which a chunk is hashed in its own goroutine.
const largeChunk = 32 << 10

// Write stores b. It never fails: after the first byte that cannot be stored, for example on a
// full disk, it only counts bytes. Close returns the error, and the record describes the loss.
func (r *Recorder) Write(b []byte) (int, error) {
	if len(b) >= largeChunk {
		go func() {
			r.sum.Write(b)
			r.hashed <- struct{}{}
		}()
		defer func() { <-r.hashed }()
	} else {
		r.sum.Write(b)
	}
	if r.failed != nil {
		r.came += int64(len(b))
		r.lose()
		return len(b), nil
	}
	before := r.size
	if _, err := r.store(b); err != nil {
		r.failed, r.came = err, before+int64(len(b))
		r.lose()
	}
	return len(b), nil
}

// lose notes the number of bytes received of a stream that is not completely stored.
func (r *Recorder) lose() {
	if err := r.e.lose(r.name, r.came); err != nil && !r.unnoted {
		r.unnoted, r.failed = true, errors.Join(r.failed, err)
	}
}

func (r *Recorder) store(b []byte) (int, error) {
	done := 0
	if r.size < r.half {
		if err := r.openFile(&r.head, ""); err != nil {
			return 0, err
		}
		n, err := r.head.Write(b[:min(int64(len(b)), r.half-r.size)])
		r.size += int64(n)
		if done = n; err != nil || done == len(b) {
			return done, err
		}
	}
	n, err := r.storeTail(b[done:])
	return done + n, err
}

// smallestPiece is the least size of one write to the ring.
const smallestPiece = 4 << 10

// storeTail stores bytes after the first half. Before each write to the ring, the count is
// updated to exclude the bytes to be overwritten; after it, to include the new ones. So at any
// moment the count names only bytes that the ring really contains, also if this process dies or
// another process reads. Writing in pieces of a quarter of the ring keeps most of it readable.
func (r *Recorder) storeTail(b []byte) (int, error) {
	if err := errors.Join(r.openFile(&r.ring, ".tail"), r.openFile(&r.count, ".size")); err != nil {
		return 0, err
	}
	done := 0
	if skip := int64(len(b)) - r.half; skip > 0 { // the end of b would overwrite these bytes
		done = int(skip)
		if err := r.spare(r.size + skip); err != nil {
			return 0, err
		}
	}
	start := r.size
	for done < len(b) {
		pos := start + int64(done)
		at := (pos - r.half) % r.half
		n := int(min(int64(len(b)-done), r.half-at, max(r.half/4, smallestPiece)))
		if err := r.spare(pos + int64(n) - r.half); err != nil {
			return done, err
		}
		if _, err := r.ring.WriteAt(b[done:done+n], at); err != nil {
			return done, err
		}
		done += n
		r.size = start + int64(done)
		if err := r.note(1, r.size); err != nil {
			return done, err
		}
	}
	return done, nil
}

// spare notes that bytes before low are about to be overwritten.
func (r *Recorder) spare(low int64) error {
	if low <= r.low || low <= r.half {
		return nil
	}
	r.low = low
	return r.note(0, low)
}

// note writes one of the two numbers of the count. They are never written together, so that a
// reader that sees one number from before a change and one from after it still gets a valid
// pair.
func (r *Recorder) note(i, n int64) error {
	_, err := r.count.WriteAt(binary.BigEndian.AppendUint64(nil, uint64(n)), 8*i)
	return err
}

func (r *Recorder) openFile(f *afero.File, ext string) error {
	if *f != nil {
		return nil
	}
	opened, err := r.e.fs.OpenFile(filepath.Join(r.e.dir, string(r.name)+ext), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		*f = opened
	}
	return err
}

// Close ends the stream and puts it into the record: inline if it is UTF-8 of at most inline
// bytes, else as a description of the file that Streams returns. The error includes the reason
// if some bytes are not stored; the record is correct even then.
func (r *Recorder) Close(rec *record.Record, inline int) error {
	errs := []error{r.failed}
	for _, f := range []afero.File{r.head, r.ring, r.count} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	c := &captured{fs: r.e.fs, dir: r.e.dir, name: r.name, size: r.size, half: r.half, low: max(r.half, r.low), sum: r.sum}
	if r.ring == nil {
		c.half, c.low = r.size, r.size
	}
	if r.failed != nil {
		// Describe the stream by its files, because Streams returns these.
		stored, err := openCapture(r.e.fs, r.e.dir, r.name)
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		stored.sum = r.sum
		c = stored
		c.lose(r.came)
	}
	return errors.Join(append(errs, c.describe(rec, inline, true))...)
}
