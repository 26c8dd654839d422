package cli

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/mattn/go-runewidth"

	"qme/internal/safe"
	"qme/internal/visible"
	"qme/record"
	"qme/tasks"
	"qme/tasks/waiting"
)

// A page shows one run of a task to a person.
type page struct {
	w *bufio.Writer
	t *table
	v tasks.Version
	r *record.Record
	// why is why the task waits in the queue; nil if it does not, or that is not known.
	why *tasks.WaitReason
	// terms are those on which the task waits; nil as why.
	terms *waiting.Terms
}

func (t *terminal) newPage(w *bufio.Writer) *page { return &page{w: w, t: t.newTable(w)} }

// What is shown at most of a list.
const (
	mostShownFiles   = 10
	mostShownChanges = 4
	mostShownLines   = 10 // of a stream
	longestShown     = 40 // characters of a value that has changed
)

// labelWidth is the width of the names on the left.
const labelWidth = 11

// write shows a run, and the latest runs of its task, the last of which is there for comparison if
// there are more than mostRuns. An error of w is that of its Flush.
func (p *page) write(v tasks.Version, runs []tasks.Version) error {
	p.v, p.r = v, v.Record
	p.head(runs)
	p.state()
	p.job()
	p.place()
	p.code()
	p.software()
	p.input()
	if err := p.resources(); err != nil {
		return err
	}
	if err := p.files(); err != nil {
		return err
	}
	if err := p.runs(runs); err != nil {
		return err
	}
	p.notes()
	p.streams()
	return p.w.Flush()
}

// line prints a fact, whose later lines begin under the first. An empty text is none.
func (p *page) line(label, text string) {
	if text == "" {
		return
	}
	lines := []string{text}
	if room := p.t.width - labelWidth; p.t.width > 0 {
		lines = wrapped(text, max(room, minCommand))
	}
	for _, l := range lines {
		p.whole(label, l)
		label = ""
	}
}

// whole is line for a text that is not wrapped, so that it can be copied.
func (p *page) whole(label, text string) {
	cell := runewidth.FillRight(label, labelWidth)
	if label != "" {
		cell = p.t.color.bold(cell)
	}
	p.printf("%s%s\n", cell, text)
}

// printf prints text, whose errors the writer keeps.
func (p *page) printf(format string, args ...any) { _, _ = fmt.Fprintf(p.w, format, args...) }

// wrapped breaks a text at blanks into lines of at most width columns; longer words are not cut.
func wrapped(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Split(text, " ") {
		if line != "" && runewidth.StringWidth(line)+1+runewidth.StringWidth(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// joined joins the texts that are not empty.
func joined(sep string, texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(s string) bool { return s == "" }), sep)
}

func (p *page) head(runs []tasks.Version) {
	name := p.t.color.bold(string(p.r.UID))
	switch {
	case p.v.Check > 0:
		name += fmt.Sprintf("  check %d of run %d", p.v.Check, p.v.Number)
	case len(runs) > 0 && runs[0].Number > 1:
		name += fmt.Sprintf("  run %d of %d", p.v.Number, runs[0].Number)
	}
	p.printf("%s\n", name)
	label := "Command"
	for _, l := range strings.Split(strings.TrimRight(typed(p.r), "\n"), "\n") {
		p.whole(label, safe.Bounded(l))
		label = ""
	}
	if parent := p.r.Data.Parent; parent != nil {
		p.line("Given by", string(parent.UID))
	}
	p.line("Name", p.r.Notes.Named())
	p.line("Message", safe.Line(p.r.Data.Message))
	p.line("Tags", safe.Line(strings.Join(p.r.Notes.Tagged(), " ")))
	p.params()
	p.origin()
}

func (p *page) state() {
	d := p.r.Data
	word, paint := p.r.Outcome().String(), p.t.color.plain
	switch p.r.Outcome() {
	case record.OK:
		paint = p.t.color.green
	case record.Failed:
		paint = p.t.color.red
	case record.Goes, record.Queued, record.Stopped:
		paint = p.t.color.yellow
	}
	code := ""
	if c := p.r.Code(); c != nil {
		code = fmt.Sprintf("return code %d", *c)
	}
	took := ""
	if _, ok := p.r.Took(now); ok {
		took = map[bool]string{false: "took ", true: "for "}[p.r.Active()] + p.t.duration(p.r)
	}
	if c := d.Check; c != nil {
		p.line("Check", joined("; ", p.t.verdict(c), checkText(c)))
	}
	p.line("State", joined(", ", paint(word), code, safe.Line(d.Signal), took))
	p.metrics()
	p.queue()
	if p.r.IsQueued() {
		return
	}
	began := d.Timestamp.Local()
	p.line("Began", began.Format(time.DateTime)+" ("+ago(began)+")")
}

// metrics shows what was recorded of the output and of files.
func (p *page) metrics() {
	var texts []string
	for _, m := range p.r.Data.Metrics {
		how, step := m.Take, ""
		if m.Take == record.TakeLast {
			how = "" // as usual
		}
		if m.Step != "" && (how != "" || m.File != "") {
			step = "at " + string(m.Step)
		}
		text := m.Name + " " + string(m.Value)
		if more := joined(", ", how, step); more != "" {
			text += " (" + more + ")"
		}
		texts = append(texts, text)
	}
	p.line("Metrics", safe.Line(strings.Join(texts, ", ")))
}

// checkText says what a check has found besides its verdict.
func checkText(c *record.Check) string {
	files := ""
	if f := c.Files; f != nil {
		files = fmt.Sprintf("%d of %s equal", f.Equal, count(f.Whole(), "output file"))
	}
	places := ""
	if masked := c.Places(); masked > 0 {
		places = count(masked, "place") + " masked"
	}
	return joined("; ", "output "+c.Output, places, files)
}

// ago says how long ago something was.
func ago(at time.Time) string {
	text := age(at)
	if later, ok := strings.CutPrefix(text, "+"); ok {
		return "in " + later
	}
	return text + " ago"
}

func (p *page) job() {
	j := p.r.Data.Job
	if j == nil {
		return
	}
	name := joined(" ", j.ID, j.Name)
	if j.Cluster != "" {
		name += " on " + j.Cluster
	}
	p.line("Job", safe.Line(joined(", ", name, strings.ToLower(j.State), j.Partition, j.Nodes, j.Reason)))
	if n := len(j.Elements); n > 0 {
		p.line("", count(n, "element")+"; \"qme get\" has the state of each")
	}
	limit := ""
	if j.TimeLimit > 0 {
		limit = "limit " + shortDuration(time.Duration(j.TimeLimit*float64(time.Second)))
	}
	asked := ""
	if j.RequestedMemory > 0 {
		asked = "asked for " + humanize.IBytes(uint64(j.RequestedMemory))
	}
	p.line("", joined(", ", asked, limit))
}

func (p *page) place() {
	d := p.r.Data
	p.line("Place", safe.Line(joined(" ", joined("@", d.User, d.Host), d.PWD)))
	if m := d.Machine; m != nil {
		memory, cpus := "", ""
		if m.Memory > 0 {
			memory = humanize.IBytes(uint64(m.Memory))
		}
		if m.CPUs > 0 {
			cpus = count(m.CPUs, "processor")
		}
		p.line("Machine", safe.Line(joined(", ", cmp.Or(m.Distribution, m.OS), m.CPU, cpus, memory, gpus(m))))
	}
}

func gpus(m *record.Machine) string {
	if len(m.GPUs) == 0 {
		return ""
	}
	return joined(" ", fmt.Sprintf("%d × %s", len(m.GPUs), m.GPUs[0]), m.GPUDriver)
}

func (p *page) code() {
	p.repository("Code", "", record.PartPatch, p.r.Data.Git)
	if c := p.r.Data.Code; c != nil {
		p.repository("Script", c.Path+", ", record.PartCodePatch, c)
	}
}

// repository shows the state of a repository.
func (p *page) repository(label, before string, part record.PartName, g *record.Git) {
	if g == nil {
		return
	}
	state := ""
	switch _, stored := p.r.Data.Parts[part]; {
	case stored:
		state = "dirty (" + p.partText(part, "the difference") + ")"
	case g.Dirty == nil:
		state = "whether it was dirty is not recorded"
	case *g.Dirty:
		state = "dirty"
	}
	if g.PatchError != "" {
		state += ": " + g.PatchError
	}
	commit := fmt.Sprintf("%.12s", g.Commit)
	p.line(label, safe.Line(before+joined(", ", joined(" ", g.Branch, cmp.Or(commit, "no commit yet")), state)))
	p.line("", safe.Line(g.Remote))
}

// partText says how to get a part of the run, or that it is not here.
func (p *page) partText(part record.PartName, what string) string {
	if _, err := p.v.Part(part); errors.Is(err, record.ErrPartElsewhere) {
		return what + " stayed in the home of the run"
	}
	return fmt.Sprintf("%s: qme get %s --part %s", what, p.v.Name(), part)
}

func (p *page) software() {
	s := p.r.Data.Software
	if s == nil {
		return
	}
	var texts []string
	for _, one := range s.Programs {
		texts = append(texts, filepath.Base(one.Path))
	}
	programs := strings.Join(texts[:min(len(texts), mostShownChanges)], ", ")
	texts = []string{programs}
	for _, e := range s.Environments {
		python := ""
		if e.Python != "" {
			python = "Python " + e.Python
		}
		texts = append(texts, fmt.Sprintf("%s %s (%s)", e.Kind, e.Path, joined(", ", python, cmp.Or(e.NotRecorded, count(e.Packages, "package")))))
	}
	if len(s.Modules) > 0 {
		texts = append(texts, "modules "+strings.Join(s.Modules, " "))
	}
	if c := s.Container; c != nil {
		texts = append(texts, joined(" ", "in", c.Kind, c.Image, c.Name))
	}
	for _, c := range s.Images {
		texts = append(texts, joined(" ", c.Kind, c.Image))
	}
	p.line("Software", safe.Line(joined("; ", texts...)))
	if _, ok := p.r.Data.Parts[record.PartEnv]; ok {
		p.line("", p.partText(record.PartEnv, "packages"))
	}
	for _, why := range s.NotRecorded {
		p.line("", safe.Line("not recorded: "+why))
	}
}

func (p *page) input() {
	s := p.r.Data.Stdin
	switch {
	case s == nil || s.Kind == "terminal" || s.Kind == "null" || s.Kind == "closed" || s.Whole && s.Size == 0: // nothing
	case s.Kind == "file":
		p.line("Input", safe.Line("file "+s.Path+", "+humanize.IBytes(uint64(s.Size))))
	case s.Whole:
		p.line("Input", safe.Line(s.Kind)+", "+humanize.IBytes(uint64(s.Size)))
	default:
		p.line("Input", safe.Line(s.Kind))
	}
}

// curveWidth is the width of the curve of memory.
const curveWidth = 24

func (p *page) resources() error {
	u := p.r.Data.Usage
	if u == nil {
		return nil
	}
	texts := []string{"processor " + shortDuration(time.Duration((u.User+u.System)*float64(time.Second)))}
	size := func(name string, n int64) {
		if n > 0 {
			texts = append(texts, name+" "+humanize.IBytes(uint64(n)))
		}
	}
	if size("peak memory", cmp.Or(u.PeakMemory, u.MaxRSS)); u.PeakMemory > 0 {
		size("mean", u.MeanMemory)
	}
	size("read", u.Read)
	size("written", u.Written)
	if u.Processes > 1 {
		texts = append(texts, fmt.Sprintf("%d processes", u.Processes))
	}
	if u.GPUs > 0 {
		texts = append(texts, fmt.Sprintf("%.1f of %s busy", u.MeanGPU, count(u.GPUs, "GPU")))
		size("GPU memory", u.PeakGPUMemory)
	}
	p.line("Resources", strings.Join(texts, ", "))
	samples, err := p.v.Samples()
	if err != nil {
		return err
	}
	memory := samples.Memory(curveWidth)
	if len(memory) == 0 {
		return nil
	}
	over := ""
	if _, ok := p.r.Took(now); ok {
		over = "  over " + p.t.duration(p.r)
	}
	p.line("Memory", curve(memory)+over)
	return nil
}

// curve draws values as blocks, the highest of which is full.
func curve(values []int64) string {
	const blocks = "▁▂▃▄▅▆▇█"
	var b strings.Builder
	steps := []rune(blocks)
	top := max(1, slices.Max(values))
	for _, v := range values {
		at := int(float64(v) / float64(top) * float64(len(steps)))
		b.WriteRune(steps[min(max(at, 0), len(steps)-1)])
	}
	return b.String()
}

func (p *page) files() error {
	files, err := p.v.Files()
	if err != nil || files == nil {
		return err
	}
	p.list("Files in", files.In)
	p.list("Files out", files.Out)
	again, err := p.writtenAgain()
	if err != nil {
		return err
	}
	label := "Files"
	for _, line := range append(fileLines(p.v, files), again...) {
		p.line(label, line)
		label = ""
	}
	return nil
}

// writtenAgain says which outputs other tasks of the group have written as well.
func (p *page) writtenAgain() (lines []string, err error) {
	list, err := p.v.WrittenAgain()
	for _, one := range list {
		lines = append(lines, fmt.Sprintf("%s was written by other tasks of the group as well, such as %s: only what the last of them wrote is there", safe.Line(one.Path), one.By))
	}
	return lines, err
}

func (p *page) list(label string, files []record.File) {
	for i, f := range files {
		if i == mostShownFiles {
			p.line(label, fmt.Sprintf("and %d more: qme show --files %s", len(files)-i, p.v.Name()))
			return
		}
		hash := shortHash(f)
		p.whole(label, fmt.Sprintf("%-8s  %-12s  %9s  %s", safe.Line(f.By), hash, humanize.IBytes(uint64(f.Size)), safe.Line(f.Path)))
		label = ""
	}
}

func (p *page) runs(runs []tasks.Version) error {
	if len(runs) < 2 {
		return nil
	}
	label := "Runs"
	for i, v := range runs[:min(len(runs), mostRuns)] {
		status, paint := p.t.status(v.Record)
		verdict := ""
		if c := v.Record.Data.Check; c != nil {
			verdict = p.t.verdict(c)
		}
		p.line(label, fmt.Sprintf("%-4s %s  %6s  %s", v.Suffix(), v.Record.Data.Timestamp.Local().Format(time.DateTime), p.t.duration(v.Record), joined("  check: ", paint(status), verdict)))
		if label = ""; i+1 < len(runs) {
			changes, notes, err := tasks.Between(runs[i+1], v)
			if err != nil {
				return err
			}
			p.line(label, "     "+changesText(changes, notes))
		}
	}
	if n := runs[0].Number; n > mostRuns {
		p.line("", fmt.Sprintf("\"qme log %s\" lists all %d", p.r.UID, n))
	} else if len(runs) > mostRuns {
		p.line("", fmt.Sprintf("\"qme log %s\" lists all", p.r.UID))
	}
	return nil
}

// changesText says in a line what has changed from one run to the next.
func changesText(changes []tasks.FieldChange, notes []string) string {
	var texts []string
	switch {
	case len(changes) == 0 && len(notes) == 0:
		return "nothing that was recorded of both is different, nor is the output"
	case len(changes) == 0:
		texts = []string{"nothing that was compared is different"}
	}
	for i, c := range changes {
		if i == mostShownChanges {
			texts = append(texts, fmt.Sprintf("%d more", len(changes)-i))
			break
		}
		from, to := shown(c.From), shown(c.To)
		if strings.HasSuffix(c.From, tasks.NotRecorded) || strings.HasSuffix(c.To, tasks.NotRecorded) {
			texts = append(texts, safe.Line(c.Name)+" was not recorded of both")
			continue
		}
		if runewidth.StringWidth(from+to) > longestShown {
			texts = append(texts, safe.Line(c.Name)+" changed")
			continue
		}
		texts = append(texts, fmt.Sprintf("%s: %s -> %s", safe.Line(c.Name), from, to))
	}
	if len(notes) > 0 {
		texts = append(texts, "not all was compared (see \"qme diff\")")
	}
	return strings.Join(texts, "; ")
}

func (p *page) notes() {
	for _, n := range p.r.Notes.Clone().Notes {
		p.printf("\n%s  %s\n%s\n", p.t.color.bold("Note"), noteHead(palette{}, n), indented(n.Text))
	}
}

// A shownStream is a stream of the run or of its job.
type shownStream struct {
	name, all string // all is the command that prints all of it
	lines     []string
	stored    *record.Stream // set when lines are only a part of it
}

func (p *page) streams() {
	out, errs := p.ofRun()
	list := []shownStream{out, errs}
	if p.r.Failed() {
		list = []shownStream{errs, out}
	}
	for _, s := range list {
		p.stream(s)
	}
}

// ofRun returns the streams of the job, as far as they are known, else those of the command.
func (p *page) ofRun() (out, errs shownStream) {
	d := p.r.Data
	if j := d.Job; j != nil && j.Output != nil {
		all := fmt.Sprintf("qme exec %s ", p.r.UID)
		return shownStream{"Output of the job", all + "output", j.Output, j.Stdout}, shownStream{"Errors of the job", all + "error", j.Error, j.Stderr}
	}
	all := "qme get " + p.v.Name()
	return shownStream{"Output", all + " --stdout", d.Output, d.Stdout}, shownStream{"Errors", all + " --stderr", d.Error, d.Stderr}
}

// stream shows the end of a stream.
func (p *page) stream(s shownStream) {
	text := visible.Text(strings.Join(s.lines, ""))
	if text == "" {
		return
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	from := max(0, len(lines)-mostShownLines)
	what := ""
	switch {
	case s.stored != nil:
		what = fmt.Sprintf(", its end (\"%s\" prints all %s)", s.all, humanize.IBytes(uint64(s.stored.Size)))
	case from > 0:
		what = fmt.Sprintf(", the last %d of %d lines", len(lines)-from, len(lines))
	}
	p.printf("\n%s%s\n", p.t.color.bold(s.name), what)
	for _, l := range lines[from:] {
		p.printf("  %s\n", safe.Line(strings.ReplaceAll(strings.TrimSuffix(l, "\r"), "\t", "    ")))
	}
}
