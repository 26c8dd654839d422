package gitstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"qme/gitstore/odb"
	"qme/record"
)

// A Blob is the content of a stream that is stored beside its record.
type Blob struct {
	Size int64
	// Open returns a reader of all of it. It is called more than once.
	Open func() (io.ReadCloser, error)
}

// A Tx is one commit in the making. It sees the history as of its parent.
type Tx struct {
	store   *Store
	w       *odb.Writer
	parent  plumbing.Hash
	root    plumbing.Hash
	edits   map[string]plumbing.Hash // path to blob; the zero hash removes
	subject string
	trailer string
	when    time.Time
}

// Parent returns the commit upon which this one comes.
func (tx *Tx) Parent() plumbing.Hash { return tx.parent }

// Get returns a task's record as of the parent, as Snapshot.Get does.
func (tx *Tx) Get(id record.ID) (*record.Record, error) {
	sn := &Snapshot{Commit: tx.parent, root: tx.root, r: tx.w}
	return sn.Get(id)
}

// Snapshot returns the history as of the parent.
func (tx *Tx) Snapshot() *Snapshot {
	return &Snapshot{Commit: tx.parent, root: tx.root, r: tx.w, open: tx.store.odb.Open}
}

// Put stores a record in place of the task's earlier one. A stream that the
// record describes in Data.Stdout or Data.Stderr must be given.
func (tx *Tx) Put(rec *record.Record, streams map[StreamName]Blob) error {
	b, err := record.Encode(rec)
	if err != nil {
		return err
	}
	if _, err := record.Decode(b); err != nil {
		return err // it could not be read again
	}
	tx.edits[rec.UID.Path()] = tx.w.Add(plumbing.BlobObject, b, rec.Executor)
	for name, s := range map[StreamName]*record.Stream{Stdout: rec.Data.Stdout, Stderr: rec.Data.Stderr} {
		p := streamPath(rec.UID, name)
		if s == nil {
			tx.edits[p] = plumbing.ZeroHash
			continue
		}
		blob, ok := streams[name]
		if !ok || blob.Size != s.Stored() {
			return fmt.Errorf("task %s: %s has %d bytes, the record says %d: %w", rec.UID, name, blob.Size, s.Stored(), record.ErrInvalid)
		}
		if tx.edits[p], err = tx.w.AddStream(blob.Size, blob.Open); err != nil {
			return fmt.Errorf("task %s: %s: %w", rec.UID, name, err)
		}
	}
	return nil
}

// Delete removes a task's record and streams. Earlier versions stay in the
// history.
func (tx *Tx) Delete(id record.ID) {
	tx.edits[id.Path()] = plumbing.ZeroHash
	for _, name := range []StreamName{Stdout, Stderr} {
		tx.edits[streamPath(id, name)] = plumbing.ZeroHash
	}
}

// Describe sets the commit's message: what was done (run, rerun, clear), to what,
// and the trailers as lines "Key: value".
func (tx *Tx) Describe(verb, what string, trailers ...string) {
	tx.subject = verb + ": " + oneLine(what)
	tx.trailer = strings.Join(trailers, "\n")
}

// At sets the commit's time, which is the present otherwise.
func (tx *Tx) At(t time.Time) { tx.when = t }

const subjectLimit = 72

// oneLine makes text fit for the first line of a commit's message.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if runes := []rune(s); len(runes) > subjectLimit {
		s = string(runes[:subjectLimit-3]) + "..."
	}
	if s = strings.TrimSpace(s); s == "" {
		return "(empty)"
	}
	return s
}

// finish adds the trees and the commit, and sets root to the new tree. It returns
// the parent when nothing has changed.
func (tx *Tx) finish() (plumbing.Hash, error) {
	root, err := applyEdits(tx.w, tx.root, "", tx.edits)
	if err != nil || root == tx.root {
		return tx.parent, err
	}
	tx.root = root
	when := tx.when
	if when.IsZero() {
		when = time.Now()
	}
	id := tx.store.identity()
	sig := object.Signature{Name: id.Name, Email: id.Email, When: when}
	c := object.Commit{Author: sig, Committer: sig, TreeHash: root, Message: tx.subject + "\n"}
	if tx.trailer != "" {
		c.Message += "\n" + tx.trailer + "\n"
	}
	if !tx.parent.IsZero() {
		c.ParentHashes = []plumbing.Hash{tx.parent}
	}
	o := new(plumbing.MemoryObject)
	if err := c.Encode(o); err != nil {
		return plumbing.ZeroHash, err
	}
	r, err := o.Reader()
	if err != nil {
		return plumbing.ZeroHash, err
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(r); err != nil {
		return plumbing.ZeroHash, err
	}
	return tx.w.Add(plumbing.CommitObject, b.Bytes(), "commit"), nil
}

// Commit makes one commit for each of the functions, which say what is in it.
// When it returns without an error all of them are on disk; otherwise none is.
// A function that changes nothing makes no commit. The functions are called
// again, on the new state of the history, when another writer was faster, so all that
// they do must be done through the Tx. The error is ErrBusy when a lock stays
// taken, and that of a function that failed.
func (s *Store) Commit(ctx context.Context, fns ...func(*Tx) error) (plumbing.Hash, error) {
	q, err := s.lockQueue(ctx)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	defer q.unlock()
	for attempt := 0; ; attempt++ {
		h, err := s.tryCommit(q, fns)
		if !errors.Is(err, errMoved) {
			return h, err
		}
		// Only writers that do not know the queue, such as git, or those of
		// other machines come in between, so this ends soon.
		select {
		case <-ctx.Done():
			return plumbing.ZeroHash, ctx.Err()
		case <-time.After(min(time.Duration(attempt)*time.Millisecond, 50*time.Millisecond)):
		}
	}
}

func (s *Store) tryCommit(q *queueLock, fns []func(*Tx) error) (plumbing.Hash, error) {
	head, err := s.Head()
	if err != nil {
		return plumbing.ZeroHash, err
	}
	sn, err := s.At(head)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	w := s.odb.NewWriter()
	next, root := head, sn.root
	for _, fn := range fns {
		tx := &Tx{store: s, w: w, parent: next, root: root, edits: map[string]plumbing.Hash{}}
		if err := fn(tx); err != nil {
			return plumbing.ZeroHash, err
		}
		if next, err = tx.finish(); err != nil {
			return plumbing.ZeroHash, err
		}
		root = tx.root
	}
	if next == head {
		return head, nil
	}
	pack, err := w.Flush()
	if err != nil {
		return plumbing.ZeroHash, err
	}
	if err := s.swap(q, head, next); err != nil {
		return plumbing.ZeroHash, errors.Join(err, s.discard(pack, next))
	}
	return next, nil
}

// discard removes the pack of a commit that did not come to be, unless the branch
// is there after all: a network file system may report a rename as failed that
// has happened.
func (s *Store) discard(pack string, next plumbing.Hash) error {
	if head, err := s.Head(); err != nil || head == next {
		return err
	}
	return s.odb.Discard(pack)
}
