package slurm

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"qme/record"
)

// A row is Slurm's answer about a job, or one part of it.
type row struct {
	id        string // "12", "12_3", "12_[4-9%2]" for elements that wait, "12+1"
	raw       string // the job's own number
	name      string
	partition string
	state     string
	exit      string
	submit    *record.Time
	start     *record.Time
	end       *record.Time
	elapsed   float64
	cpus      int
	memory    int64   // bytes that it asked for
	limit     float64 // seconds that it may run
	nodes     string
	reason    string
	restarts  int // as scontrol says
	// From scontrol alone: where output goes, and where the batch script runs.
	controller           bool
	stdout, stderr, node string
}

// base returns the number with which an id begins.
func base(id string) string {
	if i := strings.IndexAny(id, "_+."); i >= 0 {
		return id[:i]
	}
	return id
}

// groups are rows by the job that sbatch has named. Those of an array are also by the id of the element, and
// those of elements that wait together by groupOf.
type groups map[string][]row

func byJob(rows []row) groups {
	g := groups{}
	for _, r := range rows {
		job := base(r.id)
		g[job] = append(g[job], r)
		switch {
		case isGroup(r.id):
			g[groupOf(job)] = append(g[groupOf(job)], r)
		case element(r.id) != "":
			g[r.id] = append(g[r.id], r)
		}
	}
	return g
}

// groupOf is under which key the rows of elements are that wait together. No id is written so.
func groupOf(job string) string { return job + "_[" }

// of returns the rows about a job, or about one element of an array: its own ones, or, before it has any, those of
// the elements with which it waits, under its id.
func (g groups) of(id string) []row {
	index := element(id)
	if index == "" {
		return g[base(id)]
	}
	if own := g[id]; len(own) > 0 {
		return own
	}
	var waits []row
	for _, r := range g[groupOf(base(id))] {
		if holds(r.id, index) {
			r.id = id
			waits = append(waits, r)
		}
	}
	return waits
}

// clockSlack is by how much the clocks of the machines of a cluster may differ.
const clockSlack = 5 * time.Minute

// isOf reports whether a row is of the job that a record means. Ids are used again after
// Slurm's database was reset, so the times decide.
func (r row) isOf(rec *record.Record) bool {
	switch known := rec.Data.Job.Submitted; {
	case r.submit == nil:
		return false
	case known != nil && r.submit.Equal(known.Truncate(time.Second)):
		return true
	case known != nil:
		return r.restarts > 0 && r.submit.After(known.Time)
	case r.submit.Before(rec.Data.Timestamp.Add(-clockSlack)):
		return false
	case r.restarts > 0 || rec.Data.Finished == nil:
		return true
	}
	return !r.submit.After(rec.Data.Finished.Add(clockSlack))
}

// chain returns the runs of one part of a job, the last one last: each requeue begins
// another with a submit time of its own. It is empty when none is of the record's job.
func chain(rows []row, rec *record.Record) []row {
	slices.SortStableFunc(rows, func(a, b row) int { return compareTimes(a.submit, b.submit) })
	first := slices.IndexFunc(rows, func(r row) bool { return r.isOf(rec) })
	if first < 0 {
		return nil
	}
	last := first
	for last+1 < len(rows) {
		now, next := rows[last], rows[last+1]
		if !slices.Contains(handedOn, stateWord(now.state)) && compareTimes(now.submit, next.submit) != 0 {
			break // the id was given to another job
		}
		last++
	}
	return rows[first : last+1]
}

func compareTimes(a, b *record.Time) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return a.Compare(b.Time)
}

// chains returns the runs of every part of the record's job, by id.
func chains(rows []row, rec *record.Record) map[string][]row {
	parts := map[string][]row{}
	for _, r := range rows {
		if id := rec.Data.Job.ID; r.id == id || base(r.id) == id {
			parts[r.id] = append(parts[r.id], r)
		}
	}
	if len(parts) > 1 || len(rec.Data.Job.Elements) > 0 {
		// An element that sacct has not heard the beginning of stands under its own number,
		// which of the last one is that of the array.
		delete(parts, rec.Data.Job.ID)
	}
	for id, list := range parts {
		if list = chain(list, rec); len(list) == 0 {
			delete(parts, id)
		} else {
			parts[id] = list
		}
	}
	return parts
}

// manyElements is how many elements of an array that wait are listed one by one.
const manyElements = 10_000

// elements expands "12_[1-3,7%2]" to "12_1" and so on; of very many it returns the group
// as it is.
func elements(id string) []string {
	array, list, ok := strings.Cut(id, "_[")
	if !ok || !strings.HasSuffix(list, "]") {
		return []string{id}
	}
	list, _, _ = strings.Cut(strings.TrimSuffix(list, "]"), "%")
	var ids []string
	for part := range strings.SplitSeq(list, ",") {
		a, b, step, ok := indexes(part)
		if !ok || (b-a)/step > manyElements {
			return []string{id}
		}
		for n := a; n <= b; n += step {
			ids = append(ids, array+"_"+strconv.FormatUint(n, 10))
		}
		if len(ids) > manyElements {
			return []string{id}
		}
	}
	return ids
}

// isGroup reports whether an id is of elements that wait together.
func isGroup(id string) bool { return strings.Contains(id, "_[") }

// holds reports whether the elements of an id such as "12_[1-3,7%2]" include one, however many they are.
func holds(id, index string) bool {
	_, list, _ := strings.Cut(id, "_[")
	list, _, _ = strings.Cut(strings.TrimSuffix(list, "]"), "%")
	n, err := strconv.ParseUint(index, 10, 32)
	if err != nil {
		return false
	}
	for part := range strings.SplitSeq(list, ",") {
		if a, b, step, ok := indexes(part); ok && a <= n && n <= b && (n-a)%step == 0 {
			return true
		}
	}
	return false
}

// indexes reads one part of a list of elements: 7, 1-3 or 1-9:2.
func indexes(part string) (from, to, step uint64, ok bool) {
	part, stride, _ := strings.Cut(part, ":")
	first, last, isRange := strings.Cut(part, "-")
	if !isRange {
		last = first
	}
	from, ferr := strconv.ParseUint(first, 10, 32)
	to, terr := strconv.ParseUint(last, 10, 32)
	step, serr := strconv.ParseUint(stride, 10, 32)
	if serr != nil || step == 0 {
		step = 1
	}
	return from, to, step, ferr == nil && terr == nil && to >= from
}

// isElement reports whether an id is that of an element of a job: of an array, or of a
// heterogeneous job.
func isElement(id, job, index string) bool { return id == job+"_"+index || id == job+"+"+index }

// element returns the index in the id of an element of an array, "" for other ids.
func element(id string) string {
	_, index, _ := strings.Cut(id, "_")
	return index
}

// whole returns the id of the array of an element, and other ids as they are.
func whole(id string) string {
	if element(id) != "" {
		return base(id)
	}
	return id
}

func count(text string) int {
	text, _, _ = strings.Cut(text, "-")
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 1<<30 {
		return 0
	}
	return n
}
