package dashboard

import "net/http"

// A RunItem is a run in a list.
type RunItem struct {
	Number  int     `json:"number"`
	Commit  string  `json:"commit"`
	Summary Summary `json:"summary"`
}

func itemOf(r Run) RunItem { return RunItem{r.Number, r.Commit, summaryOf(r.Record)} }

// Runs are a task's runs, the latest first.
type Runs struct {
	Runs []RunItem `json:"runs"`
	More bool      `json:"more"`
}

const runsMost = 1000

func (s *Server) listRuns(w http.ResponseWriter, r *http.Request) error {
	limit, err := numberOf(r, "limit", 200, 1, runsMost)
	if err != nil {
		return err
	}
	runs, err := s.runsOf(r.PathValue("id"), int(limit))
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, runs)
}

func (s *Server) runsOf(ref string, limit int) (*Runs, error) {
	list := &Runs{Runs: []RunItem{}}
	for run, err := range s.o.Tasks.Runs(ref) {
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

func (s *Server) compareRuns(w http.ResponseWriter, r *http.Request) error {
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
	c, err := s.o.Tasks.Compare(r.PathValue("id"), int(numbers[0]), int(numbers[1]))
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, struct {
		A       RunItem        `json:"a"`
		B       RunItem        `json:"b"`
		Fields  []FieldChange  `json:"fields"`
		Streams []StreamChange `json:"streams"`
	}{itemOf(c.A), itemOf(c.B), append([]FieldChange{}, c.Fields...), append([]StreamChange{}, c.Streams...)})
}
