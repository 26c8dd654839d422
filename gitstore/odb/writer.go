package odb

import (
	"bytes"
	"cmp"
	"crypto/sha1"
	"errors"
	"fmt"
	"hash"
	"io"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/spf13/afero"
)

// A Writer gathers new objects and writes them as one pack. It is for one
// goroutine.
type Writer struct {
	db      *DB
	objects []*object
	known   map[plumbing.Hash]*object
}

// An object is one that is to be written.
type object struct {
	hash    plumbing.Hash
	kind    plumbing.ObjectType
	size    int64
	content []byte                        // nil for a stream
	open    func() (io.ReadCloser, error) // of a stream
	raw     *location                     // where it lies whole in another pack
	chain   string                        // objects of one chain resemble each other
}

// NewWriter begins to gather.
func (db *DB) NewWriter() *Writer {
	return &Writer{db: db, known: map[plumbing.Hash]*object{}}
}

// Add takes an object. chain names the thing of which it is a version, such as the path
// of a tree: in a pack with many versions of one thing they are stored as deltas.
// The content belongs to the writer from then on.
func (w *Writer) Add(kind plumbing.ObjectType, content []byte, chain string) plumbing.Hash {
	h := plumbing.ComputeHash(kind, content)
	w.add(&object{hash: h, kind: kind, size: int64(len(content)), content: content, chain: chain})
	return h
}

// AddStream takes a blob that is too large for memory. open is called twice, now
// and by Flush, and must give the same size bytes both times: Flush fails otherwise.
func (w *Writer) AddStream(size int64, open func() (io.ReadCloser, error)) (plumbing.Hash, error) {
	sum := streamSum(plumbing.BlobObject, size)
	r, err := open()
	if err != nil {
		return plumbing.ZeroHash, err
	}
	n, err := io.Copy(sum, r)
	if err = errors.Join(err, r.Close()); err != nil {
		return plumbing.ZeroHash, err
	}
	if n != size {
		return plumbing.ZeroHash, fmt.Errorf("stream has %d bytes instead of %d", n, size)
	}
	h := plumbing.Hash(sum.Sum(nil))
	w.add(&object{hash: h, kind: plumbing.BlobObject, size: size, open: open})
	return h, nil
}

func (w *Writer) add(o *object) {
	if w.known[o.hash] == nil {
		w.known[o.hash] = o
		w.objects = append(w.objects, o)
	}
}

// Get returns an object that was added, or one of the database.
func (w *Writer) Get(h plumbing.Hash) (plumbing.ObjectType, []byte, error) {
	if o := w.known[h]; o != nil && o.open == nil {
		return o.kind, o.content, nil
	}
	return w.db.Get(h)
}

// Flush writes the added objects. When it returns, all of them are on disk and
// visible, and the writer is empty. It returns the name of the pack: Unkeep it once
// something refers to its objects, or Discard it when nothing came to. It is ""
// when there was nothing to write.
func (w *Writer) Flush() (string, error) {
	if len(w.objects) == 0 {
		return "", nil
	}
	slices.Reverse(w.objects) // newest first
	sealed, err := w.db.writePack(w.objects)
	if err == nil {
		err = sealed.publish(true)
	}
	if err != nil {
		return "", fmt.Errorf("write objects: %w", err)
	}
	w.objects, w.known = nil, map[plumbing.Hash]*object{}
	w.db.addPack(sealed.name)
	return sealed.name, nil
}

// Unkeep removes the .keep file of a pack of Flush, so that git may repack it: something
// refers to its objects now. git's own receive-pack keeps packs likewise.
func (db *DB) Unkeep(name string) error {
	if name == "" {
		return nil
	}
	return db.remove(filepath.Join(db.packDir(), name+".keep"))
}

// KeptByUs reports whether the .keep file of a pack is one of Flush.
func (db *DB) KeptByUs(name string) bool {
	b, err := afero.ReadFile(db.fs, filepath.Join(db.packDir(), name+".keep"))
	return err == nil && string(b) == keepText
}

// Discard removes a pack that this process wrote and that nothing refers to.
func (db *DB) Discard(name string) error {
	if name == "" { // as for Unkeep: there was nothing to write
		return nil
	}
	path := filepath.Join(db.packDir(), name)
	return errors.Join(db.fs.Remove(path+".idx"), db.fs.Remove(path+".pack"), db.Unkeep(name))
}

// minDelta is the size below which a delta gains nothing.
const minDelta = 48

// writePack writes objects, given newest first, as a pack of their own: commits,
// then trees, then blobs, so that objects that are read together lie together.
func (db *DB) writePack(objects []*object) (*sealedPack, error) {
	slices.SortStableFunc(objects, func(a, b *object) int { return cmp.Compare(a.kind, b.kind) })
	p, err := db.newPackFile(len(objects))
	if err != nil {
		return nil, err
	}
	if err := p.addAll(objects); err != nil {
		return nil, errors.Join(err, p.abort())
	}
	return p.seal()
}

func (p *packFile) addAll(objects []*object) error {
	chains := map[string]*chain{}
	for _, o := range objects {
		if err := p.addObject(o, chains); err != nil {
			return err
		}
	}
	return nil
}

func (p *packFile) addObject(o *object, chains map[string]*chain) error {
	switch {
	case o.open != nil:
		return p.addStream(o)
	case o.content == nil && o.raw != nil:
		return p.copy(o.hash, o.raw.pack, o.raw.entry, o.raw.next, 0)
	}
	if o.chain == "" || o.size < minDelta {
		return p.add(o.hash, o.kind, o.size, bytes.NewReader(o.content))
	}
	key := o.kind.String() + ":" + o.chain
	if chains[key] == nil {
		chains[key] = newChain(o.kind)
	}
	c := chains[key]
	b := c.object(o.content, p.off)
	if base := c.nearest(b); base != nil {
		if delta := p.differ.diff(base.content, o.content, c.least); c.worth(len(delta), len(o.content)) {
			b.depth = base.depth + 1
			c.add(b)
			return p.addDelta(o.hash, delta, base.offset)
		}
	}
	c.add(b)
	return p.add(o.hash, o.kind, o.size, bytes.NewReader(o.content))
}

// addStream writes the bytes of o.open, and fails when they are not the object: a
// file may have changed since it was read for its name.
func (p *packFile) addStream(o *object) error {
	r, err := o.open()
	if err != nil {
		return err
	}
	sum := streamSum(o.kind, o.size)
	err = p.add(o.hash, o.kind, o.size, io.TeeReader(r, sum))
	if err = errors.Join(err, r.Close()); err != nil {
		return err
	}
	if got := plumbing.Hash(sum.Sum(nil)); got != o.hash {
		return fmt.Errorf("object %s: its content changed while it was being stored", o.hash)
	}
	return nil
}

// streamSum begins the SHA-1 of an object.
func streamSum(kind plumbing.ObjectType, size int64) hash.Hash {
	sum := sha1.New()
	sum.Write([]byte(kind.String() + " " + strconv.FormatInt(size, 10) + "\x00"))
	return sum
}
