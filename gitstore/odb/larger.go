package odb

import (
	"context"
	"fmt"
	"io"

	"errors"

	"github.com/go-git/go-git/v5/plumbing"
)

// LargerThan returns the sizes of those objects, each of which is to be named once, that
// have more than limit bytes. It reads their headers and none of their content.
func (db *DB) LargerThan(ctx context.Context, objects []plumbing.Hash, limit int64) (map[plumbing.Hash]int64, error) {
	s, err := db.newSender(ctx, io.Discard, objects)
	if err != nil {
		return nil, err
	}
	large := map[plumbing.Hash]int64{}
	for i := range s.places {
		if i%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		h := s.hashes[s.places[i].hash]
		size, err := s.size(i)
		if err != nil {
			return nil, fmt.Errorf("object %s: %w", h, err)
		}
		if size > limit {
			large[h] = size
		}
	}
	return large, nil
}

// size returns how many bytes an object has.
func (s *sender) size(i int) (int64, error) {
	pl := s.places[i]
	if pl.pack == loose {
		_, size, r, err := s.openLoose(s.hashes[pl.hash])
		if err != nil {
			return 0, err
		}
		return size, r.Close()
	}
	const enough = 1 << 10 // for the header and, inflated, the beginning of a delta
	p := s.packs[pl.pack]
	b, err := s.read(p, pl.off, enough)
	if err != nil {
		return 0, p.corrupt(pl.off, err)
	}
	e, used, err := parseEntry(b[:min(len(b), 40)], pl.off)
	if err != nil {
		return 0, p.corrupt(pl.off, err)
	}
	if !e.isDelta() {
		return e.size, nil
	}
	s.mem.Reset(b[used:])
	size, err := patchedSize(&s.mem)
	if err != nil { // not all of it was read, or it is damaged
		s.rest.Reset(&packReader{p: p, off: pl.off + int64(used)})
		if size, err = patchedSize(s.rest); err != nil {
			return 0, p.corrupt(pl.off, err)
		}
	}
	return size, nil
}

// patchedSize returns how many bytes a deflated delta makes.
func patchedSize(deflated io.Reader) (int64, error) {
	z, err := getInflater(deflated)
	if err != nil {
		return 0, err
	}
	defer putInflater(z)
	var head [20]byte // two sizes
	n, err := io.ReadFull(z, head[:])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, err
	}
	_, rest, err := deltaSize(head[:n])
	if err != nil {
		return 0, err
	}
	size, _, err := deltaSize(rest)
	return size, err
}
