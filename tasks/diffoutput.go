package tasks

import (
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"qme/internal/visible"
	"qme/record"
)

// A printed describes the output of a run: the streams of its command, or of the job that the
// command has started.
type printed struct {
	v          Version
	out, err   record.StreamName
	known      bool // whether the destinations were recorded
	merged     bool // both streams were one, out
	onTerminal [2]bool
	missing    string // why the output was not recorded
}

func printedBy(v Version, job bool) printed {
	d := v.Record.Data
	if !job {
		p := printed{v: v, out: record.Stdout, err: record.Stderr, known: d.Terminal != nil || d.Merged, merged: d.Merged}
		p.onTerminal = [2]bool{d.Terminal.Has("stdout"), d.Terminal.Has("stderr")}
		return p
	}
	p := printed{v: v, out: record.JobStdout, err: record.JobStderr, missing: d.Job.OutputError}
	if p.known = d.Job.StdoutFile != ""; p.known { // one file, and no separate error stream
		lines, s := p.err.Of(v.Record)
		p.merged = d.Job.StdoutFile == d.Job.StderrFile && len(lines) == 0 && s == nil
	}
	return p
}

// compareOutput compares the output of both runs: byte by byte if the destinations are of the
// same kind, else as far as possible.
func (c *Comparison) compareOutput(jobs bool, limit int64) error {
	a, b := printedBy(c.A, jobs), printedBy(c.B, jobs)
	c.Stdout.Name, c.Stderr.Name = "stdout", "stderr"
	if jobs {
		c.Stdout.Name, c.Stderr.Name = "job stdout", "job stderr"
	}
	known := a.known && b.known
	differentKinds := known && a.onTerminal != b.onTerminal
	var err error
	switch {
	case known && a.merged != b.merged:
		err = c.compareAsOne(a, b, limit)
	default:
		err = errors.Join(compareStream(&c.Stdout, a, b, a.out, limit, differentKinds), compareStream(&c.Stderr, a, b, a.err, limit, differentKinds))
	}
	if err != nil {
		return err
	}
	c.noteKinds(a, b, jobs)
	for _, p := range []printed{a, b} {
		if p.missing != "" {
			c.Stdout.Same = false
			c.Stdout.Note = "not recorded of " + p.v.Name() + ": " + p.missing
		}
	}
	return nil
}

// noteKinds notes how output of different kinds was compared.
func (c *Comparison) noteKinds(a, b printed, jobs bool) {
	note := kindsNote(a, b, jobs)
	if (!a.known || !b.known) && !jobs && (a.known || b.known || c.maybeKinds()) && (!c.Stdout.Same || !c.Stderr.Same) {
		note = "Whether there was a terminal was not recorded of both runs. With one, both streams are one, and there may be colours."
	}
	if note != "" {
		c.Notes = append(c.Notes, note)
	}
}

// kindsNote says how output of kinds that are known, and different, is compared; it is "" for others.
func kindsNote(a, b printed, jobs bool) string {
	switch {
	case !a.known || !b.known:
		return ""
	case a.merged != b.merged && jobs:
		return "One job had one file for both streams: the lines of both are compared as one stream, without colours."
	case a.merged != b.merged && a.onTerminal != b.onTerminal:
		return "One run had a terminal, where both streams are one: the lines of both are compared as one stream, without colours."
	case a.merged != b.merged:
		return "One run had one file or pipe for both streams: the lines of both are compared as one stream, without colours."
	case a.onTerminal != b.onTerminal:
		return "One run had a terminal: output is compared as text, without colours."
	}
	return ""
}

// maybeKinds reports whether the difference looks as if only one of the runs had a terminal.
func (c *Comparison) maybeKinds() bool {
	if (c.Stderr.From == "") != (c.Stderr.To == "") {
		return true
	}
	return visible.Text(c.Stdout.From) == visible.Text(c.Stdout.To) && visible.Text(c.Stderr.From) == visible.Text(c.Stderr.To)
}

// compareStream compares a stream byte by byte or, if asText is true, as text without control
// sequences.
func compareStream(change *StreamChange, a, b printed, name record.StreamName, limit int64, asText bool) error {
	sa, sb := describe(a.v, name), describe(b.v, name)
	if sa.sum != "" && sa.sum == sb.sum {
		change.Same = true
		return nil
	}
	from, wholeA, err := readStream(a.v, name, limit)
	if err != nil {
		return err
	}
	to, wholeB, err := readStream(b.v, name, limit)
	if err != nil {
		return err
	}
	if !wholeA || !wholeB {
		change.Note = fmt.Sprintf("%d bytes%s became %d bytes%s", sa.size, sa.shownSum(), sb.size, sb.shownSum())
		return nil
	}
	binary := !utf8.ValidString(from) || !utf8.ValidString(to)
	if asText {
		from, to = visible.Text(from), visible.Text(to)
	}
	switch {
	case from == to:
		change.Same = true
	case binary:
		change.Note = fmt.Sprintf("binary: %d bytes became %d bytes", sa.size, sb.size)
	default:
		change.From, change.To = from, to
	}
	return nil
}

// compareAsOne compares two runs of which only one had both streams in one.
func (c *Comparison) compareAsOne(a, b printed, limit int64) error {
	one, two := a, b
	if b.merged {
		one, two = b, a
	}
	c.Stderr.Same = true
	change := &c.Stdout
	change.Name = "output"
	if change.Same = sameSum(one, two); change.Same {
		return nil
	}
	var texts [3]string
	var sizes [3]int64
	for i, s := range []struct {
		v    Version
		name record.StreamName
	}{{one.v, one.out}, {two.v, two.out}, {two.v, two.err}} {
		text, whole, err := readStream(s.v, s.name, limit)
		if err != nil {
			return err
		}
		texts[i], sizes[i] = visible.Text(text), describe(s.v, s.name).size
		if !whole {
			change.Note = "too long to be compared"
		} else if change.Note == "" && !utf8.ValidString(text) {
			change.Note = "binary"
		}
	}
	same, decided := false, true
	if change.Note != "too long to be compared" {
		same, decided = woven(texts[0], texts[1], texts[2])
	}
	switch {
	case same:
		change.Same, change.Note = true, ""
	case change.Note != "":
		change.Note += fmt.Sprintf(": %d bytes in one stream, %d and %d bytes in two", sizes[0], sizes[1], sizes[2])
	case !decided:
		change.Note = "the lines of both streams are too much alike to be told apart in one"
	default:
		change.From, change.To = texts[0], follow(texts[0], texts[1], texts[2])
		if b.merged {
			change.From, change.To = change.To, change.From
		}
	}
	return nil
}

// sameSum reports whether the single stream equals the only non-empty stream of the other run,
// by hash and size alone.
func sameSum(one, two printed) bool {
	sum := describe(one.v, one.out).sum
	out, errs := describe(two.v, two.out), describe(two.v, two.err)
	return sum != "" && (sum == out.sum && errs.size == 0 || sum == errs.sum && out.size == 0)
}

type streamFacts struct {
	size int64
	sum  string // "" when unknown
}

func (f streamFacts) shownSum() string {
	if f.sum == "" {
		return ""
	}
	return " (SHA-256 " + f.sum[:min(12, len(f.sum))] + ")"
}

func describe(v Version, name record.StreamName) streamFacts {
	lines, s := name.Of(v.Record)
	if s != nil {
		return streamFacts{s.Size, s.SHA256}
	}
	var f streamFacts
	for _, l := range lines {
		f.size += int64(len(l))
	}
	return f
}

// readStream returns the content of a stream. whole is false if the stream is longer than limit
// or incomplete.
func readStream(v Version, name record.StreamName, limit int64) (text string, whole bool, err error) {
	if _, s := name.Of(v.Record); s != nil && (s.Size > limit || s.Cut != nil) {
		return "", false, nil
	}
	r, err := v.Stream(name)
	if err != nil {
		return "", false, err
	}
	b, err := io.ReadAll(io.LimitReader(r, limit+1)) // the record of an uncommitted run has no size
	if err = errors.Join(err, r.Close()); err != nil || int64(len(b)) > limit {
		return "", false, err
	}
	return string(b), true, nil
}
