package gitstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/gitstore/gitformat"
	"qme/gitstore/odb"
	"qme/record"
)

// A CheckReport counts the things that Check has read.
type CheckReport struct {
	Commits, Tasks, Objects int
}

// Check reads the whole history: every object has the content of its name, every
// object that a commit needs is there, every record parses, lies at its path and
// has its streams. It calls report for each error, and goes on. progress, if not nil, is
// called now and then with the kind of things that are read, their number so far, and the
// number of all, 0 where that is not known.
func (s *Store) Check(ctx context.Context, report func(error), progress func(what string, n, total int)) (*CheckReport, error) {
	if progress == nil {
		progress = func(string, int, int) {}
	}
	c := &checker{s: s, report: report, progress: progress, seen: map[plumbing.Hash]bool{}}
	if err := c.objects(ctx); err != nil {
		return nil, err
	}
	head, err := s.head()
	if err != nil {
		report(err)
		return &c.rep, nil
	}
	if err := c.history(ctx, head); err != nil {
		return nil, err
	}
	if err := c.home(ctx); err != nil {
		return nil, err
	}
	sn, err := s.At(head)
	if err != nil {
		report(err)
		return &c.rep, nil
	}
	return &c.rep, c.tasks(ctx, sn)
}

type checker struct {
	s        *Store
	report   func(error)
	progress func(string, int, int)
	have     map[plumbing.Hash]bool
	seen     map[plumbing.Hash]bool
	rep      CheckReport
}

// objects checks the content of all packs and loose objects.
func (c *checker) objects(ctx context.Context) error {
	packs, err := c.s.odb.Packs()
	if err != nil {
		return err
	}
	done, total := 0, 0
	for _, p := range packs {
		if n, err := c.s.odb.ObjectCount(p.Name); err == nil { // errors are reported below
			total += int(n)
		}
	}
	for _, p := range packs {
		// VerifyPack first: it looks for packs that came since the last look.
		err := c.s.odb.VerifyPack(ctx, p.Name, func(n int) { c.progress("objects", done+n, total) })
		if cerr := ctx.Err(); cerr != nil {
			return cerr
		}
		if err != nil && !c.s.packGone(p.Name) { // gone: joined meanwhile
			c.report(err)
		}
		if n, err := c.s.odb.ObjectCount(p.Name); err == nil {
			done += int(n)
		}
	}
	loose, err := c.s.odb.Loose()
	if err != nil {
		return err
	}
	for _, h := range loose {
		if err := c.s.odb.VerifyLoose(h); err != nil && !errors.Is(err, fs.ErrNotExist) { // packed meanwhile
			c.report(err)
		}
	}
	c.have = map[plumbing.Hash]bool{}
	if err := c.s.odb.Each(ctx, func(h plumbing.Hash) { c.have[h] = true }); err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.report(fmt.Errorf("list the objects: %w", err))
	}
	c.rep.Objects = len(c.have)
	return ctx.Err()
}

// packGone reports whether a pack is no longer there. What it held is in another,
// or history reports it.
func (s *Store) packGone(name string) bool {
	packs, err := s.odb.Packs()
	return err == nil && !slices.ContainsFunc(packs, func(p odb.PackInfo) bool { return p.Name == name })
}

// history checks that all that is reachable is there.
func (c *checker) history(ctx context.Context, head plumbing.Hash) error {
	todo := []plumbing.Hash{head}
	for len(todo) > 0 {
		h := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if c.seen[h] {
			continue
		}
		c.seen[h] = true
		if err := ctx.Err(); err != nil {
			return err
		}
		commit, err := c.commit(h)
		if err != nil {
			c.report(err)
			continue
		}
		c.rep.Commits++
		if c.rep.Commits%1000 == 0 {
			c.progress("commits", c.rep.Commits, 0)
		}
		c.tree(commit.Tree, "")
		todo = append(todo, commit.Parents...)
	}
	return nil
}

// commit reads a commit, and reports the objections that git's checks have.
func (c *checker) commit(h plumbing.Hash) (*commitNode, error) {
	commit, b, err := readCommit(c.s.odb, h)
	if b != nil {
		if err := fsckCommit(b); err != nil {
			c.report(fmt.Errorf("commit %s: %w", h, err))
		}
	}
	return commit, err
}

func (c *checker) tree(h plumbing.Hash, at string) {
	if c.seen[h] {
		return
	}
	c.seen[h] = true
	entries, err := readTree(c.s.odb, h)
	if err != nil {
		c.report(fmt.Errorf("folder %q: %w", at, err))
		return
	}
	if err := checkOrder(entries); err != nil {
		c.report(fmt.Errorf("folder %q: tree %s: %w", at, h, err))
	}
	for _, e := range entries {
		p := path.Join(at, e.name)
		if err := checkEntry(e); err != nil {
			c.report(fmt.Errorf("folder %q: %w", at, err))
		}
		switch {
		case e.isDir():
			c.tree(e.hash, p)
		case e.mode == gitformat.ModeSubmodule: // its commit is in another repository
		case !c.have[e.hash]:
			// Written, or packed into another pack, since they were listed?
			if ok, err := c.s.odb.Has(e.hash); err != nil || !ok {
				c.report(errors.Join(err, fmt.Errorf("%s: object %s is missing: %w", p, e.hash, record.ErrCorrupt)))
			}
			c.have[e.hash] = true // once is enough
		}
	}
}

// tasks checks the records of the newest commit.
func (c *checker) tasks(ctx context.Context, sn *Snapshot) error {
	files := map[string]plumbing.Hash{}
	if err := c.files(sn.root, "", files); err != nil {
		c.report(err)
	}
	delete(files, "README.md")
	delete(files, "format")
	for res := range sn.Records(record.Range{}) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if res.Err != nil {
			c.report(res.Err)
		}
		delete(files, res.ID.Path())
		for _, name := range record.StreamNames {
			delete(files, filePath(res.ID, name))
		}
		for _, name := range record.PartNames {
			delete(files, filePath(res.ID, name))
		}
		delete(files, notesPath(res.ID)) // they were read with the record
		if p := runsPath(res.ID); !files[p].IsZero() {
			delete(files, p)
			c.runs(sn, p)
		}
		if res.Record == nil {
			continue
		}
		c.rep.Tasks++
		if c.rep.Tasks%1000 == 0 {
			c.progress("tasks", c.rep.Tasks, 0)
		}
		for _, name := range record.StreamNames {
			_, stored := name.Of(res.Record)
			if stored != nil {
				c.stream(sn, res.Record, name, stored)
			}
		}
		c.parts(sn, res.Record)
	}
	for p := range files {
		c.report(fmt.Errorf("%s does not belong in a task history: %w", p, record.ErrInvalid))
	}
	return nil
}

// runs checks that the commits are there which a list of runs names.
func (c *checker) runs(sn *Snapshot, p string) {
	list, err := readRuns(c.s.odb, sn.root, p)
	if err != nil {
		c.report(err)
	}
	for _, h := range list {
		if !c.seen[h] {
			c.report(fmt.Errorf("%s: commit %s is not in the history: %w", p, h, record.ErrCorrupt))
		}
	}
}

// files collects the files of a tree by their paths.
func (c *checker) files(h plumbing.Hash, at string, files map[string]plumbing.Hash) error {
	entries, err := readTree(c.s.odb, h)
	if err != nil {
		return err
	}
	for _, e := range entries {
		p := path.Join(at, e.name)
		if e.isDir() {
			if err := c.files(e.hash, p, files); err != nil {
				return err
			}
		} else {
			files[p] = e.hash
		}
	}
	return nil
}

func (c *checker) stream(sn *Snapshot, rec *record.Record, name record.StreamName, stored *record.Stream) {
	r, err := sn.Stream(rec, name)
	if err != nil {
		c.report(err)
		return
	}
	if sum, err := sha256Of(r); err != nil {
		c.report(fmt.Errorf("task %s: its file .%s: %w", rec.UID, name, err))
	} else if stored.Cut == nil && sum != stored.SHA256 {
		c.report(fmt.Errorf("task %s: its file .%s is as it was stored and has not the SHA-256 that the record says, which is wrong in itself (\"qme clear %s\" leaves it out): %w", rec.UID, name, rec.UID, record.ErrCorrupt))
	}
}
