package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/urfave/cli/v3"

	"qme/internal/safe"
	"qme/provenance/aside"
	"qme/provenance/compare"
	"qme/record"
	"qme/tasks"
)

// checkOptions are the flags of rerun that only --check takes.
type checkOptions struct {
	check, exact, inPlace, sameInputs, sandbox bool
	tolerance                                  float64
	jobs                                       int
	json                                       *bool // it is also that of --stale
}

func (o *checkOptions) flags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "check", Usage: "say whether the run reproduces an earlier one; files that it makes again are kept as they are", Destination: &o.check},
		&cli.BoolFlag{Name: "exact", Usage: "with --check: count places as different that come from the run itself, such as its times", Destination: &o.exact},
		&cli.FloatFlag{Name: "tolerance", Usage: "with --check: numbers are equal up to this part, `T`, of them, such as 1e-6", Destination: &o.tolerance},
		&cli.BoolFlag{Name: "same-inputs", Usage: "with --check: run nothing if an input is not as it was", Destination: &o.sameInputs},
		&cli.BoolFlag{Name: "in-place", Usage: "with --check: leave the files that it makes in the place of the earlier ones", Destination: &o.inPlace},
		&cli.BoolFlag{Name: "sandbox", Usage: "with --check: run it in a copy of the recorded code, with copies of its inputs", Destination: &o.sandbox},
		&cli.IntFlag{Name: "jobs", Usage: "with --check: check up to `N` tasks at once, but those whose files meet one after the other", HideDefault: true, Destination: &o.jobs},
	}
}

// given reports whether one of the flags is given that need --check.
func (o *checkOptions) given() bool {
	return o.exact || o.sandbox || o.inPlace || o.sameInputs || o.tolerance != 0 || o.jobs != 0
}

// valid returns an error for options that do not go together.
func (o *checkOptions) valid(c *cli.Command, of rerunOptions) error {
	wrong := func(format string, args ...any) error {
		return &usageError{msg: fmt.Sprintf(format, args...), help: "qme rerun --help"}
	}
	several := c.Args().Len() > 1
	switch {
	case !o.check && o.given():
		return wrong("--exact, --tolerance, --same-inputs, --in-place, --sandbox and --jobs need --check")
	case !o.check:
		return nil
	case !(o.tolerance >= 0 && o.tolerance < 1):
		return wrong("--tolerance takes a number from 0 to 1, such as 1e-6")
	case o.jobs < 0 || c.IsSet("jobs") && o.jobs == 0:
		return wrong("--jobs takes a number from 1")
	case o.sandbox && o.inPlace:
		return wrong("--sandbox and --in-place do not go together")
	case o.exact && o.tolerance > 0:
		return wrong("--exact allows for no tolerance")
	case len(c.StringSlice("in"))+len(c.StringSlice("out")) > 0:
		return wrong("--check looks for the files that the earlier run has declared, so it takes neither --in nor --out")
	case several && (of.stdin != "" || of.idFile != ""):
		return wrong("--stdin and --id-file are for one task")
	}
	return nil
}

// words returns the words of a command line with these options.
func (o *checkOptions) words() []string {
	words := []string{"--check"}
	for _, flag := range []struct {
		name  string
		given bool
	}{{"--exact", o.exact}, {"--same-inputs", o.sameInputs}, {"--in-place", o.inPlace}, {"--sandbox", o.sandbox}, {"--json", *o.json}} {
		if flag.given {
			words = append(words, flag.name)
		}
	}
	if o.tolerance > 0 {
		words = append(words, "--tolerance", strconv.FormatFloat(o.tolerance, 'g', -1, 64))
	}
	return words
}

func (o *checkOptions) options() tasks.CheckOptions {
	return tasks.CheckOptions{Compare: compare.Options{Exact: o.exact, Tolerance: o.tolerance}, InPlace: o.inPlace, Sandbox: o.sandbox, SameInputs: o.sameInputs}
}

// rerunChecks checks tasks, one after the other, and ends with the worst of their codes.
func (cmd *rerunCommand) rerunChecks(ctx context.Context, refs []string, o rerunOptions, check checkOptions) error {
	if len(refs) == 0 {
		refs = []string{""}
	}
	if len(refs) > 1 && check.jobs > 1 {
		return cmd.rerunChecksAtOnce(ctx, refs, o, check)
	}
	var worst error
	code := 0
	for _, ref := range refs {
		err := cmd.rerunCheck(ctx, ref, o, check)
		var signal *signalError
		if errors.As(err, &signal) {
			return err
		}
		now, msg, hint := cmd.settings.explain(err)
		if len(refs) > 1 && msg != "" {
			cmd.term.fail(msg)
			if hint != "" {
				cmd.term.say("%s", hint)
			}
			err = &codeError{code: now}
		}
		if now > code {
			code, worst = now, err
		}
		if now == exitInterrupted {
			break
		}
	}
	return worst
}

// rerunCheck checks one task.
func (cmd *rerunCommand) rerunCheck(ctx context.Context, ref string, o rerunOptions, check checkOptions) error {
	started, err := idFile(o.idFile)
	if err != nil {
		return err
	}
	q, opts, err := cmd.prepare(ctx, ref, o, started)
	if err != nil {
		return err
	}
	o.check = check.words()
	set := check.options()
	set.Before = func(ref tasks.Version, changed []tasks.Since) {
		if cmd.term.besides() && isTerminal(cmd.term.err) {
			cmd.term.beside("Different from run %d: %s", ref.Number, changedText(changed, "nothing that was recorded"))
		}
	}
	opts.Confirm = func(rec *record.Record, own bool) error { return cmd.agree(ctx, ref, rec, own, o) }
	c, err := q.Check(ctx, ref, set, opts)
	if err != nil {
		return cmd.notChecked(err, o)
	}
	recorded(started, c.Report)
	return cmd.tellCheck(q, c, *check.json)
}

// notChecked returns the error of a check that was not made.
func (cmd *rerunCommand) notChecked(err error, o rerunOptions) error {
	if code := codeOf(err); code != exitFailure {
		return cmd.withInput(err, o)
	}
	return &codeError{exitNotRun, err}
}

// tellCheck prints the outcome of a check, and returns an error with its code.
func (cmd *rerunCommand) tellCheck(q *tasks.Service, c *tasks.Checked, asJSON bool) error {
	rec := c.Record
	if errors.Is(c.Err, tasks.ErrNotRecorded) {
		cmd.term.say("qme: NOT RECORDED: %v", c.Err)
	}
	if c.AsideErr != nil {
		cmd.term.say("qme: %v", c.AsideErr)
	}
	err := cmd.term.listing(true, func(w *bufio.Writer) error {
		if asJSON {
			return writeJSON(w, checkJSONOf(c))
		}
		p := &checkPage{w: w, t: cmd.term.newTable(w), c: c}
		p.write(shortOf(q, rec.UID))
		return nil
	})
	if err != nil {
		return err
	}
	cmd.home.follow(q, tasks.AfterRun)
	switch {
	case (c.Interrupted || rec.Data.Status == record.Cancelled) && rec.Data.Signal != "":
		rc := *rec.Data.ReturnCode
		return &signalError{code: &codeError{code: rc}, signal: syscall.Signal(rc - 128)}
	case c.Interrupted:
		return &codeError{code: exitInterrupted}
	case c.AsideErr != nil:
		return &codeError{code: exitFailure}
	case c.Verdict() == record.CheckReproduced || c.Verdict() == record.CheckOutput:
		return nil
	}
	return &codeError{code: exitFailure}
}

// shortOf returns the short name of a task.
func shortOf(q *tasks.Service, id record.ID) string {
	v, err := q.View()
	if err != nil {
		return string(id)
	}
	short, err := v.Short(id, 0)
	if err != nil {
		return string(id)
	}
	return short
}

// A checkPage shows the outcome of a check. Errors of w are those of its Flush.
type checkPage struct {
	w *bufio.Writer
	t *table
	c *tasks.Checked
}

func (p *checkPage) printf(format string, args ...any) { _, _ = fmt.Fprintf(p.w, format, args...) }

// line prints a fact; a further line of the one before has no label.
func (p *checkPage) line(label, format string, args ...any) {
	p.printf("  %-9s  %s\n", label, fmt.Sprintf(format, args...))
}

// verdictText is the verdict in words: the bare word is kept for what was compared whole.
func verdictText(c *record.Check) string {
	if c.Verdict == record.CheckOutput {
		return "output reproduced; files not recorded"
	}
	return c.Verdict
}

func (p *checkPage) write(short string) {
	check := p.c.Record.Data.Check
	masked := 0
	for _, n := range check.Masked {
		masked += n
	}
	text := p.t.verdictWords(check, verdictText(check))
	if masked > 0 {
		text += fmt.Sprintf(" (%d masked)", masked)
	}
	p.printf("[%s][returncode: %d] %s\n", short, *p.c.Record.Data.ReturnCode, text)
	if p.c.Output == nil {
		p.line("output", "not compared: the command was cut off")
	} else {
		p.output()
		p.files()
	}
	p.line("changed", "%s", changedText(p.c.Changed, "nothing that was recorded"))
	if itself := p.c.Itself; len(itself) > 0 && p.c.Verdict() != record.CheckReproduced {
		p.line("itself", "the earlier run has changed what it may have read: %s", safe.Bounded(strings.Join(itself, ", ")))
	}
	if text := unknownText(p.c.Changed); text != "" {
		p.line("not known", "%s", text)
	}
	if open := p.c.NotIsolated; len(open) > 0 {
		text := strings.Join(open[:min(len(open), mostChanges)], ", ")
		if more := len(open) - mostChanges; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		p.line("open", "not isolated by the sandbox: %s", safe.Line(text))
	}
	p.asides()
}

// kindWords say what places are that come from a run itself.
var kindWords = map[compare.Kind]string{
	compare.Time: "its times", compare.Duration: "its durations", compare.PID: "its process ids", compare.ID: "its ids", compare.Temporary: "its temporary names",
	compare.Directory: "its directory", compare.Host: "its host",
}

// placesText says how many places were masked, and of which kinds; "" for none.
func placesText(counts map[compare.Kind]int) string {
	var own, texts []string
	n := 0
	for _, k := range compare.Named(counts) {
		if k == compare.Number {
			texts = append(texts, count(counts[k], "number")+" within the tolerance")
			continue
		}
		n += counts[k]
		own = append(own, cmp.Or(kindWords[k], string(k)))
	}
	if n > 0 {
		come := map[bool]string{true: "comes", false: "come"}[n == 1]
		texts = append([]string{fmt.Sprintf("%s masked that %s from the run itself: %s", count(n, "place"), come, strings.Join(own, ", "))}, texts...)
	}
	return strings.Join(texts, "; ")
}

func (p *checkPage) output() {
	was, now := p.c.Ref.Record.Data, p.c.Record.Data
	if !p.c.Code {
		p.line("code", "%s -> %s", endText(was), endText(now))
	}
	places := placesText(p.c.Output.Masked)
	switch p.c.Output.Verdict {
	case record.CheckEqual:
		p.line("output", "%s", joined("; ", "same", places))
	case record.CheckUnknown:
		p.line("output", "%s", joined("; ", "no difference was found, and not all could be compared", places))
	default:
		p.line("output", "%s", joined("; ", "differs", places))
		for _, d := range p.c.Output.Differences {
			p.difference(safe.Line(d.Stream)+", ", d.Binary, d.Difference)
		}
	}
	for _, note := range p.c.Output.Notes {
		p.line("", "%s", safe.Line(note))
	}
}

// endText says how a command ended.
func endText(d record.Data) string {
	text := "return code not known"
	if d.ReturnCode != nil {
		text = "return code " + strconv.Itoa(*d.ReturnCode)
	}
	return joined(", ", text, safe.Line(d.Signal))
}

// difference prints where two contents differ, and the lines of both.
func (p *checkPage) difference(where string, binary bool, d compare.Difference) {
	switch {
	case binary:
		p.line("", "%sbyte %d", where, d.Now.Offset)
		return
	case d.Ref.Line == d.Now.Line:
		p.line("", "%sline %d:", where, d.Now.Line)
	default:
		p.line("", "%sline %d, before it was line %d:", where, d.Now.Line, d.Ref.Line)
	}
	for _, side := range []struct {
		sign  string
		paint func(string) string
		compare.Place
	}{{"-", p.t.color.red, d.Ref}, {"+", p.t.color.green, d.Now}} {
		text := safe.Line(side.Text)
		if side.End && side.Text == "" {
			text = "(the end)"
		}
		p.line("", "%s", side.paint(side.sign+" "+text))
	}
}

// mostCheckedFiles is how many files are named that differ.
const mostCheckedFiles = 20

func (p *checkPage) files() {
	f := p.c.Files
	counts := p.c.Record.Data.Check.Files
	switch {
	case counts == nil && f.None:
		p.line("files", "none were made, as before")
		return
	case counts == nil:
		p.line("files", "not recorded: only \"qme run --trace\" or --out say which files a command makes")
		return
	}
	p.line("files", "%s", joined("; ", fmt.Sprintf("%d of %s equal", counts.Equal, count(counts.Whole(), "output")), placesText(f.Masked)))
	n := 0
	for _, one := range f.Files {
		if one.State == tasks.FileEqual {
			continue
		}
		if n++; n <= mostCheckedFiles {
			p.file(one)
		}
	}
	if n > mostCheckedFiles {
		p.line("", "and %d more; --json lists all", n-mostCheckedFiles)
	}
	if f.LeftOut > 0 {
		p.line("", "%d more of the earlier run are not listed", f.LeftOut)
	}
}

func (p *checkPage) file(f tasks.FileCheck) {
	text := safe.Line(f.Path) + " "
	switch f.State {
	case tasks.FileMissing:
		text += "was not made"
	case tasks.FileNew:
		text += "was not made before"
		if f.At == "" {
			text += ", and stays where it is"
		}
	case tasks.FileUnknown:
		text += "could not be compared"
	default:
		text += fmt.Sprintf("differs: sha256 %s -> %s", hashText(f.From), hashText(f.To))
		if f.From == f.To && f.From != "" { // those of its ends
			text = safe.Line(f.Path) + " differs between its first and its last MiB"
		}
	}
	p.line("", "%s", joined(", ", text, safe.Line(f.Why)))
	if f.At != "" {
		p.line("", "the new one is %s", shownPath(f.At))
	}
	for _, d := range f.Differences[:min(len(f.Differences), 1)] {
		p.difference("", f.Binary, d)
	}
}

func hashText(sum string) string {
	if sum == "" {
		return "not recorded"
	}
	return fmt.Sprintf("%.12s", sum)
}

// asides says what has become of files that is not as it usually is.
func (p *checkPage) asides() {
	for _, k := range p.c.Aside.New {
		if k.Changed {
			p.line("kept", "%s was changed by another process meanwhile; that one is %s", shownPath(k.Path), shownPath(k.At))
		}
	}
	left := leftTexts(p.c.Left)
	const most = 5
	for i, text := range left[:min(len(left), most)] {
		p.line(map[bool]string{true: "not kept", false: ""}[i == 0], "%s", text)
	}
	if more := len(left) - most; more > 0 {
		p.line("", "and %d more", more)
	}
}

// leftTexts says which files were left where they are, so that the command may have overwritten them.
func leftTexts(left map[string]error) (texts []string) {
	for path, why := range left {
		texts = append(texts, fmt.Sprintf("%s: %v", shownPath(path), why))
	}
	slices.Sort(texts)
	return texts
}

// mostChanges is how much is named that was different before a check.
const mostChanges = 8

// changedText says what was different, none if nothing was.
func changedText(changed []tasks.Since, none string) string {
	return sincesText(changed, func(s tasks.Since) bool { return s.State != tasks.SinceUnknown }, none)
}

func unknownText(changed []tasks.Since) string {
	return sincesText(changed, func(s tasks.Since) bool { return s.State == tasks.SinceUnknown }, "")
}

func sincesText(all []tasks.Since, which func(tasks.Since) bool, none string) string {
	var texts []string
	for _, s := range all {
		if which(s) {
			texts = append(texts, sinceText(s))
		}
	}
	if more := len(texts) - mostChanges; more > 0 {
		texts = append(texts[:mostChanges], fmt.Sprintf("and %d more", more))
	}
	return cmp.Or(strings.Join(texts, "; "), none)
}

// A checkJSON is the outcome of a check in JSON.
type checkJSON struct {
	Task       record.ID         `json:"task"`
	Of         int               `json:"of"` // the number of the run that was checked
	RunID      record.RunID      `json:"run_id"`
	ReturnCode *int              `json:"returncode"`
	Check      *record.Check     `json:"check"`
	Output     []differenceJSON  `json:"output"`
	Notes      []string          `json:"notes"`
	Files      []fileCheckJSON   `json:"files"`
	Changed    []tasks.Since     `json:"changed"`
	Open       []string          `json:"not_isolated"`
	Left       map[string]string `json:"not_set_aside"`
	Stuck      []keptJSON        `json:"not_put_back"`
	Kept       []keptJSON        `json:"kept"`
}

type differenceJSON struct {
	Stream string    `json:"stream,omitempty"`
	Ref    placeJSON `json:"ref"`
	Now    placeJSON `json:"now"`
}

type placeJSON struct {
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Offset int64  `json:"offset"`
	Text   string `json:"text"`
}

type fileCheckJSON struct {
	tasks.FileCheck
	Differences []differenceJSON `json:"differences,omitempty"`
}

type keptJSON struct {
	Path string `json:"path"`
	At   string `json:"at"`
}

func differenceOf(stream string, d compare.Difference) differenceJSON {
	place := func(p compare.Place) placeJSON {
		return placeJSON{p.Line, p.Column, p.Offset, strings.ToValidUTF8(p.Text, "\uFFFD")}
	}
	return differenceJSON{Stream: stream, Ref: place(d.Ref), Now: place(d.Now)}
}

func checkJSONOf(c *tasks.Checked) checkJSON {
	d := c.Record.Data
	out := checkJSON{
		Task: c.Record.UID, Of: c.Ref.Number, RunID: d.RunID, ReturnCode: d.ReturnCode, Check: d.Check,
		Output: []differenceJSON{}, Notes: []string{}, Files: []fileCheckJSON{}, Changed: append([]tasks.Since{}, c.Changed...), Left: map[string]string{},
		Open: append([]string{}, c.NotIsolated...), Stuck: []keptJSON{}, Kept: []keptJSON{},
	}
	if c.Output != nil {
		out.Notes = append(out.Notes, c.Output.Notes...)
		for _, one := range c.Output.Differences {
			out.Output = append(out.Output, differenceOf(one.Stream, one.Difference))
		}
		for _, f := range c.Files.Files {
			one := fileCheckJSON{FileCheck: f}
			for _, d := range f.Differences {
				one.Differences = append(one.Differences, differenceOf("", d))
			}
			out.Files = append(out.Files, one)
		}
	}
	for path, why := range c.Left {
		out.Left[strings.ToValidUTF8(path, "\uFFFD")] = why.Error()
	}
	for _, k := range c.Aside.Stuck {
		out.Stuck = append(out.Stuck, keptOf(k))
	}
	for _, k := range c.Aside.New {
		if k.Changed {
			out.Kept = append(out.Kept, keptOf(k))
		}
	}
	return out
}

func keptOf(k aside.Kept) keptJSON {
	return keptJSON{strings.ToValidUTF8(k.Path, "\uFFFD"), strings.ToValidUTF8(filepath.Clean(k.At), "\uFFFD")}
}
