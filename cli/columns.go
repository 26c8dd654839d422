package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"qme/cli/config"
	"qme/executor"
	"qme/index/query"
	"qme/internal/near"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

// A column is what a listing can show of a task.
type column struct {
	name  string // its heading in small letters
	usage string
	cell  func(t *table, item tasks.Item) tableCell
	// most is the greatest width on a terminal; 0: as wide as there is room.
	most int
	// usual is the width where only the first tasks of a listing are known.
	usual int
	right bool // its text stands at the right
	// sparse says that many tasks have nothing in it: unless it was asked for it is left out where
	// none of the first tasks has something.
	sparse bool
	whole  bool // it needs more than a brief record
}

// A tableCell is what a column shows of a task, as text that is safe for a terminal.
type tableCell struct {
	text  string
	paint func(string) string // nil for no colour
}

func plainCell(text string) tableCell { return tableCell{text: safe.Line(text)} }

// columns returns all columns. Their names are those of config.Columns, and those of measures.
func columns() []column {
	list := []column{
		{name: "id", usage: "short name", usual: record.ShortWidth - 5, most: record.ShortWidth + 18, cell: func(_ *table, item tasks.Item) tableCell { return plainCell(item.Short) }},
		{name: "runs", usage: "@N for the number of its runs", usual: 4, most: 6, sparse: true, cell: (*table).runsCell},
		{name: "name", usage: "name that was given by \"qme name\"", most: 16, sparse: true, cell: func(_ *table, item tasks.Item) tableCell { return plainCell(item.Record.Notes.Named()) }},
		{name: "tags", usage: "tags", most: 20, sparse: true, cell: func(_ *table, item tasks.Item) tableCell {
			return plainCell(strings.Join(item.Record.Notes.Tagged(), ","))
		}},
		{name: "when", usage: "age or date of its latest run", usual: len(time.DateOnly), most: len(time.DateTime), right: true, cell: func(t *table, item tasks.Item) tableCell {
			return t.timeCell(item.Record.Data.Timestamp.Time)
		}},
		{name: "duration", usage: "duration", usual: 8, most: 10, right: true, cell: func(t *table, item tasks.Item) tableCell { return plainCell(t.duration(item.Record)) }},
		{name: "state", usage: "return code, or a word", usual: statusWidth - 1, most: statusWidth - 1, cell: func(t *table, item tasks.Item) tableCell {
			status, paint := t.status(item.Record)
			return tableCell{status, paint}
		}},
		{name: "executor", usage: "executor", most: 10, sparse: true, cell: (*table).executorCell},
		{name: "job", usage: "number of its job", most: 14, sparse: true, cell: func(_ *table, item tasks.Item) tableCell {
			if item.Record.Data.Job == nil {
				return tableCell{}
			}
			return plainCell(item.Record.Data.Job.ID)
		}},
		{name: "memory", usage: "memory that it needed", usual: 6, most: 6, right: true, whole: true, cell: func(_ *table, item tasks.Item) tableCell {
			if n := item.Record.Memory(); n > 0 {
				return tableCell{text: shortBytes(float64(n))}
			}
			return tableCell{text: "-"}
		}},
		{name: "user", usage: "user", usual: 8, most: 16, cell: func(_ *table, item tasks.Item) tableCell { return plainCell(item.Record.Data.User) }},
		{name: "host", usage: "machine", usual: 10, most: 20, cell: func(_ *table, item tasks.Item) tableCell { return plainCell(item.Record.Data.Host) }},
		{name: "dir", usage: "directory", usual: 30, most: 40, cell: func(_ *table, item tasks.Item) tableCell { return plainCell(item.Record.Data.PWD) }},
		{name: "group", usage: "group that it was given in, as by a sweep", most: 20, sparse: true, whole: true, cell: func(_ *table, item tasks.Item) tableCell {
			if item.Record.Data.Group == nil {
				return tableCell{}
			}
			return plainCell(item.Record.Data.Group.Name)
		}},
		{name: "cleared", usage: "with --cleared: when it was cleared", usual: len(time.DateOnly), most: len(time.DateTime), right: true, sparse: true, cell: func(t *table, item tasks.Item) tableCell {
			if item.Cleared == nil {
				return tableCell{}
			}
			return t.timeCell(item.Cleared.When)
		}},
		{name: "by", usage: "with --cleared: who cleared it", usual: 8, most: 20, sparse: true, cell: (*table).byCell},
		{name: "command", usage: "command", cell: func(_ *table, item tasks.Item) tableCell {
			return tableCell{text: waitsFor(item.Record) + safe.Line(item.Record.Command)}
		}},
		{name: "message", usage: "message", sparse: true, cell: func(_ *table, item tasks.Item) tableCell { return plainCell(item.Record.Data.Message) }},
	}
	for _, f := range record.Measures() {
		list = append(list, column{name: f.Name, usage: f.Key, usual: 6, most: 8, right: true, whole: true, cell: func(_ *table, item tasks.Item) tableCell { return tableCell{text: measure(f, item.Record)} }})
	}
	return list
}

// measures returns the names of the columns that records have as measures.
func measures() (names []string) {
	for _, f := range record.Measures() {
		names = append(names, f.Name)
	}
	return names
}

// clearedColumns are the columns of a listing of tasks that were cleared.
var clearedColumns = []string{"id", "runs", "name", "tags", "cleared", "by", "state", "command", "message"}

// keptFirst says which columns stay where not all have room: the first ones longest. The command,
// which is not among them, keeps a part of the line, and the id is always there.
var keptFirst = []string{"state", "when", "cleared", "name", "duration", "by", "tags", "runs", "executor", "user", "host", "memory", "job", "group", "dir", "message"}

// worthIt is how many of keptFirst are worth a shorter command.
const worthIt = 3

// valueColumn returns the column of a parameter, param.NAME, or of a metric, metric.NAME.
func valueColumn(name string) (column, bool) {
	one, err := query.ParseWanted(name)
	if err != nil {
		return column{}, false
	}
	return column{name: name, usual: 8, most: 20, right: one.Kind == "metric", whole: true, cell: func(_ *table, item tasks.Item) tableCell {
		value, ok := one.Of(item.Record)
		if !ok {
			return tableCell{text: "-"}
		}
		return plainCell(value)
	}}, true
}

// namedColumns returns the columns with some names, each once, and those of measures.
func namedColumns(names []string) []column {
	all := columns()
	for _, name := range names {
		if c, ok := valueColumn(name); ok {
			all = append(all, c)
		}
	}
	var list []column
	for _, name := range append(slices.Clone(names), measures()...) {
		i := slices.IndexFunc(all, func(c column) bool { return c.name == name })
		if !slices.ContainsFunc(list, func(c column) bool { return c.name == name }) && i >= 0 {
			list = append(list, all[i])
		}
	}
	return list
}

// columnNames reads a list of columns.
func columnNames(text string) ([]string, error) {
	names := strings.Split(text, ",")
	for i, name := range names {
		name = strings.TrimSpace(name)
		if _, ok := valueColumn(name); ok {
			names[i] = name
			continue
		}
		name = strings.ToLower(name)
		if names[i] = name; slices.Contains(config.Columns, name) {
			continue
		}
		msg := fmt.Sprintf("--columns takes some of %s, param.NAME and metric.NAME, separated by commas, not %q", strings.Join(config.Columns, ", "), name)
		if meant := near.Best(name, config.Columns); meant != "" {
			msg += fmt.Sprintf("; did you mean %s?", meant)
		}
		return nil, &usageError{msg: msg, help: "qme ls --help"}
	}
	return names, nil
}

func (t *table) runsCell(item tasks.Item) tableCell {
	n := max(1, item.Record.Data.Run)
	if t.width == 0 {
		return tableCell{text: fmt.Sprint(n)}
	}
	if n == 1 {
		return tableCell{}
	}
	return tableCell{text: fmt.Sprintf("@%d", n)}
}

func (t *table) timeCell(at time.Time) tableCell {
	if t.width == 0 {
		return tableCell{text: at.Local().Format(time.DateTime)}
	}
	return tableCell{text: ageOrDate(at)}
}

// executorCell is blank for the usual executor on a terminal.
func (t *table) executorCell(item tasks.Item) tableCell {
	if t.width > 0 && item.Record.Executor == executor.ShellName {
		return tableCell{}
	}
	return plainCell(item.Record.Executor)
}

func (t *table) byCell(item tasks.Item) tableCell {
	if item.Cleared == nil || t.cleared == nil {
		return tableCell{}
	}
	who := t.cleared(*item.Cleared)
	if name, _, ok := strings.Cut(who, " <"); ok && name != "" && t.width > 0 {
		who = name
	}
	return plainCell(who)
}

// oldest is the age from which a task has a date in place of its age.
const oldest = 7 * 24 * time.Hour

// ageOrDate returns the time since at in words, or its date where the age says nothing. A time in
// the future, by the clock of another machine, is shown as such.
func ageOrDate(at time.Time) string {
	d := now.Sub(at)
	if d >= oldest || d <= -24*time.Hour {
		return at.Local().Format(time.DateOnly)
	}
	sign := ""
	if d <= -time.Minute {
		sign, d = "+", -d
	}
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%s%d s", sign, d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%s%d min", sign, d/time.Minute)
	case d < 24*time.Hour:
		return fmt.Sprintf("%s%d h", sign, d/time.Hour)
	}
	return sign + count(int(d/(24*time.Hour)), "day")
}

// columnGap stands between two columns.
const columnGap = 2

// A placed column has a width. Its cell is the one of a row with its number.
type placed struct {
	column
	number, width int
}

// place chooses the columns that have room, and their widths, which is that of their cells where all
// rows are known.
func (t *table) place(rows [][]tableCell, all bool) []placed {
	f := fitter{width: t.width, chosen: t.chosen}
	for i, c := range t.columns {
		p, filled := placed{c, i, 0}, false
		for _, row := range rows {
			filled = filled || row[i].text != ""
			p.width = max(p.width, runewidth.StringWidth(row[i].text))
		}
		if c.sparse && !filled && !t.chosen {
			continue
		}
		p.width = max(p.width, len(c.name))
		if !all {
			p.width = max(p.width, c.usual)
		}
		if c.most > 0 {
			p.width = min(p.width, c.most)
		}
		f.list = append(f.list, p)
	}
	return f.fit(all)
}

// A fitter distributes the width of a terminal to columns.
type fitter struct {
	width  int
	chosen bool // the user has named the columns
	list   []placed
	keeps  map[string]bool
	used   int
}

// fit leaves out the columns that have no room, the last ones of keptFirst first.
func (f *fitter) fit(all bool) []placed {
	main, second := f.find("command"), f.find("message")
	if main == nil {
		main, second = second, nil
	}
	f.keeps = map[string]bool{"id": true}
	least, good := 0, 0
	if main != nil {
		f.keeps[main.name] = true
		least, good = minCommand, goodCommand
		if all {
			least, good = min(least, main.width), min(good, main.width)
		}
	}
	if id := f.find("id"); id != nil {
		f.used = id.width + columnGap
	}
	for i, name := range slices.Concat(keptFirst, measures(), f.values()) {
		c := f.find(name)
		switch {
		case c == nil || c == main || c == second:
		case i == 0 || f.chosen:
			f.take(c, least, 0)
		case i < worthIt:
			f.take(c, least, good)
		default:
			f.take(c, good, good)
		}
	}
	if main != nil {
		f.share(main, second, good, all)
	}
	return slices.DeleteFunc(f.list, func(c placed) bool { return !f.keeps[c.name] })
}

// noRoom returns the columns that the user has named and that were left out.
func (t *table) noRoom() (names []string) {
	for _, c := range t.columns {
		if t.chosen && t.placed != nil && !slices.ContainsFunc(t.placed, func(p placed) bool { return p.name == c.name }) {
			names = append(names, c.name)
		}
	}
	return names
}

// values returns the columns of parameters and metrics.
func (f *fitter) values() (names []string) {
	for _, c := range f.list {
		if strings.Contains(c.name, ".") {
			names = append(names, c.name)
		}
	}
	return names
}

func (f *fitter) find(name string) *placed {
	for i := range f.list {
		if f.list[i].name == name {
			return &f.list[i]
		}
	}
	return nil
}

// take keeps a column if it leaves leaves columns for the command, and if the command would have at
// least has columns without it.
func (f *fitter) take(c *placed, leaves, has int) {
	cost := c.width + columnGap
	if leaves == 0 {
		cost = c.width // no gap follows the last column
	}
	if f.used+max(cost+leaves, has) > f.width {
		return
	}
	f.keeps[c.name] = true
	f.used += c.width + columnGap
}

// leastMessage is the width that a message has at least.
const leastMessage = 12

// share gives what is left to the command and the message: to each what it needs or, where that is
// too much, three parts of five to the command.
func (f *fitter) share(command, message *placed, good int, all bool) {
	room, wanted := f.width-f.used, command.width
	if room <= 0 {
		delete(f.keeps, command.name)
		return
	}
	command.width = room
	if all {
		command.width = min(wanted, room)
	} else {
		wanted = max(wanted, goodCommand)
	}
	if message == nil {
		return
	}
	gets := min(wanted, max(good, room*3/5, room-columnGap-message.width))
	left := room - columnGap - gets
	if left < min(message.width, leastMessage) {
		return
	}
	f.keeps[message.name] = true
	command.width, message.width = gets, left
}
