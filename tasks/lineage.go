package tasks

import (
	"context"
	"slices"

	"qme/record"
)

// LineageOptions bound a Lineage.
type LineageOptions struct {
	Down  bool // what was made from the root, not from what that was made
	Depth int  // at most so many runs one after the other; 0: any number
	Limit int  // at most so many nodes; 0: MostNodes
}

// MostNodes is how many nodes a Lineage has at most if no other number is wanted.
const MostNodes = 1000

// A Lineage are runs and files, each of which was made from others: a graph whose edges go with the time,
// from a file to a run that used it, and from a run to a file that it made.
type Lineage struct {
	Down  bool
	Nodes []LineageNode // the root is the first; the others follow by their distance from it
	Edges []LineageEdge
	// LeftOut is how many files and runs were found and are not among the nodes, because there were more
	// than LineageOptions.Limit; there may be further ones behind them.
	LeftOut int
	// Gaps is of how many runs of the home not all files are known; see Links.Gaps.
	Gaps int
	// Remade is how many inputs are left out since they are what an earlier run of the same work had made,
	// and the run has made again; see Links.remade.
	Remade int
}

// A LineageNode is a run or a file.
type LineageNode struct {
	Run *Version // nil of a file

	Latest bool // of a run: whether it is its task's latest

	Path    string  // of a file: the absolute path by which it was used, or, of the root, which it has
	Content Content // of a file
	// Known says of a file whether it was found out what is behind it: which run made it or, with Down, which
	// runs have used it. It is false behind as many runs as LineageOptions.Depth says.
	Known bool
	// Makers is how many runs wrote the content of a file, as far as the index tells.
	Makers int
	// LeftOut is how many files of a run, or users of a file, are not among the nodes.
	LeftOut int
}

// A LineageEdge says how one node has come from another one.
type LineageEdge struct {
	From, To int // in Lineage.Nodes, by time
	// File is the file as the run lists it.
	File record.File
	// Match says how the content that this run lists compares with that of the file's node: SameUnknown if
	// nothing but the path joins them, Different only for a root that has changed since.
	Match Match
	// Own says that the file's node is what this run lists, so there was nothing to compare.
	Own bool
}

// ByPath reports whether nothing but the path joins the run and the file.
func (e LineageEdge) ByPath() bool { return e.Match == SameUnknown && !e.Own }

// NamedOnly reports whether nothing but a word of the command line says that the run has to do with the
// file.
func (e LineageEdge) NamedOnly() bool { return NamedOnly(e.File) }

// LineageOfFile returns the lineage of a file of which the makers are known.
func (l *Links) LineageOfFile(ctx context.Context, m *MadeFile, o LineageOptions) (*Lineage, error) {
	t := newDescent(l, o)
	root := t.add(LineageNode{Path: m.Path, Content: m.Content})
	if m.ByContent {
		t.Nodes[root].Makers = m.Count
	}
	if o.Down {
		w := Wanted{Content: m.Content, Paths: namesOfFile(m.Path)}
		if m.Path == "" {
			w.Paths = nil
		}
		err := t.usersOf(ctx, root, w, nil, 0)
		return t.whole(ctx, err)
	}
	t.Nodes[root].Known = true
	if len(m.Runs) > 0 {
		t.madeBy(root, m.Runs[0], 0)
	}
	return t.whole(ctx, nil)
}

// LineageOfRun returns the lineage of a run.
func (l *Links) LineageOfRun(ctx context.Context, v Version, o LineageOptions) (*Lineage, error) {
	t := newDescent(l, o)
	t.run(v, v.Commit == "", 0)
	return t.whole(ctx, nil)
}

// A descent finds out a lineage, by the distance from the root.
type descent struct {
	*Lineage
	l     *Links
	o     LineageOptions
	runs  map[record.RunKey]int
	files map[fileKey]int
	queue []reached
}

// A reached is a run whose files are to be looked at.
type reached struct {
	node, depth int
	begun       string // only what was in this file before the run appended to it; "": all other files
}

// A fileKey tells files apart: by content and path or, where no hash is known, by the run from which it
// came.
type fileKey struct {
	content Content
	path    string
	from    record.RunKey
}

func newDescent(l *Links, o LineageOptions) *descent {
	if o.Limit == 0 {
		o.Limit = MostNodes
	}
	return &descent{Lineage: &Lineage{Down: o.Down}, l: l, o: o, runs: map[record.RunKey]int{}, files: map[fileKey]int{}}
}

// add adds a node; -1 where there are too many.
func (t *descent) add(n LineageNode) int {
	if len(t.Nodes) >= t.o.Limit {
		t.LeftOut++
		return -1
	}
	t.Nodes = append(t.Nodes, n)
	return len(t.Nodes) - 1
}

// run returns the node of a run, which it adds if it is new; -1 where there are too many.
func (t *descent) run(v Version, latest bool, depth int) int {
	key := v.Record.RunKey()
	if at, ok := t.runs[key]; ok {
		return at
	}
	at := t.add(LineageNode{Run: &v, Latest: latest})
	if at >= 0 {
		t.runs[key] = at
		t.queue = append(t.queue, reached{node: at, depth: depth})
	}
	return at
}

// whole follows all runs that were reached.
func (t *descent) whole(ctx context.Context, err error) (*Lineage, error) {
	for err == nil && len(t.queue) > 0 {
		next := t.queue[0]
		t.queue = t.queue[1:]
		if t.o.Down {
			err = t.down(ctx, next)
		} else {
			err = t.up(ctx, next)
		}
	}
	if err == nil {
		t.Gaps, err = t.l.Gaps(ctx)
	}
	if err != nil {
		return nil, err
	}
	return t.Lineage, nil
}

// ends reports whether a run at this depth is beyond what is wanted.
func (t *descent) ends(depth int) bool { return t.o.Depth > 0 && depth >= t.o.Depth }

// filesOf returns all files of a run that are known here.
func (l *Links) filesOf(v Version) *record.Files {
	files, err := v.linkFiles()
	if err != nil {
		l.lose(err)
	}
	return files
}

// up looks for the runs that made the inputs of a run. Those that a run has made come first.
func (t *descent) up(ctx context.Context, r reached) error {
	v := *t.Nodes[r.node].Run
	files := t.l.filesOf(v)
	_, outs := filesByPath(files)
	var of, raw []record.File
	sources := map[string]*Link{}
	for i, in := range files.In {
		// What a log had before leads to the log, and not to what else the run has made.
		if (in.Offset > 0) != (r.begun != "") || r.begun != "" && in.Path != r.begun {
			continue
		}
		if len(t.Nodes)+i > t.o.Limit+sparePerRun { // the rest would be left out
			raw = append(raw, slices.DeleteFunc(slices.Clone(files.In[i:]), func(in record.File) bool { return in.Offset > 0 })...)
			break
		}
		if t.ends(r.depth+1) && !inPlace(outs, in) {
			raw = append(raw, in)
			continue
		}
		source, err := t.l.Source(ctx, v, in)
		if err != nil {
			return err
		}
		if source == nil {
			raw = append(raw, in)
			continue
		}
		if remade(v, outs, in, *source) {
			t.Remade++
			continue
		}
		if t.ends(r.depth + 1) {
			raw = append(raw, in)
			continue
		}
		sources[in.Path] = source
		of = append(of, in)
	}
	for _, in := range slices.Concat(of, raw) {
		if err := t.input(ctx, r, v, in, sources[in.Path]); err != nil {
			return err
		}
	}
	return nil
}

// sparePerRun is how many inputs of a run are looked at beyond the limit, so that those that a run has made
// are among the nodes.
const sparePerRun = 1000

// input adds an input of a run.
func (t *descent) input(ctx context.Context, r reached, v Version, in record.File, source *Link) error {
	w := WantedOf(v.Record, in)
	key := fileKey{content: w.Content, path: w.Paths[0]}
	if source != nil {
		key.from = source.Run.Record.RunKey()
	}
	at, ok := t.files[key]
	if !ok {
		n := LineageNode{Path: w.Paths[0], Content: w.Content, Known: !t.ends(r.depth + 1)}
		if source != nil && source.Match != SameUnknown {
			var err error
			if n.Makers, err = t.l.CountMade(ctx, w.Content); err != nil {
				return err
			}
		}
		if at = t.add(n); at < 0 {
			t.Nodes[r.node].LeftOut++
			return nil
		}
		t.files[key] = at
		if source != nil {
			t.madeBy(at, *source, r.depth+1)
		}
	}
	t.Edges = append(t.Edges, LineageEdge{at, r.node, in, w.Compare(in), true})
	return nil
}

// madeBy adds the run that made a file.
func (t *descent) madeBy(file int, k Link, depth int) {
	run := t.run(k.Run, k.Latest, depth)
	if run < 0 {
		t.Nodes[file].LeftOut++
		return
	}
	t.Edges = append(t.Edges, LineageEdge{run, file, k.File, k.Match, false})
	if one := (reached{run, depth, k.File.Path}); k.File.Offset > 0 && !slices.ContainsFunc(t.Edges, func(e LineageEdge) bool { return e.To == run && e.File.Path == one.begun }) {
		t.queue = append(t.queue, one)
	}
}

// down looks for the runs that used the outputs of a run.
func (t *descent) down(ctx context.Context, r reached) error {
	v := *t.Nodes[r.node].Run
	files := t.l.filesOf(v)
	for _, out := range files.Out {
		w := WantedOf(v.Record, out)
		key := fileKey{content: w.Content, path: w.Paths[0], from: v.Record.RunKey()}
		at, ok := t.files[key]
		if !ok {
			if at = t.add(LineageNode{Path: w.Paths[0], Content: w.Content}); at < 0 {
				t.Nodes[r.node].LeftOut++
				continue
			}
			t.files[key] = at
			if err := t.usersOf(ctx, at, w, &v, r.depth+1); err != nil {
				return err
			}
		}
		t.Edges = append(t.Edges, LineageEdge{r.node, at, out, w.Compare(out), true})
	}
	return nil
}

// usersOf adds the runs that used a file, which a run has made if that is not nil.
func (t *descent) usersOf(ctx context.Context, file int, w Wanted, maker *Version, depth int) error {
	if t.Nodes[file].Known = !t.ends(depth); t.ends(depth) {
		return nil
	}
	users, err := t.users(ctx, w, maker)
	if err != nil {
		return err
	}
	slices.Reverse(users) // the first run comes first
	for _, k := range users {
		run := t.run(k.Run, k.Latest, depth)
		if run < 0 {
			t.Nodes[file].LeftOut++
			continue
		}
		t.Edges = append(t.Edges, LineageEdge{file, run, k.File, k.Match, false})
	}
	return nil
}

// users returns the runs that used a file after it was made: those that had its content, and those that had
// its path where no hashes can be compared. Those of an empty file are known by the path alone.
func (t *descent) users(ctx context.Context, w Wanted, maker *Version) ([]Link, error) {
	c := Choice{Limit: t.o.Limit}
	same, err := t.l.Used(ctx, w, c)
	if err != nil {
		return nil, err
	}
	named, err := t.l.Read(ctx, w, c)
	if err != nil {
		return nil, err
	}
	named = slices.DeleteFunc(named, func(k Link) bool { return k.Match != SameUnknown })
	var users []Link
	for _, k := range limited(latestFirst(slices.Concat(same, named)), 0) {
		if k.File.Offset > 0 && len(t.l.filesOf(k.Run).Out) > 1 {
			continue // what else it has made does not come from what was in the file before
		}
		ok, err := t.follows(ctx, w, k, maker)
		if err != nil {
			return nil, err
		}
		if ok && NamedOnly(k.File) {
			again, err := t.madeAgain(ctx, k)
			if err != nil {
				return nil, err
			}
			if again {
				t.Remade++
				continue
			}
		}
		if ok {
			users = append(users, k)
		}
	}
	return users, nil
}

// madeAgain reports whether a run has a file from an earlier run of the same work, and has made it again.
func (t *descent) madeAgain(ctx context.Context, user Link) (bool, error) {
	source, err := t.l.Source(ctx, user.Run, user.File)
	if err != nil || source == nil {
		return false, err
	}
	_, outs := filesByPath(t.l.filesOf(user.Run))
	return remade(user.Run, outs, user.File, *source), nil
}

// follows reports whether a run that used a file can have it from another one, or from an earlier run of the
// same task that wrote the same.
func (t *descent) follows(ctx context.Context, w Wanted, user Link, maker *Version) (bool, error) {
	if w.Size == 0 && !user.SamePath {
		return false, nil
	}
	if maker == nil {
		return true, nil
	}
	began := user.Run.Record.Data.Timestamp.Time
	if user.Match == SameUnknown {
		source, err := t.l.Source(ctx, user.Run, user.File)
		return source != nil && source.Run.Record.UID == maker.Record.UID, err
	}
	if began.After(maker.Record.Data.Timestamp.Time) {
		return true, nil
	}
	earlier, err := t.l.Made(ctx, w, Choice{Before: began, Task: maker.Record.UID, Limit: 1})
	return len(earlier) > 0, err
}
