package tasks

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/executor"
	"qme/record"
	"qme/tasks/given"
	"qme/tests/require"
)

const (
	anyOrderSeeds = 8 // QME_TEST_ORDERS sets another number
	anyOrderSteps = 24
)

// TestAnyOrder has three clones of a repository run, rerun, clear, restore, note, tag and name tasks, pull
// and push, in an order that a seed gives. In the end their trees are equal, each task is there that
// somebody has run or brought back since it was cleared, and nothing that was said of a task that is
// there, and no run of it, is lost unless somebody has removed it. QME_TEST_SEED is the first seed,
// QME_TEST_ORDERS how many there are.
func TestAnyOrder(t *testing.T) {
	require.Component(t, "git")
	t.Parallel()
	first := numberOf(t, "QME_TEST_SEED", time.Now().UnixNano()%1e9)
	for i := range numberOf(t, "QME_TEST_ORDERS", anyOrderSeeds) {
		seed := first + i
		t.Run(fmt.Sprintf("QME_TEST_SEED=%d", seed), func(t *testing.T) {
			t.Parallel()
			c := newClones(t, rand.New(rand.NewPCG(uint64(seed), 16)))
			for range anyOrderSteps {
				c.step()
			}
			c.settle()
			if c.compare(); t.Failed() {
				t.Logf("QME_TEST_SEED=%d QME_TEST_ORDERS=1:\n%s", seed, strings.Join(c.log, "\n"))
			}
		})
	}
}

func numberOf(t *testing.T, name string, otherwise int64) int64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// clones are the homes that share a hub, and what was done in all of them together.
type clones struct {
	*testing.T
	rnd   *rand.Rand
	homes []*bench
	n     int
	ids   []record.ID
	// runs are the runs of each task, said the notes and tags of each that nobody has removed, and named
	// the names; a name stands in the place of another one.
	runs, said, named map[record.ID][]string
	unnamed           map[record.ID]bool // somebody has removed a name of it
	// stays are the runs and restores of each task of which nobody knew who has cleared it.
	stays   map[record.ID]map[string]bool
	cleared map[record.ID]bool
	taken   map[string]*taken // by the commit and the task
	log     []string
}

func newClones(t *testing.T, rnd *rand.Rand) *clones {
	t.Helper()
	c := &clones{T: t, rnd: rnd, runs: map[record.ID][]string{}, said: map[record.ID][]string{}, named: map[record.ID][]string{},
		unnamed: map[record.ID]bool{}, stays: map[record.ID]map[string]bool{}, cleared: map[record.ID]bool{}, taken: map[string]*taken{}}
	hub := filepath.Join(t.TempDir(), "hub.git")
	if out, err := exec.Command("git", "init", "-q", "--bare", "-b", "main", hub).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for range 3 {
		b := newBench(t, 0)
		b.Names = given.NewNames(afero.NewOsFs(), filepath.Join(b.Home, given.NamesName))
		b.Sharing = func(context.Context) (*Sharing, error) { return &Sharing{}, nil }
		if _, err := b.SetRemote(DefaultRemote, hub); err != nil {
			t.Fatal(err)
		}
		c.homes = append(c.homes, b)
	}
	return c
}

func (c *clones) note(format string, args ...any) {
	c.log = append(c.log, fmt.Sprintf(format, args...))
}

func (c *clones) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatalf("%s: %v\n%s", c.Name(), err, strings.Join(c.log, "\n"))
	}
}

func (c *clones) step() {
	c.Helper()
	i := c.rnd.IntN(len(c.homes))
	id, there := c.pick(i)
	n := c.rnd.IntN(100)
	switch {
	case n < 12 || len(c.ids) == 0:
		c.run(i, "")
	case n < 40:
		c.share(i, n)
	case n < 50:
		c.restore(i)
	case !there:
	case n < 62:
		c.run(i, id)
	case n < 70:
		c.clear(i, id)
	default:
		c.say(i, id, n)
	}
}

// pick chooses a task that a home has.
func (c *clones) pick(i int) (record.ID, bool) {
	all, err := c.homes[i].allIDs()
	c.must(err)
	for _, at := range c.rnd.Perm(len(c.ids)) {
		if all[c.ids[at]] {
			return c.ids[at], true
		}
	}
	return "", false
}

// run runs a task, a new one if id is "".
func (c *clones) run(i int, id record.ID) {
	c.Helper()
	b := c.homes[i]
	var rep *Report
	var err error
	if id == "" {
		rep, err = b.RunNew(context.Background(), executor.Command{Executor: "shell", Argv: []string{"true"}, Line: "true"}, RunOptions{})
	} else {
		rep, err = b.Rerun(context.Background(), string(id), RunOptions{})
	}
	c.must(err)
	c.must(rep.Err)
	if id == "" {
		id = rep.Record.UID
		c.ids = append(c.ids, id)
		c.stays[id] = map[string]bool{}
	}
	run := string(rep.Record.Data.RunID)
	c.runs[id] = append(c.runs[id], run)
	c.stays[id][run] = true
	c.note("%d runs %s: %s", i, c.short(id), run)
}

// short names a task in the log.
func (c *clones) short(id record.ID) string { return fmt.Sprintf("task %d", slices.Index(c.ids, id)) }

func (c *clones) share(i, n int) {
	c.Helper()
	how, what := (*Service).Sync, "syncs"
	switch n % 3 {
	case 0:
		how, what = (*Service).Pull, "pulls"
	case 1:
		how, what = (*Service).Push, "pushes"
	}
	_, err := how(c.homes[i].Service, context.Background(), "", ShareOptions{})
	c.must(err)
	c.note("%d %s", i, what)
}

// clear clears a task, and those runs and restores with it of which the home knows.
func (c *clones) clear(i int, id record.ID) {
	c.Helper()
	b := c.homes[i]
	known := c.known(i, id)
	for _, one := range known {
		delete(c.stays[id], one)
	}
	ids, err := b.SelectTasks([]string{string(id)})
	c.must(err)
	rec, err := b.task(id)
	c.must(err)
	version, err := b.Clear(context.Background(), string(id), ids)
	c.must(err)
	c.cleared[id] = true
	c.note("%d clears %s", i, c.short(id))
	// What was known is cleared with it, and comes back with it.
	took := &taken{notes: rec.Notes.Clone()}
	took.said, c.said[id] = split(c.said[id], func(one string) bool { return has(took.notes, one) })
	took.runs, c.runs[id] = split(c.runs[id], func(one string) bool { return slices.Contains(known, one) })
	if took.notes.Name != nil {
		c.unnamed[id] = true
	}
	c.taken[version+string(id)] = took
}

// A taken is what a clear has removed with a task.
type taken struct {
	said, runs []string
	notes      *record.Notes
}

// split returns those of a list that fit, and the others.
func split(list []string, fits func(string) bool) (fitting, rest []string) {
	for _, one := range list {
		if fits(one) {
			fitting = append(fitting, one)
		} else {
			rest = append(rest, one)
		}
	}
	return fitting, rest
}

// has reports whether notes have a note, by its id, or a tag.
func has(notes *record.Notes, one string) bool {
	return slices.Contains(notes.Tags, one) || slices.ContainsFunc(notes.Notes, func(n record.Note) bool { return n.ID == one })
}

// known lists the runs of a task, and when it was restored, as a home has them.
func (c *clones) known(i int, id record.ID) (list []string) {
	c.Helper()
	for v, err := range c.homes[i].Runs(string(id)) {
		c.must(err)
		list = append(list, string(v.Record.Data.RunID))
		if at := v.Record.Notes.Clone().Restored; at != nil {
			for token := range c.stays[id] {
				if when, err := time.Parse(time.RFC3339Nano, token); err == nil && !when.After(at.Time) {
					list = append(list, token)
				}
			}
		}
	}
	return list
}

// restore brings back a task that was cleared, by its id, or what the last clear has removed.
func (c *clones) restore(i int) {
	c.Helper()
	b := c.homes[i]
	var list []record.Clearing
	var err error
	if c.rnd.IntN(4) == 0 {
		list, err = b.ClearedBy(context.Background(), "")
		c.must(err)
	} else {
		var one record.Clearing
		one, err = b.ClearedTask(context.Background(), string(c.ids[c.rnd.IntN(len(c.ids))]))
		if err == nil {
			list = append(list, one)
		} else if !errors.Is(err, record.ErrNotFound) {
			c.must(err)
		}
	}
	if len(list) == 0 {
		return
	}
	c.must(b.Restore(context.Background(), "", list))
	for _, one := range list {
		rec, err := b.task(one.ID)
		c.must(err)
		c.stays[one.ID][rec.Notes.Restored.UTC().Format(time.RFC3339Nano)] = true
		c.note("%d restores %s", i, c.short(one.ID))
		if took := c.taken[one.Commit+string(one.ID)]; took != nil {
			c.said[one.ID] = append(c.said[one.ID], took.said...)
			c.runs[one.ID] = append(c.runs[one.ID], took.runs...)
			took.said, took.runs = nil, nil
		}
	}
}

// say writes a note, a tag or a name, or removes or edits one.
func (c *clones) say(i int, id record.ID, n int) {
	c.Helper()
	b := c.homes[i]
	c.n++
	word := fmt.Sprintf("w%d", c.n)
	gone := func(word string) {
		is := func(one string) bool { return one == word }
		c.said[id] = slices.DeleteFunc(c.said[id], is)
		for _, took := range c.taken {
			took.said = slices.DeleteFunc(took.said, is)
		}
	}
	if n >= 92 { // a name
		if c.rnd.IntN(4) == 0 {
			word, c.unnamed[id] = "", true
		} else {
			c.named[id] = append(c.named[id], word)
		}
		c.must(b.Name(context.Background(), id, word, false))
		c.note("%d names %s %q", i, c.short(id), word)
		return
	}
	err := b.Annotate(context.Background(), "", []record.ID{id}, func(_ record.ID, notes *record.Notes) error {
		switch {
		case n < 74 && len(notes.Notes) > 0:
			at := c.rnd.IntN(len(notes.Notes))
			gone(notes.Notes[at].ID)
			c.note("%d removes the note %s of %s", i, notes.Notes[at].ID, c.short(id))
			notes.Notes = slices.Delete(notes.Notes, at, at+1)
		case n < 77 && len(notes.Tags) > 0:
			at := c.rnd.IntN(len(notes.Tags))
			gone(notes.Tags[at])
			c.note("%d removes the tag %s of %s", i, notes.Tags[at], c.short(id))
			notes.Tags = slices.Delete(notes.Tags, at, at+1)
		case n < 80 && len(notes.Notes) > 0:
			now := record.Now()
			at := c.rnd.IntN(len(notes.Notes))
			notes.Notes[at].Text, notes.Notes[at].Edited = word, &now
			c.note("%d edits the note %s of %s", i, notes.Notes[at].ID, c.short(id))
		case n < 86:
			notes.Tags = append(notes.Tags, word)
			c.said[id] = append(c.said[id], word)
			c.note("%d tags %s %s", i, c.short(id), word)
		default:
			note := b.Note(word)
			notes.Notes = append(notes.Notes, note)
			c.said[id] = append(c.said[id], note.ID)
			c.note("%d notes %s of %s", i, note.ID, c.short(id))
		}
		return nil
	})
	c.must(err)
}

// settle has all exchange with the hub until nothing changes.
func (c *clones) settle() {
	c.Helper()
	c.note("settle")
	for range 2 {
		for i := range c.homes {
			c.share(i, 2)
		}
	}
}

func (c *clones) compare() {
	c.Helper()
	first := c.tree(c.homes[0])
	for i, b := range c.homes {
		if tree := c.tree(b); tree != first {
			c.Errorf("home %d has the tree %s, home 0 %s", i, tree, first)
		}
		_, err := b.history.Check(context.Background(), func(err error) { c.Errorf("home %d: %v", i, err) }, nil)
		c.must(err)
	}
	for _, id := range c.ids {
		c.compareTask(id)
	}
}

// tree returns the tree of a home's history.
func (c *clones) tree(b *bench) string {
	c.Helper()
	out, err := exec.Command("git", "-C", b.history.Dir(), "rev-parse", "HEAD^{tree}").CombinedOutput()
	c.must(err)
	return string(out)
}

func (c *clones) compareTask(id record.ID) {
	c.Helper()
	b := c.homes[0]
	rec, err := b.task(id)
	if errors.Is(err, record.ErrNotFound) {
		if !c.cleared[id] || len(c.stays[id]) > 0 {
			c.Errorf("%s is gone, in spite of %v", c.short(id), c.stays[id])
		}
		return
	}
	c.must(err)
	runs := c.known(0, id)
	for _, run := range c.runs[id] {
		if !slices.Contains(runs, run) {
			c.Errorf("the run %s of %s is lost", run, c.short(id))
		}
	}
	notes := rec.Notes.Clone()
	for _, one := range c.said[id] {
		if !has(notes, one) {
			c.Errorf("%s of %s is lost", one, c.short(id))
		}
	}
	if names := c.named[id]; len(names) > 0 && !c.unnamed[id] && !slices.Contains(names, notes.Named()) {
		c.Errorf("%s has the name %q, not one of %v", c.short(id), notes.Named(), names)
	}
}
