package cli

import (
	"bufio"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"qme/internal/safe"
	"qme/provenance/compare"
	"qme/record"
	"qme/tasks"
)

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
	text := p.t.verdictWords(check, verdictText(check))
	if masked := check.Places(); masked > 0 {
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
