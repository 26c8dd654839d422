package gitstore

import (
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"qme/gitstore/odb"
	"qme/record"
)

// A tx builds one commit.
type tx struct {
	w        *odb.Writer
	parent   plumbing.Hash
	root     plumbing.Hash // tree of the parent
	identity Identity
	edits    map[string]plumbing.Hash // path to blob; the zero hash removes
	message  string
	when     time.Time
}

// apply adds the edits of a change.
func (t *tx) apply(c Change) error {
	t.when = c.When
	t.message = c.Verb + ": " + oneLine(c.What) + "\n"
	if c.Build != nil {
		return t.put(c)
	}
	// A message that names every one of 100,000 tasks would serve botIdentity; the
	// difference between the trees does.
	if len(c.Delete) <= 100 {
		for i, id := range c.Delete {
			if i == 0 {
				t.message += "\n"
			}
			t.message += "Task: " + string(id) + "\n"
		}
	}
	for _, id := range c.Delete {
		t.edits[id.Path()] = plumbing.ZeroHash
		t.edits[runsPath(id)] = plumbing.ZeroHash
		for _, name := range record.StreamNames {
			t.edits[streamPath(id, name)] = plumbing.ZeroHash
		}
	}
	return nil
}

func (t *tx) put(c Change) error {
	e, err := lookup(t.w, t.root, c.ID.Path())
	if err != nil {
		return err
	}
	var current *record.Record
	if e != nil {
		if current, err = readRecord(t.w, c.ID, e.hash, record.Decode); err != nil {
			return err
		}
	}
	rec, err := c.Build(current, t.parent.String())
	if err != nil || rec == nil {
		return err
	}
	if rec.UID != c.ID {
		return fmt.Errorf("task %s: the record to store is that of %s: %w", c.ID, rec.UID, record.ErrInvalid)
	}
	t.message += "\nTask: " + string(c.ID) + "\n"
	if rc := rec.Data.ReturnCode; rc != nil {
		t.message += "Returncode: " + strconv.Itoa(*rc) + "\n"
	}
	return t.store(rec, current, c.Streams)
}

// store puts a record and its streams in place of the task's earlier ones, which
// belong to current.
func (t *tx) store(rec, current *record.Record, streams map[record.StreamName]Blob) error {
	b, err := record.Encode(rec)
	if err != nil {
		return err
	}
	if _, err := record.Decode(b); err != nil {
		return err // it could not be read again
	}
	t.edits[rec.UID.Path()] = t.w.Add(plumbing.BlobObject, b, rec.Executor)
	for _, name := range record.StreamNames {
		p := streamPath(rec.UID, name)
		_, stream := name.Of(rec)
		if stream == nil {
			t.edits[p] = plumbing.ZeroHash
			continue
		}
		blob, ok := streams[name]
		if !ok && unchanged(stream, name, current) {
			continue
		}
		if !ok || blob.Size != stream.Stored() {
			return fmt.Errorf("task %s: %s has %d bytes, the record says %d: %w", rec.UID, name, blob.Size, stream.Stored(), record.ErrInvalid)
		}
		if t.edits[p], err = t.w.AddStream(blob.Size, blob.Open); err != nil {
			return fmt.Errorf("task %s: %s: %w", rec.UID, name, err)
		}
	}
	return nil
}

// unchanged reports whether a stream is the one that the task has already.
func unchanged(stream *record.Stream, name record.StreamName, current *record.Record) bool {
	if current == nil {
		return false
	}
	_, has := name.Of(current)
	return has != nil && reflect.DeepEqual(has, stream)
}

// finish adds the trees and the commit and returns the names of the commit and of
// its tree: those of the parent when nothing has changed.
func (t *tx) finish() (commit, root plumbing.Hash, err error) {
	root, err = applyEdits(t.w, t.root, "", t.edits)
	if err != nil || root == t.root {
		return t.parent, t.root, err
	}
	sig := t.identity.at(t.when)
	c := object.Commit{Author: sig, Committer: sig, TreeHash: root, Message: t.message}
	if !t.parent.IsZero() {
		c.ParentHashes = []plumbing.Hash{t.parent}
	}
	commit, err = addCommit(t.w, c)
	return commit, root, err
}

func addCommit(w objectWriter, c object.Commit) (plumbing.Hash, error) {
	o := new(plumbing.MemoryObject)
	if err := c.Encode(o); err != nil {
		return plumbing.ZeroHash, err
	}
	r, err := o.Reader()
	if err != nil {
		return plumbing.ZeroHash, err
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	return w.Add(plumbing.CommitObject, b, "commit"), nil
}

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

// at is the identity's signature of a commit made at a moment.
func (id Identity) at(when time.Time) object.Signature {
	return object.Signature{Name: id.Name, Email: id.Email, When: when}
}
