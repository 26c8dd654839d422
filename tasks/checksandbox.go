package tasks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"qme/gitstore/worktree"
	"qme/internal/regular"
	"qme/internal/safe"
	"qme/provenance"
	"qme/provenance/aside"
	"qme/provenance/patch"
	"qme/record"
)

// A sandbox is a copy of the code and of the inputs of a run, in which a check takes place.
type sandbox struct {
	dir  string // of the sandbox; it is removed at the end
	from string // the top of what is copied: the working tree of git, or the directory of the run
	to   string // its copy
	cwd  string // the copy of the directory of the run
	tree *patch.Tree
}

// sandboxes is the folder in a home for them.
func sandboxes(home string) string { return filepath.Join(home, aside.Folder, ".sandbox") }

// newSandbox makes a sandbox for a check.
func (c *checking) newSandbox(ctx context.Context, q *Service) (err error) {
	rec := c.ref.Record
	s := &sandbox{from: rec.Data.PWD}
	if err := os.MkdirAll(sandboxes(q.Home), 0o700); err != nil {
		return err
	}
	home, err := filepath.EvalSymlinks(sandboxes(q.Home))
	if err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp(home, string(rec.UID)+"-"); err != nil {
		return err
	}
	c.sandbox = s
	s.to, s.cwd = filepath.Join(s.dir, "run"), filepath.Join(s.dir, "run")
	if git := rec.Data.Git; git != nil && git.Commit != "" {
		err = c.checkout(ctx, q, s)
	} else {
		err = os.Mkdir(s.to, 0o700)
	}
	if err == nil {
		err = c.copyInputs(ctx, q, s)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("task %s: its sandbox: %w", rec.UID, err), c.removeSandbox())
	}
	c.result.NotIsolated = c.notIsolated(s)
	return nil
}

// checkout brings back the code of the reference.
func (c *checking) checkout(ctx context.Context, q *Service, s *sandbox) error {
	found := worktree.Find(c.ref.Record.Data.PWD)
	if found == nil {
		return fmt.Errorf("%s is in no working tree of git any more: %w", safe.Bounded(c.ref.Record.Data.PWD), record.ErrConflict)
	}
	pwd, err := filepath.EvalSymlinks(c.ref.Record.Data.PWD)
	if err != nil {
		return err
	}
	root, err := filepath.EvalSymlinks(found.Root)
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(root, pwd)
	if err != nil || !filepath.IsLocal(rel) {
		return fmt.Errorf("%s is not below %s: %w", safe.Bounded(pwd), safe.Bounded(root), record.ErrConflict)
	}
	tree, err := treeAt(pwd)
	if err != nil {
		return err
	}
	if _, err := q.Checkout(ctx, c.ref, s.to, CheckoutOptions{Repo: pwd}); err != nil {
		return err
	}
	s.tree, s.from, s.cwd = &tree, root, filepath.Join(s.to, rel)
	return os.MkdirAll(s.cwd, 0o700)
}

// inside returns the path in the sandbox of a file of the reference, "" for one that is not isolated.
func (s *sandbox) inside(pwd, name string) string {
	if !filepath.IsAbs(name) {
		if path := filepath.Join(s.cwd, name); filepath.IsLocal(name) {
			return path
		}
		name = filepath.Join(pwd, name)
	}
	if rel, err := filepath.Rel(s.from, filepath.Clean(name)); err == nil && filepath.IsLocal(rel) {
		return filepath.Join(s.to, rel)
	}
	return ""
}

// copyInputs copies the inputs of the reference, and programs of one's own, into the sandbox.
func (c *checking) copyInputs(ctx context.Context, q *Service, s *sandbox) error {
	pwd := c.ref.Record.Data.PWD
	var list []record.File
	if c.files != nil {
		list = slices.Clone(c.files.In)
	}
	if software := c.ref.Record.Data.Software; software != nil {
		for _, p := range software.Programs {
			list = append(list, record.File{Path: p.Path, Size: p.Size, SHA256: p.SHA256, Partial: p.Partial})
		}
	}
	outs := map[string]bool{}
	if c.files != nil {
		for _, f := range c.files.Out {
			outs[f.Path] = true
		}
	}
	look := make([]provenance.Recorded, len(list))
	for i, f := range list {
		look[i] = provenance.Recorded{Path: pathIn(pwd, f.Path), Size: f.Size, SHA256: f.SHA256, Partial: f.Partial, At: c.ref.Record.Data.Timestamp.Time}
	}
	now := provenance.Again(ctx, look, q.Settings.Hashes, false, mostHashing)
	for i, f := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		to := s.inside(pwd, f.Path)
		if to == "" || Exact(c.ref.Record.UID, f.Path) != nil {
			continue
		}
		_, err := os.Lstat(to)
		if checkedOut := err == nil; checkedOut && (outs[f.Path] || now[i].Condition != provenance.Same) {
			continue // it is as the code of the run has it
		}
		keep := int64(-1)
		if size, begun := c.begins[f.Path]; begun {
			keep = size
		}
		err = aside.CopyTo(ctx, look[i].Path, s.to, to, keep)
		if err != nil && !errors.Is(err, os.ErrNotExist) { // that it is missing is said, unless the command makes it
			return fmt.Errorf("the copy of %s: %w", safe.Bounded(f.Path), err)
		}
	}
	c.dropRestored(ctx, q, s, look)
	return nil
}

// dropRestored takes from what is different now the files that are as they were in the sandbox, and the code.
func (c *checking) dropRestored(ctx context.Context, q *Service, s *sandbox, was []provenance.Recorded) {
	inside := slices.Clone(was)
	for i := range inside {
		inside[i].Path = s.inside(c.ref.Record.Data.PWD, was[i].Path)
	}
	same := map[string]bool{}
	for i, now := range provenance.Again(ctx, inside, q.Settings.Hashes, false, mostHashing) {
		same[was[i].Path] = inside[i].Path != "" && now.Condition == provenance.Same
	}
	c.changed = slices.DeleteFunc(c.changed, func(one Since) bool {
		return one.Path != "" && same[one.Path] || one.Kind == KindCode && one.Name == "git" && s.tree != nil
	})
}

// notIsolated lists the absolute paths that the command may use: those in its words, and those of files
// that the reference has used or made elsewhere.
func (c *checking) notIsolated(s *sandbox) (open []string) {
	add := func(path string) {
		if !slices.Contains(open, path) {
			open = append(open, path)
		}
	}
	for i, word := range c.ref.Record.Data.Cmd {
		for j, text := range strings.FieldsFunc(word, func(r rune) bool { return strings.ContainsRune(" \t\n'\"=:,;|&<>()", r) }) {
			program := i == 0 || j == 0 && strings.ContainsAny(word, " ;|&")
			if len(text) > 1 && filepath.IsAbs(text) && !program && !strings.HasPrefix(text, "/dev/") {
				add(text)
			}
		}
	}
	if c.files != nil {
		for _, f := range slices.Concat(c.files.In, c.files.Out) {
			if f.By != record.ByStdio && s.inside(c.ref.Record.Data.PWD, f.Path) == "" {
				add(f.Path)
			}
		}
	}
	return open
}

// removeSandbox removes the sandbox, and the working tree in it from the list of its repository.
func (c *checking) removeSandbox() error {
	s := c.sandbox
	if s == nil {
		return nil
	}
	c.sandbox = nil
	var err error
	if s.tree != nil {
		err = patch.Remove(context.Background(), *s.tree, s.to)
	}
	return errors.Join(err, removeAll(s.dir))
}

// removeAll removes a folder, also if a command has made folders in it that cannot be written.
func removeAll(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(path, 0o700) // RemoveAll says what remains
		}
		return nil
	})
	return os.RemoveAll(dir)
}

// forgetTree takes a working tree that qme has made from the list of those of its repository. What the
// tree says of that is the word of the command that ran there: it has to be one that names the tree.
func forgetTree(dir string) error {
	around, err := filepath.EvalSymlinks(filepath.Dir(dir))
	if err != nil {
		return err
	}
	read := func(path string) string {
		f, err := regular.OpenHere(path, os.O_RDONLY, 0)
		if err != nil {
			return "" // there is none: the code was not in git, or not brought back yet
		}
		defer f.Close()
		const longest = 8 << 10
		b, err := io.ReadAll(io.LimitReader(f, longest))
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(b))
	}
	link := filepath.Join(around, filepath.Base(dir), ".git")
	entry, ok := strings.CutPrefix(read(link), "gitdir: ")
	if !ok || !filepath.IsAbs(entry) || filepath.Base(filepath.Dir(entry)) != "worktrees" || read(filepath.Join(entry, "gitdir")) != link {
		return nil
	}
	return os.RemoveAll(entry)
}

// sandboxesOf returns the sandboxes that checks of a task have left which were cut off.
func (q *Service) sandboxesOf(id record.ID) []string {
	found, err := filepath.Glob(filepath.Join(sandboxes(q.Home), string(id)+"-*"))
	if err != nil {
		return nil // there is no other error than that of a pattern
	}
	return found
}

// showNew moves the files that differ, or are new, from the sandbox to where those of a check are left.
func (c *checking) showNew(q *Service) {
	for i := range c.result.Files.Files {
		f := &c.result.Files.Files[i]
		if f.State != FileDiffers && f.State != FileNew || !strings.HasPrefix(f.path, c.sandbox.dir+string(filepath.Separator)) {
			continue
		}
		at, err := aside.ShowFile(q.Home, string(c.ref.Record.UID), f.path)
		if err != nil {
			q.Warn("%s, which the check has made, is not kept: %v", safe.Bounded(f.Path), err)
			continue
		}
		f.At = at
	}
}

// original returns where the user has an output of the reference, if the check takes place in a sandbox.
func (c *checking) original(f record.File) string {
	if c.sandbox == nil {
		return ""
	}
	return pathIn(c.ref.Record.Data.PWD, f.Path)
}

// inSandbox returns the name that a file of the reference has for a run in the sandbox.
func (c *checking) inSandbox(name string) string {
	if c.sandbox == nil {
		return name
	}
	path := c.sandbox.inside(c.ref.Record.Data.PWD, name)
	if rel, err := filepath.Rel(c.sandbox.cwd, path); path != "" && err == nil && filepath.IsLocal(rel) {
		return rel
	}
	if path != "" {
		return path
	}
	return name
}
