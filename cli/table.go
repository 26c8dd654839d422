package cli

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"qme/queue"
	"qme/record"
	"qme/record/safe"
)

// A table prints tasks as they come, so its columns have fixed widths; only the
// last one takes what the terminal leaves.
type table struct {
	w     *bufio.Writer
	width int // of the terminal; 0 means that nothing is cut
	color palette
	rows  int
}

func (a *app) newTable(w *bufio.Writer) *table {
	return &table{w: w, width: a.width(), color: a.palette()}
}

// newFlusher buffers a listing.
func newFlusher(w io.Writer) *bufio.Writer { return bufio.NewWriterSize(w, 64<<10) }

// The widths of the columns, with the space between them.
const (
	idWidth       = 20
	ageWidth      = 5
	durationWidth = 8
	statusWidth   = 10
	fixedWidth    = idWidth + ageWidth + durationWidth + statusWidth
)

// minCommand is how much of a command a terminal shows at least, before columns
// are left out for it.
const minCommand = 10

// row prints one task.
func (t *table) row(item queue.Item) error {
	id := runewidth.FillRight(item.Short, idWidth-1) + " "
	line := id + t.columns(item.Record)
	command := safe.Line(item.Record.Command)
	switch room := t.width - t.fixed() - (runewidth.StringWidth(id) - idWidth); {
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

// columns returns what stands between a task's id and its command.
func (t *table) columns(r *record.Record) string {
	if !t.fits(idWidth + statusWidth - minCommand) {
		return ""
	}
	status, paint := t.status(r)
	text := paint(runewidth.FillRight(status, statusWidth-1)) + " "
	if t.fits(fixedWidth - ageWidth) {
		text = fmt.Sprintf("%*s  ", durationWidth-2, t.duration(r)) + text
	}
	if t.fits(fixedWidth) {
		text = fmt.Sprintf("%*s ", ageWidth-1, age(now.Sub(r.Data.Timestamp.Time))) + text
	}
	return text
}

// fixed is the width of all columns but that of the command.
func (t *table) fixed() int {
	switch {
	case t.fits(fixedWidth):
		return fixedWidth
	case t.fits(fixedWidth - ageWidth):
		return fixedWidth - ageWidth
	case t.fits(idWidth + statusWidth - minCommand):
		return idWidth + statusWidth
	}
	return idWidth
}

// fits says whether columns of that width leave enough for the command.
func (t *table) fits(width int) bool { return t.width == 0 || width+minCommand <= t.width }

func (t *table) status(r *record.Record) (string, func(string) string) {
	switch {
	case r.Data.Status == record.Running:
		return "running", t.color.yellow
	case r.Data.Status == record.Cancelled:
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
	case word == "failed" && job.ReturnCode != nil:
		word = strconv.Itoa(*job.ReturnCode)
	}
	return word, t.color.red
}

func (t *table) duration(r *record.Record) string {
	took, ok := r.Took(now)
	if !ok {
		return "-"
	}
	return shortDuration(took)
}

// age says how long ago something was, in one unit.
func age(d time.Duration) string {
	switch day := 24 * time.Hour; {
	case d < 0:
		return "0s"
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

// shortDuration is at most six characters wide up to 99 hours.
func shortDuration(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Second:
		return fmt.Sprintf("%dms", d/time.Millisecond)
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	default:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
}
