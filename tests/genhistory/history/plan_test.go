package history

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"qme/executor"
	"qme/record"
)

func TestPlanIsThreeYearsOfWork(t *testing.T) {
	p := newPlan(20_000, 1)
	if len(p.tasks) != 20_000 {
		t.Fatalf("%d tasks", len(p.tasks))
	}
	counts := map[string]int{}
	years := map[int]int{}
	for _, x := range p.tasks {
		years[x.made.Year()]++
		if x.made.Before(Begin) || x.made.After(End) {
			t.Fatalf("a task was made at %s", x.made)
		}
		if d := x.made.Weekday(); d == time.Saturday || d == time.Sunday {
			counts["weekend"]++
		}
		if h := x.made.Hour(); h < 6 {
			counts["night"]++
		}
	}
	for name, most := range map[string]int{"weekend": 3000, "night": 1500} {
		if counts[name] == 0 || counts[name] > most {
			t.Errorf("%d tasks of 20000 at the %s", counts[name], name)
		}
	}
	for year := Begin.Year() + 1; year < End.Year(); year++ {
		if years[year] < 4000 {
			t.Errorf("%d tasks of 20000 in %d", years[year], year)
		}
	}
}

func TestRunsAreInTheOrderOfTheirEnds(t *testing.T) {
	p := newPlan(3000, 2)
	last := map[int]run{}
	for i, x := range p.runs {
		if i > 0 && x.end().Before(p.runs[i-1].end()) || x.end().After(End) || x.took <= 0 {
			t.Fatalf("run %d: %+v after %+v", i, x, p.runs[i-1])
		}
		if x.n != last[x.task].n+1 || x.n > 1 && x.start.Before(last[x.task].end()) {
			t.Fatalf("task %d: %+v follows %+v", x.task, x, last[x.task])
		}
		last[x.task] = x
	}
	if len(last) != 3000 {
		t.Errorf("%d tasks have runs", len(last))
	}
}

// built makes the records of a plan, each as a first run.
func built(t *testing.T, p *plan) []*record.Record {
	t.Helper()
	var all []*record.Record
	for _, x := range p.runs {
		if x.n > 1 {
			continue
		}
		c := p.change(x)
		rec, err := c.Build(nil, "")
		if err != nil {
			t.Fatal(err)
		}
		for name, blob := range c.Streams {
			if _, s := name.Of(rec); s == nil || s.Size != blob.Size {
				t.Errorf("%s: stream %s of %d bytes is described by %+v", rec.UID, name, blob.Size, s)
			}
		}
		all = append(all, rec)
	}
	return all
}

func TestMixIsAsDocumented(t *testing.T) {
	all := built(t, newPlan(20_000, 1))
	counts := map[string]int{}
	shapesSeen := map[string]bool{}
	for _, rec := range all {
		d := rec.Data
		shapesSeen[strings.Fields(rec.Command)[0]] = true
		n := 0
		for _, line := range d.Output {
			n += len(line)
		}
		for what, is := range map[string]bool{
			"failed": rec.Failed(), "cancelled": d.Status == record.Cancelled, "message": d.Message != "", "git": d.Git != nil,
			"stored": d.Stdout != nil, "large": d.Stdout == nil && n > 10<<10, "typical": len(d.Output) <= 30, "silent": len(d.Output) == 0,
			"shell": len(d.Cmd) == 3 && d.Cmd[0] == "sh", d.Host: true, "user " + d.User: true,
		} {
			if is {
				counts[what]++
			}
		}
	}
	for _, c := range []struct {
		what        string
		least, most int
	}{
		{"failed", 1300, 1900}, {"cancelled", 50, 250}, {"message", 1000, 12000}, {"git", 5000, 17000}, {"stored", 3, 30}, {"large", 20, 80},
		{"typical", 19_800, 20_000}, {"silent", 200, 6000}, {"shell", 500, 6000},
		{hosts[0], 4000, 10_000}, {hosts[1], 4000, 10_000}, {hosts[2], 4000, 10_000}, {"user " + users[0], 7000, 13_000},
	} {
		if n := counts[c.what]; n < c.least || n > c.most {
			t.Errorf("%s: %d of 20000, should be from %d to %d", c.what, n, c.least, c.most)
		}
	}
	if len(shapes) < 60 || len(shapesSeen) < 40 {
		t.Errorf("%d shapes, %d programs", len(shapes), len(shapesSeen))
	}
}

func TestNoPlaceholderIsLeft(t *testing.T) {
	f := &filler{r: rand.New(rand.NewPCG(1, 1)), user: "ada", host: "login1", script: "x.py"}
	for _, s := range shapes {
		for _, text := range append([]string{s.line, s.err}, s.out...) {
			got := f.expand(text, 3)
			rest := strings.ReplaceAll(got, "{print $1, $3}", "") // awk's own
			if strings.ContainsAny(rest, "{}") || !utf8.ValidString(got) {
				t.Errorf("%q became %q", text, got)
			}
		}
	}
	for _, dir := range projects {
		if got := f.expand(dir.dir, 0); !strings.HasPrefix(got, "/") || strings.Contains(got, "{") {
			t.Errorf("%q became %q", dir.dir, got)
		}
	}
}

func TestExpand(t *testing.T) {
	f := &filler{r: rand.New(rand.NewPCG(1, 1)), user: "ada"}
	for template, want := range map[string]string{
		"":                     "",
		"line {i} of {user}":   "line 5 of ada",
		"{unknown} {i":         "{unknown} {i",
		"awk '{print $1}' {i}": "awk '{print $1}' 5",
	} {
		if got := f.expand(template, 4); got != want {
			t.Errorf("%q became %q, should be %q", template, got, want)
		}
	}
	if n := f.digits(3); len(n) != 3 {
		t.Errorf("digits(3) is %s", n)
	}
}

func TestIDsAreOfTheirTime(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	seen := map[record.ID]bool{}
	for i := range 1000 {
		at := Begin.Add(time.Duration(i) * 7 * time.Hour)
		id := newID(executor.ShellName, at, r)
		if _, err := record.ParseID(string(id)); err != nil {
			t.Fatal(err)
		}
		if !id.Time().Equal(at.Truncate(time.Millisecond)) || seen[id] {
			t.Fatalf("%s was made at %s, should be %s", id, id.Time(), at)
		}
		seen[id] = true
	}
}

func TestTimesArePreciseToTheMicrosecond(t *testing.T) {
	for _, rec := range built(t, newPlan(500, 4)) {
		d := rec.Data
		b, err := record.Encode(rec)
		if err != nil {
			t.Fatal(err)
		}
		again, err := record.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if !again.Data.Timestamp.Equal(d.Timestamp.Time) || !again.Data.Finished.Equal(d.Finished.Time) {
			t.Errorf("%s: %s and %s became %s and %s", rec.UID, d.Timestamp, d.Finished, again.Data.Timestamp, again.Data.Finished)
		}
		if !slices.Contains([]record.Status{record.Complete, record.Cancelled}, d.Status) || d.Output == nil {
			t.Errorf("%s: status %q, output %v", rec.UID, d.Status, d.Output)
		}
	}
}
