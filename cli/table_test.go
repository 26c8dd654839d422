package cli

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"qme/cli/config"
	"qme/record"
)

// A terminal that is a column wider shows as much of the command, or gives a part of what
// was enough to one further column.
func TestWiderShowsNoLess(t *testing.T) {
	for _, mixed := range []bool{false, true} {
		for _, runs := range []bool{false, true} {
			before := 0
			var had layout
			for width := narrowNameWidth + 1; width <= 200; width++ {
				l := (&table{width: width, mixed: mixed, runs: runs}).foundLayout()
				used := l.name
				for width, there := range map[int]bool{statusWidth: l.status, durationWidth: l.duration, timeWidth: l.age, executorWidth: l.executor} {
					if there {
						used += width
					}
				}
				room := width - used
				if status := l.status && !had.status; room < before && !status && before < goodCommand-1 {
					t.Errorf("search (mixed %v, runs %v): %d columns leave %d, and one less %d", mixed, runs, width, room, before)
				}
				if room < 0 || width >= minCommand+narrowNameWidth && room < minCommand {
					t.Errorf("search (mixed %v, runs %v): %d columns leave %d", mixed, runs, width, room)
				}
				before, had = room, l
			}
			if full := (layout{name: nameWidth, age: true, duration: true, status: true, executor: mixed}); had != full {
				t.Errorf("search: a wide terminal has %+v", had)
			}
		}
	}
}

// TestColumnsHaveRoom shows which columns of a listing a terminal has.
func TestColumnsHaveRoom(t *testing.T) {
	full := map[string]string{
		"id": "019aaf3c-1b2c", "runs": "@3", "name": "baseline", "tags": "draft,paper", "when": "2026-11-23", "duration": "1m05s", "state": "cancelled",
		"executor": "slurm", "command": strings.Repeat("x", 300), "message": strings.Repeat("m", 300),
	}
	bare := maps.Clone(full)
	for _, name := range []string{"runs", "name", "tags", "executor", "message"} {
		delete(bare, name)
	}
	short := maps.Clone(full)
	short["command"], short["message"] = "ls", "m"
	tests := []struct {
		row  map[string]string
		all  bool // these are all rows
		want map[int]string
	}{
		{full, false, map[int]string{
			13: "id", 30: "id command", 40: "id state command", 60: "id when state command", 80: "id name when state command",
			120: "id runs name tags when duration state executor command", 200: "id runs name tags when duration state executor command message",
		}},
		{bare, false, map[int]string{40: "id state command", 80: "id when duration state command", 200: "id when duration state command"}},
		{short, true, map[int]string{60: "id name when state command"}},
	}
	for _, test := range tests {
		before := 0
		for width := 1; width <= 250; width++ {
			tab := &table{width: width, columns: namedColumns(config.DefaultColumns)}
			row := make([]tableCell, len(tab.columns))
			for i, c := range tab.columns {
				row[i].text = test.row[c.name]
			}
			var names []string
			command, used := 0, -columnGap
			for _, p := range tab.place([][]tableCell{row}, test.all) {
				names = append(names, p.name)
				if used += p.width + columnGap; p.name == "command" {
					command = p.width
				}
			}
			if used > width && width >= len("019aaf3c-1b2c") {
				t.Errorf("%d columns: %v take %d", width, names, used)
			}
			if wasEnough := before >= goodCommand-1 || slices.Equal(names, []string{"id", "state", "command"}); command < before && !wasEnough || !test.all && command < minCommand && slices.Contains(names, "state") {
				t.Errorf("%d columns leave %d for the command, and one less %d", width, command, before)
			}
			if want, ok := test.want[width]; ok && strings.Join(names, " ") != want {
				t.Errorf("%d columns: %v, want %s", width, names, want)
			}
			before = command
		}
	}
}

// TestAgeOrDate shows times where their age says something as that, in the zone of the reader.
func TestAgeOrDate(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 59 * time.Second: "59 s", 61 * time.Second: "1 min", 59*time.Minute + 59*time.Second: "59 min", 60 * time.Minute: "1 h", 23 * time.Hour: "23 h",
		24 * time.Hour: "1 day", 7*24*time.Hour - 1: "6 days", 7 * 24 * time.Hour: now.Add(-7 * 24 * time.Hour).Local().Format(time.DateOnly),
		-59 * time.Second: "0 s", -3 * time.Hour: "+3 h", -48 * time.Hour: now.Add(48 * time.Hour).Local().Format(time.DateOnly),
	} {
		if got := ageOrDate(now.Add(-d)); got != want {
			t.Errorf("%s ago is shown as %s, want %s", d, got, want)
		}
	}
}

// TestCutTo cuts texts so that they fit on each terminal.
func TestCutTo(t *testing.T) {
	for text, want := range map[string]string{
		"abcdef": "abcdef", "abcdefg": "abcde…", "日本語": "日本語", "日本語x": "日本…", "cafe\u0301 au": "cafe\u0301 …",
		"⚠\ufe0f⚠\ufe0f⚠\ufe0f": "⚠\ufe0f⚠\ufe0f⚠\ufe0f", "⚠\ufe0f⚠\ufe0f⚠\ufe0fx": "⚠\ufe0f⚠\ufe0f…", "👩🏽👩🏽": "👩🏽…", "🇩🇪🇩🇪🇩🇪": "🇩🇪🇩🇪🇩🇪",
	} {
		if got := cutTo(text, 6); got != want {
			t.Errorf("%q is cut to %q, want %q", text, got, want)
		}
	}
}

// TestColumnNames shows that the settings know the columns.
func TestColumnNames(t *testing.T) {
	var names []string
	for _, c := range columns() {
		names = append(names, c.name)
		if c.name != "id" && c.name != "command" && !slices.Contains(keptFirst, c.name) && !slices.Contains(measures(), c.name) {
			t.Errorf("it is not said when %s is left out", c.name)
		}
	}
	if want := append(slices.Clone(config.Columns), measures()...); !slices.Equal(names, want) {
		t.Errorf("the columns are %v, and the settings have %v", names, want)
	}
	for _, list := range [][]string{config.DefaultColumns, clearedColumns} {
		for _, name := range list {
			if !slices.Contains(config.Columns, name) {
				t.Errorf("there is no column %s", name)
			}
		}
	}
}

// TestShortDurationRounds shows durations that lie before the next unit.
func TestShortDurationRounds(t *testing.T) {
	for d, want := range map[time.Duration]string{
		902942 * time.Microsecond: "903ms", 3866 * time.Microsecond: "4ms", 999600 * time.Microsecond: "1.0s", 9960 * time.Millisecond: "10s",
		59600 * time.Millisecond: "1m00s", 3599600 * time.Millisecond: "1h00m", 119*time.Minute + 40*time.Second: "2h00m", -1: "0s",
	} {
		if got := shortDuration(d); got != want {
			t.Errorf("%s is shown as %s, want %s", d, got, want)
		}
	}
}

// TestMeasures shows further numbers, by their kind.
func TestMeasures(t *testing.T) {
	for want, f := range map[string]record.Field{
		"-":    {Kind: record.Seconds, Value: func(*record.Record) any { return nil }},
		"1.5s": {Kind: record.Seconds, Value: func(*record.Record) any { return 1.5 }},
		"2MiB": {Kind: record.Bytes, Value: func(*record.Record) any { return int64(2 << 20) }},
		"17":   {Kind: record.Integer, Value: func(*record.Record) any { return 17 }},
	} {
		if got := measure(f, &record.Record{}); got != want {
			t.Errorf("a measure is shown as %s, want %s", got, want)
		}
	}
}
