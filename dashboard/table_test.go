package dashboard

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"qme/record"
	"qme/tasks"
)

// aRecord makes a record of a task made at a second.
func aRecord(t testing.TB, second, n int) *record.Record {
	t.Helper()
	ms := fmt.Sprintf("%012x", int64(second)*1000)
	id, err := record.ParseID(fmt.Sprintf("shell-%s-%s-7000-8000-%012x", ms[:8], ms[8:], n))
	if err != nil {
		t.Fatal(err)
	}
	code := n % 3
	return &record.Record{Executor: "shell", UID: id, Command: fmt.Sprint("command ", n%7), Data: record.Data{
		PWD: fmt.Sprint("/home/", n%5), User: "u", Host: fmt.Sprint("h", n%2), Status: record.Complete, ReturnCode: &code, Run: 1,
		Timestamp: record.Time{Time: time.Unix(int64(second), 0).UTC()}, Duration: float64(n % 11),
	}}
}

func running(r *record.Record) *record.Record {
	c := *r
	c.Data.Status, c.Data.ReturnCode, c.Data.Run = record.Running, nil, r.Data.Run+1
	return &c
}

// changesOf returns changes of a history.
func changesOf(results ...record.Result) (c tasks.Changes) {
	for _, res := range results {
		c.List = append(c.List, tasks.Change{Result: res})
	}
	return c
}

// shown is what a table has, and what a page of it has.
func shown(tb *table) (ids []string) {
	for _, s := range tb.page(&filter{Sort: sortNewest}, 0, 1<<20).Rows {
		ids = append(ids, fmt.Sprint(s.ID, s.Status, s.Run))
	}
	return ids
}

// A model is a history and a spool, in the plainest form.
type model struct {
	history, spool map[record.ID]*record.Record
	commits        []record.ID // what each has changed
	torn           bool        // earlier commits are gone
}

func (m *model) Head() (string, error) { return fmt.Sprint(len(m.commits)), nil }

func (m *model) Differences(_ context.Context, from, _ string) (list []record.Result, err error) {
	if from == "" {
		for id, r := range m.history {
			list = append(list, record.Result{ID: id, Record: r})
		}
		return list, nil
	}
	n, err := strconv.Atoi(from)
	if err != nil || m.torn {
		return nil, record.ErrCorrupt
	}
	for _, id := range m.commits[n:] {
		list = append(list, record.Result{ID: id, Record: m.history[id]})
	}
	return list, nil
}

func (m *model) Find(ref string, _ int) (tasks.Version, error) {
	id := record.ID(ref)
	if r := cmp.Or(m.spool[id], m.history[id]); r != nil {
		return tasks.Version{Record: r}, nil
	}
	return tasks.Version{}, record.ErrNotFound
}

func (m *model) Stamps() (map[record.ID]string, error) {
	stamps := map[record.ID]string{}
	for id, r := range m.spool {
		stamps[id] = fmt.Sprint(r.Data.Run)
	}
	return stamps, nil
}

func (m *model) Get(id record.ID, _ int) (*record.Record, error) { return m.spool[id], nil }

// step has some tasks change.
func (m *model) step(t *testing.T, rnd *rand.Rand, n int) {
	t.Helper()
	for range rnd.IntN(3) {
		r := aRecord(t, 1000+rnd.IntN(60), rnd.IntN(40))
		r.Data.Run = n + 2
		m.commits = append(m.commits, r.UID)
		if m.history[r.UID] = r; rnd.IntN(3) == 0 {
			delete(m.history, r.UID)
		}
	}
	for id := range m.spool {
		if rnd.IntN(3) == 0 {
			delete(m.spool, id)
		}
	}
	if rnd.IntN(2) == 0 {
		r := running(aRecord(t, 1000+rnd.IntN(60), rnd.IntN(40)))
		r.Data.Run = n + 2
		m.spool[r.UID] = r
	}
	m.torn = rnd.IntN(10) == 0
}

// TestTable does to a table what histories and runs do, in any order and while it is
// being loaded, and compares it with a plain model.
func TestTable(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		tb := newTable("e")
		m := &model{history: map[record.ID]*record.Record{}, spool: map[record.ID]*record.Record{}}
		w := &tasks.Watch{History: m, Spool: m}
		for i := range rnd.IntN(40) {
			r := aRecord(t, 1000+rnd.IntN(50), i)
			m.history[r.UID] = r
		}
		m.step(t, rnd, 0)
		if err := w.Begin(m.Head, func(c tasks.Changes) { tb.update(c) }); err != nil {
			t.Fatal(err)
		}
		toLoad, err := m.Differences(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		var newest *record.Order
		slices.SortFunc(toLoad, newest.CompareResults)
		for n := range 60 {
			take := min(rnd.IntN(8), len(toLoad))
			tb.load(toLoad[:take])
			toLoad = toLoad[take:]
			m.step(t, rnd, n+1)
			before := tb.state().Version
			err := w.Next(t.Context(), func(c tasks.Changes) {
				if news := tb.update(c); (news.len() > 0) != (tb.state().Version != before) {
					t.Fatalf("seed %d: %d news, versions %s and %s", seed, news.len(), before, tb.state().Version)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		tb.load(toLoad)
		tb.loaded()
		compareTable(t, seed, tb, m.history, m.spool)
	}
}

func compareTable(t *testing.T, seed uint64, tb *table, history, spool map[record.ID]*record.Record) {
	t.Helper()
	want := map[record.ID]string{}
	for _, all := range []map[record.ID]*record.Record{history, spool} {
		for id, r := range all {
			want[id] = fmt.Sprint(id, r.Data.Status, r.Data.Run)
		}
	}
	var list []string
	for _, s := range want {
		list = append(list, s)
	}
	uuid := func(s string) string { return s[len("shell-"):] }
	slices.SortFunc(list, func(a, b string) int { return strings.Compare(uuid(b), uuid(a)) })
	if got := tb.uncommitted(1000); len(got) != len(spool) || slices.ContainsFunc(got, func(s summary) bool { return spool[s.ID] == nil }) {
		t.Fatalf("seed %d: %d runs are uncommitted, want %d", seed, len(got), len(spool))
	}
	if got := shown(tb); !slices.Equal(got, list) {
		t.Fatalf("seed %d: the table has\n%q, want\n%q", seed, got, list)
	}
}

// TestEqualUUIDs has records that others have made with the UUID of a task and another executor.
func TestEqualUUIDs(t *testing.T) {
	t.Parallel()
	tb := newTable("e")
	mine := aRecord(t, 1000, 1)
	forged := *mine
	forged.Executor, forged.UID = "zz", record.ID("zz-"+mine.UID.UUID())
	tb.update(changesOf(record.Result{ID: mine.UID, Record: mine}))
	if n := tb.update(changesOf(record.Result{ID: forged.UID, Record: &forged})); len(n.Added) != 1 || n.Total != 2 {
		t.Errorf("the other one makes %+v", n)
	}
	if n := tb.update(changesOf(record.Result{ID: forged.UID})); !slices.Equal(n.Removed, []record.ID{forged.UID}) || n.Total != 1 {
		t.Errorf("without it there is %+v", n)
	}
}

// TestFoundAnew has a query find other tasks than before in a history that has not changed.
func TestFoundAnew(t *testing.T) {
	t.Parallel()
	tb := newTable("e")
	one, two := aRecord(t, 1000, 1), aRecord(t, 1001, 2)
	tb.update(changesOf(record.Result{ID: one.UID, Record: one}, record.Result{ID: two.UID, Record: two}))
	for i, ids := range [][]record.ID{{one.UID}, {one.UID, two.UID}, {}} {
		f := &filter{Query: "after:1m", Sort: sortNewest, Found: uint64(i + 1), found: keysOf(ids)}
		if p := tb.page(f, 0, 10); p.Matched != len(ids) {
			t.Errorf("of %d found it shows %d", len(ids), p.Matched)
		}
	}
}

// TestFilterAndSort compares what a filter chooses, and its order, with a plain sort.
func TestFilterAndSort(t *testing.T) {
	t.Parallel()
	tb := newTable("e")
	var all []record.Result
	for i := range 300 {
		r := aRecord(t, 5000-i, i)
		all = append(all, record.Result{ID: r.UID, Record: r})
	}
	tb.load(all)
	for name, c := range map[string]struct {
		f    filter
		want func(summary) bool
	}{
		"host":    {filter{Hosts: []string{"h1", "nowhere"}}, func(s summary) bool { return s.Host == "h1" }},
		"nothing": {filter{Users: []string{"nobody"}}, func(summary) bool { return false }},
		"outcome": {filter{Outcomes: 1 << record.OK}, func(s summary) bool { return *s.ReturnCode == 0 }},
		"below":   {filter{PWD: "/home"}, func(summary) bool { return true }},
		"beside":  {filter{PWD: "/hom"}, func(summary) bool { return false }},
		"time":    {filter{After: time.Unix(4800, 0), Before: time.Unix(4900, 0)}, func(s summary) bool { return s.Started.Unix() >= 4800 && s.Started.Unix() < 4900 }},
		"found":   {filter{Query: "x", found: keysOf([]record.ID{all[3].ID})}, func(s summary) bool { return s.ID == all[3].ID }},
	} {
		c.f.Sort = sortNewest
		matched := 0
		for _, res := range all {
			if c.want(summaryOf(res.Record)) {
				matched++
			}
		}
		p := tb.page(&c.f, 0, 1000)
		if p.Matched != matched || len(p.Rows) != matched || slices.ContainsFunc(p.Rows, func(s summary) bool { return !c.want(s) }) {
			t.Errorf("%s: %d match, want %d", name, p.Matched, matched)
		}
	}
	values := map[string]func(summary) string{
		"command": func(s summary) string { return s.Command }, "duration": func(s summary) string { return fmt.Sprintf("%09.3f", *s.Duration) },
		"started": func(s summary) string { return s.Started.String() }, "pwd": func(s summary) string { return s.PWD }, "status": func(s summary) string { return fmt.Sprint(min(1, *s.ReturnCode), *s.ReturnCode) },
	}
	for column, value := range values {
		up := tb.page(&filter{Sort: column}, 0, 1000).Rows
		down := tb.page(&filter{Sort: "-" + column}, 0, 1000).Rows
		for i := range up[1:] {
			if value(up[i]) > value(up[i+1]) || value(down[i]) < value(down[i+1]) {
				t.Errorf("by %s: %q before %q, and %q before %q", column, value(up[i]), value(up[i+1]), value(down[i]), value(down[i+1]))
			}
		}
		if len(up) != 300 || len(down) != 300 {
			t.Errorf("by %s there are %d and %d", column, len(up), len(down))
		}
	}
	if p := tb.page(&filter{Sort: "command"}, 290, 100); len(p.Rows) != 10 {
		t.Errorf("behind 290 of 300 there are %d", len(p.Rows))
	}
}

func TestClip(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", longest)
	if got := clip(long); len(got) > longest+len("…") || !strings.HasSuffix(got, "ä…") || clip("short") != "short" {
		t.Errorf("clip makes %d bytes of %d", len(got), len(long))
	}
}

// TestNumbersOfRecords takes numbers that no run has, which a record can hold nonetheless.
func TestNumbersOfRecords(t *testing.T) {
	t.Parallel()
	tab := newTable("x")
	id := func(n int) record.ID { return record.ID(fmt.Sprintf("shell-019aaf3c-1b2c-7d3e-8f40-%012d", n)) }
	var results []record.Result
	for i, seconds := range []float64{math.MaxFloat64, -math.MaxFloat64, math.MaxFloat64} {
		rec := &record.Record{Executor: "shell", UID: id(i)}
		code := math.MaxUint32 + 1 // of which the lower half is 0
		rec.Data = record.Data{Status: record.Complete, ReturnCode: &code, Duration: seconds}
		results = append(results, record.Result{ID: rec.UID, Record: rec})
	}
	tab.load(results)
	o := tab.overview(time.Now())
	if _, err := json.Marshal(o); err != nil || o.Outcomes["failed"] != 3 {
		t.Errorf("the overview is %+v, %v", o, err)
	}
}

// TestLatestFirst compares the listing with the order that "qme ls" has, of tasks that were
// run again and of such that a wrong clock has made.
func TestLatestFirst(t *testing.T) {
	t.Parallel()
	tb := newTable("e")
	now := time.Now()
	var moved []record.Moved
	var all []record.Result
	for i := range 300 {
		r := aRecord(t, int(now.Unix())-7*i, i)
		switch i % 10 {
		case 3:
			r.Data.Run, r.Data.Timestamp.Time = 2, now.Add(-time.Duration(i*i%4000)*time.Second)
		case 4:
			r.Data.Run, r.Data.Timestamp.Time = 3, now.Add(time.Duration(i)*time.Hour)
		}
		if m, ok := record.MovedOf(r); ok {
			moved = append(moved, m)
		}
		all = append(all, record.Result{ID: r.UID, Record: r})
	}
	ahead := aRecord(t, int(now.Unix())+100_000, 1)
	all = append(all, record.Result{ID: ahead.UID, Record: ahead})
	tb.update(changesOf(all...))
	o := record.NewOrder("", nil, moved, now)
	var want []record.ID
	for _, res := range all {
		want = append(want, res.ID)
	}
	slices.SortFunc(want, o.Compare)
	for _, by := range []string{sortLatest, "started"} {
		var got []record.ID
		for _, s := range tb.page(&filter{Sort: by}, 0, 1000).Rows {
			got = append(got, s.ID)
			if s.Short != s.ID.Short(0) {
				t.Errorf("%s is called %s", s.ID, s.Short)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", by, got[:10], want[:10])
		}
		slices.Reverse(want)
	}
}

// TestNumbersInOrder shows that numbers are sorted as numbers, and first what is not recorded.
func TestNumbersInOrder(t *testing.T) {
	numbers := []float64{notRecorded, -2, -1.5, -1e-300, 0, 1e-300, 1.5, 2, math.Inf(1)}
	if !slices.IsSortedFunc(numbers, func(a, b float64) int { return cmp.Compare(inOrder(a), inOrder(b)) }) {
		t.Error("they are not in order")
	}
}

// TestColumns holds the document and the page against the columns.
func TestColumns(t *testing.T) {
	var document struct {
		Components struct {
			Parameters struct {
				Sort struct {
					Schema struct {
						Enum []string `json:"enum"`
					} `json:"schema"`
				} `json:"sort"`
			} `json:"parameters"`
			Schemas struct {
				Summary struct {
					Properties map[string]any `json:"properties"`
				} `json:"Summary"`
			} `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(openAPI, &document); err != nil {
		t.Fatal(err)
	}
	page, err := assets.ReadFile("web/js/columns.js")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, name := range columnNames() {
		want[name], want["-"+name] = true, true
		if name != "id" && !bytes.Contains(page, []byte("name: '"+name+"'")) {
			t.Errorf("columns.js lacks %s", name)
		}
	}
	for _, name := range document.Components.Parameters.Sort.Schema.Enum {
		if !want[name] {
			t.Errorf("openapi.json has sort=%s, which is refused, or has it twice", name)
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("openapi.json lacks sort=%s", name)
	}
	for i := range reflect.TypeFor[summary]().NumField() {
		name, _, _ := strings.Cut(reflect.TypeFor[summary]().Field(i).Tag.Get("json"), ",")
		if document.Components.Schemas.Summary.Properties[name] == nil {
			t.Errorf("openapi.json lacks %s of a Summary", name)
		}
	}
}
