package dashboard

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"qme/record"
)

// tableOf makes a server whose table has some records.
func tableOf(t testing.TB, recs ...*record.Record) *Server {
	t.Helper()
	s := serverOf(emptyHome{}, Options{Log: t.Logf})
	var results []record.Result
	for _, rec := range recs {
		results = append(results, record.Result{ID: rec.UID, Record: rec})
	}
	s.feed.table.load(results)
	close(s.feed.ready)
	return s
}

// asked returns how a server answers.
func asked(s *Server, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "http://localhost"+path, nil)
	r.Header.Set("Authorization", "Bearer "+s.options.Key)
	s.Handler().ServeHTTP(w, r)
	return w
}

// begun is a record of a run that began at a time and took a second.
func begun(t testing.TB, at time.Time) *record.Record {
	t.Helper()
	id, err := record.NewID("shell")
	if err != nil {
		t.Fatal(err)
	}
	code := 0
	return &record.Record{Executor: "shell", UID: id, Command: "x", Data: record.Data{Timestamp: record.Time{Time: at}, Status: record.Complete, ReturnCode: &code, Duration: 1, Run: 1}}
}

// TestFutureDays has records of clocks that are wrong: they break no picture and take no day's place.
func TestFutureDays(t *testing.T) {
	t.Parallel()
	now := time.Now()
	recs := []*record.Record{begun(t, now), begun(t, now.AddDate(0, 0, -1)), begun(t, now.AddDate(0, 0, -369))}
	for i := range 2 * daysShown {
		recs = append(recs, begun(t, now.AddDate(0, 0, 2+i)))
	}
	for _, text := range []string{"9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59-23:59", "0000-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z"} {
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, begun(t, at))
	}
	s := tableOf(t, recs...)
	for _, tz := range []string{"", "Asia/Tokyo", "Pacific/Kiritimati", "Pacific/Pago_Pago"} {
		var o overview
		w := asked(s, "/api/overview?tz="+tz)
		if err := json.Unmarshal(w.Body.Bytes(), &o); err != nil || w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		tasks := 0
		for _, d := range o.Days {
			tasks += d.Tasks
		}
		if tasks != 3 || len(o.Days) != 3 || o.Total != len(recs) {
			t.Errorf("in %q there are %d days with %d tasks", tz, len(o.Days), tasks)
		}
		for _, path := range []string{"/api/plots/days.svg", "/api/plots/success.svg"} {
			if w := asked(s, path+"?tz="+tz); w.Code != 200 || !strings.Contains(w.Body.String(), "<svg") {
				t.Errorf("%s in %q: %d %.200s", path, tz, w.Code, w.Body)
			}
		}
	}
	var page struct{ Tasks []struct{ Started string } }
	if err := json.Unmarshal(asked(s, "/api/tasks?limit=1000").Body.Bytes(), &page); err != nil || len(page.Tasks) != len(recs) {
		t.Errorf("%d tasks are listed (%v)", len(page.Tasks), err)
	}
}

// TestTimesOfOtherZones has a record whose times are of zones in which they have four digits, and in
// that of its beginning they have not.
func TestTimesOfOtherZones(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{{"9999-12-31T23:59:59+14:00", "9999-12-31T23:59:59Z"}, {"9999-12-31T23:59:59+23:59", "9999-12-31T12:00:00-11:00"}, {"0001-01-01T12:00:00-12:00", "0001-01-01T00:00:00Z"}} {
		var d record.Data
		text := fmt.Sprintf(`{"timestamp": %q, "finished": %q, "status": "complete", "job": {"id": "1", "state": "RUNNING", "started": %q}}`, c[0], c[1], c[1])
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			t.Fatal(err)
		}
		rec := begun(t, time.Now())
		rec.Data = d
		w := asked(tableOf(t, rec), "/api/tasks")
		var page struct{ Tasks []summary }
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || !page.Tasks[0].JobStarted.Equal(d.Job.Started.Time) || !page.Tasks[0].Started.Equal(d.Timestamp.Time) {
			t.Errorf("%v: %s, %v", c, w.Body, err)
		}
	}
}

// TestZones counts days, and takes dates, in the zone of whoever asks.
func TestZones(t *testing.T) {
	t.Parallel()
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	at := time.Date(now.Year(), now.Month(), now.Day()-3, 20, 0, 0, 0, time.UTC) // which is the next day in Tokyo
	s := tableOf(t, begun(t, at))
	for tz, zone := range map[string]*time.Location{"UTC": time.UTC, "Asia/Tokyo": tokyo, "Etc/GMT-9": tokyo} {
		day := at.In(zone)
		from, to := day.Format(time.DateOnly), day.AddDate(0, 0, 1).Format(time.DateOnly)
		if w := asked(s, "/api/overview?tz="+tz); !strings.Contains(w.Body.String(), `"days":[{"day":"`+from+`","tasks":1`) {
			t.Errorf("in %s it is %s", tz, w.Body)
		}
		for query, want := range map[string]string{"after=" + from + "&before=" + to: "1", "before=" + from: "0", "after=" + to: "0"} {
			if w := asked(s, "/api/tasks?"+query+"&tz="+tz); !strings.Contains(w.Body.String(), `"matched":`+want+",") {
				t.Errorf("%s in %s: %s", query, tz, w.Body)
			}
		}
	}
	for _, tz := range []string{"../../etc/passwd", "/etc/localtime", "Local", "Europe/../../etc/passwd", "a/b/c/d", strings.Repeat("x", 100), "Mars/Olympus", "Asia/Tokyo\x00", ".", "+01:00", "Europe//Paris", "posix/../UTC"} {
		for _, path := range []string{"/api/overview", "/api/tasks", "/api/plots/days.svg", "/api/plots/success.svg"} {
			if w := asked(s, path+"?tz="+url.QueryEscape(tz)); w.Code != 400 || !strings.Contains(w.Body.String(), `"unknown-zone"`) {
				t.Errorf("%s in %q: %d %.200s", path, tz, w.Code, w.Body)
			}
		}
	}
	for i := range 100 { // nobody makes it hold an overview for each zone that there is
		asked(s, fmt.Sprintf("/api/overview?tz=Etc/GMT%%2B%d", i%13))
		asked(s, fmt.Sprintf("/api/overview?tz=Etc/GMT-%d", i%15))
	}
	if n := len(s.lists.overviews.list); n > latestKept {
		t.Errorf("%d overviews are held", n)
	}
}

// TestRunningByDuration orders what runs by how long it has been running.
func TestRunningByDuration(t *testing.T) {
	t.Parallel()
	var recs []*record.Record
	running := func(name string, since time.Duration) {
		rec := begun(t, time.Now().Add(-since))
		rec.Command, rec.Data.Status, rec.Data.Duration, rec.Data.ReturnCode = name, record.Running, 0, nil
		recs = append(recs, rec)
	}
	ended := func(name string, took float64) {
		rec := begun(t, time.Now().Add(-10*time.Hour))
		rec.Command, rec.Data.Duration = name, took
		recs = append(recs, rec)
	}
	job := func(name string, since time.Duration) {
		rec := begun(t, time.Now().Add(-100*time.Hour))
		rec.Command, rec.Data.Job = name, &record.Job{ID: "1", State: "RUNNING", Elapsed: 1}
		if since > 0 {
			rec.Data.Job.Started = &record.Time{Time: time.Now().Add(-since)}
		}
		recs = append(recs, rec)
	}
	running("b", 5*time.Minute)
	ended("c", 60)
	running("a", time.Hour)
	ended("d", 0.001)
	job("e", 30*time.Minute)
	job("waits", 0)
	running("future", -time.Hour)
	s := tableOf(t, recs...)
	for sort, want := range map[string]string{"-duration": "aebcd", "duration": "dcbea"} {
		var page struct{ Tasks []summary }
		if err := json.Unmarshal(asked(s, "/api/tasks?sort="+sort).Body.Bytes(), &page); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, task := range page.Tasks {
			if len(task.Command) == 1 {
				got += task.Command
			}
		}
		if got != want {
			t.Errorf("by %s it is %s, want %s", sort, got, want)
		}
	}
}

// TestCommandsOfOverview names the task that took longest, and lists those of a command.
func TestCommandsOfOverview(t *testing.T) {
	t.Parallel()
	var recs []*record.Record
	for i, took := range []float64{1, 4, 0, 2} {
		rec := begun(t, time.Now().Add(time.Duration(i-10)*time.Minute))
		rec.Command, rec.Data.Duration = "sh -c '"+strings.Repeat("x", longest)+"'", took
		if took == 0 {
			rec.Data.Status, rec.Data.ReturnCode = record.Running, nil
		}
		recs = append(recs, rec)
	}
	recs = append(recs, begun(t, time.Now()))
	recs[4].Command = recs[0].Command + "y" // it begins alike, as far as a row has it
	s := tableOf(t, recs...)
	o := s.lists.overview(time.UTC)
	if c := o.Slowest[0]; c.Slowest != recs[1].UID || c.Longest != 4 || math.Abs(c.Mean-2) > 1e-9 || c.Tasks != 5 {
		t.Errorf("the slowest is %+v, want %s", c, recs[1].UID)
	}
	w := asked(s, "/api/tasks?command="+url.QueryEscape(o.Frequent[0].Command))
	if !strings.Contains(w.Body.String(), `"matched":5,`) {
		t.Errorf("the most frequent are %s", w.Body)
	}
	if w := asked(s, "/api/tasks?command="+url.QueryEscape(recs[0].Command)); !strings.Contains(w.Body.String(), `"matched":5,`) {
		t.Errorf("by the whole command there are %s", w.Body)
	}
}

// FuzzOverview counts and draws whatever a record can hold.
func FuzzOverview(f *testing.F) {
	for _, text := range []string{"9999-12-31T23:59:59-12:00", "0000-01-01T00:00:00+23:59", "2026-11-28T00:00:00.5+05:45"} {
		f.Add(text, text, 1e308, int64(math.MaxInt64), int64(3), "Asia/Tokyo", "", uint8(2))
	}
	f.Add("2026-11-28T00:00:00Z", "x", -1.0, int64(0), int64(-3), "UTC", "\xff\x00", uint8(0))
	f.Fuzz(func(t *testing.T, started, finished string, seconds float64, code, days int64, tz, text string, status uint8) {
		at, err := time.Parse(time.RFC3339Nano, started)
		if err != nil {
			at = time.Now().AddDate(0, 0, int(days%100000))
		}
		if at.Year() < 0 || at.Year() > 9999 || math.IsNaN(seconds) || math.IsInf(seconds, 0) {
			return // no record holds it
		}
		c := int(code)
		rec := begun(t, at)
		rec.Command = text
		rec.Data = record.Data{Timestamp: record.Time{Time: at}, Duration: seconds, ReturnCode: &c, Status: statuses[int(status)%len(statuses)], Run: int(code % (1 << 31)), User: text, Host: text, PWD: text, Message: text}
		if end, err := time.Parse(time.RFC3339Nano, finished); err == nil && end.Year() >= 0 && end.Year() <= 9999 {
			rec.Data.Finished = &record.Time{Time: end}
			rec.Data.Job = &record.Job{Elapsed: seconds, Started: &record.Time{Time: end}, State: text, Final: status%2 == 0}
		}
		s := tableOf(t, rec, begun(t, time.Now()))
		zone := "?tz=" + url.QueryEscape(tz)
		if asked(s, "/api/overview"+zone).Code == 400 {
			zone = "?"
		}
		for _, path := range []string{"/api/overview" + zone, "/api/tasks" + zone, "/api/tasks" + zone + "&sort=-duration", "/api/plots/days.svg" + zone, "/api/plots/success.svg" + zone} {
			if w := asked(s, path); w.Code != 200 || strings.Contains(w.Body.String(), "NaN") {
				t.Fatalf("%s: %d %.500s", path, w.Code, w.Body)
			}
		}
		var o overview
		if err := json.Unmarshal(asked(s, "/api/overview"+zone).Body.Bytes(), &o); err != nil || len(o.Days) == 0 || len(o.Days) > 2 {
			t.Fatalf("%+v, %v", o, err)
		}
		p := plot{title: "x", values: []float64{math.Min(math.Max(seconds, 0), longestRun), 0}, labels: []string{"1", "2"}, format: whole, least: new(float64)}
		if b, err := p.draw(palette("light", "#3451c6", "#bb2a2a")); err != nil || !strings.Contains(string(b), "<svg") {
			t.Fatal(err)
		}
		if !slices.IsSortedFunc(o.Days, func(a, b dayCount) int { return strings.Compare(a.Day, b.Day) }) {
			t.Fatalf("%v", o.Days)
		}
	})
}
