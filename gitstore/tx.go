package gitstore

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/go-git/go-git/v5/plumbing"

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
	home     map[string]homePart      // for homeRef, by path
	message  string
	when     time.Time
	beside   record.ID // see Change.Beside; "": the record takes the place of that of its task
}

// apply adds the edits of a change.
func (t *tx) apply(c Change) error {
	t.when = c.When
	t.message = c.Verb + ": " + oneLine(c.What) + "\n"
	if c.Build != nil {
		return t.put(c)
	}
	ids := slices.Concat(c.Delete, c.Annotate)
	for _, one := range c.Restore {
		ids = append(ids, one.ID)
	}
	// A message that names every one of 100,000 tasks would serve botIdentity; the
	// difference between the trees does.
	if len(ids) <= 100 {
		for i, id := range ids {
			if i == 0 {
				t.message += "\n"
			}
			t.message += "Task: " + string(id) + "\n"
		}
	}
	switch {
	case len(c.Annotate) > 0:
		return t.annotate(c)
	case len(c.Restore) > 0:
		return t.restore(c)
	}
	for _, id := range c.Delete {
		t.edits[notesPath(id)] = plumbing.ZeroHash
		t.edits[id.Path()] = plumbing.ZeroHash
		t.edits[runsPath(id)] = plumbing.ZeroHash
		for _, name := range record.StreamNames {
			t.edits[filePath(id, name)] = plumbing.ZeroHash
		}
		for _, name := range record.PartNames {
			t.edits[filePath(id, name)] = plumbing.ZeroHash
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
	if c.Beside && current != nil {
		t.beside = c.ID
	}
	if rec.UID != c.ID {
		return fmt.Errorf("task %s: the record to store is that of %s: %w", c.ID, rec.UID, record.ErrInvalid)
	}
	t.message += "\nTask: " + string(c.ID) + "\n"
	if rc := rec.Data.ReturnCode; rc != nil {
		t.message += "Returncode: " + strconv.Itoa(*rc) + "\n"
	}
	if err := t.store(rec, current, c.Streams); err != nil {
		return err
	}
	return t.storeParts(rec, current, c.Parts)
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
		p := filePath(rec.UID, name)
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
	c := newCommit{tree: root, by: t.identity, when: t.when, message: t.message}
	if !t.parent.IsZero() {
		c.parents = []plumbing.Hash{t.parent}
	}
	commit = addCommit(t.w, c)
	if t.beside != "" {
		return t.joinBeside(commit)
	}
	return commit, root, nil
}

// joinBeside joins a commit to its parent, whose record of the task stays, as a merge does with a run of
// another machine: the commit is listed among the runs of the task.
func (t *tx) joinBeside(commit plumbing.Hash) (joined, root plumbing.Hash, err error) {
	list := runsPath(t.beside)
	runs, err := readRuns(t.w, t.root, list)
	if err != nil {
		return plumbing.ZeroHash, plumbing.ZeroHash, err
	}
	blob := t.w.Add(plumbing.BlobObject, encodeRuns(append(runs, commit)), "")
	if root, err = applyEdits(t.w, t.root, "", map[string]plumbing.Hash{list: blob}); err != nil {
		return plumbing.ZeroHash, plumbing.ZeroHash, err
	}
	return addCommit(t.w, newCommit{
		tree: root, parents: []plumbing.Hash{t.parent, commit}, by: t.identity, when: t.when, message: joinMessage(t.parent, commit),
	}), root, nil
}

// A newCommit is a commit to be made. Its author is its committer.
type newCommit struct {
	tree    plumbing.Hash
	parents []plumbing.Hash
	by      Identity
	when    time.Time
	message string
}

// encode returns the commit object (git-commit-tree(1)).
func (c newCommit) encode() []byte {
	b := fmt.Appendf(nil, "tree %s\n", c.tree)
	for _, parent := range c.parents {
		b = fmt.Appendf(b, "parent %s\n", parent)
	}
	// git knows no time before 1970.
	by := fmt.Sprintf("%s <%s> %d %s", c.by.Name, c.by.Email, max(0, c.when.Unix()), c.when.Format("-0700"))
	return fmt.Appendf(b, "author %s\ncommitter %s\n\n%s", by, by, c.message)
}

func addCommit(w objectWriter, c newCommit) plumbing.Hash {
	return w.Add(plumbing.CommitObject, c.encode(), "commit")
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
