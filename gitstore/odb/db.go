// Package odb reads and writes the object database of a git repository: packs and
// loose objects as gitformat-pack(5) and gitrepository-layout(5) describe them.
//
// go-git's own storage decodes the whole index of every pack when it opens it
// and flushes nothing to disk. Here a look-up costs a few small reads whatever
// the size of the pack, new objects go into one new pack, and that pack
// is on disk before its name appears.
package odb

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/spf13/afero"

	"qme/internal/regular"
	"qme/record"
)

// ErrMissing says that no object of that name is in the database. It is also a
// record.ErrCorrupt: a history names only objects that it has.
var ErrMissing = fmt.Errorf("object is missing: %w", record.ErrCorrupt)

// Options says how a database is used. The zero value is for normal use.
type Options struct {
	// NoSync leaves out every flush to disk. For tests, and for generated
	// histories that can be made again.
	NoSync bool
}

// A DB is an object database. Its methods may be called from several goroutines,
// and other processes, git's among them, may add, pack and repack meanwhile.
type DB struct {
	fs   afero.Fs
	dir  string // …/objects
	opts Options

	mu     sync.Mutex
	packs  []*pack // newest first
	listed bool
	bases  baseCache
	recent atomic.Pointer[pack] // where the last object was found
}

// Open returns the database in the folder dir ("objects" of a repository), which
// need not exist yet.
func Open(fsys afero.Fs, dir string, opts Options) *DB {
	return &DB{fs: fsys, dir: dir, opts: opts}
}

// OpenReadOnly returns the database in the folder dir of the real file system.
// Close it after use.
func OpenReadOnly(dir string) (*DB, error) {
	fsys := afero.NewReadOnlyFs(regular.NewFS())
	if _, err := fsys.Stat(dir); err != nil {
		return nil, err
	}
	return Open(fsys, dir, Options{}), nil
}

// Close releases the files that are held open.
func (db *DB) Close() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	var errs []error
	for _, p := range db.packs {
		errs = append(errs, p.close())
	}
	db.packs, db.listed = nil, false
	return errors.Join(errs...)
}

// Get returns an object's type and content, which the caller must not change.
// The error is ErrMissing when there is no such object and wraps
// record.ErrCorrupt when it is damaged. The content's hash is not checked: see
// Verify.
func (db *DB) Get(h plumbing.Hash) (plumbing.ObjectType, []byte, error) {
	var t plumbing.ObjectType
	var b []byte
	err := db.find(h, func(p *pack, off int64) (err error) {
		t, b, err = db.unpack(p, off)
		return err
	}, func(f afero.File) (err error) {
		t, b, err = readLoose(f)
		return err
	})
	if err != nil {
		return plumbing.InvalidObject, nil, fmt.Errorf("object %s: %w", h, db.missing(err))
	}
	return t, b, nil
}

// Has reports whether the object is there.
func (db *DB) Has(h plumbing.Hash) (bool, error) {
	err := db.find(h, func(*pack, int64) error { return nil }, func(afero.File) error { return nil })
	if errors.Is(err, ErrMissing) {
		return false, nil
	}
	return err == nil, err
}

// kind returns an object's type without unpacking it. The error is ErrMissing when
// there is no such object.
func (db *DB) kind(h plumbing.Hash) (plumbing.ObjectType, error) {
	var t plumbing.ObjectType
	err := db.find(h, func(p *pack, off int64) (err error) {
		t, err = p.kindAt(off)
		return err
	}, func(f afero.File) (err error) {
		t, err = looseKind(f)
		return err
	})
	if err != nil {
		return plumbing.InvalidObject, fmt.Errorf("object %s: %w", h, err)
	}
	return t, nil
}

// Open returns a reader of an object's content and its size, without holding all
// of it in memory where it is stored whole.
func (db *DB) Open(h plumbing.Hash) (io.ReadCloser, int64, error) {
	var r io.ReadCloser
	var size int64
	err := db.find(h, func(p *pack, off int64) (err error) {
		r, size, err = db.openPacked(p, off)
		return err
	}, func(f afero.File) error {
		_, b, err := readLoose(f)
		r, size = io.NopCloser(bytes.NewReader(b)), int64(len(b))
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("object %s: %w", h, db.missing(err))
	}
	return r, size, nil
}

// find calls one of its functions with the place of an object. A pack may vanish
// at any time because git or "qme gc" has put its objects into another, so an object
// that is not found, or cannot be read, is looked for again in a fresh list of packs.
func (db *DB) find(h plumbing.Hash, packed func(*pack, int64) error, loose func(afero.File) error) error {
	var failed error
	for attempt := range 3 {
		packs, err := db.list(attempt > 0)
		if err != nil {
			return err
		}
		for p := range db.recentFirst(packs) {
			off, ok, err := p.lookup(h)
			if err != nil {
				failed = err
				continue
			}
			if !ok {
				continue
			}
			if err = packed(p, off); err == nil {
				db.recent.Store(p)
				return nil
			}
			failed = err
		}
		f, err := db.fs.Open(db.loosePath(h))
		if err == nil {
			err = loose(f)
			if cerr := f.Close(); err == nil {
				err = cerr
			}
			if err == nil {
				return nil
			}
			failed = err
		} else if !errors.Is(err, fs.ErrNotExist) {
			failed = err
		}
	}
	if failed != nil && !errors.Is(failed, fs.ErrNotExist) {
		return failed
	}
	return ErrMissing
}

// recentFirst yields the packs, first the one in which the last object was: the
// next is often near.
func (db *DB) recentFirst(packs []*pack) iter.Seq[*pack] {
	return func(yield func(*pack) bool) {
		recent := db.recent.Load()
		if recent != nil && slices.Contains(packs, recent) && !yield(recent) {
			return
		}
		for _, p := range packs {
			if p != recent && !yield(p) {
				return
			}
		}
	}
}

func (db *DB) loosePath(h plumbing.Hash) string {
	s := h.String()
	return filepath.Join(db.dir, s[:2], s[2:])
}

func (db *DB) packDir() string { return filepath.Join(db.dir, "pack") }

// list returns the packs, newest first: most look-ups are for recent objects.
func (db *DB) list(again bool) ([]*pack, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.listed && !again {
		return db.packs, nil
	}
	found, err := db.scan()
	if err != nil {
		return nil, err
	}
	known := map[string]*pack{}
	for _, p := range db.packs {
		known[p.name] = p
	}
	packs := make([]*pack, 0, len(found))
	for _, f := range found {
		if p := known[f.Name]; p != nil {
			packs = append(packs, p)
			delete(known, f.Name)
			continue
		}
		path := filepath.Join(db.packDir(), f.Name)
		packs = append(packs, &pack{db: db, name: f.Name, dataPath: path + ".pack", idxPath: path + ".idx", modified: f.Modified})
	}
	// Vanished packs are left to the garbage collector: a reader may hold them.
	db.packs, db.listed = packs, true
	return packs, nil
}

// addPack adds a pack that this process has just written to the list, without reading the
// folder again.
func (db *DB) addPack(name string) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if !db.listed || slices.ContainsFunc(db.packs, func(p *pack) bool { return p.name == name }) {
		return
	}
	path := filepath.Join(db.packDir(), name)
	p := &pack{db: db, name: name, dataPath: path + ".pack", idxPath: path + ".idx", modified: time.Now()}
	db.packs = append([]*pack{p}, db.packs...) // readers may hold the old list
}

// PackInfo describes a pack file.
type PackInfo struct {
	Name     string // "pack-" and 40 hex digits
	Size     int64  // bytes of the .pack file
	Modified time.Time
	Keep     bool // a .keep file forbids to remove it
}

// Packs lists the packs that have an index, newest first.
func (db *DB) Packs() ([]PackInfo, error) { return db.scan() }

// PackNames lists the packs that have an index, in any order, by Name and Keep alone: this
// reads the folder and looks at none of its files.
func (db *DB) PackNames() ([]PackInfo, error) {
	f, err := db.fs.Open(db.packDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	names, err := f.Readdirnames(-1)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	have := map[string]bool{}
	for _, name := range names {
		have[name] = true
	}
	var packs []PackInfo
	for _, file := range names {
		if name, ok := strings.CutSuffix(file, ".pack"); ok && have[name+".idx"] {
			packs = append(packs, PackInfo{Name: name, Keep: have[name+".keep"]})
		}
	}
	return packs, nil
}

func (db *DB) scan() ([]PackInfo, error) {
	entries, err := afero.ReadDir(db.fs, db.packDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	have := map[string]bool{}
	for _, e := range entries {
		have[e.Name()] = true
	}
	var packs []PackInfo
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".pack")
		if ok && have[name+".idx"] {
			packs = append(packs, PackInfo{Name: name, Size: e.Size(), Modified: e.ModTime(), Keep: have[name+".keep"]})
		}
	}
	sort.SliceStable(packs, func(i, j int) bool { return packs[i].Modified.After(packs[j].Modified) })
	return packs, nil
}
