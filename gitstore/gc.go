package gitstore

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/spf13/afero"

	"qme/gitstore/odb"
	"qme/internal/lockfile"
)

// A run adds a pack. From autoPacks of them on the small ones are joined. Packs
// are then of sizes that at least double from one to the next, as in "git repack
// --geometric=2": an object is rewritten once for each doubling of the history,
// and the number of packs grows with its logarithm.
const (
	autoPacks = 32
	// autoLoose is from how many loose objects on they are packed. qme writes
	// none; git does when it unpacks or receives a few.
	autoLoose = 2000
)

// A GCReport is the result of GC.
type GCReport struct {
	PacksBefore, PacksAfter int
	Loose                   int   // loose objects that were packed
	BytesBefore, BytesAfter int64 // of packs
}

// NeedsGC says, at the cost of reading two folders, whether GC has work by its
// own measure.
func (s *Store) NeedsGC() bool {
	packs, err := s.odb.PackNames()
	if err != nil {
		return false // the next reader reports it
	}
	if joinable(packs) <= autoPacks && !s.manyLoose() {
		return false
	}
	lock := gcLock
	if busy, err := s.packsBeingJoined(); err != nil {
		return false
	} else if len(busy) > 0 {
		// One joins large packs. Packs that have come since are joined meanwhile.
		if lock = smallGCLock; joinable(without(packs, busy)) <= autoPacks {
			return false
		}
	}
	f, err := s.openLock(lock, lockfile.Shared)
	if err != nil {
		return false // one is at work
	}
	return f.Close() == nil
}

const (
	gcLock = "qme-gc.lock"
	// smallGCLock is held by a GC that joins small packs while another has gcLock, and by
	// that one while it chooses and notes the packs that it is going to join.
	smallGCLock = "qme-gc-beside.lock"
)

// joinable counts the packs that may be joined.
func joinable(packs []odb.PackInfo) (n int) {
	for _, p := range packs {
		if !p.Keep {
			n++
		}
	}
	return n
}

// without returns the packs that are not among those of the given names.
func without(packs []odb.PackInfo, names []string) []odb.PackInfo {
	return slices.DeleteFunc(slices.Clone(packs), func(p odb.PackInfo) bool { return slices.Contains(names, p.Name) })
}

// packsBeingJoined returns the packs that a GC at work is joining; none when there is no such
// GC.
func (s *Store) packsBeingJoined() ([]string, error) {
	f, err := s.openLock(gcLock, lockfile.Shared)
	if err == nil {
		return nil, f.Close()
	}
	if !errors.Is(err, lockfile.ErrHeld) {
		return nil, err
	}
	b, err := afero.ReadFile(s.fs, filepath.Join(s.dir, gcLock))
	return strings.Fields(string(b)), err
}

// manyLoose reports whether the loose objects are to be packed. It looks as git does:
// names are spread evenly, so one folder of 256 is a sample.
func (s *Store) manyLoose() bool {
	const sample = "17"
	entries, err := afero.ReadDir(s.fs, filepath.Join(s.dir, "objects", sample))
	n := 0
	for _, e := range entries {
		if plumbing.IsHash(sample + e.Name()) {
			n++
		}
	}
	return err == nil && n*256 > autoLoose
}

// GC packs the loose objects, if there are many, and joins the packs that are small
// compared with the others or, if all is set, all loose objects and every pack. Other processes may
// read and write meanwhile. It returns nil, and does nothing, when another GC is at work. ctx ends it
// early without loss.
func (s *Store) GC(ctx context.Context, all bool) (rep *GCReport, err error) {
	f, err := s.waitGC(ctx, gcLock, 50*time.Millisecond) // NeedsGC of another process may hold it for a moment
	switch {
	case errors.Is(err, lockfile.ErrHeld) && all:
		return nil, nil
	case errors.Is(err, lockfile.ErrHeld):
		return s.gcSmall(ctx)
	case err != nil:
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Truncate(0), f.Close()) }()
	rep = new(GCReport)
	before, names, err := s.choosePacks(ctx, f, all)
	if err != nil || before == nil {
		return nil, err
	}
	rep.PacksBefore, rep.BytesBefore = len(before), packBytes(before)
	var loose []plumbing.Hash
	if all || s.manyLoose() {
		if loose, err = s.odb.Loose(); err != nil {
			return nil, err
		}
	}
	if len(names) > 1 || len(loose) > 0 {
		if err := s.odb.Repack(ctx, names, loose); err != nil {
			return nil, err
		}
		rep.Loose = len(loose)
	}
	if err := s.unkeepStale(); err != nil {
		return nil, err
	}
	after, err := s.odb.Packs()
	if err != nil {
		return nil, err
	}
	rep.PacksAfter, rep.BytesAfter = len(after), packBytes(after)
	return rep, s.removeLeftovers()
}

// choosePacks chooses the packs to join and notes them in the file of the lock, for those
// that join others meanwhile. It returns no packs when such a one does not end.
func (s *Store) choosePacks(ctx context.Context, lock *lockfile.File, all bool) (packs []odb.PackInfo, names []string, err error) {
	const patience = 10 * time.Second // the other one joins only small packs
	small, err := s.waitGC(ctx, smallGCLock, patience)
	if errors.Is(err, lockfile.ErrHeld) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, small.Close()) }()
	packs, err = s.odb.Packs()
	if err != nil {
		return nil, nil, err
	}
	names = selectPacks(packs, all)
	err = lock.Truncate(0)
	if err == nil {
		_, err = lock.WriteAt([]byte(strings.Join(names, "\n")+"\n"), 0)
	}
	return append([]odb.PackInfo{}, packs...), names, err
}

// gcSmall joins the packs that have come since another GC has begun, which joins large
// ones: that can take as long as hundreds of runs. It does nothing when there are few, or
// another does so already.
func (s *Store) gcSmall(ctx context.Context) (rep *GCReport, err error) {
	f, err := s.openLock(smallGCLock, lockfile.Exclusive)
	if errors.Is(err, lockfile.ErrHeld) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	busy, err := s.packsBeingJoined()
	if err != nil || len(busy) == 0 {
		return nil, err // it has ended, or has yet to choose
	}
	before, err := s.odb.Packs()
	if err != nil {
		return nil, err
	}
	names := selectPacks(without(before, busy), false)
	if len(names) < 2 || joinable(without(before, busy)) <= autoPacks {
		return nil, nil
	}
	if err := s.odb.Repack(ctx, names, nil); err != nil {
		return nil, err
	}
	after, err := s.odb.Packs()
	return &GCReport{PacksBefore: len(before), PacksAfter: len(after), BytesBefore: packBytes(before), BytesAfter: packBytes(after)}, err
}

// waitGC takes a lock that one GC at a time holds, and waits for it for a while. The error
// is lockfile.ErrHeld then.
func (s *Store) waitGC(ctx context.Context, name string, patience time.Duration) (*lockfile.File, error) {
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	f, err := s.waitLock(wait, name, lockfile.Exclusive)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return f, err
}

func packBytes(packs []odb.PackInfo) (n int64) {
	for _, p := range packs {
		n += p.Size
	}
	return n
}

// selectPacks chooses the packs to join.
func selectPacks(packs []odb.PackInfo, all bool) []string {
	packs = slices.DeleteFunc(slices.Clone(packs), func(p odb.PackInfo) bool { return p.Keep })
	slices.SortFunc(packs, func(a, b odb.PackInfo) int { return cmp.Compare(a.Size, b.Size) })
	join, sum := 0, int64(0)
	for i, p := range packs {
		if all || p.Size < 2*sum {
			join = i + 1
		}
		sum += p.Size
	}
	var names []string
	for _, p := range packs[:join] {
		names = append(names, p.Name)
	}
	return names
}

// leftoverAge is the age from which a temporary file belongs to no process any more, as in
// git (gc.pruneExpire is longer still).
const leftoverAge = 24 * time.Hour

// staleKeep is the age from which the writer of a kept pack has died: it needs
// milliseconds.
const staleKeep = 10 * time.Minute

// unkeepStale unkeeps the packs of writers that died before they could.
func (s *Store) unkeepStale() error {
	packs, err := s.odb.Packs()
	if err != nil {
		return err
	}
	for _, p := range packs {
		if p.Keep && s.odb.KeptByUs(p.Name) && time.Since(p.Modified) > staleKeep {
			if err := s.odb.Unkeep(p.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeLeftovers removes the files of processes that died while they made them.
func (s *Store) removeLeftovers() error {
	var errs []error
	packs := filepath.Join(s.dir, "objects", "pack")
	for _, place := range []struct{ dir, prefix string }{{packs, "tmp_"}, {packs, odb.Temporary}, {s.dir, brokenLock}, {filepath.Dir(s.dir), ".new-history-"}} {
		dir, prefix := place.dir, place.prefix
		entries, err := afero.ReadDir(s.fs, dir)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		have := map[string]bool{}
		for _, e := range entries {
			have[e.Name()] = true
		}
		for _, e := range entries {
			name, isPack := strings.CutSuffix(e.Name(), ".pack")
			name, isKeep := strings.CutSuffix(name, ".keep")
			orphan := dir == packs && (isPack || isKeep) && !have[name+".idx"] // died before the pack was visible
			if (orphan || strings.HasPrefix(e.Name(), prefix)) && time.Since(e.ModTime()) > leftoverAge {
				errs = append(errs, s.fs.RemoveAll(filepath.Join(dir, e.Name())))
			}
		}
	}
	return errors.Join(errs...)
}
