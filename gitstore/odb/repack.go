package odb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/spf13/afero"

	"qme/gitstore/gitformat"
	"qme/record"
)

// A location is where an object lies in a pack.
type location struct {
	pack  *pack
	entry entry
	next  int64 // where its deflated bytes end
}

// replan is up to how many objects a pack is taken apart, so that its objects
// become deltas of each other. Larger packs have been through that, and are
// copied as they are deflated: joining them costs reading and writing only.
const replan = 4096

const (
	// copiedBlob is from which size blobs are copied as they are deflated: the
	// output of a command, mostly, with which no other has much in common. So
	// memory is bounded.
	copiedBlob = 16 << 10
	// copiedText is the same for blobs that are much like those of other runs: records and
	// lists of files.
	copiedText = 512 << 10
	// largeBlob is from which size a blob is not read into memory at once.
	largeBlob = 1 << 20
)

// Repack joins packs and loose objects into one new pack. Each of them is
// removed only after the new pack is on disk and has been read back and checked
// object by object. Readers and writers, also git's, may be at work: an object
// is at every moment in at least one pack that has an index. ctx ends it early,
// with nothing removed.
func (db *DB) Repack(ctx context.Context, packs []string, loose []plumbing.Hash) error {
	objects, sources, memory, err := db.gather(ctx, packs, loose)
	if err != nil || objects == nil {
		return err
	}
	sealed, err := db.joinPacks(ctx, objects, sources, memory)
	if err != nil {
		return fmt.Errorf("repack: %w", err)
	}
	if err := sealed.verify(ctx); err != nil {
		return fmt.Errorf("repack: the new pack is not good, nothing was removed: %w", errors.Join(err, sealed.discard()))
	}
	if err := sealed.publish(false); err != nil {
		return fmt.Errorf("repack: %w", err)
	}
	return db.removePacked(sealed.name, packs, loose)
}

// gather collects the objects that are compressed anew, newest pack first, and the packs
// that are copied whole. memory is how many bytes of further objects may be read.
func (db *DB) gather(ctx context.Context, names []string, loose []plumbing.Hash) (objects []*object, _ []*pack, memory int64, _ error) {
	all, err := db.list(true)
	if err != nil {
		return nil, nil, 0, err
	}
	objects, memory = []*object{}, maxUnpacked
	var whole []*pack
	for _, p := range all {
		if !slices.Contains(names, p.name) {
			continue
		}
		idx, err := p.index()
		if err != nil {
			return nil, nil, 0, err
		}
		if idx.count >= replan {
			whole = append(whole, p)
			continue
		}
		unpacked, size, err := db.unpackAll(ctx, p, memory)
		switch {
		case errors.Is(err, errTooLarge):
			whole = append(whole, p)
			continue
		case err != nil:
			return nil, nil, 0, err
		}
		objects, memory = append(objects, unpacked...), memory-size
	}
	for _, h := range loose {
		o, err := db.looseObject(h)
		if err != nil {
			return nil, nil, 0, err
		}
		objects = append(objects, o)
	}
	return objects, whole, memory, nil
}

// sorted returns a pack's objects in the order in which they lie, and the end of
// the last one.
func (p *pack) sorted() ([]item, int64, error) {
	if err := p.open(); err != nil {
		return nil, 0, err
	}
	idx, err := p.index()
	if err != nil {
		return nil, 0, err
	}
	items, err := idx.all()
	if err != nil {
		return nil, 0, err
	}
	slices.SortFunc(items, func(a, b item) int { return cmp.Compare(a.offset, b.offset) })
	return items, p.size - hashLen, nil
}

// errTooLarge says that a pack is better copied than taken apart.
var errTooLarge = errors.New("too large for memory")

// maxUnpacked bounds the bytes of objects that are taken apart at a time. All of them are
// in memory until they are deflated again.
const maxUnpacked = 64 << 20

// unpackAll reads the objects of a pack, and how many bytes of memory they occupy.
// The error is errTooLarge when it is more than limit.
func (db *DB) unpackAll(ctx context.Context, p *pack, limit int64) (objects []*object, held int64, err error) {
	items, end, err := p.sorted()
	if err != nil {
		return nil, 0, err
	}
	for i, it := range items {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		e, err := p.entryAt(it.offset)
		if err != nil {
			return nil, 0, err
		}
		o := &object{hash: it.hash, kind: e.kind, size: e.size}
		if e.kind == plumbing.BlobObject && e.size >= copiedBlob {
			next := end
			if i+1 < len(items) {
				next = items[i+1].offset
			}
			o.raw = &location{pack: p, entry: e, next: next}
		} else if o.kind, o.content, err = db.unpack(p, it.offset); err != nil {
			return nil, 0, err
		}
		if o.content != nil {
			o.size = int64(len(o.content))
			if held += o.size; held > limit {
				return nil, 0, errTooLarge
			}
		}
		objects = append(objects, o)
	}
	return objects, held, nil
}

// looseObject takes a loose object for a pack; a large one is read when it is written.
func (db *DB) looseObject(h plumbing.Hash) (*object, error) {
	f, err := db.fs.Open(db.loosePath(h))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if info.Size() < largeBlob>>4 { // 16 times as large at most, in practice
		t, b, err := db.Get(h)
		return &object{hash: h, kind: t, size: int64(len(b)), content: b}, err
	}
	r, err := db.openLoose(h)
	if err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return db.openLoose(h) }
	return &object{hash: h, kind: r.kind, size: r.size, open: open}, r.Close()
}

// joinPacks writes the new pack. It reads up to memory bytes of objects that are not read yet.
func (db *DB) joinPacks(ctx context.Context, objects []*object, whole []*pack, memory int64) (*sealedPack, error) {
	seen := map[plumbing.Hash]bool{}
	for _, p := range whole {
		items, _, err := p.sorted()
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			seen[it.hash] = true
		}
	}
	objects = slices.DeleteFunc(objects, func(o *object) bool {
		dup := seen[o.hash]
		seen[o.hash] = true
		return dup
	})
	setChains(objects)
	if err := db.readTexts(ctx, objects, memory); err != nil {
		return nil, err
	}
	slices.SortStableFunc(objects, func(a, b *object) int { return cmp.Compare(a.kind, b.kind) })
	p, err := db.newPackFile(len(seen))
	if err != nil {
		return nil, err
	}
	err = p.addAll(objects)
	for _, src := range whole {
		if err == nil {
			err = p.copyPack(ctx, src)
		}
	}
	if err != nil {
		return nil, errors.Join(err, p.abort())
	}
	return p.seal()
}

// readTexts reads blobs that lie whole in packs and are much like others, newest first, up to
// memory bytes of them. The others are copied.
func (db *DB) readTexts(ctx context.Context, objects []*object, memory int64) error {
	for _, o := range objects {
		if o.raw == nil || !isTextChain(o.chain) || o.raw.entry.size > min(copiedText, memory) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		kind, content, err := db.unpack(o.raw.pack, o.raw.entry.offset)
		if err != nil {
			return err
		}
		o.kind, o.content, o.size, o.raw = kind, content, int64(len(content)), nil
		memory -= o.size
	}
	return nil
}

// copyPack takes over all objects of a pack that are not there yet. The base of
// a delta by offset lies before it, so it is always there when its turn comes.
func (p *packFile) copyPack(ctx context.Context, src *pack) error {
	items, end, err := src.sorted()
	if err != nil {
		return err
	}
	for i, it := range items {
		if i%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if _, ok := p.at[it.hash]; ok {
			continue
		}
		e, err := src.entryAt(it.offset)
		if err != nil {
			return err
		}
		next := end
		if i+1 < len(items) {
			next = items[i+1].offset
		}
		var base int64
		if e.kind == plumbing.OFSDeltaObject {
			j := sort.Search(len(items), func(j int) bool { return items[j].offset >= e.base })
			if j == len(items) || items[j].offset != e.base {
				return src.corrupt(e.offset, errors.New("its base is no object"))
			}
			base = p.at[items[j].hash]
		}
		if err := p.copy(it.hash, src, e, next, base); err != nil {
			return err
		}
	}
	return nil
}

// setChains finds out which objects are versions of one thing: the trees of one
// path, the records of one executor, the commits. It follows the trees from
// their commits as far as they are among the objects.
func setChains(objects []*object) {
	byHash := make(map[plumbing.Hash]*object, len(objects))
	for _, o := range objects {
		byHash[o.hash] = o
	}
	for _, o := range objects {
		if o.kind != plumbing.CommitObject || o.content == nil {
			continue
		}
		o.chain = "commit"
		if tree, _, ok := gitformat.NamedObject(o.content, "tree "); ok {
			setTreeChain(byHash, tree, "/")
		}
	}
}

func setTreeChain(byHash map[plumbing.Hash]*object, h plumbing.Hash, path string) {
	o := byHash[h]
	if o == nil || o.chain != "" {
		return
	}
	if o.kind != plumbing.TreeObject {
		o.chain = blobChain(path)
		return
	}
	o.chain = path
	for b := o.content; len(b) > 0; {
		e, rest, ok := gitformat.NextTreeEntry(b)
		if !ok {
			return // Check names it; here it only costs compression
		}
		setTreeChain(byHash, e.Hash, filepath.Join(path, string(e.Name)))
		b = rest
	}
}

// textChain begins the names of chains of blobs that are much like others although they are of
// other tasks.
const textChain = "text "

func isTextChain(chain string) bool { return strings.HasPrefix(chain, textChain) }

// blobChain returns the chain of a file: records are like those of the same executor, and parts of
// a run, other than its streams, like others of that name. Outside the folder of tasks the first
// folder is the name of the part.
func blobChain(path string) string {
	if top, _, _ := strings.Cut(path[1:], "/"); top != "tasks" {
		return textChain + top
	}
	switch ext := filepath.Ext(path); ext {
	case ".json":
		executor, _, _ := strings.Cut(filepath.Base(path), "-")
		return textChain + executor + ext
	case ".stdout", ".stderr", ".job-stdout", ".job-stderr", ".stdin":
		return path
	default:
		return textChain + ext
	}
}

// removePacked removes the objects that the pack named keep now holds.
func (db *DB) removePacked(keep string, packs []string, loose []plumbing.Hash) error {
	var errs []error
	remove := func(path string) { errs = append(errs, db.remove(path)) }
	if slices.ContainsFunc(packs, func(n string) bool { return n != keep }) {
		errs = append(errs, db.removeMultiPack())
	}
	for _, name := range packs {
		if name == keep {
			continue
		}
		for _, ext := range []string{".idx", ".rev", ".bitmap", ".mtimes", ".pack"} {
			remove(filepath.Join(db.packDir(), name+ext))
		}
	}
	for _, h := range loose {
		remove(db.loosePath(h))
	}
	_, err := db.list(true)
	return errors.Join(append(errs, err)...)
}

// removeMultiPack removes git's index of several packs, which names packs that are
// about to go, and the files that belong to it. All of it is in the index of each pack as
// well; git makes its bitmaps again.
func (db *DB) removeMultiPack() error {
	entries, err := afero.ReadDir(db.fs, db.packDir())
	errs := []error{err}
	for _, e := range entries { // sorted: the index itself goes first
		name, ok := strings.CutPrefix(e.Name(), "multi-pack-index")
		if ok && name != ".lock" { // that of a git at work
			errs = append(errs, db.fs.RemoveAll(filepath.Join(db.packDir(), e.Name())))
		}
	}
	return errors.Join(errs...)
}

// Loose lists the loose objects.
func (db *DB) Loose() ([]plumbing.Hash, error) {
	dirs, err := afero.ReadDir(db.fs, db.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var hashes []plumbing.Hash
	for _, d := range dirs {
		if _, err := strconv.ParseUint(d.Name(), 16, 8); err != nil || len(d.Name()) != 2 || !d.IsDir() {
			continue
		}
		files, err := afero.ReadDir(db.fs, filepath.Join(db.dir, d.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		for _, f := range files {
			if plumbing.IsHash(d.Name() + f.Name()) {
				hashes = append(hashes, plumbing.NewHash(d.Name()+f.Name()))
			}
		}
	}
	return hashes, nil
}

// ObjectCount returns how many objects a pack holds.
func (db *DB) ObjectCount(name string) (int64, error) {
	p, err := db.pack(name)
	if err != nil {
		return 0, err
	}
	idx, err := p.index()
	if err != nil {
		return 0, err
	}
	return idx.count, nil
}

func (db *DB) pack(name string) (*pack, error) {
	packs, err := db.list(false)
	if err != nil {
		return nil, err
	}
	for _, p := range packs {
		if p.name == name {
			return p, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", name, record.ErrNotFound)
}

// Each calls fn for every object, more than once for one that is stored more than
// once.
func (db *DB) Each(ctx context.Context, fn func(plumbing.Hash)) error {
	packs, err := db.list(true)
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range packs {
		if err := ctx.Err(); err != nil {
			return err
		}
		idx, err := p.index()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		items, err := idx.all()
		errs = append(errs, err)
		for _, it := range items {
			fn(it.hash)
		}
	}
	loose, err := db.Loose()
	for _, h := range loose {
		fn(h)
	}
	return errors.Join(append(errs, err)...)
}
