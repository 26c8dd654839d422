package odb

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/spf13/afero"

	"qme/record"
)

// VerifyPack reads a pack back from disk and checks all of it: the checksums of
// both files, that the pack has as many objects as its index, and that each of
// them is the object of its name. progress, if not nil, is called now and then
// with the number of objects done. The error wraps record.ErrCorrupt.
func (db *DB) VerifyPack(ctx context.Context, name string, progress func(n int)) error {
	if _, err := db.list(true); err != nil {
		return err
	}
	p, err := db.pack(name)
	if err != nil {
		return err
	}
	return db.verify(ctx, p, progress)
}

// verify is VerifyPack of a pack that need not have its name yet.
func (db *DB) verify(ctx context.Context, p *pack, progress func(n int)) error {
	trailer, err := db.checksum(p.dataPath)
	if err != nil {
		return err
	}
	if _, err := db.checksum(p.idxPath); err != nil {
		return err
	}
	items, _, err := p.sorted()
	if err != nil {
		return err
	}
	if n, err := p.header(); err != nil || int(n) != len(items) {
		return errors.Join(err, fmt.Errorf("%s.pack: its index is of another pack: %w", p.name, record.ErrCorrupt))
	}
	var named plumbing.Hash
	idx, err := p.index()
	if err != nil {
		return err
	}
	if err := idx.readAt(named[:], idx.size-2*hashLen); err != nil {
		return err
	}
	if !bytes.Equal(named[:], trailer) {
		return fmt.Errorf("%s.idx is the index of another pack: %w", p.name, record.ErrCorrupt)
	}
	for i, it := range items {
		if i%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if progress != nil {
				progress(i)
			}
		}
		if err := db.verifyAt(p, it); err != nil {
			return err
		}
	}
	return nil
}

// verifyAt compares an object with its name.
func (db *DB) verifyAt(p *pack, it item) error {
	e, err := p.entryAt(it.offset)
	if err != nil {
		return err
	}
	var got plumbing.Hash
	if e.kind == plumbing.BlobObject && e.size >= largeBlob {
		r, size, err := db.openPacked(p, it.offset)
		if err != nil {
			return err
		}
		sum := streamSum(plumbing.BlobObject, size)
		_, err = io.Copy(sum, r)
		if err = errors.Join(err, r.Close()); err != nil {
			return p.corrupt(it.offset, err)
		}
		copy(got[:], sum.Sum(nil))
	} else {
		t, b, err := db.unpack(p, it.offset)
		if err != nil {
			return err
		}
		got = plumbing.ComputeHash(t, b)
	}
	if got != it.hash {
		return p.corrupt(it.offset, fmt.Errorf("object %s has the content of %s", it.hash, got))
	}
	return nil
}

// checksum compares a file's last 20 bytes with the SHA-1 of the bytes before.
func (db *DB) checksum(path string) ([]byte, error) {
	f, err := db.fs.Open(path)
	if err != nil {
		return nil, err
	}
	sum, err := fileChecksum(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return sum, nil
}

func fileChecksum(f afero.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	sum := sha1.New()
	if _, err := io.CopyN(sum, f, info.Size()-hashLen); err != nil {
		return nil, err
	}
	want, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	if got := sum.Sum(nil); !bytes.Equal(got, want) {
		return nil, fmt.Errorf("checksum is %x, the file says %x: %w", got, want, record.ErrCorrupt)
	}
	return want, nil
}

// VerifyLoose checks that a loose object is the one of its name.
func (db *DB) VerifyLoose(h plumbing.Hash) error {
	f, err := db.fs.Open(db.loosePath(h))
	if err != nil {
		return err
	}
	t, b, err := readLoose(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("object %s: %w", h, err)
	}
	if got := plumbing.ComputeHash(t, b); got != h {
		return fmt.Errorf("object %s has the content of %s: %w", h, got, record.ErrCorrupt)
	}
	return nil
}
