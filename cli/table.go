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

	"qme/cli/zone"
	"qme/executor"
	"qme/internal/safe"
	"qme/record"
	"qme/tasks"
)

// A table prints tasks as they arrive, so its columns have fixed widths; only the last
// one takes the rest of the line.
type table struct {
	w     *bufio.Writer
	width int // of the terminal; 0: lines are not cut
	color palette
	rows  int
	mixed bool // tasks of other executors than the usual one may occur
	runs  bool // earlier runs are shown, whose names include a number
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
	measureWidth  = 8
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

// A layout is a choice of columns.
type layout struct {
	name                            int // its width
	age, duration, status, executor bool
	measures                        int // the number of leading record.Measures shown
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

// layout chooses the columns. If there is not enough room, the extra width of the name is
// dropped first, then the age; the status is dropped last.
func (t *table) layout() layout {
	f := fitting{t.width, narrowNameWidth}
	var l layout
	l.status = f.take(statusWidth, minCommand, 0)
	l.executor = (t.width == 0 || t.mixed) && f.useful(executorWidth)
	l.duration = f.useful(durationWidth)
	l.age = l.duration && f.useful(ageWidth)
	l.name = f.name(goodCommand)
	// Scripts find columns by number, so additional columns are for terminals only.
	for t.width > 0 && l.measures < record.MeasureCount && f.take(measureWidth, goodCommand, goodCommand) {
		l.measures++
	}
	return l
}

// row prints one task.
func (t *table) row(item tasks.Item) error {
	l, r := t.layout(), item.Record
	line := runewidth.FillRight(item.Short, l.name-1) + " "
	if l.age {
		line += fmt.Sprintf("%*s ", ageWidth-1, age(r.Data.Timestamp.Time))
	}
	line, used := t.facts(line, l, r)
	command := waitsFor(r) + safe.Line(r.Command)
	switch room := t.width - used; {
	case t.width == 0:
		line += command
	case room > 0:
		line += runewidth.Truncate(command, room, "…")
	default:
		line = strings.TrimRight(line, " ") // a trailing blank would wrap
	}
	if _, err := fmt.Fprintln(t.w, line); err != nil {
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
	for _, f := range record.Measures()[:l.measures] {
		line += fmt.Sprintf("%*s  ", measureWidth-2, measure(f, r))
	}
	used = runewidth.StringWidth(line)
	if l.status {
		status, paint := t.status(r)
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

// executor returns the executor column. On a terminal it is blank for the usual executor.
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
	case r.Outcome() == record.Queued && r.Data.Job.State == "":
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

// jobStatus returns the scheduler's word for a job that is not final, or that ended
// without a return code of its own.
func (t *table) jobStatus(job *record.Job) (string, func(string) string) {
	word := runewidth.Truncate(safe.Line(strings.ToLower(job.State)), statusWidth-1, "…")
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
