package tasks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/index/query"
	"qme/record"
	"qme/tasks/spool"
	"qme/tasks/waiting"
	"qme/tests/enqueue"
)

// newQueue returns a bench with a folder for waiting tasks.
func newQueue(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, 0)
	b.Waiting = waiting.New(afero.NewOsFs(), filepath.Join(b.Home, "queue"))
	return b
}

// add has a task wait.
func (b *bench) add(t *testing.T, command string, tries int) record.ID {
	t.Helper()
	rec, e := enqueue.Task(t, command, waiting.Terms{Tries: tries})
	if err := b.Waiting.Add(rec, e, nil); err != nil {
		t.Fatal(err)
	}
	return rec.UID
}

// begin starts a waiting task as its supervisor does, and returns what ends the try with a return code.
// Where again is set, the task waits again then.
func (b *bench) begin(t *testing.T, id record.ID) (end func(code int, again bool)) {
	t.Helper()
	rec, err := b.Waiting.Record(id)
	if err != nil {
		t.Fatal(err)
	}
	rec.Data.Status, rec.Data.Timestamp = record.Running, record.Now()
	entry, err := b.Spool.Begin(rec)
	if err != nil {
		t.Fatal(err)
	}
	claimed := entry.Queued()
	if err := b.Waiting.Claim(id, claimed); err != nil {
		t.Fatal(err)
	}
	return func(code int, again bool) {
		now := record.Now()
		rec.Data.Status, rec.Data.ReturnCode, rec.Data.Finished = record.Complete, &code, &now
		if err := entry.Write(rec); err != nil {
			t.Fatal(err)
		}
		b.history.put(t, rec)
		if again {
			err = b.Waiting.Return(id, claimed, entry.MoveQueued, (*waiting.Entry).Next)
		} else {
			err = b.Waiting.Drop(id, claimed)
		}
		if err := errors.Join(err, entry.Remove()); err != nil {
			t.Fatal(err)
		}
	}
}

// listed returns the ids of a listing.
func (b *bench) listed(t *testing.T, f Filter) (ids []record.ID) {
	t.Helper()
	for item := range b.List(f) {
		if item.Err != nil {
			t.Fatal(item.Err)
		}
		ids = append(ids, item.ID)
	}
	return ids
}

// A waiting task is listed, found and searched like all others, with the outcome queued.
func TestQueuedIsATask(t *testing.T) {
	t.Parallel()
	b := newQueue(t)
	ran := b.run(t).Record.UID
	waits, later := b.add(t, "simulate", 0), b.add(t, "render", 0)
	for name, c := range map[string]struct {
		f    Filter
		want []record.ID
	}{
		"all":       {Filter{}, []record.ID{later, waits, ran}},
		"oldest":    {Filter{Sort: SortOldest}, []record.ID{ran, waits, later}},
		"created":   {Filter{Sort: SortCreated}, []record.ID{later, waits, ran}},
		"duration":  {Filter{Sort: SortDuration}, []record.ID{ran, later, waits}},
		"two":       {Filter{Limit: 2}, []record.ID{later, waits}},
		"queued":    {Filter{Outcomes: record.QueuedOnes}, []record.ID{later, waits}},
		"active":    {Filter{Outcomes: record.ActiveOnes}, []record.ID{later, waits}},
		"running":   {Filter{Outcomes: record.RunningOnes}, nil},
		"ok":        {Filter{Outcomes: 1 << record.OK}, []record.ID{ran}},
		"one":       {Filter{Executor: "shell", Prefix: waits.UUID()}, []record.ID{waits}},
		"of none":   {Filter{Executor: "other"}, nil},
		"since now": {Filter{Since: time.Now().Add(time.Hour)}, nil},
	} {
		if got := b.listed(t, c.f); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	for _, ref := range []string{string(waits), waits.UUID(), "@2", waits.Short(len(waits.UUID()))} {
		v, err := b.Find(ref)
		if err != nil || v.Record.UID != waits || v.Record.Outcome() != record.Queued {
			t.Errorf("Find(%q): %+v, %v", ref, v.Record, err)
		}
	}
	what, err := query.Parse("status:queued simulate", query.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := b.Search(t.Context(), what, SearchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var found []record.ID
	for f := range s.Found {
		if found = append(found, f.ID); f.Err != nil {
			t.Fatal(f.Err)
		}
	}
	if !slices.Equal(found, []record.ID{waits}) {
		t.Errorf("a search finds %v, want %v", found, waits)
	}
	o, err := b.Overview()
	if err != nil || len(o.Queued) != 2 || len(o.Running) != 0 || o.Looked != 0 { // of a home without a history

		t.Errorf("an overview has %+v, %v", o, err)
	}
}

// What needs a run is refused with advice as long as a task waits.
func TestQueuedIsRefused(t *testing.T) {
	t.Parallel()
	b := newQueue(t)
	id := b.add(t, "simulate", 0)
	v, err := b.Find(string(id))
	if err != nil {
		t.Fatal(err)
	}
	_, rerun := b.Rerun(t.Context(), string(id), RunOptions{})
	_, clear := b.Select(string(id))
	_, cleared := b.Clear(t.Context(), "it", []record.ID{id})
	note := b.PutNote(t.Context(), id, b.Note("text"))
	_, diff := b.Compare(v, v, DiffLimit)
	_, checkout := CheckoutOptions{}.state(v.Record)
	for name, c := range map[string]struct {
		err  error
		says string
	}{
		"rerun": {rerun, "qme cancel"}, "select": {clear, "qme cancel"}, "clear": {cleared, "qme cancel"},
		"note": {note, "qme wait"}, "diff": {diff, "qme wait"}, "checkout": {checkout, "qme wait"},
	} {
		if !errors.Is(c.err, record.ErrConflict) || !strings.Contains(c.err.Error(), c.says) || !strings.Contains(c.err.Error(), "waits in the queue") {
			t.Errorf("%s: %v, want a conflict with %q", name, c.err, c.says)
		}
	}
	if _, err := v.Stream(record.Stdout); !errors.Is(err, record.ErrNotYet) {
		t.Errorf("its output: %v, want ErrNotYet", err)
	}
	if _, err := v.Part(record.PartPatch); !errors.Is(err, record.ErrNoPart) {
		t.Errorf("a part of it: %v, want ErrNoPart", err)
	}
}

// An answer is what a wait ends with.
type answer struct {
	rec *record.Record
	err error
}

// A wait goes on from the queue to the spool, back to the queue, and to the end of the last try.
func TestWaitOverTries(t *testing.T) {
	t.Parallel()
	b := newQueue(t)
	id := b.add(t, "simulate", 2)
	ended := make(chan answer, 1)
	seen := make(chan record.Outcome, 1000)
	go func() {
		rec, err := b.Wait(t.Context(), string(id), func(rec *record.Record) { seen <- rec.Outcome() })
		ended <- answer{rec, err}
	}()
	until := func(want record.Outcome) {
		t.Helper()
		for {
			select {
			case o := <-seen:
				if o == want {
					return
				}
			case a := <-ended:
				t.Fatalf("the wait has ended: %+v, %v", a.rec, a.err)
			}
		}
	}
	until(record.Queued)
	end := b.begin(t, id)
	until(record.Goes)
	end(1, true)
	until(record.Queued)
	v, err := b.Find(string(id))
	if err != nil || v.Record.Data.Run != 2 || v.Record.Outcome() != record.Queued {
		t.Fatalf("between two tries it is %+v, %v", v.Record, err)
	}
	var numbers []int
	for run, err := range b.Runs(string(id)) {
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, run.Number)
	}
	if !slices.Equal(numbers, []int{2, 1}) {
		t.Errorf("its runs are %v, want 2 and 1", numbers)
	}
	if got := b.listed(t, Filter{Outcomes: record.FailedOnes}); len(got) != 0 {
		t.Errorf("among the failed ones is %v, which waits", got)
	}
	if got := b.listed(t, Filter{}); !slices.Equal(got, []record.ID{id}) {
		t.Errorf("it is listed as %v", got)
	}
	end = b.begin(t, id)
	until(record.Goes)
	end(3, false)
	a := <-ended
	if a.err != nil || *a.rec.Code() != 3 {
		t.Errorf("the wait ended with %+v, %v", a.rec, a.err)
	}
}

// A try that has failed is in the spool and in the history before its task waits again. That is not the
// end for what waits for the task.
func TestFailedTryIsNotTheEnd(t *testing.T) {
	t.Parallel()
	b := newQueue(t)
	id := b.add(t, "simulate", 2)
	rec, err := b.Waiting.Record(id)
	if err != nil {
		t.Fatal(err)
	}
	one := 1
	rec.Data.Status, rec.Data.ReturnCode = record.Complete, &one
	if !b.goesOn(&record.Record{Data: record.Data{Status: record.Running}}) {
		t.Error("what is running has ended")
	}
	if !b.goesOn(rec) {
		t.Error("a try whose task waits again has ended")
	}
	entry, err := b.Spool.Begin(rec)
	if err == nil {
		err = b.Waiting.Claim(id, entry.Queued())
	}
	if err != nil {
		t.Fatal(err)
	}
	if !b.goesOn(rec) {
		t.Error("a try in the spool that may be repeated has ended")
	}
	last := *rec
	last.Data.Queue = &record.Queue{Added: rec.Data.Queue.Added, Try: 2, Tries: 2}
	if b.goesOn(&last) {
		t.Error("the last try goes on")
	}
	b.history.put(t, rec)
	if err := errors.Join(b.Waiting.Drop(id, entry.Queued()), entry.Remove()); err != nil {
		t.Fatal(err)
	}
	if b.goesOn(rec) {
		t.Error("a task that has left the queue goes on")
	}
}

// Who waits for a task that the user has to free learns that.
func TestWaitForStuck(t *testing.T) {
	t.Parallel()
	b := newQueue(t)
	id, other := b.add(t, "simulate", 0), b.add(t, "render", 0)
	b.Reasons = func(context.Context, []record.ID) (map[record.ID]WaitReason, error) {
		return map[record.ID]WaitReason{id: {Word: "held", Text: `"qme release" frees it`, Stuck: true}, other: {Word: "slots"}}, nil
	}
	_, one := b.Wait(t.Context(), string(id), nil)
	_, all := b.WaitAll(t.Context(), []record.ID{id}, nil)
	_, any := b.WaitAny(t.Context(), []record.ID{id})
	_, follow := b.PassOn(t.Context(), Version{Record: mustRecord(t, b, id), service: b.Service}, Passing{})
	for name, err := range map[string]error{"one": one, "all": all, "any": any, "follow": follow} {
		if !errors.Is(err, record.ErrConflict) || !strings.Contains(err.Error(), string(id)) || !strings.Contains(err.Error(), `held: "qme release" frees it`) {
			t.Errorf("%s: %v, want a conflict that names the task and why", name, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if _, err := b.WaitAny(ctx, []record.ID{id, other}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("any of two, of which one can start: %v, want that it waits", err)
	}
}

func mustRecord(t *testing.T, b *bench, id record.ID) *record.Record {
	t.Helper()
	rec, err := b.task(id)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// Who follows a task that waits sees what it prints when it runs.
func TestFollowFromTheQueue(t *testing.T) {
	t.Parallel()
	b := newQueue(t)
	id := b.add(t, "simulate", 0)
	v, err := b.Find(string(id))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	ended := make(chan error, 1)
	var rec *record.Record
	go func() {
		var err error
		rec, err = b.PassOn(t.Context(), v, Passing{Out: &out, Err: &out, Whole: true})
		ended <- err
	}()
	b.begin(t, id)(0, false)
	if err := <-ended; err != nil || *rec.Code() != 0 {
		t.Errorf("the end is %+v, %v", rec, err)
	}
}

// Short names tell waiting tasks apart that were added in the same millisecond.
func TestShortNamesOfQueued(t *testing.T) {
	t.Parallel()
	b := newQueue(t)
	for range 50 {
		b.add(t, "simulate", 0)
	}
	seen := map[string]record.ID{}
	for item := range b.List(Filter{}) {
		if other, twice := seen[item.Short]; twice || item.Err != nil {
			t.Errorf("%s is the name of %s and %s (%v)", item.Short, item.ID, other, item.Err)
		}
		seen[item.Short] = item.ID
		if v, err := b.Find(item.Short); err != nil || v.Record.UID != item.ID {
			t.Errorf("Find(%q): %v", item.Short, err)
		}
	}
	if len(seen) != 50 {
		t.Errorf("%d tasks are listed", len(seen))
	}
}

// A task that moves between the queue, the spool and the history all the time is always found, and listed
// once. Who waits for it sees the end of its last try and none before.
func TestMovingTaskIsFound(t *testing.T) {
	t.Parallel()
	const tries = 40
	b := newQueue(t)
	id := b.add(t, "simulate", tries)
	ended, stop, looked := make(chan answer, 1), make(chan struct{}), make(chan error, 2)
	own := *b.Service // each goroutine has its own
	go func() {
		w := queueWait{q: &own, ids: []record.ID{id}}
		rec, err := own.task(id)
		for err == nil && own.goesOn(rec) { // as Wait does, without a pause
			if err = w.look(t.Context(), rec); err == nil {
				rec, err = own.task(id)
			}
		}
		ended <- answer{rec, err}
	}()
	look := func(find func() error) {
		for {
			select {
			case <-stop:
				looked <- nil
				return
			default:
				if err := find(); err != nil {
					looked <- err
					return
				}
			}
		}
	}
	found := *b.Service
	go look(func() error {
		_, err := found.Find(id.UUID()[:13])
		return err
	})
	listing := *b.Service
	go look(func() error {
		n := 0
		for item := range listing.List(Filter{}) {
			if n++; item.Err != nil {
				return item.Err
			}
		}
		if n != 1 {
			return fmt.Errorf("it is listed %d times", n)
		}
		return nil
	})
	for n := range tries {
		b.begin(t, id)(n+1, n < tries-1)
	}
	a := <-ended
	close(stop)
	if err := errors.Join(<-looked, <-looked); err != nil {
		t.Error(err)
	}
	if a.err != nil || *a.rec.Code() != tries {
		t.Errorf("the wait ended with %+v, %v, want the code %d", a.rec, a.err, tries)
	}
}

// A returning is the file system of a spool; back is called before anything is looked at.
type returning struct {
	afero.Fs
	back func()
}

func (f returning) Open(name string) (afero.File, error) {
	f.back()
	return f.Fs.Open(name)
}

func (f returning) OpenFile(name string, flag int, mode os.FileMode) (afero.File, error) {
	f.back()
	return f.Fs.OpenFile(name, flag, mode)
}

// A task that goes back from the spool to the queue, as its command cannot be started, is found by those who have looked
// in the queue before.
func TestFoundWhereItGoesBack(t *testing.T) {
	t.Parallel()
	b := newQueue(t)
	id := b.add(t, "never", 0)
	for name, find := range map[string]func(*Service) (found bool, err error){
		"task": func(q *Service) (bool, error) {
			rec, err := q.task(id)
			return err == nil && rec.UID == id, err
		},
		"view": func(q *Service) (found bool, err error) {
			v, err := q.View()
			if err != nil {
				return false, err
			}
			for res := range v.Records(record.Range{}) {
				found = found || res.ID == id
			}
			return found, nil
		},
	} {
		started, err := b.claim(id)
		if err != nil {
			t.Fatal(err)
		}
		back := sync.OnceValue(func() error { return b.returnAsItWas(started) })
		meanwhile := *b.Service
		meanwhile.Spool = spool.New(returning{afero.NewOsFs(), func() { _ = back() }}, b.Spool.Dir())
		found, err := find(&meanwhile)
		if berr := back(); !found || err != nil || berr != nil {
			t.Errorf("%s: found %v, %v, %v", name, found, err, berr)
		}
	}
}
