package tasks

import (
	"fmt"
	"strings"
	"testing"

	"qme/record"
)

// TestElementsThatChangedPlaces compares arrays element by element, not by how many ended how.
func TestElementsThatChangedPlaces(t *testing.T) {
	array := func(number string, codes ...int) *record.Record {
		rec := &record.Record{UID: "x", Data: record.Data{Status: record.Complete, ReturnCode: new(int)}}
		rec.Data.Job = &record.Job{ID: number, State: "FAILED", Final: true, ReturnCode: new(int), Output: []string{}}
		for i, code := range codes {
			rec.Data.Job.Elements = append(rec.Data.Job.Elements,
				record.JobElement{ID: fmt.Sprintf("%s_%d", number, i), State: map[bool]string{true: "COMPLETED", false: "FAILED"}[code == 0], Final: true, ReturnCode: &codes[i]})
		}
		return rec
	}
	many := func(first int) []int {
		list := make([]int, 1000)
		for i := range list {
			list[i] = (i + first) % 2
		}
		return list
	}
	for _, tt := range []struct {
		a, b     []int
		from, to string // "" for the same
	}{
		{[]int{0, 1}, []int{0, 1}, "", ""},
		{[]int{0, 1}, []int{1, 0}, "1 COMPLETED 0, 1 FAILED 1 (0 COMPLETED 0, 1 FAILED 1)", "1 COMPLETED 0, 1 FAILED 1 (0 FAILED 1, 1 COMPLETED 0)"},
		{[]int{0, 2, 3}, []int{0, 3, 2}, "1 COMPLETED 0, 1 FAILED 2, 1 FAILED 3 (1 FAILED 2, 2 FAILED 3)", "1 COMPLETED 0, 1 FAILED 2, 1 FAILED 3 (1 FAILED 3, 2 FAILED 2)"},
		{[]int{0, 1}, []int{0}, "1 COMPLETED 0, 1 FAILED 1", "1 COMPLETED 0"},
		{many(0), many(1), "9 FAILED 1, and 990 more)", "9 COMPLETED 0, and 990 more)"},
	} {
		a, b := array("7", tt.a...), array("12", tt.b...)
		var from, to string
		for _, f := range fieldChanges(a, b) {
			if f.Name == elementsField {
				from, to = f.From, f.To
			}
		}
		if !strings.HasSuffix(from, tt.from) || !strings.HasSuffix(to, tt.to) || sameEnd(a, b) != (tt.from == "") {
			t.Errorf("%v and %v: %q, %q", tt.a[:2], tt.b[:1], from, to)
		}
		if tt.from == "" && from != "" {
			t.Errorf("%v: they are the same, and differ in %q", tt.a, from)
		}
	}
}

// TestQueueIsCompared names what the queue gave to one of two runs, and that it ended it.
func TestQueueIsCompared(t *testing.T) {
	zero := 0
	run := func(q *record.Queue) *record.Record {
		return &record.Record{UID: "x", Data: record.Data{Status: record.Complete, ReturnCode: &zero, Queue: q}}
	}
	added := record.Now()
	a := run(&record.Queue{Added: added, CPUs: 4, Limit: 60, TimedOut: true, GPUs: []string{"0"}, Changed: []record.QueueChange{{Kind: "script", Name: "/x.sh"}}})
	b := run(&record.Queue{Added: record.Now(), CPUs: 4, Memory: 1 << 30, GPUs: []string{"1"}})
	got := fmt.Sprint(fieldChanges(a, b))
	if want := "[{queue.timed_out true } {queue.limit 1m0s } {queue.memory  1.0 GiB} {queue.changed script /x.sh }]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if changes, _, err := Between(Version{Record: a}, Version{Record: run(nil)}); err != nil || len(changes) != 0 {
		t.Errorf("for a check the queue counts: %v, %v", changes, err)
	}
}
