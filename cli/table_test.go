package cli

import (
	"testing"
	"time"

	"qme/record"
)

// A terminal that is a column wider shows as much of the command, or gives a part of what
// was enough to one further column.
func TestWiderShowsNoLess(t *testing.T) {
	columns := map[string]func(*table) (used int, l layout){
		"ls": func(t *table) (int, layout) {
			l := t.layout()
			used := l.name + l.measures*measureWidth
			for width, there := range map[int]bool{statusWidth: l.status, durationWidth: l.duration, ageWidth: l.age, executorWidth: l.executor} {
				if there {
					used += width
				}
			}
			return used, l
		},
		"search": func(t *table) (int, layout) {
			l := t.foundLayout()
			used := l.name
			for width, there := range map[int]bool{statusWidth: l.status, durationWidth: l.duration, timeWidth: l.age, executorWidth: l.executor} {
				if there {
					used += width
				}
			}
			return used, l
		},
	}
	for name, of := range columns {
		for _, mixed := range []bool{false, true} {
			for _, runs := range []bool{false, true} {
				before := 0
				var had layout
				for width := narrowNameWidth + 1; width <= 200; width++ {
					used, l := of(&table{width: width, mixed: mixed, runs: runs})
					room := width - used
					if status := l.status && !had.status; room < before && !status && before < goodCommand-1 {
						t.Errorf("%s (mixed %v, runs %v): %d columns leave %d, and one less %d", name, mixed, runs, width, room, before)
					}
					if room < 0 || width >= minCommand+narrowNameWidth && room < minCommand {
						t.Errorf("%s (mixed %v, runs %v): %d columns leave %d", name, mixed, runs, width, room)
					}
					before, had = room, l
				}
				full := layout{name: nameWidth, age: true, duration: true, status: true, executor: mixed}
				if name == "ls" {
					full.measures = record.MeasureCount
				}
				if had != full {
					t.Errorf("%s: a wide terminal has %+v", name, had)
				}
			}
		}
		used, l := of(&table{width: 80, mixed: true})
		if l.name != nameWidth && name == "ls" || !l.age || !l.executor || !l.status {
			t.Errorf("%s: 80 columns have %+v (%d)", name, l, used)
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
