package dashboard

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"qme/internal/day"
	"qme/record"
)

// A listAPI serves lists, counts and plots of tasks. It is safe for concurrent use.
type listAPI struct {
	feed      *feed
	jobs      *jobs
	searches  *searches
	overviews latest[*overview]
	facetList latest[*facets]
}

// A taskPage is a part of the tasks selected by a filter.
type taskPage struct {
	Version string    `json:"version"`
	Total   int       `json:"total"`
	Matched int       `json:"matched"`
	Offset  int       `json:"offset"`
	Loaded  loaded    `json:"loaded"`
	Tasks   []summary `json:"tasks"`
}

const (
	pageDefault = 100
	pageMost    = 1000
)

func (l *listAPI) listTasks(w http.ResponseWriter, r *http.Request) error {
	l.jobs.tasksRead()
	if err := l.feed.current(r.Context()); err != nil {
		return err
	}
	f, err := filterOf(r)
	if err != nil {
		return err
	}
	offset, err := numberOf(r, "offset", 0, 0, 1<<31)
	if err != nil {
		return err
	}
	limit, err := numberOf(r, "limit", pageDefault, 0, pageMost)
	if err != nil {
		return err
	}
	f.at(time.Now())
	if f.Query != "" {
		if err = l.searches.find(r.Context(), f); err != nil {
			return err
		}
	} else if notModified(w, r, l.feed.tag()+strconv.FormatInt(f.Now, 36)) {
		return nil
	}
	p := l.feed.table.page(f, int(offset), int(limit))
	return writeJSON(w, r, http.StatusOK, taskPage{p.Version, p.Total, p.Matched, int(offset), p.Loaded, l.feed.lastLines.addTo(p.Rows)})
}

// filterOf reads a filter from the parameters of a request.
func filterOf(r *http.Request) (*filter, error) {
	q := r.URL.Query()
	f := &filter{
		Query: strings.TrimSpace(q.Get("q")), Executors: q["executor"], Hosts: q["host"], Users: q["user"],
		PWD: q.Get("pwd"), Sort: q.Get("sort"), Command: clip(q.Get("command")),
	}
	if name := r.PathValue("name"); name != "" {
		f.Executors = []string{name}
	}
	if len(f.Query) > 4096 {
		return nil, badRequest("q is longer than 4096 bytes")
	}
	for _, st := range q["status"] {
		set, ok := record.ParseOutcomes(st)
		if !ok {
			return nil, badRequest(fmt.Sprintf("status %q is none of %s", st, record.OutcomeWords))
		}
		f.Outcomes |= set
	}
	if f.Sort == "" {
		f.Sort = sortLatest
	}
	if !slices.Contains(columnNames(), strings.TrimPrefix(f.Sort, "-")) {
		return nil, badRequest(fmt.Sprintf("sort %q is none of %s, nor one with - before it", f.Sort, strings.Join(columnNames(), ", ")))
	}
	var err error
	if f.zone, err = zoneOf(r); err != nil {
		return nil, err
	}
	if f.After, err = timeOf("after", q.Get("after"), f.zone); err != nil {
		return nil, err
	}
	f.Before, err = timeOf("before", q.Get("before"), f.zone)
	return f, err
}

// timeOf parses a time or a date, which means its first moment in the zone.
func timeOf(name, text string, zone *time.Location) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		hint := ""
		if strings.Contains(text, " ") {
			hint = "; a + in an address is written %2B"
		}
		return t, badRequest(fmt.Sprintf("%s %q is no time such as 2026-11-23T09:31:00Z, and no date such as 2026-11-23%s", name, text, hint))
	}
	return day.First(t, zone), nil
}
