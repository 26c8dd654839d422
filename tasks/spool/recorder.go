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

// A Recorder writes one stream of a run as it arrives: all of it up to a limit,
// of a longer one the first and the last half of that. It is an io.Writer for one
// goroutine.
type Recorder struct {
	e    *Entry
	name record.StreamName
	half int64

	head, ring, count afero.File
	size              int64 // bytes that came
	low               int64 // the oldest byte that the ring has still whole
	sum               hash.Hash
	hashed            chan struct{}
	failed            error // why bytes that came are not stored, from the first one on
	came              int64 // bytes that came, since then
	unnoted           bool  // that could not be noted
}

// Recorder returns the recorder of one of the run's streams, of which at most keep
// bytes are stored (two at the least). Nothing is made on disk before the first byte.
func (e *Entry) Recorder(name record.StreamName, keep int64) *Recorder {
	return &Recorder{e: e, name: name, half: max(1, (keep+1)/2), sum: sha256.New(), hashed: make(chan struct{})}
}

// largeChunk is from when on hashing is worth a goroutine of its own.
const largeChunk = 32 << 10

// Write stores b. It does not fail: from the first byte on that cannot be stored, to a full
// disk say, nothing more is, and what comes is counted. Close says so, and the record.
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

// lose notes how many bytes have come of a stream of which not all are stored.
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

// smallestPiece bounds from below how much of the ring is written at once.
const smallestPiece = 4 << 10

// storeTail stores what comes after the first half. The count says before each write
// which bytes it spares, and after it which have come: so whenever the process ends, and
// whenever another one reads, what the count says the ring holds is there. Pieces of a
// quarter of the ring keep the most of it readable.
func (r *Recorder) storeTail(b []byte) (int, error) {
	if err := errors.Join(r.openFile(&r.ring, ".tail"), r.openFile(&r.count, ".size")); err != nil {
		return 0, err
	}
	done := 0
	if skip := int64(len(b)) - r.half; skip > 0 { // the end of b would overwrite it
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

// spare notes that bytes before low are about to go.
func (r *Recorder) spare(low int64) error {
	if low <= r.low || low <= r.half {
		return nil
	}
	r.low = low
	return r.note(0, low)
}

// note writes one of the two numbers of the count. They are never written at once, so
// that a reader who sees one of them before a change and one after it sees no worse.
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

// Close ends the stream and puts it into the record: in it, up to inline bytes of
// UTF-8, else as a description of what Stream returns. The error says also why some of it is
// not stored; the record is right all the same.
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
		// What the files say is what Streams returns.
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
