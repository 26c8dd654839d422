package mirror

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"qme/mirror/target"
	"qme/record"
)

// TestNotes: the name, the tags and the notes of a task follow it, however many there are, and none is
// left when it has others or is gone.
func TestNotes(t *testing.T) {
	at := record.Time{Time: time.Date(2026, 11, 23, 10, 31, 0, 0, time.FixedZone("", 3600))}
	edited := record.Time{Time: at.Add(time.Minute)}
	some := &record.Notes{
		Name: &record.Name{Text: "baseline", At: at, By: "ann"},
		Tags: []string{"paper", "ä'\\\"%"},
		Notes: []record.Note{
			{ID: "5b1f0c2d9e7a", At: at, By: "ann", Text: "too\x00 hot\n'; drop table notes"},
			{ID: "6b1f0c2d9e7a", At: at, By: strings.Repeat("ä", 200), Text: "later", Edited: &edited},
		},
	}
	eachDatabase(t, func(t *testing.T, where *target.Target) {
		var before *record.Record
		commits := 0
		follow := func(n *record.Notes) {
			t.Helper()
			commits++
			now := aRun(nil)
			now.Notes = n
			if before != nil {
				now.Data.Timestamp = before.Data.Timestamp
			}
			if _, err := opened(t, where).CatchUp(t.Context(), history{r: now, old: before, commit: fmt.Sprint(commits)}, nil); err != nil {
				t.Fatal(err)
			}
			before = now
		}
		check := func(query string, want ...string) {
			t.Helper()
			if got := answer(t, where, query); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", query, got, want)
			}
		}
		const notes, tags = "SELECT id, written, username, text, edited FROM notes ORDER BY id", "SELECT tag FROM tags ORDER BY tag"
		first := "5b1f0c2d9e7a 2026-11-23 09:31:00.000000 ann too\uFFFD hot\n'; drop table notes <nil>"
		follow(some)
		check(notes, first, "6b1f0c2d9e7a 2026-11-23 09:31:00.000000 "+strings.Repeat("ä", 125)+" later 2026-11-23 09:32:00.000000")
		check(tags, some.Tags...)
		check("SELECT l.name, t.name, l.run FROM latest_runs l JOIN tasks t ON t.home_id = l.home_id AND t.id = l.task_id", "baseline baseline 3")

		less := some.Clone()
		less.Name, less.Tags, less.Notes = nil, less.Tags[:1], less.Notes[:1]
		follow(less)
		check(notes, first)
		check(tags, "paper")
		check("SELECT name FROM tasks", "<nil>")

		many := &record.Notes{} // more than one statement's
		for i := range 1000 {
			many.Tags = append(many.Tags, fmt.Sprintf("tag%03d", i))
			many.Notes = append(many.Notes, record.Note{ID: fmt.Sprintf("%012x", i), At: at, Text: strings.Repeat("x", 5000)})
		}
		many.Notes[7].Text = strings.Repeat("y", record.LongestNote)
		follow(many)
		check("SELECT count(*), max(length(text)), min(length(text)) FROM notes", "1000 65536 5000")
		check("SELECT count(*), max(tag) FROM tags", "1000 tag999")
		follow(many)
		check("SELECT count(*) FROM notes", "1000")
		if _, err := opened(t, where).Rebuild(t.Context(), history{r: before, commit: "again"}, nil); err != nil {
			t.Fatal(err)
		}
		check("SELECT count(*), max(tag) FROM tags", "1000 tag999")

		follow(nil)
		check(notes)
		check(tags)
		follow(some)
		if _, err := opened(t, where).CatchUp(t.Context(), without{history{r: before, commit: "last"}}, nil); err != nil {
			t.Fatal(err)
		}
		check("SELECT count(*) FROM notes", "0")
		check("SELECT count(*) FROM tags", "0")
		check("SELECT count(*) FROM tasks", "0")
	})
}
