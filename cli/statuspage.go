package cli

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/mattn/go-runewidth"

	"qme/internal/safe"
	"qme/queue"
	"qme/record"
	"qme/tasks"
)

const (
	// mostStatusTasks limits the rows of each list of tasks, mostStatusFailed those of failed ones.
	mostStatusTasks  = 10
	mostStatusFailed = 5
	// placeWidth limits the place of a running task.
	placeWidth = 32
)

// A statusPage shows the state of a home to a person: a line for each fact, and lists of tasks.
type statusPage struct {
	*page
	here string // the name of this machine
	// waits says why tasks wait in the queue, as far as that is known.
	waits map[record.ID]tasks.WaitReason
}

// fact prints a line.
func (p *statusPage) fact(label, text string) {
	p.printf("%s %s\n", p.t.color.bold(safe.Line(label)+":"), text)
}

func (p *statusPage) overview(o *tasks.Overview) {
	if len(o.Running) == 0 {
		p.fact("running", "none")
	} else {
		p.tasks("running", o.Running, mostStatusTasks, o.More, "qme ls --running", p.running)
	}
	p.waits = o.Waits
	p.tasks("queued", o.Queued, mostStatusTasks, o.More, "qme ls --queued", p.queued)
	p.tasks(fmt.Sprintf("failed, of the latest %d", o.Looked), o.Failed, mostStatusFailed, false, "qme ls --failed", p.failed)
}

// tasks prints a list of tasks, and with which command one lists all. more says that there are further
// ones.
func (p *statusPage) tasks(label string, items []tasks.Item, most int, more bool, all string, cells func(*record.Record) []string) {
	if len(items) == 0 {
		return
	}
	text := count(len(items), "task")
	if more {
		text = "more than " + text
	}
	if len(items) > most {
		text += fmt.Sprintf("; %q lists all", all)
	}
	p.fact(label, text)
	var rows [][]string
	for _, item := range items[:min(most, len(items))] {
		rows = append(rows, append([]string{item.Short}, cells(item.Record)...))
	}
	p.rows(rows)
}

// rows prints cells in columns. The last one takes the rest of the line.
func (p *statusPage) rows(rows [][]string) {
	widths := make([]int, len(rows[0])-1)
	for _, row := range rows {
		for i := range widths {
			widths[i] = max(widths[i], runewidth.StringWidth(row[i]))
		}
	}
	for _, row := range rows {
		line := "  "
		for i, width := range widths {
			line += runewidth.FillRight(row[i], width) + "  "
		}
		line += row[len(row)-1]
		if p.t.width > 0 {
			line = runewidth.Truncate(line, p.t.width, "…")
		}
		p.printf("%s\n", line)
	}
}

// running returns since when a task is running, where, and its command.
func (p *statusPage) running(r *record.Record) []string {
	since, place := r.Data.Timestamp, r.Data.PWD
	if home, err := os.UserHomeDir(); err == nil && r.Data.Host == p.here && (place == home || strings.HasPrefix(place, home+"/")) {
		place = "~" + strings.TrimPrefix(place, home)
	}
	if r.Data.Host != p.here {
		place = r.Data.Host + ":" + place
	}
	if j := r.Data.Job; j != nil {
		place = joined(" ", r.Executor, j.ID, j.Nodes)
		if j.Started != nil {
			since = *j.Started
		}
	}
	return []string{age(since.Time), runewidth.Truncate(safe.Line(place), placeWidth, "…"), safe.Line(r.Command)}
}

// queued returns since when a task waits in the queue, or its job, its name, its state, and the command.
func (p *statusPage) queued(r *record.Record) []string {
	if r.IsQueued() {
		return []string{age(r.Data.Queue.Added.Time), safe.Line(joined(" ", "queue", queue.Called(r.Data.Queue.Name))), safe.Line(joined(", ", triesText(r.Data.Queue), p.waits[r.UID].Word)), safe.Line(r.Command)}
	}
	since, job, state := r.Data.Timestamp, "", ""
	if j := r.Data.Job; j != nil {
		if j.Submitted != nil {
			since = *j.Submitted
		}
		job, state = j.ID, strings.ToLower(cmp.Or(j.State, "not known yet"))
	}
	return []string{age(since.Time), safe.Line(joined(" ", r.Executor, job)), safe.Line(state), waitsFor(r) + safe.Line(r.Command)}
}

// failed returns when a task began, its return code, and the command.
func (p *statusPage) failed(r *record.Record) []string {
	code := "-"
	if c := r.Code(); c != nil {
		code = strconv.Itoa(*c)
	}
	return []string{ago(r.Data.Timestamp.Time), code, safe.Line(r.Command)}
}

// spool says which runs are not in the history although they have ended, and what to do.
func (p *statusPage) spool(o *tasks.Overview) {
	var parts []string
	if o.Ended > 0 {
		parts = append(parts, count(o.Ended, "run")+" not saved in the history yet; \"qme ls\" saves what was left here")
	}
	if o.Unreadable > 0 {
		parts = append(parts, fmt.Sprintf("%d cannot be read; \"qme check\" says more", o.Unreadable))
	}
	if len(parts) > 0 {
		p.fact("spool", strings.Join(parts, "; "))
	}
}

// text says what a remote does not have, and what it has that is not here.
func (r remoteSeen) text() string {
	var parts []string
	for _, side := range []struct {
		tasks.Difference
		is string
	}{{r.NotPushed, " not pushed"}, {r.NotPulled, " not pulled"}} {
		if text := difference(side.Difference); text != "" {
			parts = append(parts, text+side.is)
		}
	}
	if !r.Known {
		parts = append(parts, "never exchanged")
	} else if len(parts) == 0 {
		return "up to date"
	}
	return strings.Join(parts, "; ")
}

// difference describes by what two states differ, "" if they do not.
func difference(d tasks.Difference) string {
	text := traffic(d.Traffic)
	if d.AtLeast {
		return "more than " + cmp.Or(text, "0 tasks")
	}
	return text
}

func (m *mirrorSeen) text() string {
	var parts []string
	behind := difference(m.Behind)
	switch {
	case m.err != nil:
		parts = append(parts, "cannot be asked: "+onOneLine(said(m.err.Error())))
	case behind != "":
		parts = append(parts, behind+" behind")
	default:
		parts = append(parts, "up to date")
	}
	if m.Unreadable > 0 {
		parts = append(parts, fmt.Sprintf("%d left out, as they cannot be read", m.Unreadable))
	}
	if m.trouble != "" {
		parts = append(parts, "the last attempt failed: "+safe.Line(hereTime(m.trouble)))
	}
	return strings.Join(parts, "; ")
}

// onOneLine joins the lines of an error, of which a driver repeats some.
func onOneLine(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimSpace(l)
	}
	return safe.Line(strings.Join(slices.Compact(lines), "; "))
}

func indexText(st tasks.IndexState) string {
	switch behind := difference(st.Behind); {
	case !st.Made:
		return "none; the next search makes it"
	case behind != "":
		return behind + " behind; the next search reads them"
	}
	return "up to date"
}

func homeText(st statusSeen) string {
	if st.size < 0 {
		return safe.Line(st.home)
	}
	return fmt.Sprintf("%s, %s", safe.Line(st.home), humanize.IBytes(uint64(st.size)))
}
