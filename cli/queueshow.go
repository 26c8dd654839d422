package cli

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/urfave/cli/v3"

	"qme/internal/safe"
	"qme/queue"
	"qme/record"
	"qme/tasks"
)

// longestReason is how many columns a reason has on the page of a queue, and narrowPage the width of a terminal below
// which it has fewer, since commands need them.
const (
	longestReason = 60
	narrowPage    = 120
)

// open returns the queue of the home.
func (cmd *queueCommand) open(ctx context.Context) (*queue.Queue, error) {
	q, err := cmd.home.changing(ctx)
	if err != nil {
		return nil, err
	}
	return cmd.home.queue(q), nil
}

// show shows what goes on.
func (cmd *queueCommand) show(ctx context.Context, c *cli.Command, o *queueOptions, _ []string) error {
	names, err := o.names(c)
	if err != nil {
		return err
	}
	if o.limit < 1 {
		return queueUsage("-n takes a number from 1, not %d", o.limit)
	}
	q, err := cmd.home.history(ctx)
	if err != nil {
		return err
	}
	most := o.limit
	if o.json && !c.IsSet("limit") {
		most = 0
	}
	p, err := cmd.home.queue(q).Look(ctx, names, most)
	if err != nil {
		return err
	}
	for _, err := range p.Damaged {
		cmd.term.warn("%v", err)
	}
	if err := cmd.home.queue(q).Revive(ctx, p); err != nil {
		cmd.term.warn("the worker of the queue could not be started: %v", err)
	}
	again := []string{"queue"}
	if len(names) > 0 {
		again = append(again, "--queue", queue.Called(names[0]))
	}
	if o.json {
		err = cmd.term.printJSON(queueJSONOf(p, most))
	} else {
		view, verr := q.View()
		if verr != nil {
			view = nil // what waits is shown all the same, as on a full disk
		}
		err = cmd.term.listing(false, func(w *bufio.Writer) error {
			(&queuePage{view: view, statusPage: &statusPage{page: cmd.term.newPage(w), here: hostname()}, p: p, most: most, line: cmd.term.line, again: again}).write()
			return nil
		})
	}
	cmd.faults(q, p)
	if err == nil && len(p.Damaged) > 0 {
		return &codeError{code: exitCorrupt}
	}
	return err
}

// longestFault is for how long a failure of the worker or of a supervisor is shown.
const longestFault = 24 * time.Hour

// faults tells of what processes in the background could not tell.
func (cmd *queueCommand) faults(q *tasks.Service, p *queue.Picture) {
	if p.Stopped != 0 {
		cmd.term.warn("the worker of the queue was stopped by a signal, so nothing starts: \"kill -CONT %d\" lets it go on", p.Stopped)
	}
	if why := queue.LogOf(q).Last(); why != "" && since(why) < longestFault {
		cmd.term.warn("the last failure of the queue: %s", hereTime(why))
	}
	if why := queue.NoticeLogOf(q).Last(); why != "" {
		cmd.term.warn("the last notice failed: %s", hereTime(why))
	}
}

// A queuePage shows the queue to a person.
type queuePage struct {
	*statusPage
	p     *queue.Picture
	most  int // tasks of each kind
	named bool
	line  func(words ...string) string // terminal.line
	again []string                     // the words that show this page
	view  *tasks.View                  // nil if the history cannot be read: names are then those of the millisecond
}

// name returns the short name of a task, which is the same wherever it is shown.
func (p *queuePage) name(id record.ID) string {
	if p.view != nil {
		if short, err := p.view.Short(id, 0); err == nil {
			return short
		}
	}
	return id.Short(0)
}

func (p *queuePage) write() {
	p.named = len(p.p.Queues) > 1
	p.queues()
	p.running()
	p.waiting()
	p.ended()
}

// queues shows the state of each queue.
func (p *queuePage) queues() {
	for _, q := range p.p.Queues {
		label := "slots"
		if p.named || q.Name != "" {
			label = queue.Called(q.Name)
		}
		p.fact(label, joined(", ", fmt.Sprintf("%d of %d%s in use", q.Running, q.Slots, autoText(q.Auto)), p.pauseText(q.Paused)))
	}
}

func (p *queuePage) pauseText(pause *queue.Pause) string {
	if pause == nil {
		return ""
	}
	text := "paused since " + clock(pause.Since.Time)
	if pause.Running {
		text += ", what ran is stopped"
	}
	if pause.Halted != "" {
		text += ", as " + pause.Halted.Short(0) + " has failed"
	}
	return p.t.color.yellow(text)
}

// list prints tasks in columns, at most as many as wanted. all is how many there are.
func (p *queuePage) list(label string, all int, rows [][]string) {
	text := count(all, "task")
	if more := all - len(rows); more > 0 {
		text += fmt.Sprintf("; the first %d (%q shows all)", len(rows), p.line(append(p.again, "-n", strconv.Itoa(all))...))
	}
	p.fact(label, text)
	p.rows(withoutEmpty(rows))
}

// withoutEmpty leaves out columns that are empty in all rows.
func withoutEmpty(rows [][]string) [][]string {
	if len(rows) == 0 {
		return rows
	}
	kept := make([][]string, len(rows))
	for col := range rows[0] {
		if !slices.ContainsFunc(rows, func(row []string) bool { return row[col] != "" }) {
			continue
		}
		for i, row := range rows {
			kept[i] = append(kept[i], row[col])
		}
	}
	return kept
}

func (p *queuePage) queueCell(name string) string {
	if !p.named {
		return ""
	}
	return queue.Called(name)
}

func (p *queuePage) running() {
	if len(p.p.Running) == 0 {
		p.fact("running", "none")
		return
	}
	var rows [][]string
	for _, r := range p.p.Running[:min(p.most, len(p.p.Running))] {
		rec := r.Record
		rows = append(rows, []string{p.name(rec.UID), age(rec.Data.Timestamp.Time), p.queueCell(r.Queue), p.runText(r), safe.Line(rec.Command)})
	}
	p.list("running", len(p.p.Running), rows)
}

// runText says what is special about a run: which GPUs it has, which try it is, that no process supervises it.
func (p *queuePage) runText(r queue.Run) string {
	var parts []string
	if q := r.Record.Data.Queue; q != nil {
		if len(q.GPUs) > 0 {
			parts = append(parts, "GPU "+strings.Join(q.GPUs, ","))
		}
		parts = append(parts, triesText(q))
	}
	switch {
	case r.Stopped:
		parts = append(parts, "stopped, unsupervised")
	case r.Reason.Word == queue.Unsupervised:
		parts = append(parts, "running, unsupervised")
	case r.Reason.Word == queue.Unrecorded:
		parts = append(parts, "ended, not recorded yet")
	}
	if r.Place != "" && r.Place != p.p.Here {
		parts = append(parts, "on "+placeText(r.Place))
	}
	return safe.Line(joined(", ", parts...))
}

func (p *queuePage) waiting() {
	if len(p.p.Waiting) == 0 {
		p.fact("waiting", "none")
		return
	}
	var rows [][]string
	for _, w := range p.p.Waiting[:min(p.most, len(p.p.Waiting))] {
		rows = append(rows, []string{p.name(w.Record.UID), p.queueCell(w.Queue), p.reasonCell(w), safe.Line(w.Record.Command)})
	}
	p.list("waiting", len(p.p.Waiting), rows)
}

// reasonCell says why a task waits, in few words: the queue has a column of its own. The longest reason sets the width of
// the column for all tasks.
func (p *queuePage) reasonCell(w queue.Wait) string {
	longest, named := longestReason, mostNamed
	if width := p.t.width; width > 0 && width < narrowPage {
		longest, named = width*2/5, 1
	}
	var text string
	switch {
	case w.Reason.Word == queue.Slots && w.Reason.Free:
		text = "slots: one is free"
	case w.Reason.Word == queue.Slots:
		text = string(queue.Slots)
	case w.Reason.Word == queue.After:
		text = "after " + shortNames(w.Reason.Tasks, named)
	default:
		text = waitText(w.Reason)
	}
	text = joined(", ", priorityText(w.Priority), text)
	if p.t.width > 0 { // in a pipe nothing is cut
		text = runewidth.Truncate(text, longest, "…")
	}
	return text
}

// priorityText names a priority, if it is not that of all tasks.
func priorityText(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("priority %d", n)
}

// ended counts what has ended today, and lists what has failed last.
func (p *queuePage) ended() {
	if len(p.p.Ended) == 0 {
		return
	}
	n := countEnded(p.p.Ended)
	p.fact("ended today", joined(", ", some(n.OK, "ok"), some(n.Failed, "failed"), some(n.Cancelled, "cancelled"), some(n.Unknown, "unknown")))
	var rows [][]string
	for _, r := range n.failures[:min(mostStatusFailed, len(n.failures))] {
		code := "-"
		if c := r.Code(); c != nil {
			code = strconv.Itoa(*c)
		}
		if r.Data.Queue.TimedOut {
			code += ", timed out"
		}
		rows = append(rows, []string{p.name(r.UID), ago(r.Data.Timestamp.Time), code, safe.Line(r.Command)})
	}
	if len(rows) > 0 {
		p.rows(rows)
	}
}

// some returns a number with what is counted, "" for none.
func some(n int, what string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d %s", n, what)
}

// A queueEnded counts the tasks of the queue that have ended.
type queueEnded struct {
	OK        int `json:"ok"`
	Failed    int `json:"failed"`
	Cancelled int `json:"cancelled"`
	Unknown   int `json:"unknown"`
	failures  []*record.Record
}

func countEnded(list []*record.Record) (n queueEnded) {
	for _, r := range list {
		switch r.Outcome() {
		case record.OK:
			n.OK++
		case record.Failed:
			n.Failed++
			n.failures = append(n.failures, r)
		case record.Stopped:
			n.Cancelled++
		default:
			n.Unknown++
		}
	}
	return n
}
