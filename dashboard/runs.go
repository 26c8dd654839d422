package dashboard

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"qme/record"
	"qme/tasks"
)

// A runItem is a run in a list.
type runItem struct {
	Number int `json:"number"`
	// Check is the number of a check among those of that run, and Verdict is its verdict; zero for a run
	// that is no check.
	Check   int     `json:"check,omitempty"`
	Verdict string  `json:"verdict,omitempty"`
	Commit  string  `json:"commit"`
	Summary summary `json:"summary"`
}

func itemOf(r tasks.Version) runItem {
	item := runItem{Number: r.Number, Check: r.Check, Commit: r.Commit, Summary: summaryOf(r.Record)}
	if c := r.Record.Data.Check; c != nil {
		item.Verdict = c.Verdict
	}
	return item
}

// A runList holds the runs of a task, the latest first.
type runList struct {
	Runs []runItem `json:"runs"`
	More bool      `json:"more"`
}

const runsMost = 1000

func (t *taskAPI) listRuns(w http.ResponseWriter, r *http.Request) error {
	limit, err := numberOf(r, "limit", 200, 1, runsMost)
	if err != nil {
		return err
	}
	ref, err := taskRef(r)
	if err != nil {
		return err
	}
	runs, err := t.runsOf(ref, int(limit))
	if err != nil {
		return err
	}
	return writeJSON(w, r, http.StatusOK, runs)
}

func (t *taskAPI) runsOf(ref string, limit int) (*runList, error) {
	list := &runList{Runs: []runItem{}}
	for run, err := range t.home.Runs(ref) {
		if err != nil {
			return nil, err
		}
		if len(list.Runs) == limit {
			list.More = true
			break
		}
		list.Runs = append(list.Runs, itemOf(run))
	}
	return list, nil
}

func (t *taskAPI) compareRuns(w http.ResponseWriter, r *http.Request) error {
	var numbers [2]int64
	for i, name := range []string{"a", "b"} {
		n, err := numberOf(r, name, 0, 1, 1<<31)
		if err != nil {
			return err
		}
		if numbers[i] = n; n == 0 {
			return badRequest("a and b are the numbers of two runs")
		}
	}
	ref, err := taskRef(r)
	if err != nil {
		return err
	}
	c, err := t.home.Compare(ref, int(numbers[0]), int(numbers[1]))
	if err != nil {
		return err
	}
	response := comparison{A: itemOf(c.A), B: itemOf(c.B), Fields: []fieldItem{}}
	fields, more := tasks.Abridged(c.Fields, tasks.ShownPackages)
	if more > 0 {
		fields = append(fields, tasks.FieldChange{Name: "packages", To: fmt.Sprintf("%d more differ", more)})
	}
	for _, f := range fields {
		response.Fields = append(response.Fields, fieldItem{f.Name, f.From, f.To})
	}
	response.Streams = []streamItem{streamOfComparison(record.Stdout, c, c.Stdout), streamOfComparison(record.Stderr, c, c.Stderr)}
	return writeJSON(w, r, http.StatusOK, response)
}

// A comparison holds the differences between two runs.
type comparison struct {
	A       runItem      `json:"a"`
	B       runItem      `json:"b"`
	Fields  []fieldItem  `json:"fields"`
	Streams []streamItem `json:"streams"`
}

// A fieldItem is a value that differs; "" means that there is no value.
type fieldItem struct {
	Name string `json:"name"`
	A    string `json:"a"`
	B    string `json:"b"`
}

// A streamItem is a stream that may differ.
type streamItem struct {
	Name record.StreamName `json:"name"`
	Same bool              `json:"same"`
	Diff string            `json:"diff"`
	Note string            `json:"note"`
}

func streamOfComparison(name record.StreamName, c *tasks.Comparison, s tasks.StreamChange) streamItem {
	if s.Same {
		return streamItem{Name: name, Same: true, Note: s.Note}
	}
	notes := slices.DeleteFunc(append([]string{s.Note}, c.Notes...), func(n string) bool { return n == "" })
	return streamItem{Name: name, Diff: c.Unified(s), Note: strings.Join(notes, " ")}
}
