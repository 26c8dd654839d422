// Package gitformat parses formats of git's objects and files: trees, commits and
// packed-refs. It copies nothing, reads no file, and takes any bytes.
package gitformat

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strconv"

	"github.com/go-git/go-git/v5/plumbing"
)

// HashLen is the number of bytes of an object's name.
const HashLen = len(plumbing.Hash{})

// The modes of tree entries, as trees have them.
const (
	ModeFile      = "100644"
	ModeDir       = "40000"
	ModeLink      = "120000"
	ModeSubmodule = "160000"
)

// A TreeEntry is one entry of a tree object. Mode and Name are parts of the object.
type TreeEntry struct {
	Mode, Name []byte
	Hash       plumbing.Hash
}

// NextTreeEntry parses the first entry of b, the rest of a tree object: MODE, blank, NAME,
// NUL, hash. ok is false when b does not begin with an entry.
func NextTreeEntry(b []byte) (e TreeEntry, rest []byte, ok bool) {
	const longestMode = 16 // git's have 6 digits; others have written more zeros
	space := bytes.IndexByte(b[:min(len(b), longestMode+1)], ' ')
	end := bytes.IndexByte(b, 0)
	if space < 1 || end < space+2 || len(b) < end+1+HashLen {
		return e, nil, false
	}
	e.Mode, e.Name = b[:space], b[space+1:end]
	rest = b[end+1:]
	return e, rest[copy(e.Hash[:], rest):], true
}

// A Commit is the part of a commit object that the graph of commits needs.
type Commit struct {
	Tree    plumbing.Hash
	Parents []plumbing.Hash
	When    int64 // committer's time, Unix seconds; 0 when it cannot be read
}

// ParseCommit parses the header of a commit object (git-commit-tree(1)). As in git, its
// first lines are the tree and the parents, and of several committers the first counts.
func ParseCommit(b []byte) (Commit, error) {
	var c Commit
	var ok bool
	if c.Tree, b, ok = NamedObject(b, "tree "); !ok {
		return c, errors.New("it does not begin with the name of its tree")
	}
	for bytes.HasPrefix(b, []byte("parent ")) {
		var parent plumbing.Hash
		if parent, b, ok = NamedObject(b, "parent "); !ok {
			return c, errors.New("it names a parent that is no object")
		}
		c.Parents = append(c.Parents, parent)
	}
	dated := false
	for len(b) > 0 && b[0] != '\n' {
		line, rest, _ := bytes.Cut(b, []byte("\n"))
		b = rest
		key, value, _ := bytes.Cut(line, []byte(" "))
		switch string(key) {
		case "tree", "parent":
			return c, errors.New("it has a second line " + string(key))
		case "committer":
			if dated {
				continue
			}
			// NAME <EMAIL> SECONDS ZONE
			fields := bytes.Fields(value[bytes.LastIndexByte(value, '>')+1:])
			if len(fields) == 0 {
				return c, errors.New("it has no time")
			}
			// A time that cannot be read only costs order, as in git. It is none that a
			// merge could take over.
			if when, err := strconv.ParseInt(string(fields[0]), 10, 64); err == nil {
				c.When = max(0, when)
			}
			dated = true
		}
	}
	return c, nil
}

// NamedObject parses the line KEY HASH at the beginning of an object; key ends with the
// blank. ok is false when the first line is another, or does not end.
func NamedObject(b []byte, key string) (h plumbing.Hash, rest []byte, ok bool) {
	line, rest, ended := bytes.Cut(b, []byte("\n"))
	name, ok := bytes.CutPrefix(line, []byte(key))
	if !ok || !ended || len(name) != 2*HashLen {
		return h, nil, false
	}
	if _, err := hex.Decode(h[:], name); err != nil {
		return h, nil, false
	}
	return h, rest, true
}

// PackedRef finds the line "HASH NAME" of a reference in the text of packed-refs
// (gitrepository-layout(5)). The hash is as it is written there, nil when there is no such
// line.
func PackedRef(text []byte, name string) (hash []byte) {
	for line := range bytes.Lines(text) {
		first, ref, ok := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
		if !ok || string(ref) != name {
			continue
		}
		if plumbing.IsHash(string(first)) {
			return first
		}
		if hash == nil {
			hash = first // unless a later line has a valid one
		}
	}
	return hash
}
