package gitstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"

	"qme/gitstore"
	"qme/gitstore/storetest"
	"qme/record"
)

// modelSteps is how many random steps TestModel takes; QME_TEST_STEPS sets another
// number, for a long search.
const modelSteps = 300

// TestModel compares a history with a plain map under random commands: put, rerun,
// delete, several at once, GC, work of git's, a new process, and crashes and full
// disks at random operations. QME_TEST_SEED repeats a run.
func TestModel(t *testing.T) {
	t.Parallel()
	seed := number(t, "QME_TEST_SEED", time.Now().UnixNano())
	steps := number(t, "QME_TEST_STEPS", modelSteps)
	t.Logf("QME_TEST_SEED=%d QME_TEST_STEPS=%d", seed, steps)
	m := &model{T: t, rnd: rand.New(rand.NewPCG(uint64(seed), 1)), dir: filepath.Join(t.TempDir(), "tasks.git"),
		fs: storetest.New(afero.NewOsFs()), runs: map[record.ID][]*record.Record{}, streams: map[string][]byte{}}
	m.reopen()
	for i := range int(steps) {
		m.step()
		if i%40 == 0 {
			m.compare()
		}
		if t.Failed() {
			t.Fatalf("after step %d (seed %d):\n%s", i, seed, strings.Join(m.log[max(0, len(m.log)-15):], "\n"))
		}
	}
	m.fs.Arm(storetest.Fault{})
	m.reopen()
	m.compare()
	selfCheck(t, m.s)
	fsck(t, m.dir)
	t.Logf("%d tasks, %d of %d steps met a fault", len(m.runs), m.faults, steps)
	if m.faults == 0 {
		t.Error("no step met a fault")
	}
}

func number(t *testing.T, name string, otherwise int64) int64 {
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

// A model is a history and what it should hold.
type model struct {
	*testing.T
	rnd     *rand.Rand
	fs      *storetest.FS
	dir     string
	s       *gitstore.Store
	runs    map[record.ID][]*record.Record // runs of each task since it was last cleared, oldest first
	streams map[string][]byte              // by SHA-256
	n       int
	faults  int
	crash   bool // the fault of this step is the end of the process
	log     []string
}

func (m *model) note(format string, args ...any) { m.log = append(m.log, fmt.Sprintf(format, args...)) }

// reopen goes on as another process, on a disk that works.
func (m *model) reopen() {
	m.Helper()
	if m.s != nil {
		_ = m.s.Close() // its process may be dead
	}
	ageLocks(m.T, m.dir)
	s, err := gitstore.Open(m.fs, m.dir, gitstore.Options{Identity: tester, NoSync: m.rnd.IntN(2) == 0, LockTimeout: time.Second, StaleLock: 3 * time.Second})
	if err != nil {
		m.Fatalf("Open: %v", err)
	}
	m.s = s
}

func (m *model) step() {
	kinds := storetest.Kinds()
	fault := storetest.Fault{}
	if m.rnd.IntN(4) == 0 {
		fault = kinds[m.rnd.IntN(len(kinds))]
		fault.At = 1 + m.rnd.IntN(30)
	}
	m.fs.Arm(fault)
	m.crash = fault.Crash
	switch n := m.rnd.IntN(20); {
	case n < 12:
		m.commit()
	case n < 15:
		m.collect(m.rnd.IntN(3) == 0)
	case n < 16:
		m.fs.Arm(storetest.Fault{})
		m.git()
	default:
		m.fs.Arm(storetest.Fault{})
		m.note("reopen")
		m.reopen()
	}
	failed := m.fs.Failed()
	m.fs.Arm(storetest.Fault{})
	m.restore(failed)
}

// commit makes one to three random changes at once.
func (m *model) commit() {
	var changes []gitstore.Change
	after := map[record.ID][]*record.Record{}
	for range 1 + m.rnd.IntN(3)*m.rnd.IntN(2) {
		changes = append(changes, m.change(after))
	}
	_, err := m.s.Commit(context.Background(), changes...)
	failed := m.fs.Failed()
	m.note("commit of %d changes: %v", len(changes), err)
	if err != nil && failed == "" {
		m.Errorf("Commit: %v", err)
	}
	if m.fs.Arm(storetest.Fault{}); err == nil {
		m.apply(after)
		m.restore(failed)
		return
	}
	// All of it is there, or nothing. Behind a crash nobody was told which.
	fresh, operr := gitstore.Open(afero.NewOsFs(), m.dir, gitstore.Options{})
	if operr != nil {
		m.Fatalf("Open: %v", operr)
	}
	defer fresh.Close()
	there, not := 0, 0
	for id, runs := range after {
		rec, err := fresh.Get("", id)
		got, want, before := "gone", "gone", "gone"
		if err == nil {
			got = encoded(m.T, rec)
		}
		if len(runs) > 0 {
			want = encoded(m.T, runs[len(runs)-1])
		}
		if old := m.runs[id]; len(old) > 0 {
			before = encoded(m.T, old[len(old)-1])
		}
		switch {
		case want == before: // cannot be told apart
		case got == want:
			there++
		case got == before:
			not++
		default:
			m.Errorf("task %s is neither as before nor as it should be:\n%s", id, got)
		}
	}
	if there > 0 && not > 0 {
		m.Errorf("a part of a Commit is there: %d tasks are, %d are not", there, not)
	}
	if there > 0 {
		m.note("  it is there")
		m.apply(after)
	}
	m.restore(failed)
}

// restore notes a fault that has come, and goes on as the process would.
func (m *model) restore(failed string) {
	if failed == "" {
		return
	}
	m.faults++
	m.note("  %s failed", failed)
	if m.crash {
		m.reopen()
	}
}

func (m *model) apply(after map[record.ID][]*record.Record) {
	for id, runs := range after {
		if len(runs) == 0 {
			delete(m.runs, id)
		} else {
			m.runs[id] = runs
		}
	}
}

// current returns a task's runs behind the changes so far.
func (m *model) current(after map[record.ID][]*record.Record, id record.ID) []*record.Record {
	if runs, ok := after[id]; ok {
		return runs
	}
	return m.runs[id]
}

func (m *model) change(after map[record.ID][]*record.Record) gitstore.Change {
	ids := m.ids()
	if len(ids) > 0 && m.rnd.IntN(8) == 0 {
		gone := ids[m.rnd.IntN(len(ids))]
		after[gone] = nil
		m.note("delete %s", gone)
		return clearing(gone)
	}
	m.n++
	id := idAt([]string{"shell", "slurm"}[m.rnd.IntN(2)], epoch.Add(time.Duration(m.rnd.IntN(600))*time.Second), m.n)
	if len(ids) > 0 && m.rnd.IntN(2) == 0 {
		id = ids[m.rnd.IntN(len(ids))]
	}
	m.note("put %s", id)
	rec := task(id, fmt.Sprint("output ", m.n))
	var streams map[record.StreamName]gitstore.Blob
	if m.rnd.IntN(3) == 0 {
		b := noise(uint64(m.n), m.rnd.IntN(100_000))
		streams = stored(rec, record.Stdout, b)
		m.streams[rec.Data.Stdout.SHA256] = b
	}
	after[id] = append(slices.Clone(m.current(after, id)), rec)
	return run(rec, streams)
}

// ids lists the tasks in an order that the seed decides.
func (m *model) ids() []record.ID {
	var ids []record.ID
	for id := range m.runs {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (m *model) collect(all bool) {
	rep, err := m.s.GC(context.Background(), all)
	m.note("gc %v: %+v, %v", all, rep, err)
	if err != nil && m.fs.Failed() == "" {
		m.Errorf("GC: %v", err)
	}
}

func (m *model) git() {
	cmd := housekeeping[m.rnd.IntN(len(housekeeping))]
	m.note("git %v", cmd)
	if out, err := tryGit(m.dir, "", cmd...); err != nil && out != "" {
		m.Errorf("git %v: %v\n%s", cmd, err, out)
	}
}

// compare reads all of the history.
func (m *model) compare() {
	m.Helper()
	var want []*record.Record
	for _, runs := range m.runs {
		want = append(want, runs[len(runs)-1])
	}
	wantTasks(m.T, m.s, record.Range{}, place{}.all(want...))
	for _, runs := range m.runs {
		version := ""
		for i, rec := range slices.Backward(runs) {
			if rec.Data.Run != i+1 {
				m.Errorf("task %s: run %d of the model was written as run %d", rec.UID, i+1, rec.Data.Run)
			}
			wantRecord(m.T, m.s, version, rec)
			if d := rec.Data.Stdout; d != nil && string(readStream(m.T, m.s, version, rec, record.Stdout)) != string(m.streams[d.SHA256]) {
				m.Errorf("task %s, run %d: the stream is not what it was", rec.UID, i+1)
			}
			version = rec.Data.Previous
		}
	}
}
