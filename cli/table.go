package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"qme/cli/config"
	"qme/cli/zone"
	"qme/executor"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

// A table prints tasks as they arrive. What a row has, and how wide it is, is decided by the first
// rows; nothing is cut but on a terminal.
type table struct {
	w     *bufio.Writer
	width int // of the terminal; 0: lines are not cut
	color palette
	rows  int
	mixed bool // of a search: tasks of other executors than the usual one may occur
	runs  bool // of a search: earlier runs are shown, whose names include a number

	// Of a listing:
	columns []column
	chosen  bool                         // the user has named the columns
	tabs    bool                         // not on a terminal they stand between tabs
	cleared func(record.Clearing) string // who cleared a task; nil where none was
	first   [][]tableCell                // the first rows, until the columns are placed
	placed  []placed
}

func (t *terminal) newTable(w *bufio.Writer) *table {
	if t.noZone {
		t.noZone = false
		t.warn("%s=%q is not understood, so times are UTC", zone.Variable, os.Getenv(zone.Variable))
	}
	return &table{w: w, width: t.width(), color: t.palette(), mixed: true}
}

// newFlusher buffers a listing.
func newFlusher(w io.Writer) *bufio.Writer { return bufio.NewWriterSize(w, 64<<10) }

// The widths of the columns, with the space between them.
const (
	nameWidth     = record.ShortWidth + 1
	ageWidth      = 5
	durationWidth = 8
	statusWidth   = 10
	executorWidth = 7

	// narrowNameWidth is the width without room for additional digits, which are rarely
	// needed.
	narrowNameWidth = len("019aaf3c-1b2c") + 1
)

const (
	// minCommand is the minimal width of the command. Columns are left out to keep it.
	minCommand = 10
	// goodCommand is the width that the command gets before a less useful column is
	// added, so that a wider terminal never shows less of the command.
	goodCommand = 30
)

// A layout is a choice of the columns between the name and the command of a row that is not on a
// terminal, or of a search.
type layout struct {
	name                            int // its width
	age, duration, status, executor bool
}

// A fitting distributes the width of a terminal to columns.
type fitting struct{ width, used int }

// take adds a column if it leaves leaves columns for the command, and if the command
// would have at least has columns without it. In a pipe all columns are added, so that
// scripts find them in fixed places.
func (f *fitting) take(column, leaves, has int) bool {
	if f.width > 0 && f.used+max(column+leaves, has) > f.width {
		return false
	}
	f.used += column
	return true
}

// useful adds a column that is worth a shorter command.
func (f *fitting) useful(column int) bool { return f.take(column, minCommand, goodCommand) }

// name returns the width of the name column: nameWidth if that leaves enough for the
// command, else narrowNameWidth.
func (f *fitting) name(leaves int) int {
	if f.take(nameWidth-narrowNameWidth, leaves, goodCommand) {
		return nameWidth
	}
	return narrowNameWidth
}

// rowsKnown is how many rows are looked at before the first one is printed.
const rowsKnown = 100

// row prints one task, at once or with the next rows; end prints the last of them.
func (t *table) row(item tasks.Item) error {
	if t.columns == nil {
		t.columns = namedColumns(config.DefaultColumns)
	}
	switch {
	case t.width == 0 && t.tabs:
		return t.tabbed(item)
	case t.width == 0:
		return t.piped(item)
	}
	row := make([]tableCell, len(t.columns))
	for i, c := range t.columns {
		row[i] = c.cell(t, item)
	}
	if t.placed != nil {
		return t.put(row)
	}
	if t.first = append(t.first, row); len(t.first) < rowsKnown {
		return nil
	}
	return t.begin(false)
}

// end prints the rows that are left.
func (t *table) end() error {
	if len(t.first) == 0 {
		return nil
	}
	return t.begin(true)
}

// begin places the columns and prints their names and the first rows. all says that these are all.
func (t *table) begin(all bool) error {
	t.placed = t.place(t.first, all)
	head := make([]tableCell, len(t.columns))
	for i, c := range t.columns {
		head[i] = tableCell{strings.ToUpper(c.name), t.color.bold}
	}
	rows := t.first
	t.first = nil
	for _, row := range append([][]tableCell{head}, rows...) {
		if err := t.put(row); err != nil {
			return err
		}
	}
	return nil
}

// put prints a row on a terminal. No line wraps.
func (t *table) put(row []tableCell) error {
	var line strings.Builder
	blanks, used, over := 0, 0, 0
	for _, p := range t.placed {
		c := row[p.number]
		text, width := c.text, p.width
		switch wants := runewidth.StringWidth(text); {
		case p.name == "id" && wants > width: // a part of one names another task
			over += wants - width
			width = wants
		case p.most == 0 && over > 0:
			width = max(width-over, 0)
			over = 0
		}
		width = min(width, t.width-used-blanks)
		if width <= 0 {
			continue
		}
		text = cutTo(text, width)
		rest := width - runewidth.StringWidth(text)
		if p.right {
			blanks, rest = blanks+rest, 0
		}
		if text != "" {
			line.WriteString(strings.Repeat(" ", blanks))
			used, blanks = used+blanks+runewidth.StringWidth(text), 0
			line.WriteString(painted(c, text))
		}
		blanks += rest + columnGap
	}
	line.WriteByte('\n')
	if _, err := t.w.WriteString(line.String()); err != nil {
		return err
	}
	return t.shown()
}

// cutTo cuts a text to so many columns on any terminal.
func cutTo(text string, width int) string {
	is := runewidth.Truncate(text, width, "…")
	for n := width - 1; mostWidth(is) > width && n >= 0; n-- {
		is = runewidth.Truncate(text, n, "…")
	}
	return is
}

// mostWidth returns how many columns a text has on the terminal that gives it most: some draw the parts of an
// emoji one after the other, and some in two columns what \ufe0f makes coloured.
func mostWidth(text string) (n int) {
	last := 0
	for _, r := range text {
		if r == '\ufe0f' {
			n += max(2-last, 0)
		}
		last = runewidth.RuneWidth(r)
		n += last
	}
	return max(n, runewidth.StringWidth(text))
}

func painted(c tableCell, text string) string {
	if c.paint == nil {
		return text
	}
	return c.paint(text)
}

// tabbed prints the columns of a task with tabs between them.
func (t *table) tabbed(item tasks.Item) error {
	for i, c := range t.columns {
		if i > 0 {
			if err := t.w.WriteByte('\t'); err != nil {
				return err
			}
		}
		cell := c.cell(t, item)
		if _, err := t.w.WriteString(painted(cell, cell.text)); err != nil {
			return err
		}
	}
	if err := t.w.WriteByte('\n'); err != nil {
		return err
	}
	return t.shown()
}

// piped prints one task with columns in fixed places, for scripts.
func (t *table) piped(item tasks.Item) error {
	r := item.Record
	line := fmt.Sprintf("%s %*s ", runewidth.FillRight(item.Short, nameWidth-1), ageWidth-1, age(r.Data.Timestamp.Time))
	line, _ = t.facts(line, layout{duration: true, status: true, executor: true}, r)
	if _, err := fmt.Fprintln(t.w, line+waitsFor(r)+safe.Line(r.Command)); err != nil {
		return err
	}
	return t.shown()
}

// facts adds the columns between the time of a run and its command to a line, and returns it
// with the columns that it takes.
func (t *table) facts(line string, l layout, r *record.Record) (with string, used int) {
	if l.duration {
		line += fmt.Sprintf("%*s  ", durationWidth-2, t.duration(r))
	}
	used = runewidth.StringWidth(line)
	if l.status {
		status, paint := t.status(r)
		if t.width > 0 {
			status = runewidth.Truncate(status, statusWidth-1, "…")
		}
		cell := runewidth.FillRight(status, statusWidth-1)
		line, used = line+paint(cell)+" ", used+runewidth.StringWidth(cell)+1
	}
	if l.executor {
		cell := t.executor(r)
		line, used = line+cell, used+runewidth.StringWidth(cell)
	}
	return line, used
}

// shown counts a row. It flushes the first rows at once, later ones in large pieces.
func (t *table) shown() error {
	if t.rows++; t.rows <= 64 && t.rows&(t.rows-1) == 0 {
		return t.w.Flush()
	}
	return nil
}

// executor returns the executor column of facts. On a terminal it is blank for the usual executor.
func (t *table) executor(r *record.Record) string {
	name := r.Executor
	if t.width > 0 {
		if name == executor.ShellName {
			name = ""
		}
		name = runewidth.Truncate(name, executorWidth-1, "…")
	}
	return runewidth.FillRight(name, executorWidth-1) + " "
}

func (t *table) status(r *record.Record) (string, func(string) string) {
	switch {
	case r.Data.Status == record.Running:
		return "running", t.color.yellow
	case r.Outcome() == record.Stopped:
		return "cancelled", t.color.yellow
	case r.IsQueued(), r.Outcome() == record.Queued && r.Data.Job.State == "":
		return "queued", t.color.yellow
	case r.Data.Job != nil && r.Data.Job.State != "" && (!r.Data.Job.Final || r.Code() == nil || *r.Code() != 0):
		return t.jobStatus(r.Data.Job)
	case r.Code() == nil:
		return "-", t.color.plain
	case *r.Code() == 0:
		return "0", t.color.green
	}
	return strconv.Itoa(*r.Code()), t.color.red
}

// jobStatus returns the scheduler's first word for a job that is not final, or that ended
// without a return code of its own.
func (t *table) jobStatus(job *record.Job) (string, func(string) string) {
	word, _, _ := strings.Cut(safe.Line(strings.ToLower(strings.TrimSpace(job.State))), " ")
	switch {
	case !job.Final:
		return word, t.color.yellow
	case slices.Contains([]string{"failed", "exited", "exit", "done", "finished", "completed", "complete", "dead", "died", "ended"}, word) && job.ReturnCode != nil:
		word = strconv.Itoa(*job.ReturnCode)
	}
	return word, t.color.red
}

// measure returns a measured number with at most six characters, as for durations.
func measure(f record.Field, r *record.Record) string {
	n, ok := f.Number(r)
	switch {
	case !ok:
		return "-"
	case f.Kind == record.Seconds:
		return shortDuration(time.Duration(n * float64(time.Second)))
	case f.Kind == record.Bytes:
		return shortBytes(n)
	}
	return strconv.FormatFloat(n, 'g', 4, 64)
}

// shortBytes returns a size with at most six characters.
func shortBytes(n float64) string {
	for _, unit := range []string{"B", "KiB", "MiB", "GiB", "TiB"} {
		if n < 1000 {
			return strconv.FormatFloat(n, 'f', 0, 64) + unit
		}
		n /= 1024
	}
	return strconv.FormatFloat(n, 'g', 3, 64) + "PiB"
}

func (t *table) duration(r *record.Record) string {
	took, ok := r.Took(now)
	if !ok {
		return "-"
	}
	return shortDuration(took)
}

// age returns the time since at in one unit. A time in the future, by the clock of
// another machine, is shown as such.
func age(at time.Time) string {
	const day = 24 * time.Hour
	switch d := now.Sub(at); {
	case d < -day:
		return at.Local().Format(time.DateOnly)
	case d <= -time.Minute:
		return "+" + inOneUnit(-d)
	default:
		return inOneUnit(max(d, 0))
	}
}

func inOneUnit(d time.Duration) string {
	switch day := 24 * time.Hour; {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < day:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d < 14*day:
		return fmt.Sprintf("%dd", d/day)
	case d < 365*day:
		return fmt.Sprintf("%dw", d/(7*day))
	default:
		return fmt.Sprintf("%dy", d/(365*day))
	}
}

// shortDuration returns a duration with at most six characters up to 99 hours. It rounds
// like the dashboard.
func shortDuration(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d.Round(time.Millisecond) < time.Second:
		return fmt.Sprintf("%dms", d.Round(time.Millisecond)/time.Millisecond)
	case d.Round(100*time.Millisecond) < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Round(100*time.Millisecond).Seconds())
	case d.Round(time.Second) < time.Minute:
		return fmt.Sprintf("%ds", d.Round(time.Second)/time.Second)
	case d.Round(time.Second) < time.Hour:
		d = d.Round(time.Second)
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	default:
		d = d.Round(time.Minute)
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
}
