package gitstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/gitstore/odb"
	"qme/record"
)

// homeRef is the reference to the parts that stay in this home. Its tree has each of them by its
// name and SHA-256, so equal ones are there once. Exchanges do not know it: they send and fetch only the
// branch.
const homeRef = "refs/qme/home"

// homePath is the path of a part in the tree of homeRef. Two levels of folders keep each of them
// small, whatever the number of parts.
func homePath(name record.PartName, sha256 string) string {
	return path.Join(string(name), sha256[:2], sha256[2:4], sha256[4:])
}

// storeParts puts the parts of a record in place of the task's earlier ones.
func (t *tx) storeParts(rec, current *record.Record, parts map[record.PartName][]byte) error {
	for _, name := range record.PartNames {
		file := filePath(rec.UID, name)
		part, ok := rec.Data.Parts[name]
		if !rec.Data.Parts.Shared(name) {
			t.edits[file] = plumbing.ZeroHash
		}
		if !ok {
			continue
		}
		content, given := parts[name]
		switch {
		case !given && current != nil && current.Data.Parts[name] == part:
			continue // it is the one that the task has already
		case !given || !part.Holds(content):
			return fmt.Errorf("task %s: its part %s is not the one that the record describes: %w", rec.UID, name, record.ErrInvalid)
		case part.Home:
			t.home[homePath(name, part.SHA256)] = homePart{content, "home " + string(name)}
		default:
			t.edits[file] = t.w.Add(plumbing.BlobObject, content, string(name))
		}
	}
	return nil
}

// A homePart is a part for homeRef, with the name of the chain of blobs that are like it.
type homePart struct {
	content []byte
	chain   string
}

// commitHome adds a commit with parts, by their paths, for homeRef. Those that are there already are
// not written again. old and next are equal when all of them are.
func (s *Store) commitHome(w *odb.Writer, parts map[string]homePart, template newCommit) (old, next plumbing.Hash, err error) {
	if len(parts) == 0 {
		return old, next, nil
	}
	old, root, err := s.homeTree()
	if err != nil {
		return old, next, err
	}
	edits := map[string]plumbing.Hash{}
	for _, path := range slices.Sorted(maps.Keys(parts)) {
		e, err := lookup(s.odb, root, path)
		if err != nil {
			return old, next, err
		}
		if p := parts[path]; e == nil || e.hash != plumbing.ComputeHash(plumbing.BlobObject, p.content) {
			edits[path] = w.Add(plumbing.BlobObject, p.content, p.chain)
		}
	}
	if len(edits) == 0 {
		return old, old, nil
	}
	tree, err := applyEdits(w, root, "home", edits)
	if err != nil || tree == root {
		return old, old, err
	}
	template.tree, template.parents = tree, nil
	if !old.IsZero() {
		template.parents = []plumbing.Hash{old}
	}
	return old, addCommit(w, template), nil
}

// homeTree returns the commit of homeRef and its tree; zero hashes when there is none.
func (s *Store) homeTree() (commit, tree plumbing.Hash, err error) {
	commit, err = s.at(homeRef)
	if err == nil && !commit.IsZero() {
		tree, err = treeOf(s.odb, commit)
	}
	return commit, tree, err
}

// Part returns a part of a record, whose size is at most record.MaxPart. version is the commit
// from which the record was read. The error wraps record.ErrNoPart if the run has no such part,
// record.ErrPartElsewhere if it is in another home, and record.ErrCorrupt if it is damaged.
func (s *Store) Part(version string, rec *record.Record, name record.PartName) ([]byte, error) {
	sn, err := s.Snapshot(version)
	if err != nil {
		return nil, err
	}
	return sn.Part(rec, name)
}

// Part is Store.Part for a record of this snapshot.
func (sn *Snapshot) Part(rec *record.Record, name record.PartName) ([]byte, error) {
	part, ok := rec.Data.Parts[name]
	if !ok {
		return nil, fmt.Errorf("task %s: its part %s: %w", rec.UID, name, record.ErrNoPart)
	}
	root, file, missing := sn.root, filePath(rec.UID, name), fmt.Errorf("it is missing: %w", record.ErrCorrupt)
	if part.Home {
		var err error
		if _, root, err = sn.store.homeTree(); err != nil {
			return nil, err
		}
		file, missing = homePath(name, part.SHA256), record.ErrPartElsewhere
	}
	e, err := lookup(sn.r, root, file)
	if err == nil && e == nil {
		err = missing
	}
	var b []byte
	if err == nil {
		b, err = sn.store.readPart(part, e.hash)
	}
	if err != nil {
		return nil, fmt.Errorf("task %s: its part %s: %w", rec.UID, name, err)
	}
	return b, nil
}

func (s *Store) readPart(part record.Part, h plumbing.Hash) ([]byte, error) {
	r, size, err := s.odb.Open(h)
	if err != nil {
		return nil, err
	}
	var b []byte
	if size == part.Size {
		b, err = io.ReadAll(r)
	}
	if err = errors.Join(err, r.Close()); err == nil && !part.Holds(b) {
		err = fmt.Errorf("it is not the one that the record describes: %w", record.ErrCorrupt)
	}
	return b, err
}

// parts checks the parts of a record that lie beside it.
func (c *checker) parts(sn *Snapshot, rec *record.Record) {
	for _, name := range record.PartNames {
		if !rec.Data.Parts.Shared(name) {
			continue
		}
		if _, err := sn.Part(rec, name); err != nil {
			c.report(err)
		}
	}
}

// home checks the parts that stay in this home.
func (c *checker) home(ctx context.Context) error {
	commit, root, err := c.s.homeTree()
	if err != nil {
		c.report(fmt.Errorf("%s: %w", homeRef, err))
		return nil
	}
	if commit.IsZero() {
		return nil
	}
	commits := c.rep.Commits
	if err := c.history(ctx, commit); err != nil {
		return err
	}
	c.rep.Commits = commits // it counts those with runs
	files := map[string]plumbing.Hash{}
	if err := c.files(root, "", files); err != nil {
		c.report(fmt.Errorf("%s: %w", homeRef, err))
	}
	for p, h := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		r, _, err := c.s.odb.Open(h)
		sum := ""
		if err == nil {
			sum, err = sha256Of(r)
		}
		if _, of, _ := strings.Cut(p, "/"); err == nil && sum != strings.ReplaceAll(of, "/", "") {
			err = fmt.Errorf("its content is another one: %w", record.ErrCorrupt)
		}
		if err != nil {
			c.report(fmt.Errorf("%s: %s: %w", homeRef, p, err))
		}
	}
	return nil
}
