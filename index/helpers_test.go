package index_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"qme/index"
	"qme/index/query"
	"qme/record"
)

// A history is a Source's commits, in memory.
type history struct {
	mu      sync.Mutex
	commits map[string]tasks
	head    string
	count   int
	parents map[string]string
}

type tasks map[record.ID]*record.Record

// unique finds out how many characters of each UUID are its alone, as record.Result has it.
func (all tasks) unique() map[record.ID]int {
	unique := map[record.ID]int{}
	sorted := slices.SortedFunc(maps.Keys(all), func(a, b record.ID) int { return cmp.Compare(a.UUID(), b.UUID()) })
	for i, a := range sorted {
		unique[a] = len("019aaf3c-1b2c")
		for _, b := range append(sorted[max(0, i-1):i:i], sorted[i+1:min(i+2, len(sorted))]...) {
			n := 0
			for n < len(a.UUID())-1 && a.UUID()[n] == b.UUID()[n] {
				n++
			}
			unique[a] = max(unique[a], n+1)
		}
	}
	return unique
}

// commit makes a commit of what edit leaves of the newest one, and returns it.
func (h *history) commit(edit func(tasks)) snapshot {
	h.mu.Lock()
	defer h.mu.Unlock()
	next := maps.Clone(h.commits[h.head])
	if next == nil {
		h.commits, h.parents, next = map[string]tasks{}, map[string]string{}, tasks{}
	}
	edit(next)
	h.count++
	before := h.head
	h.head = fmt.Sprintf("commit-%d", h.count)
	h.commits[h.head], h.parents[h.head] = next, before
	return snapshot{h, h.head, next, next.unique()}
}

func (h *history) forget(commit string) (back func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.commits[commit]
	delete(h.commits, commit)
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.commits[commit] = was
	}
}

// A snapshot is an index.Source.
type snapshot struct {
	h    *history
	name string
	all  tasks

	unique map[record.ID]int
}

func (s snapshot) Commit() string { return s.name }

func (s snapshot) Records(rg record.Range) iter.Seq[record.Result] {
	return s.ordered(slices.Collect(maps.Keys(s.all)), rg.Order)
}

func (s snapshot) Select(ids []record.ID, _ bool) iter.Seq[record.Result] {
	return s.ordered(ids, nil)
}

func (s snapshot) ordered(ids []record.ID, o *record.Order) iter.Seq[record.Result] {
	return func(yield func(record.Result) bool) {
		ids = slices.Clone(ids)
		slices.SortFunc(ids, o.Compare)
		for _, id := range ids {
			r := s.all[id]
			if r == nil {
				continue
			}
			res := record.Result{ID: id, Record: r, Unique: s.unique[id]}
			if r.Data.Status == "unreadable" {
				res = record.Result{ID: id, Err: record.ErrCorrupt, Unique: s.unique[id]}
			}
			if !yield(res) {
				return
			}
		}
	}
}

func (s snapshot) Stream(rec *record.Record, _ record.StreamName) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(streamOf(rec))), nil
}

// streamOf is what is stored beside a record.
func streamOf(rec *record.Record) string {
	return strings.Repeat(rec.Data.Message+" st\x1b[1mored \xff\r\n", 20) + rec.Command
}

func (s snapshot) Files(rec *record.Record) (*record.Files, error) { return rec.Data.Files, nil }

func (s snapshot) Earlier(rec *record.Record) iter.Seq2[index.Run, error] { return earlier(rec) }

func (s snapshot) Changes(_ context.Context, from string) iter.Seq2[record.Difference, error] {
	return func(yield func(record.Difference, error) bool) {
		s.h.mu.Lock()
		old, ok := s.h.commits[from]
		s.h.mu.Unlock()
		if !ok {
			yield(record.Difference{}, record.ErrCorrupt)
			return
		}
		for _, m := range []tasks{old, s.all} {
			for id := range m {
				if old[id] != s.all[id] && (m[id] == s.all[id] || s.all[id] == nil) && !yield(record.Difference{ID: id, Removed: s.all[id] == nil}, nil) {
					return
				}
			}
		}
	}
}

// Cleared looks at all commits from the newest one back.
func (s snapshot) Cleared(_ context.Context, since string) (record.Cleared, error) {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	var all record.Cleared
	seen := map[record.ID]bool{}
	at, n := s.name, s.h.count
	for ; at != "" && at != since; at = s.h.parents[at] {
		before := s.h.parents[at]
		n--
		if _, ok := s.h.commits[before]; !ok {
			if before != "" {
				all.Gap = record.ErrCorrupt
			}
			break
		}
		var ids []record.ID
		for id := range s.h.commits[before] {
			if s.h.commits[at][id] == nil && s.all[id] == nil && !seen[id] {
				ids, seen[id] = append(ids, id), true
			}
		}
		slices.Sort(ids)
		for _, id := range ids {
			all.Tasks = append(all.Tasks, record.Clearing{ID: id, Commit: at, Before: before, When: time.Unix(int64(n), 0)})
		}
	}
	if since != "" && at != since {
		return record.Cleared{}, record.ErrNotFound
	}
	return all, nil
}

func (s snapshot) At(commit string) (index.Source, error) {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	all, ok := s.h.commits[commit]
	if !ok {
		return nil, record.ErrCorrupt
	}
	return snapshot{s.h, commit, all, all.unique()}, nil
}

// words are what random records consist of, and many needles.
var words = []string{"T1w.nii.gz", "--lr=3e-4", "Größe", "ΣΊΣΥΦΟΣ", "K\u212A", "seed=42", "a", "\n", "\t", "no space left", "%", "日本", "\u0000", "\"", "\\", "Moto", "ẞ", "İ", "-", "𝔘", "\ufffd", "cafe\u0301", "caf\u00e9", "\u0301", "e",
	"\x1b[31m", "er\x1b[1mror", "\x1b]8;;https://example.org/31m\a", "\r", "\r\n", "\b", "\x1b", "\x1bP"}

func randomText(rnd *rand.Rand, most int) string {
	var b strings.Builder
	for range rnd.IntN(most + 1) {
		b.WriteString(words[rnd.IntN(len(words))])
		if rnd.IntN(2) == 0 {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

var commits = []string{"0123456789abcdef0123456789abcdef01234567", "0123456789abcdefffffffffffffffffffffffff", "fedcba98", "", "ABCDEF0123456", "\u00c9"}

const limit = 100 // of the streams, in bytes

func randomRecord(t testing.TB, rnd *rand.Rand) *record.Record {
	t.Helper()
	executor := []string{"shell", "fmri-prep2"}[rnd.IntN(2)]
	id, err := record.NewID(executor)
	if err != nil {
		t.Fatal(err)
	}
	code := rnd.IntN(3)
	r := &record.Record{Executor: executor, UID: id, Command: randomText(rnd, 8), Data: record.Data{
		PWD: "/home/" + randomText(rnd, 1), User: "ada", Host: "login1", Message: randomText(rnd, 2), Timestamp: record.Now(),
		Status: record.Complete, ReturnCode: &code, Run: 1,
		Output: strings.SplitAfter(randomText(rnd, 30), "\n"), Error: []string{randomText(rnd, 3)},
	}}
	r.Data.Timestamp = record.Time{Time: r.Data.Timestamp.Add(-time.Duration(rnd.IntN(100)) * time.Hour).In(time.FixedZone("", 900*rnd.IntN(50)-20_040))}
	if rnd.IntN(2) == 0 {
		r.Data.Git = &record.Git{Commit: commits[rnd.IntN(len(commits))], Branch: "main-" + randomText(rnd, 1)}
	}
	switch rnd.IntN(6) {
	case 0:
		r.Data.Status, r.Data.ReturnCode = record.Cancelled, nil
	case 1:
		r.Data.Status = record.Running
	default:
		r.Data.Finished, r.Data.Duration = &r.Data.Timestamp, float64(rnd.IntN(100))/7
	}
	if rnd.IntN(6) == 0 && r.Data.Status == record.Complete {
		r.Data.Job = randomJob(rnd, r)
	}
	if rnd.IntN(5) == 0 {
		r.Data.Run = 2 + rnd.IntN(3)
	}
	switch rnd.IntN(20) {
	case 0:
		r.Data.Stdout = &record.Stream{Size: int64(len(streamOf(r)))}
	case 1:
		r.Data.Stderr = &record.Stream{Size: int64(len(streamOf(r)))}
	}
	return r
}

func randomJob(rnd *rand.Rand, r *record.Record) *record.Job {
	job := &record.Job{ID: "17", Final: rnd.IntN(2) == 0}
	if rnd.IntN(3) > 0 {
		job.Started = &r.Data.Timestamp
	}
	if job.Final {
		code := rnd.IntN(3)
		job.ReturnCode, job.Elapsed = &code, float64(rnd.IntN(100))/7
		job.Output, job.Error = record.Lines(randomText(rnd, 20)), record.Lines(randomText(rnd, 5))
		if rnd.IntN(4) == 0 {
			job.Stdout = &record.Stream{Size: int64(len(streamOf(r)))}
		}
	}
	return job
}

func add(t testing.TB, rnd *rand.Rand, n int) func(tasks) {
	return func(all tasks) {
		for range n {
			r := randomRecord(t, rnd)
			all[r.UID] = r
		}
	}
}

func parse(t testing.TB, s string, regex bool) *query.Query {
	t.Helper()
	q, err := query.Parse(s, query.Options{Regex: regex, Now: time.Now()})
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return q
}

// A result is what a search came to.
type result struct {
	lines []string // of each task what can be seen of it
	ids   []record.ID
	errs  int
	over  int
}

func collect(s *index.Search, found iter.Seq[index.Found]) (r result) {
	for f := range found {
		if f.Err != nil {
			r.errs++
			continue
		}
		r.ids = append(r.ids, f.ID)
		d := f.Record.Data
		took, known := f.Record.Took(now)
		r.lines = append(r.lines, fmt.Sprint(f.ID, f.Unique, f.Number, f.Record.UID, f.Record.Executor, f.Record.Command,
			d.Timestamp.Format(time.RFC3339Nano), d.Status, f.Record.Failed(), took, known, s.Query.Hits(f.Doc), s.Query.Relevance(f.Doc)))
		if s.Printed && !f.Partial {
			r.lines[len(r.lines)-1] += fmt.Sprint(f.Printed())
		}
	}
	r.over = s.Over()
	return r
}

var now = time.Now()

// earlier yields the runs before a record's.
func earlier(rec *record.Record) iter.Seq2[index.Run, error] {
	return func(yield func(index.Run, error) bool) {
		for n := rec.Data.Run - 1; n > 0; n-- {
			before := *rec
			before.Data.Run, before.Data.Message = n, fmt.Sprintf("Moto earlier %d", n)
			if !yield(index.Run{Record: &before, Number: n, Stream: func(record.StreamName) (io.ReadCloser, error) {
				return io.NopCloser(strings.NewReader(streamOf(&before))), nil
			}}, nil) {
				return
			}
		}
	}
}

// addedRuns returns runs in the place of some tasks and beside all.
func addedRuns(t testing.TB, rnd *rand.Rand, all tasks) []index.Run {
	var runs []index.Run
	for range 5 {
		r := randomRecord(t, rnd)
		if rnd.IntN(2) == 0 {
			r.UID = pick(rnd, all).UID
			r.Executor = r.UID.Executor()
		}
		r.Data.Stdout, r.Data.Stderr, r.Data.Job, r.Data.Status = nil, nil, nil, record.Running
		runs = append(runs, index.Run{Record: r})
	}
	slices.SortFunc(runs, func(a, b index.Run) int { return cmp.Compare(b.Record.UID.UUID(), a.Record.UID.UUID()) })
	return slices.CompactFunc(runs, func(a, b index.Run) bool { return a.Record.UID == b.Record.UID })
}

// orderOf returns the order in which people see the tasks of a snapshot.
func orderOf(sn snapshot, added []index.Run) *record.Order {
	var moved []record.Moved
	for res := range sn.Records(record.Range{Brief: true}) {
		if res.Err != nil {
			continue
		}
		if m, ok := record.MovedOf(res.Record); ok {
			moved = append(moved, m)
		}
	}
	var recs []*record.Record
	for _, r := range added {
		recs = append(recs, r.Record)
	}
	// Some of the tasks are of the future.
	return record.NewOrder("", nil, moved, middle(sn)).With(recs)
}

// middle returns when the task in the middle of a history was made.
func middle(sn snapshot) time.Time {
	var ids []record.ID
	for res := range sn.Records(record.Range{Brief: true}) {
		ids = append(ids, res.ID)
	}
	if len(ids) == 0 {
		return time.Now()
	}
	return ids[len(ids)/2].Time()
}

// sameInBothOrders is same, also with the latest run first: random records have many that
// have moved.
func sameInBothOrders(t testing.TB, sn snapshot, dir string, q *query.Query, what string, options ...func(*index.Search)) result {
	t.Helper()
	probe := &index.Search{}
	for _, o := range options {
		o(probe)
	}
	o := orderOf(sn, probe.Added)
	same(t, sn, dir, q, what+", by run", append(slices.Clone(options), func(s *index.Search) { s.Order = o })...)
	return same(t, sn, dir, q, what, options...)
}

// same compares a search of the index with a look at each record.
func same(t testing.TB, sn snapshot, dir string, q *query.Query, what string, options ...func(*index.Search)) result {
	t.Helper()
	scan := &index.Search{Source: sn, Query: q, Limit: limit}
	s := &index.Search{Source: sn, Query: q, Limit: limit, Warn: func(err error) { t.Errorf("%s: %v", what, err) }}
	for _, o := range options {
		o(scan)
		o(s)
	}
	want := collect(scan, scan.Scan(t.Context()))
	got := collect(s, s.Run(t.Context(), dir))
	if !slices.Equal(got.ids, want.ids) || got.errs != want.errs || q.Streams() && got.over != want.over {
		t.Fatalf("%s: %d tasks, %d errors, %d over the limit; want %d, %d, %d", what, len(got.ids), got.errs, got.over, len(want.ids), want.errs, want.over)
	}
	for i := range want.lines {
		if len(s.Added) == 0 && got.lines[i] != want.lines[i] {
			t.Fatalf("%s: %q, want %q", what, got.lines[i], want.lines[i])
		}
	}
	return want
}

// sameCounts compares the counts of an index by each field with those of a look at each record.
func sameCounts(t testing.TB, sn snapshot, dir string, q *query.Query, what string, options ...func(*index.Search)) {
	t.Helper()
	for _, field := range index.Counted {
		scan := &index.Search{Source: sn, Query: q, Limit: limit}
		s := &index.Search{Source: sn, Query: q, Limit: limit, Warn: func(err error) { t.Errorf("%s: %v", what, err) }}
		for _, o := range options {
			o(scan)
			o(s)
		}
		want, unreadable := map[string]int{}, 0
		for f := range scan.Scan(t.Context()) {
			if f.Err != nil {
				unreadable++
				continue
			}
			d := f.Record.Data
			want[map[string]string{
				"status": f.Record.Outcome().String(), "executor": f.Record.Executor, "user": d.User, "host": d.Host, "pwd": d.PWD,
				"day": d.Timestamp.Local().Format(time.DateOnly),
			}[field]]++
		}
		got, err := s.CountBy(t.Context(), dir, field, func(error) { unreadable-- })
		if err != nil || !maps.Equal(got, want) || unreadable != 0 {
			t.Fatalf("%s by %s: %v (%v), want %v; %d tasks that cannot be read are missing", what, field, got, err, want, unreadable)
		}
	}
}
