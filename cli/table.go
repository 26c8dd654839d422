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

// A table prints tasks as they come, so its columns have fixed widths; only the
// last one takes what the terminal leaves.
type table struct {
	w     *bufio.Writer
	width int // of the terminal; 0 means that nothing is cut
	color palette
	rows  int
	mixed bool // there are tasks of other executors than the usual one
	runs  bool // earlier runs are shown, whose names have a number
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

	// narrowNameWidth is without the room for further digits, which are hardly ever needed.
	narrowNameWidth = len("019aaf3c-1b2c") + 1
)

const (
	// minCommand is how much of a command a terminal shows at least, before any column is
	// left out for it.
	minCommand = 10
	// goodCommand is how much there is of it before it gives room to a column that is of
	// less use: a wider terminal must not show less.
	goodCommand = 30
)

// A layout says which columns there are.
type layout struct {
	name                            int // its width
	age, duration, status, executor bool
	measures                        int // the first so many of record.Measures
}

// A fitting takes columns out of the width of a terminal.
type fitting struct{ width, used int }

// take takes a column where it leaves enough of a command that has enough. In a pipe all
// of them are there, so that a script finds each in its place.
func (f *fitting) take(column, leaves, has int) bool {
	if f.width > 0 && f.used+max(column+leaves, has) > f.width {
		return false
	}
	f.used += column
	return true
}

// useful takes a column that the command gives room to.
func (f *fitting) useful(column int) bool { return f.take(column, minCommand, goodCommand) }

// name is the width of the column of names, which has room for more than they are mostly
// where that leaves enough of a command that has enough.
func (f *fitting) name(leaves int) int {
	if f.take(nameWidth-narrowNameWidth, leaves, goodCommand) {
		return nameWidth
	}
	return narrowNameWidth
}

// layout chooses the columns: what there is no room for goes, the room for further digits
// of the name first, then the age, the status last.
func (t *table) layout() layout {
	f := fitting{t.width, narrowNameWidth}
	var l layout
	l.status = f.take(statusWidth, minCommand, 0)
	l.executor = (t.width == 0 || t.mixed) && f.useful(executorWidth)
	l.duration = f.useful(durationWidth)
	l.age = l.duration && f.useful(ageWidth)
	l.name = f.name(goodCommand)
	// Scripts find columns by their number, so that further ones are on terminals alone.
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
	if l.duration {
		line += fmt.Sprintf("%*s  ", durationWidth-2, t.duration(r))
	}
	for _, f := range record.Measures()[:l.measures] {
		line += fmt.Sprintf("%*s  ", measureWidth-2, measure(f, r))
	}
	if used := runewidth.StringWidth(line); l.status {
		status, paint := t.status(r)
		cell := runewidth.FillRight(status, statusWidth-1)
		return t.end(line+paint(cell)+" ", used+runewidth.StringWidth(cell)+1, l, r)
	}
	return t.end(line, runewidth.StringWidth(line), l, r)
}

// end prints a line that has used so many columns, with its executor and its command.
func (t *table) end(line string, used int, l layout, r *record.Record) error {
	if l.executor {
		cell := t.executor(r)
		line, used = line+cell, used+runewidth.StringWidth(cell)
	}
	command := waitsFor(r) + safe.Line(r.Command)
	switch room := t.width - used; {
	case t.width == 0:
		line += command
	case room > 0:
		line += runewidth.Truncate(command, room, "…")
	default:
		line = strings.TrimRight(line, " ") // a blank would wrap
	}
	_, err := fmt.Fprintln(t.w, line)
	// The first rows are wanted at once, the rest in large pieces.
	if t.rows++; err == nil && t.rows <= 64 && t.rows&(t.rows-1) == 0 {
		err = t.w.Flush()
	}
	return err
}

// executor is the column of the executor: on a terminal only where it is not the usual one.
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
	case r.Data.Job != nil && r.Data.Job.State != "" && (!r.Data.Job.Final || r.Code() == nil || *r.Code() != 0):
		return t.jobStatus(r.Data.Job)
	case r.Code() == nil:
		return "-", t.color.plain
	case *r.Code() == 0:
		return "0", t.color.green
	}
	return strconv.Itoa(*r.Code()), t.color.red
}

// jobStatus is the scheduler's word for a job that goes on, or that ended otherwise than
// by a return code of its own.
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

// measure shows a further number, as wide as a duration.
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

// shortBytes is at most six characters wide.
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

// age says how long ago something was, in one unit. What the clock of another machine
// puts into the future is said to be there.
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

// shortDuration is at most six characters wide up to 99 hours. It rounds, as the dashboard does.
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
