package gitstore

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"qme/gitstore/gitformat"
	"qme/gitstore/odb"
	"qme/record"
)

// A Merged is the result of Merge.
type Merged struct {
	Before, After string // the branch's commits; equal when there was nothing to do
}

// Merge brings a commit of another history, as Fetch returned it, into this one.
// docs/format.md has the rules. skip lists paths of theirs that are left out. Errors are as
// those of Commit.
func (s *Store) Merge(ctx context.Context, theirs string, skip []string) (*Merged, error) {
	if !plumbing.IsHash(theirs) {
		return nil, fmt.Errorf("commit %.50q: %w", theirs, record.ErrInvalid)
	}
	q, err := s.lockQueue(ctx)
	if err != nil {
		return nil, err
	}
	defer q.unlock()
	for {
		head, err := s.head()
		if err != nil {
			return nil, err
		}
		m := s.newMerge(ctx)
		next, err := m.commit(head, plumbing.NewHash(theirs), skip)
		if err == nil && next != head {
			err = s.publish(ctx, q, m.w, move{branch, head, next})
		}
		if err == nil {
			return &Merged{Before: head.String(), After: next.String()}, nil
		}
		if !errors.Is(err, errMoved) {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// A merge makes one merge commit.
type merge struct {
	s       *Store
	ctx     context.Context
	g       *graph
	w       *odb.Writer // of the objects of the merge
	scratch *odb.Writer // of trees that only a merge needs; never written
	bases   map[[2]plumbing.Hash]plumbing.Hash
}

func (s *Store) newMerge(ctx context.Context) *merge {
	return &merge{s: s, ctx: ctx, g: newGraph(s.odb), w: s.odb.NewWriter(), scratch: s.odb.NewWriter(), bases: map[[2]plumbing.Hash]plumbing.Hash{}}
}

// commit returns a descendant of both commits: one of the two when it is one already.
func (m *merge) commit(ours, theirs plumbing.Hash, skip []string) (plumbing.Hash, error) {
	common, err := m.g.mergeBases(m.ctx, ours, theirs)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	if slices.Contains(common, theirs) {
		return ours, nil
	}
	if slices.Contains(common, ours) && len(skip) == 0 {
		return theirs, nil
	}
	base, err := m.baseTree(ours, theirs)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	a, err := m.g.node(ours)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	b, err := m.g.node(theirs)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	clean, err := m.without(base, b.Tree, skip)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	t := &threeWay{base: m.scratch, w: m.w, lost: map[record.ID]lostRun{}}
	root, err := t.tree("", base, a.Tree, clean)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	if root, err = m.noteLost(root, t.lost, ours, theirs); err != nil {
		return plumbing.ZeroHash, err
	}
	if root, err = m.noteSaid(root, base, a, b); err != nil {
		return plumbing.ZeroHash, err
	}
	return m.addCommit(root, a, b), nil
}

// baseTree returns the tree of the merge base of two commits. Where there are several
// (each side has merged the other) it is their own merge, as in git's strategy
// "recursive" (gitglossary, git-merge(1)); without any it is empty.
func (m *merge) baseTree(a, b plumbing.Hash) (plumbing.Hash, error) {
	key := [2]plumbing.Hash{a, b}
	if bytes.Compare(a[:], b[:]) > 0 {
		key = [2]plumbing.Hash{b, a}
	}
	if h, ok := m.bases[key]; ok {
		return h, nil
	}
	common, err := m.g.mergeBases(m.ctx, a, b)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	var tree plumbing.Hash
	for i, h := range common {
		c, err := m.g.node(h)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		if i == 0 {
			tree = c.Tree
			continue
		}
		base, err := m.baseTree(common[0], h)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		t := &threeWay{base: m.scratch, w: m.scratch, lost: map[record.ID]lostRun{}}
		if tree, err = t.tree("", base, tree, c.Tree); err != nil {
			return plumbing.ZeroHash, err
		}
	}
	m.bases[key] = tree
	return tree, nil
}

// without returns tree with the paths of skip as they are in base.
func (m *merge) without(base, tree plumbing.Hash, skip []string) (plumbing.Hash, error) {
	if len(skip) == 0 {
		return tree, nil
	}
	edits := map[string]plumbing.Hash{}
	for _, p := range skip {
		e, err := lookup(m.scratch, base, p)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		edits[p] = plumbing.ZeroHash
		if e != nil && !e.isDir() {
			edits[p] = e.hash
		}
	}
	return applyEdits(m.w, tree, "", edits)
}

// addCommit makes the merge commit. All that is in it follows from its parents: two
// machines that merge the same histories at the same time make the same commit, and
// need not merge that again.
func (m *merge) addCommit(root plumbing.Hash, a, b *commitNode) plumbing.Hash {
	parents := []plumbing.Hash{a.hash, b.hash}
	plumbing.HashesSort(parents)
	message := joinMessage(parents[0], parents[1])
	when := time.Unix(max(a.When, b.When), 0).UTC()
	return addCommit(m.w, newCommit{tree: root, parents: parents, by: botIdentity, when: when, message: message})
}

// joinMessage is the message of a commit that joins two others.
func joinMessage(a, b plumbing.Hash) string { return fmt.Sprintf("merge: %.10s and %.10s\n", a, b) }

// A lostRun is a run that was replaced by a later one of another machine.
type lostRun struct {
	blob   plumbing.Hash
	theirs bool
}

// noteLost lists the commits of the runs that were replaced by a later one of the other
// side: the chain of data.previous does not lead to them.
func (m *merge) noteLost(root plumbing.Hash, lost map[record.ID]lostRun, ours, theirs plumbing.Hash) (plumbing.Hash, error) {
	edits := map[string]plumbing.Hash{}
	for tip, side := range map[plumbing.Hash]bool{ours: false, theirs: true} {
		files := map[string]plumbing.Hash{}
		for id, l := range lost {
			if l.theirs == side {
				files[id.Path()] = l.blob
			}
		}
		blame, err := m.g.blame(m.ctx, tip, files)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		for p, commit := range blame {
			runs := strings.TrimSuffix(p, recordExt) + runsExt
			list, err := readRuns(m.w, root, runs)
			if err != nil {
				return plumbing.ZeroHash, err
			}
			edits[runs] = m.w.Add(plumbing.BlobObject, encodeRuns(append(list, commit)), "")
		}
	}
	return applyEdits(m.w, root, "", edits)
}

// noteSaid adds to the notes of tasks that only one side has what was said of them on the other one, before
// a merge there has removed them. Those who have said that did not clear them.
func (m *merge) noteSaid(root, base plumbing.Hash, a, b *commitNode) (plumbing.Hash, error) {
	edits := map[string]plumbing.Hash{}
	for _, side := range [][2]*commitNode{{a, b}, {b, a}} {
		gone, err := m.removedByMerges(side[0], side[1], base)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		for id, before := range gone {
			folder, err := folderOf(m.w, root, id)
			if err != nil {
				return plumbing.ZeroHash, err
			}
			if blobOf(folder, string(id)+recordExt).IsZero() {
				continue
			}
			notes, err := notesOf(m.w, id, blobOf(folder, string(id)+notesExt))
			if err == nil {
				notes, err = withNotesOf(m.ctx, m.g, id, side[1].hash, before, notes)
			}
			if err != nil {
				return plumbing.ZeroHash, err
			}
			if edits[notesPath(id)], err = addNotes(m.w, notes); err != nil {
				return plumbing.ZeroHash, fmt.Errorf("task %s: %w", id, err)
			}
		}
	}
	return applyEdits(m.w, root, "", edits)
}

// removedByMerges returns the tasks that merges have removed on a side which does not have them, since the
// other one, and for each the commits that had it.
func (m *merge) removedByMerges(side, other *commitNode, base plumbing.Hash) (map[record.ID][]plumbing.Hash, error) {
	since, err := m.g.since(m.ctx, side.hash, other.hash)
	if err != nil {
		return nil, err
	}
	since = slices.DeleteFunc(since, func(c *commitNode) bool { return len(c.Parents) < 2 })
	if len(since) == 0 {
		return nil, nil
	}
	// There may be many merges, and nearly always none of them matters.
	if had, err := m.mayHaveHad(side, other, base); err != nil || !had {
		return nil, err
	}
	gone := map[record.ID][]plumbing.Hash{}
	for _, c := range since {
		for _, parent := range c.Parents {
			if err := m.removedBy(c, parent, side, gone); err != nil {
				return nil, err
			}
		}
	}
	for _, before := range gone {
		plumbing.HashesSort(before)
	}
	return gone, nil
}

// mayHaveHad reports whether the other side has a task that this one lacks, and may have had: it was in
// the merge base, was brought back, or was run again. Other tasks are new there.
func (m *merge) mayHaveHad(side, other *commitNode, base plumbing.Hash) (bool, error) {
	walk := m.newWalk()
	if err := walk.compare(other.hash, side); err != nil {
		return false, err
	}
	for id := range walk.tasks {
		for _, look := range []struct {
			r    objectReader
			tree plumbing.Hash
			path string
		}{{m.scratch, base, id.Path()}, {m.s.odb, other.Tree, notesPath(id)}} {
			if e, err := lookup(look.r, look.tree, look.path); err != nil || e != nil {
				return true, err
			}
		}
		again, err := m.runAgain(other.Tree, id)
		if err != nil || again {
			return again, err
		}
	}
	return walk.gap != nil, nil
}

// runAgain reports whether a task in a tree has been run more than once. One that cannot be read may have.
func (m *merge) runAgain(tree plumbing.Hash, id record.ID) (bool, error) {
	e, err := lookup(m.s.odb, tree, id.Path())
	if err != nil || e == nil {
		return false, err
	}
	_, b, err := m.s.odb.Get(e.hash)
	if err != nil {
		return false, err
	}
	rec, err := record.Decode(b)
	return err != nil || rec.Data.Run > 1, nil
}

// newWalk returns a walk that compares trees, of all tasks.
func (m *merge) newWalk() *clearedWalk {
	walk := &clearedWalk{ctx: m.ctx, r: m.s.odb, seen: map[treePair]bool{}, tasks: map[record.ID]record.Clearing{}}
	walk.lo, walk.hi = bounds("")
	return walk
}

// removedBy notes the tasks that a parent of a commit has, and neither the commit nor the side.
func (m *merge) removedBy(c *commitNode, parent plumbing.Hash, side *commitNode, gone map[record.ID][]plumbing.Hash) error {
	walk := m.newWalk()
	if err := walk.compare(parent, c); err != nil {
		return err // a gap, as in a shallow clone, has nothing that could be merged
	}
	for id := range walk.tasks {
		e, err := lookup(m.s.odb, side.Tree, id.Path())
		if err != nil {
			return err
		}
		if e == nil {
			gone[id] = append(gone[id], parent)
		}
	}
	return nil
}

// threeWay merges trees. The base may be made of objects that are never stored, so
// it is read elsewhere than the two sides.
type threeWay struct {
	base objectReader
	w    objectWriter
	lost map[record.ID]lostRun
}

// tree merges one folder. The result is the zero hash when nothing is left of it.
func (t *threeWay) tree(at string, base, ours, theirs plumbing.Hash) (plumbing.Hash, error) {
	switch {
	case ours == theirs || base == theirs:
		return ours, nil
	case base == ours:
		return theirs, nil
	}
	b, err := readTree(t.base, base)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	o, err := readTree(t.w, ours)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	th, err := readTree(t.w, theirs)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	var merged []treeEntry
	if strings.Count(at, "/") == taskFolderDepth {
		merged, err = t.taskFolder(b, o, th)
	} else {
		merged, err = t.entries(at, b, o, th)
	}
	if err != nil || len(merged) == 0 {
		return plumbing.ZeroHash, err
	}
	return t.w.Add(plumbing.TreeObject, encodeTree(merged), "/"+at), nil
}

func (t *threeWay) entries(at string, base, ours, theirs []treeEntry) ([]treeEntry, error) {
	var merged []treeEntry
	for name, e := range zip(base, ours, theirs) {
		if e[0].isDir() || e[1].isDir() || e[2].isDir() {
			h, err := t.tree(path.Join(at, name), e[0].hash, e[1].hash, e[2].hash)
			if err != nil {
				return nil, err
			}
			if !h.IsZero() {
				merged = append(merged, treeEntry{gitformat.ModeDir, name, h})
			}
		} else if kept := mergeFile(e[0], e[1], e[2]); !kept.hash.IsZero() {
			merged = append(merged, kept)
		}
	}
	return merged, nil
}

// mergeFile merges one of the files at the top. They are for people, so any rule
// will do that is the same everywhere.
func mergeFile(base, ours, theirs treeEntry) treeEntry {
	switch {
	case ours == theirs || base == theirs:
		return ours
	case base == ours:
		return theirs
	case bytes.Compare(ours.hash[:], theirs.hash[:]) > 0:
		return ours
	}
	return theirs
}

// taskFiles are a task's files by their extensions.
type taskFiles map[string]treeEntry

func (f taskFiles) blob() plumbing.Hash { return f[recordExt].hash }

// taskFolder merges a folder of tasks, whose files go together.
func (t *threeWay) taskFolder(base, ours, theirs []treeEntry) ([]treeEntry, error) {
	b, o, th := byTask(base), byTask(ours), byTask(theirs)
	stems := map[string]bool{}
	for _, side := range []map[string]taskFiles{o, th} {
		for stem := range side {
			stems[stem] = true
		}
	}
	var merged []treeEntry
	for stem := range stems {
		files, err := t.task(record.ID(stem), b[stem], o[stem], th[stem])
		if err != nil {
			return nil, err
		}
		merged = append(merged, slices.Collect(maps.Values(files))...)
	}
	return merged, nil
}

func byTask(entries []treeEntry) map[string]taskFiles {
	tasks := map[string]taskFiles{}
	for _, e := range entries {
		stem, _, _ := strings.Cut(e.name, ".")
		if tasks[stem] == nil {
			tasks[stem] = taskFiles{}
		}
		tasks[stem][e.name[len(stem):]] = e
	}
	return tasks
}

// task decides which side's run of a task stays the task's record. A run stands
// against its absence; of two runs the later one stands.
func (t *threeWay) task(id record.ID, base, ours, theirs taskFiles) (taskFiles, error) {
	b, o, th := base.blob(), ours.blob(), theirs.blob()
	kept := ours
	// Clearing a task does not mean runs that were not there yet, nor that it was brought back.
	stands := [2]bool{}
	for i, side := range []taskFiles{ours, theirs} {
		cleared := []taskFiles{theirs, ours}[i].blob().IsZero()
		restored, err := t.restored(id, base[notesExt], side[notesExt])
		if err != nil {
			return nil, err
		}
		stands[i] = cleared && (side[runsExt] != base[runsExt] || restored)
	}
	switch {
	case o == th || b == th && !stands[1]:
	case o.IsZero() || b == o && !stands[0]:
		kept = theirs
	case th.IsZero():
	default:
		lost := lostRun{blob: th, theirs: true}
		if t.later(id, th, o) {
			kept, lost = theirs, lostRun{blob: o}
		}
		t.lost[id] = lost
	}
	if kept.blob().IsZero() {
		return nil, nil
	}
	return t.mergeKinds(id, kept, base, ours, theirs)
}

// mergeKinds merges the files of a task by the rules of their kinds.
func (t *threeWay) mergeKinds(id record.ID, kept, base, ours, theirs taskFiles) (taskFiles, error) {
	kept = maps.Clone(kept)
	// A side that has cleared the task has not removed a part of what is kept.
	if ours.blob().IsZero() {
		ours = base
	}
	if theirs.blob().IsZero() {
		theirs = base
	}
	for ext, mergeKinds := range fileKinds {
		if mergeKinds == nil || ours[ext] == theirs[ext] {
			continue
		}
		e, err := mergeKinds(t, id, base[ext], ours[ext], theirs[ext])
		if err != nil {
			return nil, fmt.Errorf("task %s: %w", id, err)
		}
		if kept[ext] = e; e.hash.IsZero() {
			delete(kept, ext)
		}
	}
	return kept, nil
}

// later reports whether record a stands against record b: as the one that is no check, by the later time, then
// as the one that says how the run ended, then how its job ended, then with the job's
// output, then as the one whose job was asked about last, then by the larger name of its
// blob.
// One that cannot be read is older than any other.
func (t *threeWay) later(id record.ID, a, b plumbing.Hash) bool {
	ra, aerr := readRecord(t.w, id, a, record.DecodeBrief)
	rb, berr := readRecord(t.w, id, b, record.DecodeBrief)
	switch {
	case aerr != nil && berr != nil:
	case aerr != nil || berr != nil:
		return berr != nil
	case ra.IsCheck() != rb.IsCheck():
		return rb.IsCheck()
	case !ra.Data.Timestamp.Equal(rb.Data.Timestamp.Time):
		return ra.Data.Timestamp.After(rb.Data.Timestamp.Time)
	case (ra.Data.ReturnCode == nil) != (rb.Data.ReturnCode == nil):
		return rb.Data.ReturnCode == nil
	}
	if n := t.jobKnown(id, a, ra) - t.jobKnown(id, b, rb); aerr == nil && n != 0 {
		return n > 0
	}
	if n := checked(ra).Compare(checked(rb)); aerr == nil && n != 0 {
		return n > 0
	}
	return bytes.Compare(a[:], b[:]) > 0
}

// jobKnown is 1 for a record that has its job's end, and 2 for one that has its output,
// too, which only the home that started the job can bring. brief is the record as
// record.DecodeBrief has it.
func (t *threeWay) jobKnown(id record.ID, h plumbing.Hash, brief *record.Record) int {
	if brief == nil || brief.Data.Job == nil || !brief.Data.Job.Final {
		return 0
	}
	if whole, err := readRecord(t.w, id, h, record.Decode); err == nil && len(whole.Data.Job.Output)+len(whole.Data.Job.Error) > 0 {
		return 2
	}
	return 1
}

// checked is the time at which a record's job was last asked about, or the zero time.
func checked(r *record.Record) time.Time {
	if r == nil || r.Data.Job == nil || r.Data.Job.Checked == nil {
		return time.Time{}
	}
	return r.Data.Job.Checked.Time
}

// blame returns the commit that made each of the files: the one that has it as
// it is, with no parent that has. tip has all of them.
func (g *graph) blame(ctx context.Context, tip plumbing.Hash, files map[string]plumbing.Hash) (map[string]plumbing.Hash, error) {
	blame := map[string]plumbing.Hash{}
	pending := map[plumbing.Hash]map[string]bool{}
	var queue commitHeap
	push := func(h plumbing.Hash, paths map[string]bool) error {
		if len(paths) == 0 {
			return nil
		}
		if pending[h] == nil {
			c, err := g.node(h)
			if err != nil {
				return err
			}
			pending[h] = map[string]bool{}
			heap.Push(&queue, c)
		}
		maps.Copy(pending[h], paths)
		return nil
	}
	all := map[string]bool{}
	for p := range files {
		all[p] = true
	}
	if err := push(tip, all); err != nil {
		return nil, err
	}
	for len(queue) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c := heap.Pop(&queue).(*commitNode)
		rest := pending[c.hash]
		delete(pending, c.hash)
		for _, parent := range c.Parents {
			same, err := g.unchanged(parent, c, rest)
			if err != nil {
				return nil, err
			}
			if err := push(parent, same); err != nil {
				return nil, err
			}
			maps.DeleteFunc(rest, func(p string, _ bool) bool { return same[p] })
		}
		for p := range rest {
			blame[p] = c.hash
		}
	}
	return blame, nil
}

// unchanged returns those of the paths that are the same in a commit's parent.
func (g *graph) unchanged(parent plumbing.Hash, c *commitNode, paths map[string]bool) (map[string]bool, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	before, err := g.node(parent)
	if err != nil {
		return nil, err
	}
	same := maps.Clone(paths)
	return same, diffTrees(g.r, before.Tree, c.Tree, "", func(p string, _, _ treeEntry, _ [2][]treeEntry) error {
		delete(same, p)
		return nil
	})
}
