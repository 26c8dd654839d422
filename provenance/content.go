package provenance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
)

// A Content is what records can say of the content of a file.
type Content struct {
	Size   int64  // -1 if that is not known
	SHA256 string // of all of it, "" if that was not computed
	// Ends is the hash of the first and the last MiB of a file that is larger than both, otherwise
	// "". See record.File.Partial.
	Ends string
}

// Errors of Look.
var (
	// ErrNotListed is that of what is no regular file, or one of the kernel. Records list none of
	// these.
	ErrNotListed = errors.New("it is no regular file")
	// ErrOffline is that of a file of which the disk holds no block. It is never opened.
	ErrOffline = errors.New("the disk holds no block of it, as of a file that was moved to tape")
)

// Look returns the content of a file as records have it: of a file that is larger than limits.File the
// ends alone, unless limits.All is set. It knows the hashes in limits.Cache, and adds to them. show, if not
// nil, is told how many bytes were hashed. The error is that of stat or open, ErrNotListed or ErrOffline, that
// of the context, or says that the file has changed meanwhile.
func Look(ctx context.Context, path string, limits Limits, show func(bytes int64)) (Content, error) {
	s, err := stateOf(path)
	switch {
	case err != nil:
		return Content{Size: -1}, err
	case s == nil:
		return Content{Size: -1}, ErrNotListed
	case s.absent:
		return Content{Size: s.size}, ErrOffline
	}
	if secret(path) {
		limits.Cache = ""
	}
	c, h := Content{Size: s.size}, newHashing(limits)
	h.wg.Go(func() {
		if s.size > 2*end {
			c.Ends, err = h.read(path, s, true)
		}
		if err == nil && (s.size <= 2*end || s.size <= limits.File || limits.All) {
			c.SHA256, err = h.read(path, s, false)
		}
	})
	h.wait(ctx, show)
	if ctx.Err() != nil { // it may still be reading
		return Content{Size: s.size}, ctx.Err()
	}
	h.cache().close()
	return c, err
}

// LookAt returns the content of what can be read once, up to its end. A terminal is read, too.
func LookAt(ctx context.Context, r io.Reader) (Content, error) {
	all, e := sha256.New(), &ends{head: sha256.New()}
	n, err := io.CopyBuffer(io.MultiWriter(all, e), Until(ctx, r), make([]byte, piece))
	c := Content{Size: n, SHA256: hex.EncodeToString(all.Sum(nil))}
	if n > 2*end {
		c.Ends = e.sum()
	}
	return c, err
}

// ends hashes the first MiB that is written, and keeps the last.
type ends struct {
	head hash.Hash
	n    int // bytes in head
	tail bytes.Buffer
}

// Write implements io.Writer.
func (e *ends) Write(b []byte) (int, error) {
	all := len(b)
	some := b[:min(len(b), end-e.n)]
	e.n += len(some)
	_, _ = e.head.Write(some) // a hash takes everything
	_, _ = e.tail.Write(b[len(some):])
	if over := e.tail.Len() - end; over > 0 {
		e.tail.Next(over)
	}
	return all, nil
}

func (e *ends) sum() string {
	_, _ = e.head.Write(e.tail.Bytes()) // a hash takes everything
	return hex.EncodeToString(e.head.Sum(nil))
}

// Until returns a Reader of r until a context ends, whose error it then returns.
func Until(ctx context.Context, r io.Reader) io.Reader { return &readerUntil{ctx, r} }

// A readerUntil reads until a context ends.
type readerUntil struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (u *readerUntil) Read(b []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(b)
}
