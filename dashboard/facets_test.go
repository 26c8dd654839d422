package dashboard

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"qme/record"
)

// facetsOf asks a server for facets.
func facetsOf(t testing.TB, s *Server, query string) (f facets) {
	t.Helper()
	w := asked(s, "/api/facets?"+query)
	if err := json.Unmarshal(w.Body.Bytes(), &f); err != nil || w.Code != 200 {
		t.Fatalf("%s: %d %s", query, w.Code, w.Body)
	}
	return f
}

// mixed makes records of many values, some of which still run.
func mixed(t testing.TB, n int) (recs []*record.Record) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(7, 7))
	for i := range n {
		r := aRecord(t, 1763000000+rnd.IntN(20*86400), i)
		r.Data.PWD = fmt.Sprintf("/home/u%d/%d", rnd.IntN(3), rnd.IntN(4))
		r.Data.User = fmt.Sprintf("u%d", rnd.IntN(3))
		if rnd.IntN(9) == 0 {
			r = running(r)
		}
		recs = append(recs, r)
	}
	return recs
}

// matchedBy is how many tasks the listing shows.
func matchedBy(t testing.TB, s *Server, query url.Values) int {
	t.Helper()
	var p taskPage
	if w := asked(s, "/api/tasks?"+query.Encode()); json.Unmarshal(w.Body.Bytes(), &p) != nil || w.Code != 200 {
		t.Fatalf("%v: %d %s", query, w.Code, w.Body)
	}
	return p.Matched
}

// TestFacetsSayWhatAChoiceShows chooses each value that is offered: the listing then has as many
// tasks as were counted, whatever else is chosen.
func TestFacetsSayWhatAChoiceShows(t *testing.T) {
	t.Parallel()
	s := tableOf(t, mixed(t, 400)...)
	for _, query := range []string{
		"", "tz=Asia/Kathmandu", "host=h1", "status=failed&user=u1", "status=failed&status=running&host=h0", "pwd=/home/u1", "command=command+3&status=ok", "executor=none",
		"after=2025-11-20&tz=America/St_Johns", "after=2025-11-20&before=2025-11-24&user=u2&status=ok", "user=nobody&host=h1",
	} {
		f := facetsOf(t, s, query)
		for name, list := range map[string][]facet{"executor": f.Executors, "host": f.Hosts, "user": f.Users, "status": f.Outcomes, "day": f.Days} {
			for _, one := range list {
				chosen, err := url.ParseQuery(query)
				if err != nil {
					t.Fatal(err)
				}
				if name != "day" {
					chosen.Set(name, one.Value)
				} else {
					day, err := time.Parse(time.DateOnly, one.Value)
					if err != nil {
						t.Fatal(err)
					}
					chosen.Set("after", one.Value)
					chosen.Set("before", day.AddDate(0, 0, 1).Format(time.DateOnly))
				}
				if got := matchedBy(t, s, chosen); got != one.Tasks {
					t.Errorf("%q offers %s %q with %d tasks, and %d are shown", query, name, one.Value, one.Tasks, got)
				}
			}
		}
	}
	if f := facetsOf(t, s, "pwd=/home/u1"); len(f.Directories) != 12 || len(f.Hosts) != 2 {
		t.Errorf("with a directory there are %d directories and %d hosts", len(f.Directories), len(f.Hosts))
	}
	if f := facetsOf(t, s, "user=nobody"); !slices.Contains(f.Users, facet{"nobody", 0}) || f.Hosts == nil || len(f.Hosts) != 0 {
		t.Errorf("of a user without tasks there are %v %v", f.Users, f.Hosts)
	}
}

// TestFacetsFollowRuns has a task end: the counts are those of the rows.
func TestFacetsFollowRuns(t *testing.T) {
	t.Parallel()
	r := aRecord(t, 1763000000, 3)
	s := tableOf(t, running(r))
	outcomes := func() map[string]int {
		m := map[string]int{}
		for _, f := range facetsOf(t, s, "host=h1").Outcomes {
			m[f.Value] = f.Tasks
		}
		return m
	}
	if got := outcomes(); got["running"] != 1 || got["ok"] != 0 {
		t.Errorf("of a running task there are %v", got)
	}
	s.feed.table.update(changesOf(record.Result{ID: r.UID, Record: r}))
	if got := outcomes(); got["running"] != 0 || got["ok"] != 1 {
		t.Errorf("of one that has ended there are %v", got)
	}
}

// TestFacetsAreBounded has more values than are shown: how many more is said, and a chosen one is there.
func TestFacetsAreBounded(t *testing.T) {
	t.Parallel()
	var recs []*record.Record
	for i := range facetsShown + 50 {
		r := aRecord(t, 1763000000+i*86400, i)
		r.Data.Host, r.Data.PWD = fmt.Sprintf("node%03d", i), fmt.Sprint("/data/", i)
		recs = append(recs, r)
	}
	for _, at := range []string{"9999-12-31T23:59:59-12:00", "1969-12-31T23:59:59.999999Z"} {
		when, err := time.Parse(time.RFC3339Nano, at)
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, begun(t, when))
	}
	s := tableOf(t, recs...)
	f := facetsOf(t, s, "tz=UTC")
	if len(f.Hosts) != facetsShown || len(f.Directories) != facetsShown || len(f.Days) != facetsShown || f.Days[0].Value < f.Days[1].Value {
		t.Errorf("there are %d hosts, %d directories and %d days from %v on", len(f.Hosts), len(f.Directories), len(f.Days), f.Days[:2])
	}
	if want := (leftOut{Hosts: 51, Directories: 51, Days: 52}); f.LeftOut != want {
		t.Errorf("%+v are left out, want %+v", f.LeftOut, want)
	}
	f = facetsOf(t, s, "host=node249&host=node248")
	if want := []facet{{"node249", 1}, {"node248", 1}}; !reflect.DeepEqual(f.Hosts[facetsShown:], want) || f.LeftOut.Hosts != 49 {
		t.Errorf("chosen hosts are %v, and %d are left out", f.Hosts[facetsShown:], f.LeftOut.Hosts)
	}
	if f = facetsOf(t, s, "before=1970-01-02&tz=UTC&host="); !slices.Contains(f.Hosts, facet{"", 1}) || len(f.Days) != 1 && len(f.Days) != 2 {
		t.Errorf("of the first day there are hosts %v and days %v", f.Hosts, f.Days)
	}
	for _, query := range []string{"status=odd", "after=odd", "tz=odd"} {
		if w := asked(s, "/api/facets?"+query); w.Code != 400 || !strings.Contains(w.Body.String(), "odd") {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}

func BenchmarkFacets(b *testing.B) {
	s := tableOf(b, mixed(b, 100000)...)
	found := map[taskKey]bool{}
	for _, r := range s.feed.table.rows[:32000] {
		found[r.key] = true
	}
	for name, f := range map[string]*filter{"all": {}, "found": {Query: "x", found: found}, "host": {Hosts: []string{"h1"}, Outcomes: 1 << record.Failed}} {
		f.zone = time.Local
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				s.feed.table.facets(f)
			}
		})
	}
}
