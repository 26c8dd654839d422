package odb

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/record"
)

// A snapshot lists the objects of a database at one moment, for many look-ups of objects
// that mostly are not there. It may be used by several goroutines.
type snapshot struct {
	db    *DB
	packs []*pack
	loose map[plumbing.Hash]struct{}
}

func (db *DB) snapshot() (*snapshot, error) {
	packs, err := db.openAll()
	if err != nil {
		return nil, err
	}
	loose, err := db.Loose()
	if err != nil {
		return nil, err
	}
	s := &snapshot{db: db, packs: packs, loose: make(map[plumbing.Hash]struct{}, len(loose))}
	for _, h := range loose {
		s.loose[h] = struct{}{}
	}
	return s, nil
}

// openAll opens all packs and their indexes. A pack that vanishes meanwhile has its
// objects in another, so the list is made again.
func (db *DB) openAll() ([]*pack, error) {
	var failed error
	for range 3 {
		packs, err := db.list(true)
		if err != nil {
			return nil, err
		}
		failed = nil
		for _, p := range packs {
			if _, err := p.index(); err != nil {
				failed = errors.Join(failed, fmt.Errorf("%s.idx: %w", p.name, err))
			} else if err := p.open(); err != nil {
				failed = errors.Join(failed, err)
			}
		}
		if failed == nil {
			return packs, nil
		}
		if !errors.Is(failed, fs.ErrNotExist) {
			break
		}
	}
	return nil, failed
}

func (s *snapshot) has(h plumbing.Hash) (bool, error) {
	if _, ok := s.loose[h]; ok {
		return true, nil
	}
	for _, p := range s.packs {
		if _, ok, err := p.lookup(h); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// compare returns an error if the database has an object of that name with another
// content: two objects with one name are a collision of SHA-1. One that is
// damaged here does not count.
func (s *snapshot) compare(h plumbing.Hash, kind plumbing.ObjectType, content []byte) error {
	if ok, err := s.has(h); !ok || err != nil {
		return err
	}
	k, b, err := s.db.Get(h)
	if errors.Is(err, record.ErrCorrupt) || err == nil && k == kind && bytes.Equal(b, content) {
		return nil
	}
	if err != nil {
		return err
	}
	if plumbing.ComputeHash(k, b) != h {
		return nil
	}
	return fmt.Errorf("%s %s is another than the one here of the same name: %w", kind, h, record.ErrInvalid)
}
