package gitstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/gitstore"
	"qme/record"
)

// exchangeSteps is how many random steps TestExchange takes; QME_TEST_STEPS sets
// another number, for a long search.
const exchangeSteps = 150

// TestExchange has three machines run, rerun and clear tasks, pull from each other
// and from a shared repository, push there, and crash while they do. In the end all
// have the same tree, every run that was ever committed is in the history, and of
// each task that nobody cleared the latest run is the record.
func TestExchange(t *testing.T) {
	t.Parallel()
	seed := number(t, "QME_TEST_SEED", time.Now().UnixNano())
	steps := number(t, "QME_TEST_STEPS", exchangeSteps)
	t.Logf("QME_TEST_SEED=%d QME_TEST_STEPS=%d", seed, steps)
	l := newLab(t, rand.New(rand.NewPCG(uint64(seed), 2)), 3)
	for range steps {
		l.step()
	}
	l.settle()
	l.compare()
}

// TestExchangeMany is TestExchange of many short histories, in which machines meet
// in most of the ways there are.
func TestExchangeMany(t *testing.T) {
	t.Parallel()
	seed := number(t, "QME_TEST_SEED", time.Now().UnixNano())
	t.Logf("QME_TEST_SEED=%d", seed)
	for i := range 40 {
		l := newLab(t, rand.New(rand.NewPCG(uint64(seed), uint64(i))), 3)
		for range 14 {
			l.step()
		}
		l.settle()
		if l.compare(); t.Failed() {
			t.Fatalf("history %d of seed %d:\n%s", i, seed, strings.Join(l.log, "\n"))
		}
	}
}

// A lab is some machines with a repository that they share.
type lab struct {
	*testing.T
	rnd      *rand.Rand
	dir      string
	machines []*gitstore.Store // the last one is the shared repository
	clock    time.Time
	n        int
	latest   map[record.ID]time.Time // of each task, its latest run
	cleared  map[record.ID]bool      // somebody cleared it at some time
	commits  []string                // of every run
	checked  map[string]time.Time    // of each task and run, when somebody last asked about its job
	said     map[string]record.ID    // the tasks of notes that nobody has removed
	restored map[record.ID]bool      // somebody brought it back, and nobody has cleared it since
	log      []string
}

func newLab(t *testing.T, rnd *rand.Rand, machines int) *lab {
	l := &lab{T: t, rnd: rnd, dir: t.TempDir(), clock: epoch, latest: map[record.ID]time.Time{}, cleared: map[record.ID]bool{}, checked: map[string]time.Time{}, said: map[string]record.ID{}, restored: map[record.ID]bool{}}
	for i := range machines + 1 {
		l.machines = append(l.machines, l.open(i))
	}
	return l
}

func (l *lab) open(i int) *gitstore.Store {
	s, err := gitstore.Open(afero.NewOsFs(), filepath.Join(l.dir, fmt.Sprint(i), "tasks.git"), gitstore.Options{NoSync: true, Identity: tester})
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { _ = s.Close() })
	return s
}

func (l *lab) note(format string, args ...any) { l.log = append(l.log, fmt.Sprintf(format, args...)) }

func (l *lab) hub() int { return len(l.machines) - 1 }

func (l *lab) step() {
	l.Helper()
	i := l.rnd.IntN(l.hub())
	switch n := l.rnd.IntN(100); {
	case n < 30:
		l.run(i, "")
	case n < 39:
		if id := l.pick(i); id != "" {
			l.run(i, id)
		}
	case n < 45:
		if id := l.pick(i); id != "" {
			l.check(i, id)
		}
	case n < 55:
		if id := l.pick(i); id != "" {
			l.refresh(i, id)
			if j := l.rnd.IntN(l.hub()); j != i && l.knows(j, id) {
				l.refresh(j, id)
			}
		}
	case n < 60:
		if id := l.pick(i); id != "" {
			l.note("%d clears %s", i, id)
			commit(l, l.machines[i], clearing(id))
			l.cleared[id] = true
			delete(l.restored, id)
		}
	case n < 65:
		if id := l.pick(i); id != "" {
			l.annotate(i, id)
		}
	case n < 68:
		l.restore(i)
	case n < 75:
		l.pull(i, l.rnd.IntN(len(l.machines)))
	case n < 82:
		l.pull(i, l.hub())
	case n < 95:
		l.push(i)
	default:
		l.note("%d fetches from %d, and is cut off", i, l.hub())
		_, err := l.machines[i].Fetch(context.Background(), "hub", l.machines[l.hub()].Peer(), gitstore.FetchOptions{})
		l.must(err)
		l.machines[i] = l.open(i)
	}
}

func (l *lab) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatalf("%v\n%s", err, strings.Join(l.log, "\n"))
	}
}

// pick chooses a task that a machine knows.
func (l *lab) pick(i int) record.ID {
	var ids []record.ID
	for id, err := range idsOf(l.machines[i], record.Range{}) {
		l.must(err)
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return ""
	}
	return ids[l.rnd.IntN(len(ids))]
}

// run records a run: of a new task when id is "".
func (l *lab) run(i int, id record.ID) {
	l.clock = l.clock.Add(time.Duration(1+l.rnd.IntN(90)) * time.Second)
	if id == "" {
		l.n++
		id = idAt("shell", l.clock, l.n)
	}
	rec := task(id, fmt.Sprintf("run at %s on %d\n", l.clock, i))
	rec.Data.Timestamp, rec.Data.Host = record.Time{Time: l.clock}, fmt.Sprintf("host%d", i)
	change := run(rec, nil)
	change.When = l.clock.Add(time.Duration(i-1) * 3 * 24 * time.Hour) // the clocks differ
	version := commit(l, l.machines[i], change)
	l.note("%d runs %s at %s: %.10s", i, id, l.clock.Format(time.TimeOnly), version)
	l.latest[id] = l.clock
	l.commits = append(l.commits, version)
}

// check records a check of a task, which stays beside its record.
func (l *lab) check(i int, id record.ID) {
	l.clock = l.clock.Add(time.Second)
	rec := task(id, fmt.Sprintf("check at %s on %d\n", l.clock, i))
	rec.Data.Timestamp, rec.Data.Host = record.Time{Time: l.clock}, fmt.Sprintf("host%d", i)
	rec.Data.Check = &record.Check{Verdict: record.CheckReproduced, Output: record.CheckEqual}
	change := run(rec, nil)
	change.Verb, change.Beside, change.When = "check", true, l.clock
	version := commit(l, l.machines[i], change)
	l.note("%d checks, that is runs %s at %s: %.10s", i, id, l.clock.Format(time.TimeOnly), version)
	l.commits = append(l.commits, version)
}

// refresh records a later state of the job of a task's present run.
func (l *lab) refresh(i int, id record.ID) {
	l.clock = l.clock.Add(time.Second)
	change := gitstore.Change{Verb: "refresh", ID: id, When: l.clock, Build: func(current *record.Record, _ string) (*record.Record, error) {
		rec := *current
		rec.Data.Job = &record.Job{ID: "1", State: fmt.Sprint(l.clock.Unix()), Checked: &record.Time{Time: l.clock}}
		l.checked[l.runKey(&rec)] = l.clock
		return &rec, nil
	}}
	l.note("%d asks about %s at %s: %.10s", i, id, l.clock.Format(time.TimeOnly), commit(l, l.machines[i], change))
}

// annotate adds a note to a task, or removes one.
func (l *lab) annotate(i int, id record.ID) {
	l.clock = l.clock.Add(time.Second)
	change := gitstore.Change{Verb: "note", Annotate: []record.ID{id}, When: l.clock, Edit: func(_ record.ID, n *record.Notes) (*record.Notes, error) {
		if len(n.Notes) > 0 && l.rnd.IntN(3) == 0 {
			delete(l.said, n.Notes[0].ID)
			n.Notes = n.Notes[1:]
			return n, nil
		}
		note := record.Note{ID: fmt.Sprintf("%012x", l.clock.Unix()), At: record.Time{Time: l.clock}, By: "x", Text: "said"}
		n.Notes, l.said[note.ID] = append(n.Notes, note), id
		n.Tags = append(n.Tags, "t"+note.ID)
		return n, nil
	}}
	l.note("%d notes something about %s: %.10s", i, id, commit(l, l.machines[i], change))
}

// restore brings a task back that was cleared.
func (l *lab) restore(i int) {
	l.clock = l.clock.Add(time.Second)
	sn, err := l.machines[i].Latest()
	l.must(err)
	cleared, err := sn.Cleared(context.Background(), "")
	l.must(err)
	if len(cleared.Tasks) == 0 {
		return
	}
	one := cleared.Tasks[l.rnd.IntN(len(cleared.Tasks))]
	l.note("%d restores %s: %.10s", i, one.ID, commit(l, l.machines[i], gitstore.Change{Verb: "restore", Restore: []record.Clearing{one}, When: l.clock}))
	l.restored[one.ID] = true
}

func (l *lab) knows(i int, id record.ID) bool {
	_, err := l.machines[i].Get("", id)
	if !errors.Is(err, record.ErrNotFound) {
		l.must(err)
	}
	return err == nil
}

func (l *lab) runKey(rec *record.Record) string {
	return string(rec.UID) + rec.Data.Timestamp.UTC().String()
}

func (l *lab) pull(i, from int) {
	if i == from {
		return
	}
	got, err := l.machines[i].Fetch(context.Background(), fmt.Sprint("from", from), l.machines[from].Peer(), gitstore.FetchOptions{})
	l.must(err)
	m, err := l.machines[i].Merge(context.Background(), got.Commit, nil)
	l.must(err)
	l.note("%d pulls from %d: %.10s", i, from, m.After)
}

func (l *lab) push(i int) {
	for {
		p, err := l.machines[i].Push(context.Background(), "hub", l.machines[l.hub()].Peer(), gitstore.PushOptions{})
		if err == nil {
			l.note("%d pushes %.10s", i, p.After)
			return
		}
		if !errors.Is(err, gitstore.ErrBehind) {
			l.must(err)
		}
		l.pull(i, l.hub())
	}
}

// settle has everybody exchange with everybody until nothing changes.
func (l *lab) settle() {
	for range 2 {
		for i := range l.hub() {
			l.push(i)
		}
	}
	for i := range l.hub() {
		l.pull(i, l.hub())
	}
}

func (l *lab) compare() {
	l.Helper()
	first, err := l.machines[0].Head()
	l.must(err)
	for i, s := range l.machines {
		head, err := s.Head()
		l.must(err)
		if head != first {
			l.Errorf("machine %d is at %s, machine 0 at %s", i, head, first)
		}
	}
	s := l.machines[l.rnd.IntN(len(l.machines))]
	for _, c := range l.commits {
		if base, err := s.MergeBase(context.Background(), first, c); err != nil || base != c {
			l.Errorf("run %s is lost: %v", c, err)
		}
	}
	l.compareTasks(s)
	selfCheck(l.T, s)
	fsck(l.T, s.Dir())
}

func (l *lab) compareTasks(s *gitstore.Store) {
	l.Helper()
	for note, id := range l.said {
		rec, err := s.Get("", id)
		switch {
		case l.cleared[id]: // a clear takes the notes with it that it knew of
		case err != nil:
			l.Errorf("task %s: %v", id, err)
		case !slices.ContainsFunc(rec.Notes.Clone().Notes, func(n record.Note) bool { return n.ID == note }):
			l.Errorf("the note %s of %s is lost", note, id)
		}
	}
	for id := range l.restored {
		if _, err := s.Get("", id); err != nil {
			l.Errorf("task %s was brought back: %v", id, err)
		}
	}
	for id, at := range l.latest {
		rec, err := s.Get("", id)
		switch {
		case errors.Is(err, record.ErrNotFound) && l.cleared[id]:
		case err != nil:
			l.Errorf("task %s: %v", id, err)
		case !l.cleared[id] && !rec.Data.Timestamp.Equal(at): // a clear takes the runs with it that it knew of
			l.Errorf("the record of %s is of %s, the latest run of %s", id, rec.Data.Timestamp, at)
		}
		if err != nil || l.cleared[id] {
			continue
		}
		if at, asked := l.checked[l.runKey(rec)]; asked && (rec.Data.Job == nil || !rec.Data.Job.Checked.Equal(at)) {
			l.Errorf("the job of %s is not as it was at %s: %+v", id, at, rec.Data.Job)
		}
		if got, want := l.lines(s, rec), l.runsOf(id); got != want {
			l.Errorf("task %s has %d runs of %d", id, got, want)
		}
	}
}

// runsOf counts the runs of a task that were committed anywhere.
func (l *lab) runsOf(id record.ID) int {
	return len(slices.DeleteFunc(slices.Clone(l.log), func(line string) bool { return !strings.Contains(line, " runs "+string(id)) }))
}

// lines counts the runs to which a record leads: by data.previous, and by the list
// of runs beside it.
func (l *lab) lines(s *gitstore.Store, rec *record.Record) int {
	l.Helper()
	seen := map[int64]bool{}
	follow := func(r *record.Record) {
		for {
			seen[r.Data.Timestamp.UnixNano()] = true
			if r.Data.Previous == "" {
				return
			}
			before, err := s.Get(r.Data.Previous, r.UID)
			if err != nil {
				l.Errorf("the run before %s: %v", r.Data.Timestamp, err)
				return
			}
			r = before
		}
	}
	follow(rec)
	others, err := s.OtherRuns("", rec.UID)
	l.must(err)
	for _, c := range others {
		other, err := s.Get(c, rec.UID)
		l.must(err)
		follow(other)
	}
	return len(seen)
}
