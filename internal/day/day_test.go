package day_test

import (
	"archive/zip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"qme/internal/day"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestStart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ zone, day, want string }{
		{"UTC", "2026-11-28", "2026-11-28T00:00:00Z"},
		{"America/Santiago", "2026-09-06", "2026-09-06T01:00:00-03:00"}, // no midnight
		{"America/Santiago", "2026-04-05", "2026-04-05T00:00:00-04:00"}, // 23:00 comes twice
		{"America/Havana", "2026-03-08", "2026-03-08T01:00:00-04:00"},
		{"America/Havana", "2026-11-01", "2026-11-01T00:00:00-04:00"}, // midnight comes twice
		{"Asia/Beirut", "2022-03-27", "2022-03-27T01:00:00+03:00"},
		{"Asia/Beirut", "2022-10-30", "2022-10-30T00:00:00+02:00"},
		{"Africa/Cairo", "2024-04-26", "2024-04-26T01:00:00+03:00"},
		{"America/Sao_Paulo", "2018-11-04", "2018-11-04T01:00:00-02:00"},
		{"America/St_Johns", "2010-11-07", "2010-11-07T00:00:00-02:30"}, // at 00:01 it is 23:01 again
		{"Pacific/Apia", "2011-12-30", "2011-12-31T00:00:00+14:00"},     // no such day
		{"Europe/Berlin", "2026-03-29", "2026-03-29T00:00:00+01:00"},
	} {
		d, err := time.Parse(time.DateOnly, c.day)
		if err != nil {
			t.Fatal(err)
		}
		if got := day.Start(d.Year(), d.Month(), d.Day(), zone(t, c.zone)).Format(time.RFC3339); got != c.want {
			t.Errorf("%s in %s begins at %s, want %s", c.day, c.zone, got, c.want)
		}
	}
}

// TestAllZones has each day of thirty years, in each zone that there is, begin at the first
// second at which the clocks show it.
func TestAllZones(t *testing.T) {
	t.Parallel()
	names := zones(t)
	if len(names) < 300 {
		t.Fatalf("Go brings %d zones", len(names))
	}
	for _, name := range names {
		loc := zone(t, name)
		last := day.Start(1999, 12, 31, loc)
		for d := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC); d.Year() < 2031; d = d.AddDate(0, 0, 1) {
			at := day.Start(d.Year(), d.Month(), d.Day(), loc)
			want := d.Format(time.DateOnly)
			if got := at.Format(time.DateOnly); got != want && (got <= want || !at.Equal(day.Start(d.Year(), d.Month(), d.Day()+1, loc))) {
				t.Fatalf("%s: %s begins at %v", name, want, at)
			}
			if before := at.Add(-time.Second).Format(time.DateOnly); before >= want {
				t.Fatalf("%s: %s begins before %v", name, want, at)
			}
			if at.Before(last) || at.Equal(last) && d.AddDate(0, 0, -1).Format(time.DateOnly) == last.Format(time.DateOnly) && at.Format(time.DateOnly) == want {
				t.Fatalf("%s: %s begins at %v, the day before at %v", name, want, at, last)
			}
			// Where the clocks change, no moment of the day before is a first one.
			if at.Sub(last) != 24*time.Hour {
				for s := last; s.Before(at); s = s.Add(time.Minute) {
					if s.Format(time.DateOnly) >= want {
						t.Fatalf("%s: %s is there at %v, before %v", name, want, s, at)
					}
				}
			}
			last = at
		}
	}
}

func TestBefore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		now  string
		got  func(time.Time) time.Time
		want string
	}{
		{"2026-03-31T10:00:00Z", func(t time.Time) time.Time { return day.MonthsBefore(t, 1) }, "2026-02-28T10:00:00Z"},
		{"2024-03-31T10:00:00Z", func(t time.Time) time.Time { return day.MonthsBefore(t, 1) }, "2024-02-29T10:00:00Z"},
		{"2024-02-29T10:00:00Z", func(t time.Time) time.Time { return day.MonthsBefore(t, 12) }, "2023-02-28T10:00:00Z"},
		{"2026-01-31T10:00:00Z", func(t time.Time) time.Time { return day.MonthsBefore(t, 14) }, "2024-11-30T10:00:00Z"},
		{"2026-03-15T10:00:00Z", func(t time.Time) time.Time { return day.MonthsBefore(t, 2) }, "2026-01-15T10:00:00Z"},
		{"2026-03-01T10:00:00Z", func(t time.Time) time.Time { return day.Before(t, 1) }, "2026-02-28T10:00:00Z"},
	} {
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.got(now).Format(time.RFC3339); got != c.want {
			t.Errorf("before %s: %s, want %s", c.now, got, c.want)
		}
	}
}

// zones returns the names of the zones that Go brings with it.
func zones(t *testing.T) (names []string) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	list, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	for _, f := range list.File {
		if strings.Contains(f.Name, "/") && !strings.HasSuffix(f.Name, "/") {
			names = append(names, f.Name)
		}
	}
	return names
}
