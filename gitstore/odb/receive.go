package odb

import (
	"context"
	"crypto/rand"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/record"
)

// ErrTooLarge says that a pack, or an object of it, is over a limit of
// ReceiveOptions or of this package. It is also a record.ErrInvalid.
var ErrTooLarge = fmt.Errorf("over the limit: %w", record.ErrInvalid)

// The limits of ReceiveOptions. The settings that set them are share.max_ and these.
const (
	LimitPack     = "pack"
	LimitObject   = "object"
	LimitUnpacked = "unpacked"
)

// A LimitError is an ErrTooLarge about one of the limits that a caller has set.
type LimitError struct {
	Limit   string // which one
	Allowed int64  // bytes
	Needed  int64  // bytes that would have to be allowed, 0 when that is not known
	what    string
}

// NewLimitError makes a LimitError; its text begins with what, such as "the pack has".
func NewLimitError(limit string, needed, allowed int64, what string) *LimitError {
	return &LimitError{Limit: limit, Allowed: allowed, Needed: needed, what: what}
}

// Error implements error.
func (e *LimitError) Error() string {
	if e.Needed == 0 {
		return fmt.Sprintf("%s more than the %d bytes that share.max_%s allows: %v", e.what, e.Allowed, e.Limit, ErrTooLarge)
	}
	return fmt.Sprintf("%s %d bytes, and share.max_%s allows %d: %v", e.what, e.Needed, e.Limit, e.Allowed, ErrTooLarge)
}

// Unwrap makes the error an ErrTooLarge.
func (e *LimitError) Unwrap() error { return ErrTooLarge }

// ReceiveOptions bounds and checks a pack of an untrusted sender.
type ReceiveOptions struct {
	// MaxPack is how many bytes the pack file may have; 0 means no limit.
	MaxPack int64
	// MaxObject is how many bytes an object may have when it is unpacked; 0 means no
	// limit. What has to be held in memory, which is all but blobs that are stored
	// whole, is never more than 2 GiB.
	MaxObject int64
	// MaxUnpacked is how many bytes all objects together may have when they are
	// unpacked; 0 means no limit. With a limit deltas may not make more than 512 MiB and
	// a thousand times the bytes that have come, either.
	MaxUnpacked int64
	// Check, if not nil, is called with each commit, tree and tag, in no order, by one
	// goroutine at a time, though not always the same. Its error ends Receive, which
	// returns it wrapped. content is valid during the call only.
	Check func(h plumbing.Hash, t plumbing.ObjectType, content []byte) error
	// Progress, if not nil, is called now and then, by one goroutine at a time, with
	// the objects whose names are known, those that the pack says it has, and the
	// bytes that have come.
	Progress func(done, total int, bytes int64)
}

// Receive reads one pack (gitformat-pack(5), version 2) from r, which must end where
// the pack ends, checks it and keeps it as a pack of this database. When it returns,
// all of it is on disk and visible. It returns the name of the pack, which is of
// this call alone: Unkeep it once something refers to its objects, or Discard it
// when nothing came to. The name is "" when the pack has no objects.
//
// What is checked: both kinds of checksums; that every delta can be resolved within
// the pack, so a thin pack is refused; that no object comes twice; that commits,
// trees and tags are well-formed; and that every object that they name is in the pack
// or in the database, submodules excepted. Of objects in the database only the
// presence is checked, not the objects that they name in turn. An object that the database
// has already must have the same content, unless it is damaged there; this is not
// looked at for blobs from 64 KiB on that are stored whole.
//
// Memory is a hundred bytes or so for each object, 32 MiB for bases of deltas, and a
// few times the largest object that is not a blob stored whole; it follows the
// bytes that have come and not the sizes that the pack claims.
//
// An error leaves the database as it was. It is a *PackError when the pack is
// damaged or cut off, wraps record.ErrInvalid when it is not one to take, ErrTooLarge when
// it is over a limit, the error of r, or that of ctx. ctx is checked between reads of r: a
// Read that blocks has to be ended by the caller.
func (db *DB) Receive(ctx context.Context, r io.Reader, opts ReceiveOptions) (name string, err error) {
	rec, err := db.newReceiver(opts)
	if err == nil {
		name, err = rec.receive(ctx, r)
	}
	if err != nil {
		return "", fmt.Errorf("receive a pack: %w", received(err))
	}
	return name, nil
}

// A receiver takes one pack. In the first pass over it, as it arrives, the entries
// are found and whole objects get their names; in the second, from disk, the deltas
// do, by several resolvers.
type receiver struct {
	db    *DB
	opts  ReceiveOptions
	tmp   *tempFile
	local *snapshot
	slots slots
	refs  []refDelta
	total int
	sum   plumbing.Hash // the trailer
	pack  *pack         // in tmp, for the second pass

	unpacked atomic.Int64 // bytes of all objects so far
	patched  atomic.Int64 // bytes that deltas have made, some of them again and again

	mu    sync.Mutex // for opts.Check, opts.Progress and the fields below
	named int
	bytes int64
	came  int64 // bytes of the whole pack, once it has come
}

func (db *DB) newReceiver(opts ReceiveOptions) (*receiver, error) {
	local, err := db.snapshot()
	if err != nil {
		return nil, err
	}
	tmp, err := db.newTempFile(tmpPack)
	if err != nil {
		return nil, err
	}
	return &receiver{db: db, opts: opts, tmp: tmp, local: local,
		pack: &pack{db: db, name: "received", dataPath: tmp.file.Name()}}, nil
}

func (r *receiver) receive(ctx context.Context, from io.Reader) (string, error) {
	sealed, err := r.take(ctx, from)
	if err != nil || sealed == nil {
		return "", errors.Join(err, r.pack.close(), r.tmp.abort())
	}
	if err := r.pack.close(); err != nil {
		return "", errors.Join(err, sealed.discard())
	}
	err = sealed.publish(true)
	if err == nil {
		_, err = r.db.list(true)
	}
	if err != nil {
		return "", errors.Join(err, sealed.unpublish())
	}
	return sealed.name, nil
}

// take does all that comes before the pack gets its name; it returns nil when there
// are no objects. What is left to remove after an error is the temporary pack.
func (r *receiver) take(ctx context.Context, from io.Reader) (*sealedPack, error) {
	first := r.newResolver()
	if err := r.read(ctx, from, first); err != nil || r.total == 0 {
		return nil, err
	}
	resolvers, err := r.resolve(ctx, first)
	if err != nil {
		return nil, err
	}
	names, err := r.sortNames()
	if err != nil {
		return nil, err
	}
	if err := r.connected(ctx, names, resolvers); err != nil {
		return nil, err
	}
	if err := r.tmp.close(); err != nil {
		return nil, err
	}
	name, err := r.packName()
	if err != nil {
		return nil, err
	}
	idx, err := r.db.writeIndex(r.sum, len(names), func(i int) indexEntry {
		s := r.slots.at(names[i].at)
		return indexEntry{s.hash, s.crc, s.off}
	})
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, errors.Join(err, r.db.fs.Remove(idx))
	}
	return &sealedPack{db: r.db, name: name, tmpPack: r.tmp.file.Name(), tmpIdx: idx}, nil
}

// packName makes a name that no other pack has. Were it made of the content, as
// those of git are, two processes that receive the same pack would have one pack,
// and one of them could discard objects that the other refers to.
func (r *receiver) packName() (string, error) {
	var salt [16]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return "", err
	}
	return fmt.Sprintf("pack-%x", sha1.Sum(append(r.sum[:], salt[:]...))), nil
}

// count adds n objects whose names are known and reports it.
func (r *receiver) count(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.named += n
	if r.opts.Progress != nil {
		r.opts.Progress(r.named, r.total, r.bytes)
	}
}

// check passes an object to the caller's check.
func (r *receiver) check(h plumbing.Hash, t plumbing.ObjectType, content []byte) error {
	if r.opts.Check == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.opts.Check(h, t, content); err != nil {
		return fmt.Errorf("%s %s: %w", t, h, err)
	}
	return nil
}

// inMemory returns how large an object may be that is held in memory.
func (r *receiver) inMemory() int64 {
	if max := r.opts.MaxObject; max > 0 && max < maxInMemory {
		return max
	}
	return maxInMemory
}

// tooLarge is the error of an object that lies at off.
func tooLarge(off, size, limit int64) error {
	return NewLimitError(LimitObject, size, limit, fmt.Sprintf("object at %d of the pack has", off))
}

const (
	// freePatched and patchedRatio bound the bytes that deltas make. A minute with thousands of
	// runs, each of which is a tree that differs little from the one before, makes two
	// hundred times the bytes that come; bytes that were deflated can have become a thousand
	// times as many.
	freePatched  = 512 << 20
	patchedRatio = 1000
)

// unpack counts the bytes of an object.
func (r *receiver) unpack(n int64) error {
	if max := r.opts.MaxUnpacked; r.unpacked.Add(n) > max && max > 0 {
		return NewLimitError(LimitUnpacked, 0, max, "the objects of the pack have")
	}
	return nil
}

// patching counts the bytes that a delta is going to make.
func (r *receiver) patching(n int64) error {
	max := freePatched + patchedRatio*r.came
	if r.patched.Add(n) > max && r.opts.MaxUnpacked > 0 {
		return NewLimitError(LimitUnpacked, 0, max, fmt.Sprintf("the deltas of the pack, which has %d bytes, make", r.came))
	}
	return nil
}

// damaged is the error of an entry that lies at off.
func damaged(off int64, err error) error {
	if errors.Is(err, record.ErrCorrupt) {
		return fmt.Errorf("object at %d of the pack: %w", off, err)
	}
	return fmt.Errorf("object at %d of the pack: %w", off, damage(err))
}
