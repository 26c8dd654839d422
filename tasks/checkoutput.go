package tasks

import (
	"errors"
	"fmt"
	"io"

	"qme/internal/visible"
	"qme/provenance/compare"
	"qme/record"
)

// An OutputCheck says whether a run has printed what its reference has printed.
type OutputCheck struct {
	// Verdict is record.CheckEqual, CheckDiffers or CheckUnknown.
	Verdict string
	// Masked counts the places that differ and come from the runs themselves.
	Masked map[compare.Kind]int
	// Differences are the first that were found.
	Differences []OutputDifference
	// Notes say what was not compared, and how output of different kinds was compared.
	Notes []string
}

// An OutputDifference is a place at which the output of two runs differs.
type OutputDifference struct {
	Stream string // as StreamChange.Name
	Binary bool   // the stream is not text, and only Offset counts
	compare.Difference
}

// mostAsText is the size up to which streams are compared that have to be read whole, because only one
// of them was that of a terminal, or only one had both streams.
const mostAsText = 16 << 20

// wovenSteps limits the work of comparing output of which one run had both streams in one, as weaveSteps
// does where lines are compared byte by byte.
const wovenSteps = 1 << 22

// CheckOutput compares what two runs have printed, or their jobs if both have any, apart from what comes
// from the runs themselves. What was not recorded is unknown, unless a difference is found before it.
func CheckOutput(ref, now Version, pair *compare.Pair) (*OutputCheck, error) {
	jobs := ref.Record.Data.Job != nil && now.Record.Data.Job != nil
	a, b := printedBy(ref, jobs), printedBy(now, jobs)
	c := &outputChecker{OutputCheck: OutputCheck{Verdict: record.CheckEqual, Masked: map[compare.Kind]int{}}, pair: pair, a: a, b: b}
	known := a.known && b.known
	var err error
	if known && a.merged != b.merged {
		err = c.asOne()
	} else {
		name := map[bool]string{true: "job "}[jobs]
		asText := known && a.onTerminal != b.onTerminal
		err = errors.Join(c.stream(name+"stdout", a.out, asText), c.stream(name+"stderr", a.err, asText))
	}
	if err != nil {
		return nil, err
	}
	for _, p := range []printed{a, b} {
		if p.missing != "" {
			c.unknown("the output of %s was not recorded: %s", p.v.Name(), p.missing)
		}
	}
	if note := kindsNote(a, b, jobs); note != "" {
		c.Notes = append(c.Notes, note)
	}
	if len(ref.Record.Data.Masked) > 0 || len(now.Record.Data.Masked) > 0 {
		c.Notes = append(c.Notes, "Secrets are masked in the records: their values were not compared.")
	}
	return &c.OutputCheck, nil
}

// An outputChecker is a comparison that is under way.
type outputChecker struct {
	OutputCheck
	pair *compare.Pair
	a, b printed
}

func (c *outputChecker) unknown(format string, args ...any) {
	if c.Verdict == record.CheckEqual {
		c.Verdict = record.CheckUnknown
	}
	c.Notes = append(c.Notes, fmt.Sprintf(format, args...))
}

// add adds the result for a stream. what says why the remainder is not known if it is not.
func (c *outputChecker) add(stream string, r compare.Result) {
	for kind, n := range r.Masked {
		c.Masked[kind] += n
	}
	for _, d := range r.Differences {
		c.Differences = append(c.Differences, OutputDifference{stream, r.Binary, d})
	}
	switch {
	case len(r.Differences) > 0:
		c.Verdict = record.CheckDiffers
	case r.Unknown:
		c.unknown("not all of %s was recorded", stream)
	}
}

// stream compares a stream, with asText the text of it that was visible.
func (c *outputChecker) stream(stream string, name record.StreamName, asText bool) error {
	sa, sb := describe(c.a.v, name), describe(c.b.v, name)
	switch {
	case sa.sum != "" && sa.sum == sb.sum && sa.size == sb.size:
		return nil
	case asText:
		texts, note, err := visibleTexts(source{c.a.v, name}, source{c.b.v, name})
		if err != nil {
			return err
		}
		if note != "" {
			c.unknown("%s is %s", stream, note)
			return nil
		}
		c.add(stream, c.pair.Text(texts[0], texts[1]))
		return nil
	}
	a, err := begin(c.a.v, name)
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := begin(c.b.v, name)
	if err != nil {
		return err
	}
	defer b.Close()
	r, err := c.pair.Compare(a.content, b.content)
	if err != nil {
		return err
	}
	c.add(stream, r)
	return nil
}

// A beginning is the part of a stream up to what was not recorded of it.
type beginning struct {
	content compare.Content
	io.Closer
}

func begin(v Version, name record.StreamName) (beginning, error) {
	r, err := v.Stream(name)
	if err != nil {
		return beginning{}, err
	}
	b := beginning{content: compare.Content{Reader: r}, Closer: r}
	if _, s := name.Of(v.Record); s != nil && s.Cut != nil {
		b.content = compare.Content{Reader: io.LimitReader(r, s.Cut.Offset), Cut: true}
	}
	return b, nil
}

// A source is a stream of a run.
type source struct {
	v    Version
	name record.StreamName
}

// visibleTexts returns the visible text of streams, or says why they cannot be compared as text.
func visibleTexts(of ...source) (texts []string, note string, err error) {
	for _, s := range of {
		text, whole, err := readStream(s.v, s.name, mostAsText)
		if err != nil {
			return nil, "", err
		}
		if !whole {
			return nil, "too long to be compared as text, or was not recorded whole", nil
		}
		texts = append(texts, visible.Text(text))
	}
	return texts, "", nil
}

// asOne compares two runs of which only one had both streams in one.
func (c *outputChecker) asOne() error {
	one, two := c.a, c.b
	if c.b.merged {
		one, two = c.b, c.a
	}
	if sameSum(one, two) {
		return nil
	}
	texts, note, err := visibleTexts(source{one.v, one.out}, source{two.v, two.out}, source{two.v, two.err})
	switch {
	case err != nil:
		return err
	case note != "":
		c.unknown("the output is %s", note)
		return nil
	}
	if same, _ := woven(texts[0], texts[1], texts[2]); same {
		return nil
	}
	text, out, errs := splitLines(texts[0]), splitLines(texts[1]), splitLines(texts[2])
	w := wovenLines(text, out, errs, c.like, wovenSteps)
	for m := w.way.masked; m != nil; m = m.before {
		c.add("output", compare.Result{Masked: m.places})
	}
	switch {
	case !w.decided:
		c.unknown("the lines of both streams are too much alike to be told apart in one")
	case !w.ok:
		d := compare.Difference{Ref: lineOf(text, w.lines), Now: lineOf(out, w.way.a)}
		if d.Now.End && w.lines-w.way.a < len(errs) {
			d.Now = lineOf(errs, w.lines-w.way.a)
		}
		if c.b.merged {
			d.Ref, d.Now = d.Now, d.Ref
		}
		c.add("output", compare.Result{Differences: []compare.Difference{d}})
	}
	return nil
}

// lineOf describes the beginning of a line as a place; its offset is not known.
func lineOf(lines []string, i int) compare.Place {
	if i >= len(lines) {
		return compare.Place{Line: i + 1, Column: 1, End: true}
	}
	return compare.Place{Line: i + 1, Column: 1, Text: compare.Shown(lines[i])}
}

// like compares a line of the one stream with a line of the two. Each line stands for itself, since which
// of them belong together is not known yet.
func (c *outputChecker) like(line, of string) (map[compare.Kind]int, bool) {
	if line == of {
		return nil, true
	}
	if c.b.merged {
		line, of = of, line
	}
	r := c.pair.Apart().Text(line, of)
	return r.Masked, r.Equal
}
