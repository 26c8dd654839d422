package worktree

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/gitstore/odb"
)

// errSpent says that the time or the bytes of a check are used up.
var errSpent = errors.New("budget used up")

func (r *repo) objectsDir() string { return filepath.Join(r.commonDir, "objects") }

// openObjects opens the objects in dir and those that dir borrows.
func openObjects(dir string) (*chain, error) {
	db, err := odb.OpenReadOnly(dir)
	if err != nil {
		return nil, err
	}
	return &chain{db: db, dir: dir}, nil
}

// A chain looks into a database, and then into those that it borrows from
// ("git clone --shared"; gitrepository-layout(5), objects/info/alternates).
type chain struct {
	db    *odb.DB
	dir   string
	depth int
}

// Get returns the first object of that name.
func (c *chain) Get(h plumbing.Hash) (plumbing.ObjectType, []byte, error) {
	kind, b, err := c.db.Get(h)
	if err == nil || c.depth > maxLinks {
		return kind, b, err
	}
	text, aerr := readMeta(filepath.Join(c.dir, "info", "alternates"))
	if aerr != nil {
		return kind, b, err
	}
	for line := range bytes.Lines(text) {
		dir := strings.TrimRight(string(line), "\n")
		if dir == "" || dir[0] == '#' {
			continue
		}
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(c.dir, dir)
		}
		if kind, b, err := c.borrow(dir, h); err == nil {
			return kind, b, nil
		}
	}
	return kind, b, err
}

func (c *chain) borrow(dir string, h plumbing.Hash) (kind plumbing.ObjectType, b []byte, err error) {
	db, err := odb.OpenReadOnly(dir)
	if err != nil {
		return kind, nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return (&chain{db: db, dir: dir, depth: c.depth + 1}).Get(h)
}

// Close releases the files that are held open.
func (c *chain) Close() error { return c.db.Close() }
