package tasks

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"qme/gitstore"
	"qme/record"
)

// TestCompareContents never takes contents for the same without a hash of the same kind.
func TestCompareContents(t *testing.T) {
	t.Parallel()
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	for _, c := range []struct {
		is   Content
		file record.File
		want Match
	}{
		{Content{Size: 1, SHA256: a}, record.File{Size: 1, SHA256: a}, SameContent},
		{Content{Size: 1, SHA256: a}, record.File{Size: 1, SHA256: b}, Different},
		{Content{Size: 1, SHA256: a}, record.File{Size: 2}, Different},
		{Content{Size: 1, SHA256: a}, record.File{Size: 1}, SameUnknown},
		{Content{Size: 1}, record.File{Size: 1, SHA256: a}, SameUnknown},
		{Content{Size: 1}, record.File{Size: 1}, SameUnknown},
		{Content{Size: -1}, record.File{Size: 1, SHA256: a}, SameUnknown},
		{Content{Size: 9, SHA256: a}, record.File{Size: 9, SHA256: a, Partial: true}, SameUnknown},
		{Content{Size: 9, Ends: a}, record.File{Size: 9, SHA256: a}, SameUnknown},
		{Content{Size: 9, SHA256: b, Ends: a}, record.File{Size: 9, SHA256: a, Partial: true}, SameEnds},
		{Content{Size: 9, SHA256: b, Ends: a}, record.File{Size: 8, SHA256: a, Partial: true}, Different},
		{Content{Size: 9, SHA256: a, Ends: a}, record.File{Size: 9, SHA256: b, Partial: true}, Different},
	} {
		if got := c.is.Compare(c.file); got != c.want {
			t.Errorf("%+v and %+v: %d, want %d", c.is, c.file, got, c.want)
		}
	}
}

// filed puts runs of some tasks into the history, each with a few files of few contents and paths, and returns
// them, the first one first.
func (b *bench) filed(t *testing.T, rnd *rand.Rand) (runs []*record.Record) {
	t.Helper()
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	latest := map[record.ID]*record.Record{}
	var ids []record.ID
	for i := range 60 {
		at := begin.Add(time.Duration(i) * time.Minute)
		file := func() record.File {
			content := rnd.IntN(8)
			f := record.File{Path: fmt.Sprintf("f%d", rnd.IntN(6)), Size: int64(min(content, 4)), SHA256: record.NewPart([]byte{byte(content)}).SHA256, By: record.ByWord}
			if rnd.IntN(5) == 0 {
				f.SHA256 = ""
			}
			return f
		}
		rec := &record.Record{Executor: "shell", Command: fmt.Sprint(i), Data: record.Data{
			PWD: fmt.Sprintf("/home/%d", rnd.IntN(2)), Cmd: []string{fmt.Sprint(i)}, Status: record.Complete, Timestamp: record.Time{Time: at}, Run: 1,
			RunID: record.RunID(idAt(t, at).UUID()), Files: &record.Files{In: []record.File{file(), file()}, Out: []record.File{file(), file()}},
		}}
		if len(ids) > 0 && rnd.IntN(3) == 0 {
			rec.UID = ids[rnd.IntN(len(ids))]
			rec.Data.Run = latest[rec.UID].Data.Run + 1
		} else {
			rec.UID = idAt(t, at)
			ids = append(ids, rec.UID)
		}
		build := func(current *record.Record, commit string) (*record.Record, error) {
			if current != nil {
				rec.Data.Previous = commit
			}
			return rec, nil
		}
		if _, err := b.history.Commit(t.Context(), gitstore.Change{Verb: "run", What: rec.Command, ID: rec.UID, Build: build}); err != nil {
			t.Fatal(err)
		}
		latest[rec.UID] = rec
		runs = append(runs, rec)
	}
	return runs
}

// idAt returns a new id of a moment.
func idAt(t *testing.T, at time.Time) record.ID {
	t.Helper()
	id, err := record.NewID("shell")
	if err != nil {
		t.Fatal(err)
	}
	ms := fmt.Sprintf("%012x", at.UnixMilli())
	id, err = record.ParseID("shell-" + ms[:8] + "-" + ms[8:] + id.UUID()[13:])
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// sourceOf is what Links.Source should find, by a look at each run.
func sourceOf(runs []*record.Record, of *record.Record, in record.File) *record.Record {
	path := of.Data.PathOf(in)
	var here, moved, named *record.Record
	unknown := false
	for _, r := range runs {
		if !r.Data.Timestamp.Before(of.Data.Timestamp.Time) {
			break
		}
		wrote, same := false, false
		match := Different
		for _, f := range r.Data.Files.Out {
			m, at := ContentOf(in).Compare(f), r.Data.PathOf(f) == path
			same = same || m == SameContent
			if at && m == SameContent {
				here = r
			}
			if at {
				wrote, match = true, min(match, m)
			}
		}
		if same {
			moved = r
		}
		if wrote {
			named, unknown = r, match == SameUnknown
		}
	}
	switch {
	case here != nil:
		return here
	case moved != nil && in.Size > 0:
		return moved
	case unknown:
		return named
	}
	return nil
}

// TestLineage compares the lineage of each run of a random history, back and down, with a look at each run, and
// with what must hold for each.
func TestLineage(t *testing.T) {
	rnd := rand.New(rand.NewPCG(18, 5))
	b := newBench(t, 0)
	runs := b.filed(t, rnd)
	l, err := b.Links(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	for i, rec := range runs {
		v := b.version(t, rec)
		for _, in := range rec.Data.Files.In {
			got, err := l.Source(t.Context(), v, in)
			if err != nil {
				t.Fatal(err)
			}
			if want := sourceOf(runs, rec, in); (got == nil) != (want == nil) || got != nil && got.Run.Record.Data.RunID != want.Data.RunID {
				t.Errorf("run %d, %s: %+v, want %+v", i, in.Path, got, want)
			}
		}
		for _, o := range []LineageOptions{{}, {Down: true}, {Limit: 7}, {Down: true, Limit: 7}, {Depth: 2}, {Down: true, Depth: 2}} {
			g, err := l.LineageOfRun(t.Context(), v, o)
			if err != nil {
				t.Fatal(err)
			}
			checkLineage(t, fmt.Sprintf("run %d, %+v", i, o), g, o)
		}
	}
	if len(b.said) > 0 {
		t.Error(b.said)
	}
}

func (b *bench) version(t *testing.T, rec *record.Record) Version {
	t.Helper()
	for v, err := range b.Runs(string(rec.UID)) {
		if err != nil {
			t.Fatal(err)
		}
		if v.Record.Data.RunID == rec.Data.RunID {
			return v
		}
	}
	t.Fatalf("run %s is not there", rec.Data.RunID)
	return Version{}
}

// checkLineage has each edge lead from a file to a run or back, in the direction of time, and each node be
// reached.
func checkLineage(t *testing.T, what string, g *Lineage, o LineageOptions) {
	t.Helper()
	if o.Limit > 0 && len(g.Nodes) > o.Limit || o.Limit == 0 && g.LeftOut > 0 {
		t.Errorf("%s: %d nodes, %d left out", what, len(g.Nodes), g.LeftOut)
	}
	reached := map[int]bool{0: true}
	var made, used []LineageEdge
	for _, e := range g.Edges {
		from, to := g.Nodes[e.From], g.Nodes[e.To]
		if (from.Run == nil) == (to.Run == nil) {
			t.Fatalf("%s: an edge joins nodes of the same kind", what)
		}
		reached[e.From], reached[e.To] = true, true
		if from.Run != nil {
			made = append(made, e)
		} else {
			used = append(used, e)
		}
	}
	if len(reached) != len(g.Nodes) {
		t.Errorf("%s: %d of %d nodes are reached", what, len(reached), len(g.Nodes))
	}
	if o.Down { // a run may have used what an earlier run of the same task has made
		return
	}
	for _, m := range made {
		for _, u := range used {
			if m.To == u.From && !g.Nodes[m.From].Run.Record.Data.Timestamp.Before(g.Nodes[u.To].Run.Record.Data.Timestamp.Time) {
				t.Errorf("%s: a file was used before it was made", what)
			}
		}
	}
	keys := map[record.RunKey]bool{}
	for _, n := range g.Nodes {
		if n.Run != nil {
			if keys[n.Run.Record.RunKey()] {
				t.Errorf("%s: a run is there twice", what)
			}
			keys[n.Run.Record.RunKey()] = true
		}
	}
	if slices.ContainsFunc(g.Nodes, func(n LineageNode) bool { return n.Run == nil && !n.Known }) != (o.Depth > 0 && len(g.Nodes) > 1) && o.Depth == 0 {
		t.Errorf("%s: what is behind a file is not known", what)
	}
}
