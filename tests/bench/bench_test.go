package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func timesOf(ms ...int) samples {
	var s samples
	for i, x := range ms {
		s = append(s, sample{took: time.Duration(x) * time.Millisecond, rss: int64(i)})
	}
	return s
}

func TestQuantiles(t *testing.T) {
	for _, c := range []struct {
		s    samples
		q    float64
		want time.Duration
	}{
		{nil, 0.5, 0},
		{timesOf(3), 0.5, 3 * time.Millisecond},
		{timesOf(9, 1, 5), 0.5, 5 * time.Millisecond},
		{timesOf(4, 2), 0.5, 3 * time.Millisecond},
		{timesOf(1, 2, 3, 4, 100), 0.25, 2 * time.Millisecond},
		{timesOf(1, 2, 3, 4, 100), 1, 100 * time.Millisecond},
	} {
		if got := c.s.quantile(c.q); got != c.want {
			t.Errorf("quantile %g of %v is %s, should be %s", c.q, c.s, got, c.want)
		}
	}
	if got := timesOf(5, 6, 7).rss(); got != 2 {
		t.Errorf("the largest memory is %d", got)
	}
}

func TestCompareJudgesByTheRatioOfMedians(t *testing.T) {
	for _, c := range []struct {
		a, b    samples
		most    float64
		verdict string
	}{
		{timesOf(12, 12, 900), timesOf(10, 10, 10), 1.2, isMet},
		{timesOf(13, 13, 13), timesOf(10, 10, 10), 1.2, notMet},
		{timesOf(1), timesOf(10), 0.1, isMet},
		{timesOf(2), timesOf(10), 0.1, notMet},
	} {
		if r := compare("x", c.a, c.b, c.most); r.verdict != c.verdict {
			t.Errorf("%v against %v with at most %g: %+v", c.a, c.b, c.most, r)
		}
	}
	if got := timesOf(1200, 1200, 1200).String(); got != "1.20 s (1.20-1.20)" {
		t.Errorf("seconds read %q", got)
	}
	if got := timesOf(10, 20, 30).String(); got != "20 ms (15.0-25)" {
		t.Errorf("milliseconds read %q", got)
	}
}

func TestTableCountsTheVerdicts(t *testing.T) {
	var out bytes.Buffer
	err := printTable(&out, []row{{what: "a", verdict: isMet}, {what: "b", verdict: notMet}, {what: "c", goal: "1x", verdict: skipped}, {what: "d", verdict: noGoal}})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(out.String(), "\n1 goals met, 1 not met, 1 not measured\n") {
		t.Errorf("the table ends so:\n%s", out.String())
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"-n", "0"}, {"-tasks", "10"}, {"-mib", "0"}, {"-only", "["}, {"x"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
	o, err := parse([]string{"-n", "3", "-only", "get|ls"})
	if err != nil || o.n != 3 || o.tasks != 100_000 || !o.only.MatchString("ls") || o.only.MatchString("pause") {
		t.Errorf("got %+v, %v", o, err)
	}
}

// TestEverythingIsMeasured runs the benchmarks themselves, small: what they say
// does not count, but that they say it.
func TestEverythingIsMeasured(t *testing.T) {
	if testing.Short() {
		t.Skip("builds qme and starts it some thousand times")
	}
	t.Setenv("TMPDIR", t.TempDir())
	opts, err := parse([]string{"-n", "1", "-tasks", "1000", "-mib", "70", "-home", filepath.Join(t.TempDir(), "kept")})
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLab(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.header(t.Output()); err != nil {
		t.Error(err)
	}
	for _, g := range groups {
		rows, err := g.run(l)
		if err != nil || len(rows) == 0 {
			t.Errorf("%s: %d rows, %v", g.name, len(rows), err)
		}
		for _, r := range rows {
			if r.figure == "" || r.verdict == "" || strings.Contains(r.figure, "lost") && !strings.Contains(r.figure, " 0 lost") {
				t.Errorf("%s: %+v", g.name, r)
			}
		}
	}
	if err := l.close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if kept, err := os.ReadDir(l.cache); err != nil || len(kept) != 5 {
		t.Errorf("kept: %v, %v; should be the histories of 1000 and of 100 tasks, one with files, one of tasks that were queued, and one of trainings", kept, err)
	}
}
