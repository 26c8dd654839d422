package cli

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"qme/index"
	"qme/index/query"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

// The orders of search. "newest" is an older name of "started".
const (
	sortStarted   = tasks.SortStarted
	sortCreated   = tasks.SortCreated
	sortRelevance = tasks.SortRelevance
	sortDuration  = tasks.SortDuration
	sortMemory    = tasks.SortMemory
	sortOldest    = tasks.SortOldest
	sortNewest    = "newest"
)

var sortOrders = []string{sortStarted, sortOldest, sortCreated, sortRelevance, sortDuration, sortMemory}

// nameOf returns the name of a run as other commands accept it.
func nameOf(f index.Found) string {
	if f.Number == 0 {
		return string(f.ID)
	}
	return fmt.Sprintf("%s@%d", f.ID, f.Number)
}

// A clearedJSON is the value of the key "cleared".
type clearedJSON struct {
	Commit string      `json:"commit"`
	Time   record.Time `json:"time"`
	Record string      `json:"record"`
}

// writeFoundJSON prints a record with the additional key "hits" and, if its task was cleared,
// "cleared".
func writeFoundJSON(w *bufio.Writer, f index.Found, q *query.Query) error {
	hits := q.Hits(f.Doc)
	if hits == nil {
		hits = []query.Hit{}
	}
	b, err := json.Marshal(hits)
	if err != nil {
		return err
	}
	return writeTaskJSON(w, f.Record, f.Cleared, map[string]json.RawMessage{"hits": b})
}

// writeTaskJSON prints a record with the additional keys "notes", if there are some, "cleared", if its
// task was cleared, and further ones.
func writeTaskJSON(w *bufio.Writer, of *record.Record, c *record.Clearing, further map[string]json.RawMessage) (err error) {
	rec := *of
	rec.Extra = map[string]json.RawMessage{}
	maps.Copy(rec.Extra, of.Extra)
	maps.Copy(rec.Extra, further)
	if !rec.Notes.IsEmpty() {
		if rec.Extra["notes"], err = record.EncodeNotes(rec.Notes); err != nil {
			return err
		}
	}
	if c != nil {
		if rec.Extra["cleared"], err = json.Marshal(clearedJSON{c.Commit, record.Time{Time: c.When.Local()}, recordOf(c)}); err != nil {
			return err
		}
	}
	return writeJSONLine(w, &rec)
}

const (
	// timeWidth is the width of the time column.
	timeWidth = len(time.DateTime) + 2
	// snippetIndent is the indentation of snippets below a task.
	snippetIndent = 4
)

// foundLayout is layout for search results, which show the start time in the place of the
// age. It leaves room for the numbers of earlier runs.
func (t *table) foundLayout() layout {
	f := fitting{t.width, narrowNameWidth}
	l := layout{name: narrowNameWidth}
	l.status = f.take(statusWidth, minCommand, 0)
	if l.age = f.useful(timeWidth); !l.age {
		return l
	}
	if t.runs {
		l.name = f.name(minCommand)
	}
	l.executor = (t.width == 0 || t.mixed) && f.useful(executorWidth)
	l.duration = f.useful(durationWidth)
	if !t.runs {
		l.name = f.name(goodCommand)
	}
	return l
}

// found prints a task that was found with its short name and, on a terminal, the places
// of the hits.
func (t *table) found(f index.Found, short string, q *query.Query) error {
	if f.Number > 0 {
		short += "@" + strconv.Itoa(f.Number)
	}
	l := t.foundLayout()
	line := runewidth.FillRight(short, l.name-1) + " "
	if l.age {
		line += f.Record.Data.Timestamp.Local().Format(time.DateTime) + "  "
	}
	line, used := t.facts(line, l, f.Record)
	room := 0
	if t.width > 0 {
		room = t.width - used
	}
	var hits []query.Hit
	if t.width > 0 || t.color.on {
		hits = q.Hits(f.Doc)
	}
	if room > 0 || t.width == 0 {
		line += t.highlighted(f.Record.Command, hits, room)
	}
	if _, err := fmt.Fprintln(t.w, strings.TrimRight(line, " ")); err != nil {
		return err
	}
	if t.width > 0 {
		if err := t.snippets(outside(f.Record.Command, room, hits)); err != nil {
			return err
		}
	}
	return t.shown()
}

// highlighted returns a command with its hits highlighted, cut to room columns; 0 means
// no limit.
func (t *table) highlighted(command string, hits []query.Hit, room int) string {
	var b strings.Builder
	left := room
	put := func(s string, paint func(string) string) {
		s = safe.Line(s)
		if room > 0 && left <= 0 {
			return
		}
		if room > 0 {
			s = runewidth.Truncate(s, left, "…")
			left -= runewidth.StringWidth(s)
		}
		if s != "" {
			b.WriteString(paint(s))
		}
	}
	hits = slices.DeleteFunc(slices.Clone(hits), func(h query.Hit) bool { return h.Field != "command" })
	slices.SortFunc(hits, func(a, b query.Hit) int { return cmp.Compare(a.Start, b.Start) })
	at := 0
	for _, h := range hits {
		if h.Start < at || h.End > len(command) {
			continue
		}
		put(command[at:h.Start], t.color.plain)
		put(command[h.Start:h.End], t.color.match)
		at = h.End
	}
	put(command[at:], t.color.plain)
	return b.String()
}

const (
	// maxSnippets is the number of lines shown below a task.
	maxSnippets = 3
	// snippetBefore is the number of columns shown before a hit.
	snippetBefore = 24
)

// outside returns the hits that say more than the query, and are not in what the row of a task
// shows of its command, of which there are room columns.
func outside(command string, room int, hits []query.Hit) []query.Hit {
	if runewidth.StringWidth(safe.Line(command)) > room {
		room-- // for the mark at its end
	}
	return slices.DeleteFunc(slices.Clone(hits), func(h query.Hit) bool {
		return h.Repeats && h.Field != "command" || h.Field == "command" && h.End <= len(command) && runewidth.StringWidth(safe.Line(command[:h.End])) <= room
	})
}

// snippets prints some hits of a task.
func (t *table) snippets(hits []query.Hit) error {
	for _, h := range fewOf(hits) {
		indent := strings.Repeat(" ", snippetIndent) + placeOf(h) + ": "
		room := t.width - runewidth.StringWidth(indent)
		if room <= 0 {
			continue
		}
		if _, err := fmt.Fprintln(t.w, indent+t.excerpt(h, room)); err != nil {
			return err
		}
	}
	return nil
}

// placeOf names the line in which a hit is.
func placeOf(h query.Hit) string {
	if h.Line > 0 {
		return h.Field + ":" + strconv.Itoa(h.Line)
	}
	return h.Field
}

// fewOf returns at most maxSnippets of the hits, one in each line, in the same order. The words
// of the query take turns; that with the fewest hits, which says most, is the first.
func fewOf(hits []query.Hit) []query.Hit {
	var words [][]int // the numbers of the hits of each word
	for i, h := range hits {
		if i == 0 || h.Term != hits[i-1].Term {
			words = append(words, nil)
		}
		words[len(words)-1] = append(words[len(words)-1], i)
	}
	slices.SortStableFunc(words, func(a, b []int) int { return cmp.Compare(len(a), len(b)) })
	shown := map[string]bool{}
	var few []int
	for left := len(hits); left > 0 && len(few) < maxSnippets; {
		for w := range words {
			if len(words[w]) == 0 || len(few) == maxSnippets {
				continue
			}
			i := words[w][0]
			words[w] = words[w][1:]
			left--
			if place := placeOf(hits[i]); !shown[place] {
				shown[place] = true
				few = append(few, i)
			}
		}
	}
	slices.Sort(few)
	list := make([]query.Hit, len(few))
	for n, i := range few {
		list[n] = hits[i]
	}
	return list
}

// excerpt returns a hit with as much context as fits into room columns, which is at least
// 1.
func (t *table) excerpt(h query.Hit, room int) string {
	match := runewidth.Truncate(safe.Line(h.Match), room, "…")
	room -= runewidth.StringWidth(match)
	before := safe.Line(h.Before)
	if over := runewidth.StringWidth(before) - min(snippetBefore, room/2); over > 0 {
		before = runewidth.TruncateLeft(before, over+1, "…")
		if over >= runewidth.StringWidth(safe.Line(h.Before)) {
			before = ""
		}
	}
	room -= runewidth.StringWidth(before)
	after := ""
	if room > 0 {
		after = runewidth.Truncate(safe.Line(h.After), room, "…")
	}
	return before + t.color.match(match) + after
}
