package gitstore

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/gitstore/gitformat"
	"qme/record"
)

// A treeEntry is one line of a tree object (gitformat "tree": mode, name, hash).
type treeEntry struct {
	mode string
	name string
	hash plumbing.Hash
}

func (e treeEntry) isDir() bool { return e.mode == gitformat.ModeDir }

// key is the sort key of an entry in git: a folder's name counts as if it ended in a slash.
func (e treeEntry) key() string {
	if e.isDir() {
		return e.name + "/"
	}
	return e.name
}

func parseTree(b []byte) ([]treeEntry, error) {
	var entries []treeEntry
	for len(b) > 0 {
		e, rest, ok := gitformat.NextTreeEntry(b)
		if !ok {
			return nil, fmt.Errorf("tree object: %w", record.ErrCorrupt)
		}
		entries, b = append(entries, treeEntry{modeOf(e.Mode), string(e.Name), e.Hash}), rest
	}
	return entries, nil
}

// modeOf is a string of the mode that for the usual ones allocates nothing.
func modeOf(b []byte) string {
	switch string(b) {
	case gitformat.ModeFile:
		return gitformat.ModeFile
	case gitformat.ModeDir:
		return gitformat.ModeDir
	}
	return string(b)
}

// encodeTree sorts the entries as git does.
func encodeTree(entries []treeEntry) []byte {
	slices.SortFunc(entries, func(a, b treeEntry) int { return strings.Compare(a.key(), b.key()) })
	var out bytes.Buffer
	for _, e := range entries {
		out.WriteString(e.mode)
		out.WriteByte(' ')
		out.WriteString(e.name)
		out.WriteByte(0)
		out.Write(e.hash[:])
	}
	return out.Bytes()
}

// An objectReader returns objects by name.
type objectReader interface {
	Get(plumbing.Hash) (plumbing.ObjectType, []byte, error)
}

func readTree(r objectReader, h plumbing.Hash) ([]treeEntry, error) {
	if h.IsZero() {
		return nil, nil
	}
	t, b, err := r.Get(h)
	if err != nil {
		return nil, err
	}
	if t != plumbing.TreeObject {
		return nil, fmt.Errorf("object %s is a %s, not a tree: %w", h, t, record.ErrCorrupt)
	}
	entries, err := parseTree(b)
	if err != nil {
		return nil, fmt.Errorf("object %s: %w", h, err)
	}
	return entries, nil
}

// lookup walks from the tree root down to a path. The entry is nil when there is
// nothing of that name.
func lookup(r objectReader, root plumbing.Hash, p string) (*treeEntry, error) {
	at := root
	for {
		name, rest, more := strings.Cut(p, "/")
		entries, err := readTree(r, at)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(entries, func(e treeEntry) bool { return e.name == name })
		if i < 0 {
			return nil, nil
		}
		if !more {
			return &entries[i], nil
		}
		if !entries[i].isDir() {
			return nil, nil
		}
		at, p = entries[i].hash, rest
	}
}

// An objectWriter is an objectReader to which objects can be added.
type objectWriter interface {
	objectReader
	Add(t plumbing.ObjectType, content []byte, chain string) plumbing.Hash
}

// applyEdits returns the tree that root becomes when each path of edits gets its
// blob, or goes when that is the zero hash. A folder that becomes empty goes too:
// the result is then the zero hash.
func applyEdits(w objectWriter, root plumbing.Hash, at string, edits map[string]plumbing.Hash) (plumbing.Hash, error) {
	entries, err := readTree(w, root)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	below := map[string]map[string]plumbing.Hash{}
	changed := false
	for p, h := range edits {
		name, rest, isDir := strings.Cut(p, "/")
		if isDir {
			if below[name] == nil {
				below[name] = map[string]plumbing.Hash{}
			}
			below[name][rest] = h
			continue
		}
		entries, changed = setEntry(entries, treeEntry{gitformat.ModeFile, name, h}, changed)
	}
	for name, sub := range below {
		var old plumbing.Hash
		if i := slices.IndexFunc(entries, func(e treeEntry) bool { return e.name == name && e.isDir() }); i >= 0 {
			old = entries[i].hash
		}
		h, err := applyEdits(w, old, path.Join(at, name), sub)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		entries, changed = setEntry(entries, treeEntry{gitformat.ModeDir, name, h}, changed)
	}
	switch {
	case !changed:
		return root, nil
	case len(entries) == 0:
		return plumbing.ZeroHash, nil
	}
	return w.Add(plumbing.TreeObject, encodeTree(entries), "/"+at), nil
}

// setEntry puts e in place of the entry of its name; the zero hash removes it.
func setEntry(entries []treeEntry, e treeEntry, changed bool) ([]treeEntry, bool) {
	i := slices.IndexFunc(entries, func(o treeEntry) bool { return o.name == e.name })
	switch {
	case i < 0 && e.hash.IsZero():
		return entries, changed
	case i < 0:
		return append(entries, e), true
	case e.hash.IsZero():
		return slices.Delete(entries, i, i+1), true
	case entries[i] == e:
		return entries, changed
	}
	entries[i] = e
	return entries, true
}
