package gitstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/record"
)

// versions are a task in two commits. It is a record.Versions.
type versions struct {
	id       record.ID
	old, new version
	runs     plumbing.Hash // the blob of ID.runs in the later commit
	r        objectReader
}

// A version has the blobs of a task in a commit; the zero hash where there is none.
type version struct{ record, notes plumbing.Hash }

// Old implements record.Versions.
func (v versions) Old() (*record.Record, error) { return v.read(v.old) }

// New implements record.Versions.
func (v versions) New() (*record.Record, error) { return v.read(v.new) }

// OtherRuns implements record.Versions.
func (v versions) OtherRuns() ([]string, error) {
	if v.runs.IsZero() {
		return nil, nil
	}
	commits, err := runsOf(v.r, v.runs)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", runsPath(v.id), err)
	}
	return names(commits), nil
}

func (v versions) read(of version) (*record.Record, error) {
	if of.record.IsZero() {
		return nil, nil
	}
	rec, err := readRecord(v.r, v.id, of.record, record.Decode)
	if err == nil {
		rec.Notes, err = notesOf(v.r, v.id, of.notes)
	}
	if err != nil {
		return nil, err
	}
	return rec, nil
}

// Changes yields the tasks that are different in another commit, which may be gone or no
// ancestor: see Store.Differences.
func (sn *Snapshot) Changes(ctx context.Context, from string) iter.Seq2[record.Difference, error] {
	return sn.store.Differences(ctx, from, sn.Commit())
}

// Differences yields the tasks that differ between two commits, in the order of
// their minutes. It ends at the first error. An empty from is a history without
// tasks, an empty to is now. The cost is that of the folders that differ.
func (s *Store) Differences(ctx context.Context, from, to string) iter.Seq2[record.Difference, error] {
	return func(yield func(record.Difference, error) bool) {
		var old plumbing.Hash
		if from != "" {
			sn, err := s.Snapshot(from)
			if err != nil {
				yield(record.Difference{}, err)
				return
			}
			old = sn.root
		}
		sn, err := s.Snapshot(to)
		if err != nil {
			yield(record.Difference{}, err)
			return
		}
		var last record.ID
		err = diffTrees(s.odb, old, sn.root, "", func(p string, a, b treeEntry, folders [2][]treeEntry) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			id, err := record.IDFromPath(strings.TrimSuffix(p, path.Ext(p)) + recordExt)
			if err != nil || id == last {
				return nil // a stream, or one of the files at the top
			}
			old, folder := folders[0], folders[1]
			v := versions{
				id: id, runs: blobOf(folder, string(id)+runsExt), r: s.odb,
				old: version{a.hash, blobOf(old, string(id)+notesExt)}, new: version{b.hash, blobOf(folder, string(id)+notesExt)},
			}
			noted := false
			switch path.Ext(p) {
			case runsExt, notesExt: // and not the record, whose name comes before
				same := blobOf(folder, string(id)+recordExt)
				if same.IsZero() {
					return nil
				}
				v.old.record, v.new.record = same, same
				noted = v.runs == blobOf(old, string(id)+runsExt)
			case recordExt:
			default:
				return nil
			}
			if last = id; !yield(record.Difference{ID: id, Added: v.old.record.IsZero(), Removed: v.new.record.IsZero(), Noted: noted, Versions: v}, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(record.Difference{}, err)
		}
	}
}

// errStop ends a walk early.
var errStop = errors.New("stop")

// blobOf returns the hash of a folder's entry of a name, the zero hash when there is none.
func blobOf(folder []treeEntry, name string) plumbing.Hash {
	for _, e := range folder {
		if e.name == name {
			return e.hash
		}
	}
	return plumbing.ZeroHash
}

// diffTrees calls fn for each file that differs between two trees, with its entry
// in each: the zero entry where there is none. folders are those in a and b that have
// it. The zero hash is an empty tree. Folders that are equal are not read. An error
// of fn ends it.
func diffTrees(r objectReader, a, b plumbing.Hash, at string, fn func(p string, a, b treeEntry, folders [2][]treeEntry) error) error {
	if a == b {
		return nil
	}
	olds, err := readTree(r, a)
	if err != nil {
		return err
	}
	news, err := readTree(r, b)
	if err != nil {
		return err
	}
	for name, e := range zip(olds, news) {
		old, now := e[0], e[1]
		if old == now {
			continue
		}
		p := path.Join(at, name)
		if old.isDir() || now.isDir() {
			err = diffTrees(r, old.hash, now.hash, p, fn)
		} else {
			err = fn(p, old, now, [2][]treeEntry{olds, news})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// zip yields the names in several trees, each with its entry in every one of them:
// the zero entry where there is none. A file and a folder of one name come apart.
// The entries are the caller's until the next step.
func zip(trees ...[]treeEntry) iter.Seq2[string, []treeEntry] {
	return func(yield func(string, []treeEntry) bool) {
		at := make([]int, len(trees))
		row := make([]treeEntry, len(trees))
		for {
			least, any := "", false
			for i, t := range trees {
				if at[i] < len(t) && (!any || t[at[i]].key() < least) {
					least, any = t[at[i]].key(), true
				}
			}
			if !any {
				return
			}
			for i, t := range trees {
				row[i] = treeEntry{}
				if at[i] < len(t) && t[at[i]].key() == least {
					row[i] = t[at[i]]
					at[i]++
				}
			}
			if !yield(strings.TrimSuffix(least, "/"), row) {
				return
			}
		}
	}
}
